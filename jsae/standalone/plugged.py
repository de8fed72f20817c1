"""What the agents of `jsae.train` see and act through: an embedding that has been learnt, or one by its name."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.embeddings import base
from jsae.experience.trajectories import Transitions
from jsae.library.embedding import kinds, new_model
from jsae.library.spaces import States, check_same
from jsae.standalone.vectorised import Vectorised

__all__ = ["Fitted", "Plugged", "Standardized", "embedding_of"]


@runtime_checkable
class Fitted(Protocol):
    """What `train` needs of an embedding that has been learnt before, as `jsae.fit` gives it.

    | name | what |
    |---|---|
    | kind | its name in the table of curves |
    | observation_space, action_space | of the environment that it was learnt for |
    | state_size, action_size | m and d |
    | embeds_states, embeds_actions | whether it has φ; whether it has f |
    | represent(observations [B, ...]) | points x = φ(s), [B, m] |
    | to_action(points [B, d]) | actions f(e) of the action space, [B, ...] |
    """

    kind: str
    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.Space[Any]
    state_size: int
    action_size: int

    @property
    def embeds_states(self) -> bool: ...
    @property
    def embeds_actions(self) -> bool: ...
    def represent(self, observation: ArrayLike) -> Any: ...
    def to_action(self, point: ArrayLike) -> Any: ...


def embedding_of(
    embedding: str | Fitted | None, worlds: Vectorised, seeds: Sequence[int], state_size: int, action_size: int
) -> base.Embedding:
    """What the agents see and act through: the one place that knows the kinds of embeddings that `train` takes.

    Raises JsaeError if there is no such embedding, or if it does not fit the environment.
    """
    if embedding is None or isinstance(embedding, str):
        made = new_model(
            embedding or "none",
            worlds.states,
            worlds.actions,
            seeds,
            state_size,
            action_size,
            argument="embedding",
            usable=["none", *kinds()],
        )
        return made if worlds.discrete_observations or not made.parameters else Standardized(made)
    if not isinstance(embedding, Fitted):
        raise JsaeError(f"embedding = {embedding!r}: give None, a name as 'jsae', or what jsae.fit gives")
    return Plugged(embedding, worlds)


class Plugged(base.Embedding):
    """An embedding that was learnt before, by its public methods; all runs share it, and it stays as it is."""

    label = "learnt before"
    color = "#0072B2"
    order = 0
    role = "paper"
    compared_with = searched_as = ""
    learnt = False

    def __init__(self, fitted: Fitted, worlds: Vectorised) -> None:
        check_same((fitted.observation_space, fitted.action_space), (worlds.states.space, worlds.actions.space))
        self._fitted, self._worlds = fitted, worlds
        self._embeds_states, self._embeds_actions = fitted.embeds_states, fitted.embeds_actions
        self.discrete_inputs = worlds.discrete_observations and not self._embeds_states
        self.input_size = fitted.state_size if self._embeds_states else worlds.observation_size
        self.latent_size = fitted.action_size if self._embeds_actions else 0
        self.parameters: dict[str, Tensor] = {}

    def represent(self, observation: Tensor) -> Tensor:
        """x = φ(s), `[P, B, m]`, or the observation itself."""
        if not self._embeds_states:
            return observation
        x = self._fitted.represent(self._worlds.states.decode(observation.flatten(0, 1).numpy()))
        return torch.from_numpy(np.asarray(x, np.float32)).view(*observation.shape[:2], -1)

    def to_action(self, latent: Tensor) -> Tensor:
        """a = f(e): ids `[P, B]` or vectors `[P, B, action_size]`."""
        if not self._embeds_actions:
            return latent
        actions = self._worlds.actions.encode(self._fitted.to_action(latent.flatten(0, 1).numpy()), "action")
        return torch.from_numpy(actions).view(*latent.shape[:2], *actions.shape[1:])

    def loss(self, batch: Transitions) -> Tensor:
        """Zero for each run, `[P]`: it learns no more."""
        return torch.zeros(len(batch.observation))

    def refresh(self) -> None:
        """Nothing changes."""


class Standardized(base.Embedding):
    """An embedding that learns from vectors less their mean, divided by their standard deviation, as `jsae.fit` does.

    Where it leaves states raw, the agent sees them as they are.

    Args:
        inner: of jsae/embeddings.
    """

    label = "standardized"
    color = "#0072B2"
    order = 0
    role = "paper"
    compared_with = searched_as = ""
    learnt = True

    def __init__(self, inner: base.Embedding) -> None:
        self._inner, self._mean, self._deviation = inner, torch.tensor(0.0), torch.tensor(1.0)
        self.input_size, self.discrete_inputs = inner.input_size, inner.discrete_inputs
        self.latent_size, self.parameters = inner.latent_size, inner.parameters

    def measure(self, states: States, observations: Tensor) -> None:
        """Take mean and deviation of each run's observations `[P, B, n]`, which are vectors of `states`."""
        found = [states.standardized(rows) for rows in observations.numpy()]
        self._mean, self._deviation = (
            torch.from_numpy(np.stack(column))[:, None]
            for column in zip(*((one.mean, one.deviation) for one in found), strict=True)
        )

    def _standard(self, vectors: Tensor) -> Tensor:
        return ((vectors - self._mean) / self._deviation).float()

    def represent(self, observation: Tensor) -> Tensor:
        """x = φ(s), `[P, B, m]`, or the observation itself."""
        standard = self._standard(observation)
        x = self._inner.represent(standard)
        return observation if x is standard else x

    def to_action(self, latent: Tensor) -> Tensor:
        """As the inner embedding does."""
        return self._inner.to_action(latent)

    def loss(self, batch: Transitions) -> Tensor:
        """Of the inner embedding on standardized states, `[P]`."""
        vectors = (self._standard(field) for field in (batch.observation, batch.next_observation, batch.target))
        state, following, target = vectors
        return self._inner.loss(Transitions(state, batch.action, following, target))

    def refresh(self) -> None:
        """As the inner embedding does."""
        self._inner.refresh()
