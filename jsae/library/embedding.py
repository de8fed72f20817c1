"""An embedding of the states and actions of one environment, ready for use."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from jsae.config import messages, registry
from jsae.config.errors import JsaeError
from jsae.embeddings import base, jsae
from jsae.experience.environment import Environment
from jsae.experience.trajectories import Transitions
from jsae.io import checkpoint
from jsae.library import compiling
from jsae.library.factored import FactoredTransition
from jsae.library.logs import COLUMNS, Log
from jsae.library.spaces import (
    Actions,
    Array,
    Space,
    States,
    batched,
    check_finite,
    check_same,
    described,
    restored,
)

__all__ = ["FORMAT", "Sizes", "StateActionEmbedding", "encoded", "kinds", "load", "loss_table", "new_model"]

FORMAT = "1"
"""Of the files of `save`: another number cannot be read."""


@dataclass(frozen=True)
class Sizes:
    """What an embedding is made from: those attributes of an environment that jsae.embeddings read.

    | field | what |
    |---|---|
    | observation_size, discrete_observations | rows of the table that ids of observations index, or width of a vector |
    | n_actions | number of discrete actions; None where actions are vectors |
    | action_size | width of such a vector, else 0 |
    | n_targets | outputs of the transition model T |
    | device | where parameters are |
    """

    observation_size: int
    discrete_observations: bool
    n_actions: int | None
    action_size: int
    n_targets: int
    device: torch.device


def new_model(
    kind: str,
    states: States,
    actions: Actions,
    seeds: Sequence[int],
    state_size: int,
    action_size: int,
    *,
    argument: str = "kind",
    usable: Sequence[str] = (),
) -> base.Embedding:
    """A new embedding of jsae/embeddings/`kind`.py, one for each seed.

    States of several components get a softmax for each (see jsae.library.factored).

    Args:
        kind: what `fit` takes.
        states, actions: how the environment's spaces are read.
        seeds: of the first parameters, one a run.
        state_size, action_size: m and d.
        argument: what an error calls `kind`.
        usable: the kinds that may be given; empty: `kinds()`.

    Raises JsaeError, which calls the kind `argument`, if it is none of `usable` or of `kinds()`, or not for these
    actions.
    """
    known = list(usable) or kinds()
    if kind not in registry.names("embeddings"):
        raise JsaeError(messages.unknown(argument, kind, known))
    if kind not in known:
        raise JsaeError(f"{argument} = {kind!r} cannot be learnt from transitions alone; use {', '.join(known)}")
    if actions.count is None and registry.load("embeddings", kind).searched_as == "ra":
        raise JsaeError(
            f"{argument} = {kind!r} needs discrete actions and the action space is {actions.space}; "
            f"use {argument}='jsae'"
        )
    sizes = Sizes(
        observation_size=states.size,
        discrete_observations=states.components is not None,
        n_actions=actions.count,
        action_size=actions.size,
        n_targets=states.size,
        device=torch.device("cpu"),
    )
    made = base.embed(kind, cast(Environment, sizes), seeds, state_size, action_size)
    several = states.components is not None and len(states.components.sizes) > 1
    if states.components and several and isinstance(made, jsae.Embedding) and made.has_transition_model:
        made.transition = FactoredTransition(made.transition, states.components.sizes)
    return made


def kinds() -> list[str]:
    """The names that `fit` takes as `kind`: the paper's and its ablations."""
    loaded = {name: registry.load("embeddings", name) for name in registry.names("embeddings")}
    return [name for name, known in loaded.items() if known.learnt and known.role in ("paper", "ablation")]


def encoded(log: Log, states: States, actions: Actions) -> Transitions:
    """A log as an embedding of one run learns from it, `[1, B, ...]`.

    Args:
        log: B transitions as the environment has them.
        states, actions: how its spaces are read.

    Raises JsaeError for what no space holds.
    """
    state, following = (
        states.encode(column, name) for column, name in ((log.state, "state"), (log.next_state, "next_state"))
    )
    columns = (state, actions.encode(log.action, "action"), following, states.target(following))
    return Transitions(*(torch.from_numpy(np.ascontiguousarray(column))[None] for column in columns))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StateActionEmbedding:
    """φ, g and f of one environment: what `jsae.fit` learns and `jsae.load` reads.

    | field | what |
    |---|---|
    | kind | the method: a file of jsae/embeddings, as jsae, ra, state_only, action_only, separate |
    | observation_space, action_space | of the environment that it was learnt for |
    | state_size, action_size | m and d, dimensions of x = φ(s) and of e = g(a) |
    | seed | of its first parameters and of the order of minibatches |
    | held_out_loss | of the parameters that were kept, on transitions that were not learnt from |
    | chance_loss | of an embedding that knows nothing, nats; NaN where that is not simply known |
    | unit | of the losses: "nats", or "squared error" where observations are vectors |
    | losses | a row an epoch: epoch, training_loss, held_out_loss |
    | model | the embedding of jsae/embeddings, of P = 1 run: its parameters are tensors `[1, ...]` |

    The methods take one observation, action or point, or a batch of them with one axis more in front, and answer in
    kind. They raise JsaeError, which names the argument, for a batch of none, and for shapes and values that do not
    belong to the spaces.

        embedding = jsae.fit("CartPole-v1")
        embedding.represent([0.0, 0.1, 0.0, -0.1])      # x, [8] float32
        embedding.to_action(embedding.embed_action(1))  # 1

    Source: section 4.3.1 and Figure 1 of the paper.
    """

    kind: str
    observation_space: Space
    action_space: Space
    state_size: int
    action_size: int
    seed: int
    held_out_loss: float
    chance_loss: float
    unit: str
    losses: pl.DataFrame
    model: base.Embedding
    _states: States
    _actions: Actions

    def __repr__(self) -> str:
        chance = "" if math.isnan(self.chance_loss) else f", chance {self.chance_loss:.3g}"
        return (
            f"StateActionEmbedding(kind={self.kind!r}, {_short(self.observation_space)} to {_short(self.state_space)}, "
            f"{_short(self.action_space)} to {_short(self.latent_space)}, "
            f"held-out loss {self.held_out_loss:.3g} {self.unit}{chance})"
        )

    @cached_property
    def embeds_states(self) -> bool:
        """Whether `represent` gives points; else it gives the observation back (ra, action_only)."""
        probe = torch.zeros(1, 1, self._states.size if self._states.components is None else 1)
        probe = probe.long() if self._states.components else probe
        return self.model.represent(probe) is not probe

    @property
    def embeds_actions(self) -> bool:
        """Whether a policy acts by points of E; else it chooses the environment's own actions (state_only)."""
        return self.model.latent_size > 0

    @cached_property
    def state_space(self) -> Space:
        """Space of what `represent` gives: Box(−1, 1, [m]), or the environment's own where states stay raw."""
        return spaces.Box(-1.0, 1.0, (self.state_size,), np.float32) if self.embeds_states else self.observation_space

    @cached_property
    def latent_space(self) -> Space:
        """Space of what a policy acts by: Box(−1, 1, [d]), or the environment's own actions where they stay raw."""
        return spaces.Box(-1.0, 1.0, (self.action_size,), np.float32) if self.embeds_actions else self.action_space

    @torch.no_grad()
    def represent(self, observation: ArrayLike) -> Array:
        """x = φ(s): `[m]` float32 in [−1, 1] of one observation, `[B, m]` of a batch.

        Where states stay raw (ra, action_only): the observation itself. Raises JsaeError if it is of another shape,
        outside the space, or not finite.
        """
        batch, many = batched(observation, self.observation_space, "observation")
        codes = torch.from_numpy(self._states.encode(batch, "observation"))[None]
        x = self.model.represent(codes)
        found = batch if x is codes else x[0].numpy()
        return found if many else found[0]

    @torch.no_grad()
    def to_action(self, point: ArrayLike) -> Any:
        """f(e): the environment's action at a point `[d]`, or actions `[B, ...]` at points `[B, d]`.

        The action whose embedding is nearest; where actions are vectors, what the network f gives (Eq. 6). Raises
        JsaeError if the point has another shape or is not finite, or if the kind leaves actions raw (state_only).
        """
        if not self.embeds_actions:
            raise JsaeError(f"the kind {self.kind} leaves actions raw: give them to the environment as they are")
        points, many = batched(point, self.latent_space, "point")
        check_finite(points, "point")
        actions = self._actions.decode(
            self.model.to_action(torch.from_numpy(points.astype(np.float32))[None])[0].numpy()
        )
        return actions if many else actions[0]

    @torch.no_grad()
    def embed_action(self, action: ArrayLike) -> NDArray[np.float32]:
        """e = g(a): the point `[d]` float32 of one action, `[B, d]` of a batch. Raises JsaeError outside the space."""
        batch, many = batched(action, self.action_space, "action")
        codes = torch.from_numpy(self._actions.encode(batch, "action"))[None]
        if isinstance(self.model, jsae.Embedding):
            e = self.model.embed_action(codes)[0]
        else:
            table = self.model.action_table()
            assert table is not None  # kinds with raw actions only are not learnt
            e = table[0, codes[0]]
        return e.numpy() if many else e[0].numpy()

    @property
    def action_vectors(self) -> NDArray[np.float32]:
        """g of every action, `[actions, d]`: row i is that of the i-th action, combinations in order of the first
        component, then of the second, and so on. Raises JsaeError where actions are vectors themselves."""
        return self.embed_action(self.all_actions)

    @property
    def all_actions(self) -> Array:
        """Every action of a discrete space, `[actions, ...]`. Raises JsaeError where actions are vectors."""
        if self._actions.count is None:
            raise JsaeError(
                f"the action space {self.action_space} is continuous: give embed_action the actions you mean"
            )
        return self._actions.decode(np.arange(self._actions.count))

    @property
    def state_vectors(self) -> NDArray[np.float32]:
        """φ of every observation of a Discrete space, `[states, m]`. Raises JsaeError for others and for raw states."""
        if not isinstance(self.observation_space, spaces.Discrete) or not self.embeds_states:
            raise JsaeError(
                f"states are not listed: kind {self.kind}, observation space {self.observation_space}; "
                "give `represent` the observations that you mean"
            )
        return self.represent(np.arange(self.observation_space.n) + self.observation_space.start)

    def check_spaces(self, observation_space: Space, action_space: Space) -> None:
        """Raise JsaeError unless an environment with these spaces can use the embedding."""
        check_same((self.observation_space, self.action_space), (observation_space, action_space))

    def loss(self, state: ArrayLike, action: ArrayLike, next_state: ArrayLike) -> float:
        """Mean loss over transitions `[B, ...]` each, in `unit`: Eq. (5), or the kind's own. Raises JsaeError."""
        with torch.no_grad():
            return float(self.model.loss(self.transitions(state, action, next_state))[0])

    def transitions(self, state: ArrayLike, action: ArrayLike, next_state: ArrayLike) -> Transitions:
        """B transitions of the environment `[B, ...]` as jsae.embeddings learn from them, `[1, B, ...]`.

        Raises JsaeError, which names the argument, for what does not belong to the spaces.
        """
        columns = (state, action, next_state)
        owned = (self.observation_space, self.action_space, self.observation_space)
        batches = []
        for name, values, space in zip(COLUMNS, columns, owned, strict=True):
            batch, many = batched(values, space, name)
            if not many:
                raise JsaeError(f"{name}: give a batch, with one axis more in front")
            batches.append(batch)
        if len({len(batch) for batch in batches}) > 1:
            raise JsaeError(
                f"{', '.join(COLUMNS)} have {', '.join(str(len(b)) for b in batches)} rows; give as many of each"
            )
        return encoded(Log(*batches), self._states, self._actions)

    def save(self, path: str | Path) -> None:
        """Write the embedding to one file (safetensors), whole or not at all; `jsae.load` reads it.

        Raises JsaeError if the disk is full or the file may not be written.
        """
        tensors = {f"parameters.{name}": parameter for name, parameter in self.model.parameters.items()}
        tensors |= {
            "mean": torch.from_numpy(self._states.mean),
            "deviation": torch.from_numpy(self._states.deviation),
            "losses": torch.from_numpy(self.losses.select("training_loss", "held_out_loss").to_numpy().copy()),
        }
        facts = {
            "kind": self.kind,
            "observation_space": described(self.observation_space),
            "action_space": described(self.action_space),
            "state_size": self.state_size,
            "action_size": self.action_size,
            "seed": self.seed,
            "held_out_loss": self.held_out_loss.hex(),
            "chance_loss": self.chance_loss.hex(),
            "unit": self.unit,
        }
        checkpoint.save(Path(path), tensors, {"format": FORMAT, "embedding": json.dumps(facts, default=int)})


def _short(space: Space) -> str:
    return f"Box{list(space.shape)}" if isinstance(space, spaces.Box) else str(space)


def load(path: str | Path) -> StateActionEmbedding:
    """Read an embedding that `StateActionEmbedding.save` wrote.

        embedding = jsae.load("x.safetensors")

    Args:
        path: the file.

    Returns: the embedding, with the same numbers to the bit.

    Raises JsaeError if the file is missing, damaged in a single bit, of another kind or of another version.
    """
    place = Path(path)
    if not place.exists():
        raise JsaeError(f"path: there is no file {place}")
    compiling.prepare()
    try:
        tensors, metadata = checkpoint.load(place)
    except JsaeError as error:
        raise JsaeError(
            f"path: {place} is damaged, or no file of StateActionEmbedding.save; fit the embedding again and save it"
        ) from error
    if "embedding" not in metadata:
        raise JsaeError(f"path: {place} holds no embedding; give a file of StateActionEmbedding.save")
    if metadata.get("format") != FORMAT:
        raise JsaeError(f"path: {place} has format {metadata.get('format')}, this version reads {FORMAT}; fit it again")
    facts = json.loads(metadata["embedding"])
    for name in ("observation_space", "action_space"):
        facts[name] = restored(facts[name])
    for name in ("held_out_loss", "chance_loss"):
        facts[name] = float.fromhex(facts[name])
    plain = States.of(facts["observation_space"])
    states = States(plain.space, plain.components, tensors["mean"].numpy(), tensors["deviation"].numpy())
    actions = Actions.of(facts["action_space"])
    made = new_model(facts["kind"], states, actions, [facts["seed"]], facts["state_size"], facts["action_size"])
    base.restore(made, checkpoint.under("parameters", tensors))
    return StateActionEmbedding(
        **facts, losses=loss_table(*tensors["losses"].T.numpy()), _states=states, _actions=actions, model=made
    )


def loss_table(training_loss: Array, held_out_loss: Array) -> pl.DataFrame:
    """Losses as a table with a row an epoch, from 1.

    Args:
        training_loss, held_out_loss: `[epochs]`, in the embedding's unit.
    """
    return pl.DataFrame(
        {
            "epoch": np.arange(1, len(training_loss) + 1),
            "training_loss": np.asarray(training_loss, dtype=np.float64),
            "held_out_loss": np.asarray(held_out_loss, dtype=np.float64),
        }
    )
