"""From transitions to an embedding: the pre-training of the study, for any environment."""

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from tqdm import tqdm

from jsae.config.errors import JsaeError
from jsae.embeddings import jsae
from jsae.embeddings.base import Embedding
from jsae.embeddings.learner import Learner
from jsae.experience.trajectories import Transitions
from jsae.library import compiling, logs
from jsae.library.embedding import StateActionEmbedding, encoded, loss_table, new_model
from jsae.library.limits import check_numbers
from jsae.library.logs import Log
from jsae.library.spaces import Actions, Space, States
from jsae.library.threads import one_thread
from jsae.nn.randomness import Streams
from jsae.training.pretraining import evaluate, pretrain

__all__ = ["chance_loss", "check_count", "fit", "made", "unit_of_loss", "warn_of_unseen"]


def fit(
    source: str | Path | gymnasium.Env[Any, Any] | Mapping[str, Any] | tuple[Any, Any, Any] | Any,
    *,
    samples: int = 30_000,
    state_size: int = 8,
    action_size: int = 2,
    seed: int = 0,
    kind: str = "jsae",
    observation_space: Space | None = None,
    action_space: Space | None = None,
    standardize: bool = True,
    epochs: int = 100,
    batch_size: int = 512,
    learning_rate: float = 0.01,
    weight_decay: float = 1e-4,
    validation_share: float = 0.1,
    window: int = 2500,
    minimum_improvement: float = 0.005,
    progress: bool | None = None,
) -> StateActionEmbedding:
    """Learn an embedding of an environment's states and actions, from transitions of the random policy or a log.

        embedding = jsae.fit("CartPole-v1", samples=30_000, state_size=8, action_size=2, seed=0)
        embedding = jsae.fit({"state": s, "action": a, "next_state": t})   # arrays, a row for each transition
        embedding = jsae.fit("log.parquet")                                # with these columns

    Learning is that of the study: Adam on Eq. (5) in shuffled minibatches, until the held-out loss has levelled off;
    the parameters of the best epoch are kept. The last `validation_share` of the transitions is held out. With the
    same transitions, seed, sizes and `standardize=False` the result is the study's, to the bit. It takes one thread.

    Args:
        source: a Gymnasium id, an environment, a Parquet file (its name ends in .parquet, or it is a Path), or
            transitions: a mapping or table with state, action and next_state, or the three arrays. An environment is
            stepped and reset, and not closed. next_state is the observation before any reset.
        samples: transitions of the uniform random policy to collect (A.4.2); a log is used whole.
        state_size: m, dimensions of x = φ(s) (the study's gridworlds: 8; slot machine, recommender: 16).
        action_size: d, dimensions of e = g(a) (the study's gridworlds: 2; slot machine: 4, recommender: 8).
        seed: of first parameters, minibatches and random policy.
        kind: jsae (the paper), ra (Chandak et al. 2019), or an ablation: separate, state_only, action_only.
        observation_space, action_space: of a log; left out: the smallest that hold it. Integers are ids from 0, floats
            are sizes; whole numbers as floats in a column of one number a row are an error that asks which they are.
        standardize: learn from Box observations less their mean, divided by their standard deviation. The study does
            not, since its observations are of about unit size.
        epochs: passes over the transitions at most (the study's, at paper scale).
        batch_size: transitions of a step (not stated: the public re-implementation's largest).
        learning_rate: Adam's (A.4.2).
        weight_decay: Adam's (public re-implementation).
        validation_share: of transitions that are held out (not stated: chosen).
        window: gradient steps over which the held-out loss must fall for learning to go on (not stated: chosen).
        minimum_improvement: by how much, relative to the best loss before (not stated: chosen).
        progress: show bars on stderr; None: if it is a terminal.

    Returns: the embedding, with its `held_out_loss`, `chance_loss` and `losses`.

    Warns if an action never occurs in the transitions: it keeps the embedding that it started with.

    Raises JsaeError, which names the argument: for spaces that cannot be embedded, fewer transitions than actions,
    NaN or infinities, values outside a space, wrong shapes, a number outside its limits, a loss that diverges.
    """
    check_numbers(samples=samples, state_size=state_size, action_size=action_size, seed=seed)
    check_numbers(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, weight_decay=weight_decay)
    check_numbers(validation_share=validation_share, window=window, minimum_improvement=minimum_improvement)
    compiling.prepare()
    env, log = _opened(source)
    try:
        space, moves = _spaces(env, log, observation_space, action_space)
        states, actions = States.of(space), Actions.of(moves)
        check_count(len(log.state) if log else samples, actions, validation_share, "source" if log else "samples")
        made = new_model(kind, states, actions, [seed], state_size, action_size)  # a wrong kind: before the work
        if log is None:
            assert env is not None
            log = logs.random_log(env, samples, seed, progress=progress)
    finally:
        if env is not None and env is not source:
            env.close()
    _check_shapes(log, space, moves)
    if standardize:
        encoded(log, states, actions)  # finds what is not finite
        states = states.standardized(log.state)
    data = encoded(log, states, actions)
    if actions.count:
        warn_of_unseen(data.action[0].numpy(), actions)
    learner = Learner(made, Streams([seed], "pre-training"), learning_rate=learning_rate, weight_decay=weight_decay)
    shown = tqdm(total=epochs, desc=f"{kind} embedding", unit="epoch", leave=False, disable=logs.hidden(progress))
    with one_thread(), shown as bar:

        def advance(count: int) -> None:
            bar.update(count)

        try:
            training_loss, held_out_loss = pretrain(
                made,
                data,
                learner,
                epochs=epochs,
                batch_size=batch_size,
                validation_share=validation_share,
                window=window,
                minimum_improvement=minimum_improvement,
                progress=advance,
            )
        except JsaeError as error:
            raise JsaeError(f"learning_rate = {learning_rate} is too large, lower it: {error}") from None
        held_out = Transitions(*(field[:, -round(validation_share * field.shape[1]) :] for field in data))
        held_out_loss_kept = float(evaluate(made, held_out, batch_size)[0])
    return StateActionEmbedding(
        kind=kind,
        observation_space=space,
        action_space=moves,
        state_size=state_size,
        action_size=action_size,
        seed=seed,
        held_out_loss=held_out_loss_kept,
        chance_loss=chance_loss(made, states, actions),
        unit=unit_of_loss(made, states, actions),
        losses=loss_table(training_loss[0].numpy(), held_out_loss[0].numpy()),
        _states=states,
        _actions=actions,
        model=made,
    )


def made(name: str, argument: str, otherwise: str, **options: Any) -> gymnasium.Env[Any, Any]:
    """The environment of a Gymnasium id, which may name its module: `module:Name-v0`.

    Args:
        name: the id.
        argument: what an error calls it.
        otherwise: what an error says can be given instead.
        options: of `gymnasium.make`.

    Raises JsaeError if there is none of this name, or if its module or a package that it needs is missing.
    """
    try:
        return gymnasium.make(name, **options)
    except (gymnasium.error.Error, ImportError, ValueError) as error:  # ValueError: of an id with two colons
        raise JsaeError(
            f"{argument} = {name!r}: Gymnasium cannot make it ({error}); give another id, {otherwise}"
        ) from error


def _opened(source: Any) -> tuple[gymnasium.Env[Any, Any] | None, Log | None]:
    """The environment or the log that a source is. Raises JsaeError."""
    match source:
        case gymnasium.Env():
            return source, None
        case VectorEnv():
            raise JsaeError("source is a vector environment; give its Gymnasium id, or one single environment")
        case Path():
            return None, logs.read_parquet(source)
        case str() if source.endswith(".parquet"):
            return None, logs.read_parquet(Path(source))
        case str():
            return made(source, "source", "an environment, or a file whose name ends in .parquet"), None
    return None, logs.from_arrays(source)


def _spaces(
    env: gymnasium.Env[Any, Any] | None, log: Log | None, observation_space: Space | None, action_space: Space | None
) -> tuple[Space, Space]:
    if env is not None:
        for name, given in (("observation_space", observation_space), ("action_space", action_space)):
            if given is not None:
                raise JsaeError(f"{name} is for logs: an environment has its own; leave it out")
        return env.observation_space, env.action_space
    assert log is not None
    return observation_space or logs.observation_space(log), action_space or logs.action_space(log)


def check_count(count: int, actions: Actions, validation_share: float, name: str) -> None:
    """Raise JsaeError if there are too few transitions to learn from.

    Args:
        count: transitions.
        actions: how actions are read.
        validation_share: of the transitions that is held out.
        name: what the error calls them.
    """
    held_out = round(validation_share * count)
    if not 1 <= held_out < count:
        raise JsaeError(
            f"{name}: {count} transitions leave {held_out} to hold out with validation_share = {validation_share}; "
            f"give at least {math.ceil(1 / validation_share)}"
        )
    if actions.count and count < actions.count:
        raise JsaeError(
            f"{name}: {count:,} transitions are fewer than the {actions.count:,} actions, so that most actions would "
            f"not be learnt; give at least {actions.count:,}, better {10 * actions.count:,}"
        )


def _check_shapes(log: Log, observation_space: Space, action_space: Space) -> None:
    for name, space, column in (
        ("state", observation_space, log.state),
        ("next_state", observation_space, log.next_state),
        ("action", action_space, log.action),
    ):
        if column.shape[1:] != tuple(space.shape or ()):
            raise JsaeError(
                f"{name}: a row has shape {list(column.shape[1:])}, and {space} has {list(space.shape or ())}; "
                "give rows of the space's shape"
            )


def warn_of_unseen(ids: np.ndarray, actions: Actions) -> None:
    """Warn if an action never occurs.

    Args:
        ids: of the actions that do, `[B]`.
        actions: how actions are read.
    """
    assert actions.count is not None
    unseen = np.flatnonzero(np.bincount(ids, minlength=actions.count) == 0)
    if len(unseen):
        shown = ", ".join(str(action.tolist()) for action in actions.decode(unseen[:5]))
        more = f" and {len(unseen) - 5:,} more" if len(unseen) > 5 else ""
        warnings.warn(
            f"{len(unseen):,} of {actions.count:,} actions never occur in the transitions ({shown}{more}): their "
            "embeddings stay where they started, at random, and a policy can still choose them. Give more samples, or "
            "a smaller action space",
            UserWarning,
            stacklevel=3,
        )


def chance_loss(model: Embedding, states: States, actions: Actions) -> float:
    """The loss of an embedding that knows nothing, nats; NaN where it is not the logarithm of a number of classes.

    Args:
        model: the embedding.
        states, actions: how spaces are read.
    """
    if isinstance(model, jsae.Embedding) and model.has_transition_model and states.components and actions.count:
        return sum(math.log(size) for size in states.components.sizes)
    return model.chance_loss()


def unit_of_loss(model: Embedding, states: States, actions: Actions) -> str:
    """What a loss is measured in: nats, squared error, or the sum of both where one part is each.

    Args:
        model: the embedding.
        states, actions: how spaces are read.
    """
    if not isinstance(model, jsae.Embedding):
        return "nats"
    discrete = [states.components is not None]
    if actions.count is None or not model.has_transition_model:  # the loss of f, or of the decoder of actions
        discrete.append(actions.count is not None)
    return " + ".join(unit for unit, kind in (("nats", True), ("squared error", False)) if kind in discrete)
