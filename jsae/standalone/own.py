"""`jsae.train`: the agents and embeddings of the study on your own Gymnasium environment.

The agents are those of jsae/agents, their defaults those of the study (params.yaml). The copies of an environment of
Gymnasium are stepped one after the other. A step costs what the environment takes, and about 6 µs; the built-in slot
machine takes 0.5 µs in all. Through Gymnasium, where its step takes 33 µs, a whole training gives the same numbers in
1.5 times the time without an embedding, and in 2.5 times with JSAE (VPG, five seeds, one core).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import gymnasium
import polars as pl
import torch
from annotated_types import Ge, Gt, Le, Lt
from gymnasium.wrappers import TimeLimit
from pydantic import ConfigDict, create_model
from torch import Tensor
from tqdm import tqdm

from jsae.agents.on_policy import OnPolicyAgent
from jsae.config import doc, messages, registry
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.embeddings import base
from jsae.embeddings.learner import Learner
from jsae.experience.rollout import collect
from jsae.experience.trajectories import Experience, Trajectories, Transitions, transitions
from jsae.library import compiling
from jsae.library.fitting import check_count, made, warn_of_unseen
from jsae.library.limits import check_numbers, checked_list
from jsae.library.threads import one_thread
from jsae.nn.randomness import Streams
from jsae.standalone.curves import curves
from jsae.standalone.plugged import Fitted, Standardized, embedding_of
from jsae.standalone.vectorised import Make, Vectorised
from jsae.training.pretraining import pretrain
from jsae.training.trainer import Continual, Settings, Trainer

__all__ = [
    "AGENTS",
    "COMMON",
    "CONTINUAL",
    "LEARNING",
    "LIMITS",
    "STEPS",
    "OwnTrainer",
    "agent_parameters",
    "maker",
    "random_transitions",
    "time_limit",
    "train",
]

LIMITS: dict[str, Any] = {
    "discount": Annotated[float, Ge(0), Lt(1)],
    "initial_standard_deviation": Annotated[float, Gt(0), Le(100)],
    "actor_learning_rate": Annotated[float, Gt(0), Le(1)],
    "critic_learning_rate": Annotated[float, Gt(0), Le(1)],
}
"""What every agent has besides the parameters of its class (agents.common of params.yaml)."""
COMMON: dict[str, Any] = {
    "discount": 0.99,
    "initial_standard_deviation": 0.6,
    "actor_learning_rate": 0.001,
    "critic_learning_rate": 0.001,
}
AGENTS: dict[str, dict[str, Any]] = {
    "vpg": {"gae_lambda": 0.97, "train_pi_iters": 1, "train_v_iters": 80, "target_kl": 0.015},
    "ppo": {"clip": 0.2, "gae_lambda": 0.97, "train_pi_iters": 80, "train_v_iters": 80, "target_kl": 0.015},
    "sac": {
        "entropy_weight": 0.1,
        "act_limit": 1.1,
        "polyak": 0.995,
        "replay_capacity": 1_000_000,
        "update_steps": 50,
        "batch_size": 256,
        "start_steps": 1_000,
        "update_after": 1_000,
    },
}
LEARNING: dict[str, Any] = {
    "learning_rate": 0.01,
    "weight_decay": 0.0001,
    "batch_size": 512,
    "validation_share": 0.1,
    "window": 2500,
    "minimum_improvement": 0.005,
}
CONTINUAL: dict[str, Any] = {"epochs": 1, "batch_size": 250, "weight_decay": 0.0001}
"""The numbers of params.yaml, so that it is not needed."""
STEPS = 1500
"""Environment steps an epoch, about, where the caller does not say."""


def train(
    environment: str | gymnasium.Env[Any, Any] | Callable[[], gymnasium.Env[Any, Any]],
    agent: str = "vpg",
    embedding: str | Fitted | None = None,
    *,
    seeds: Iterable[int] = range(5),
    epochs: int = 100,
    steps_per_epoch: int | None = None,
    episode_length: int | None = None,
    state_size: int = 8,
    action_size: int = 2,
    samples: int = 30_000,
    pretraining_epochs: int = 100,
    continual: bool = False,
    hidden_sizes: Sequence[int] = (64, 64),
    reward_scale: float = 1.0,
    progress: bool | None = None,
    **parameters: Any,
) -> pl.DataFrame:
    """Train an agent on a Gymnasium environment, once for each seed, and return the learning curves.

        curves = jsae.train("CartPole-v1", seeds=range(3), epochs=50)
        curves = jsae.train(lambda: MyEnv(size=9), embedding="jsae", episode_length=100, train_pi_iters=4)

    Args:
        environment: an id; a function that makes a new environment each time; or an environment that `gymnasium.make`
            has made, which is made again. Observations: Box, Discrete, MultiDiscrete, MultiBinary. Actions: Discrete,
            MultiDiscrete, MultiBinary (an id for each combination), bounded Box. Embeddings learn from standardized
            Box observations, as in `jsae.fit`; an agent without φ sees them as they are: wrap the environment in a
            `gymnasium.wrappers.NormalizeObservation` where numbers are large.
        agent: vpg, ppo or sac.
        embedding: None or "none": the agent sees observations and chooses actions as they are. A name, as "jsae", "ra"
            or an ablation: each seed pre-trains its own on `samples` of the random policy, as `jsae.fit` does. What
            `jsae.fit` gives: all seeds use it as it is.
        seeds: one a run; the same seed gives the same run, whatever the others are.
        epochs: of the training.
        steps_per_epoch: environment steps an epoch, a multiple of episode_length; None: about 1,500.
        episode_length: steps after which an episode is cut; the value of its last state then counts for the rest. None:
            that of the environment's time limit.
        state_size, action_size: m and d, dimensions of the embeddings of states and actions.
        samples: transitions to pre-train on, for each seed.
        pretraining_epochs: passes over them at most.
        continual: the embedding goes on learning from each epoch's transitions.
        hidden_sizes: hidden units of each layer of actor and critic.
        reward_scale: rewards are multiplied by it for learning; returns are reported as they are.
        progress: show a bar on stderr; None: where that is a terminal.
        parameters: others of the agent, as gae_lambda, train_pi_iters or actor_learning_rate; `make params` explains
            them. Those that are left out are the study's.

    Returns:
        A row a seed and epoch, with the columns of `jsae.training.columns.CURVES`: environment, agent, embedding,
        reading (empty), seed, epoch, env_steps, mean_return (of the last 10 episodes), epoch_return, episodes,
        policy_loss, critic_loss, entropy (nats), kl (nats), pi_iters, embedding_loss.

    It takes one thread of torch. Warns if an action never occurs in the samples: its embedding stays at random.

    Raises JsaeError, which names the argument, for what cannot be used, and for fewer samples than actions.

    Source: Algorithm 1 of the paper.
    """
    check_numbers(epochs=epochs, state_size=state_size, action_size=action_size, samples=samples)
    check_numbers(pretraining_epochs=pretraining_epochs, reward_scale=reward_scale)
    given = {"steps_per_epoch": steps_per_epoch, "episode_length": episode_length}
    check_numbers(**{name: value for name, value in given.items() if value is not None})
    units, runs = checked_list("hidden_sizes", hidden_sizes, "(64, 64)"), _seeds(seeds)
    make, name = maker(environment)
    length = _episode_length(make, episode_length)
    num_envs = _num_envs(length, steps_per_epoch)
    chosen = agent_parameters(agent, parameters)
    compiling.prepare()
    worlds = Vectorised(make, runs, num_envs, length)
    shown = tqdm(total=epochs, desc=name, unit="epoch", disable=None if progress is None else not progress)
    try:
        with one_thread(), shown as bar:
            plugged = embedding_of(embedding, worlds, runs, state_size, action_size)
            label = "none" if embedding is None else embedding if isinstance(embedding, str) else embedding.kind
            if plugged.parameters:
                check_count(samples, worlds.actions, LEARNING["validation_share"], "samples")
                bar.set_postfix_str("pre-training")
                _pretrain(plugged, worlds, runs, num_envs, samples, pretraining_epochs)
            rates = {name: chosen.pop(name) for name in list(COMMON) if name != "discount"}
            settings = Settings(
                num_envs=num_envs,
                hidden_sizes=units,
                initial_standard_deviations=(rates["initial_standard_deviation"],) * len(runs),
                actor_learning_rates=(rates["actor_learning_rate"],) * len(runs),
                critic_learning_rates=(rates["critic_learning_rate"],) * len(runs),
                agent_parameters=chosen,
                reward_scale=reward_scale,
                continual=_continual() if continual else None,
            )
            trainer = OwnTrainer(worlds, plugged, agent, runs, settings)
            while trainer.epoch < epochs:
                trainer.run_epoch()
                bar.update(1)
                bar.set_postfix_str(f"mean return {float(trainer.latest('mean_return').mean()):.4g}")
    finally:
        worlds.close()
    return curves(Cell(name, agent, label), runs, trainer.history(), num_envs * length)


class OwnTrainer(Trainer):
    """Training on copies of an environment that may truncate episodes by itself, before `episode_length` steps.

    The value of the state at which it did stands in for the rest of the episode, as it does at the cut at the end of an
    epoch: γ V(s′) is added to the last reward (Pardo et al. 2018).

    Args:
        environment: the copies.
        embedding, agent, seeds, settings, strict: as of jsae.training.trainer.Trainer.

    Raises JsaeError if SAC meets such a truncation: its replay buffer has no place for V(s′).
    """

    environment: Vectorised

    def latest(self, metric: str) -> Tensor:
        """A metric of the last epoch, [P]."""
        return self._history[metric][-1]

    def _experience(self, trajectories: Trajectories) -> Experience:
        experience, truncated = super()._experience(trajectories), self.environment.truncated
        if not bool(truncated.any()):
            return experience
        if not isinstance(self.agent, OnPolicyAgent):
            step = int(truncated.any(0).any(1).long().argmax()) + 1
            raise JsaeError(
                f"the environment truncated an episode by itself after {step} steps, before episode_length = "
                f"{self.environment.episode_length}: give episode_length={step}, or use the agent vpg or ppo"
            )
        with torch.no_grad():
            x = self.embedding.represent(self.environment.observe(trajectories.next_state.flatten(1, 2)))
            value = self.agent.critic(x)[..., 0].view_as(experience.reward)
        rest = torch.where(truncated, self.agent.discount * value, 0.0)
        return experience._replace(reward=experience.reward + rest)


# -- the environment ---------------------------------------------------------------------------------------------------


def maker(environment: Any) -> tuple[Make, str]:
    """What makes a new copy of an environment, and its name.

    Raises JsaeError if there is no way to make a second one. What it makes of an id raises JsaeError if that is wrong.
    """
    if isinstance(environment, str):
        function = "or a function that makes the environment"
        return lambda: made(environment, "environment", function, disable_env_checker=True), environment
    if isinstance(environment, gymnasium.Env):
        known = environment.spec
        if known is None:
            raise JsaeError(
                f"environment: {environment} was not made by gymnasium.make, so it cannot be copied; give a function "
                "that makes it: lambda: MyEnv()"
            )
        return lambda: gymnasium.make(known, disable_env_checker=True), known.id
    if callable(environment):
        found = environment()
        if not isinstance(found, gymnasium.Env):
            raise JsaeError(f"environment: the function gives {found!r}, not a gymnasium.Env")
        name = found.spec.id if found.spec is not None else type(found.unwrapped).__name__
        found.close()
        return environment, name
    raise JsaeError(f"environment = {environment!r}: give an id, an environment, or a function that makes one")


def _episode_length(make: Make, wanted: int | None) -> int:
    limit = wanted
    if limit is None:
        copy = make()
        limit = time_limit(copy)
        copy.close()
    if limit is None:
        raise JsaeError("episode_length: the environment has no time limit; give the steps after which to cut episodes")
    return limit


def time_limit(environment: gymnasium.Env[Any, Any]) -> int | None:
    """Steps after which an environment truncates its episodes, as its wrappers or its spec say; None: never."""
    inner: Any = environment
    limits = []
    while isinstance(inner, gymnasium.Wrapper):
        if isinstance(inner, TimeLimit):
            limits.append(int(inner._max_episode_steps))
        inner = inner.env
    if not limits and environment.spec is not None and environment.spec.max_episode_steps:
        limits.append(environment.spec.max_episode_steps)
    return min(limits, default=None)


def _num_envs(episode_length: int, steps_per_epoch: int | None) -> int:
    if steps_per_epoch is None:
        return max(1, round(STEPS / episode_length))
    if steps_per_epoch % episode_length:
        nearest = max(1, round(steps_per_epoch / episode_length)) * episode_length
        raise JsaeError(
            f"steps_per_epoch = {steps_per_epoch}: give a multiple of episode_length ({episode_length}), as {nearest}"
        )
    return steps_per_epoch // episode_length


def _seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    found = checked_list("seeds", seeds, "range(5) or [7]")
    if not found or len(set(found)) < len(found):
        raise JsaeError(f"seeds = {list(found)}: give at least one number, each once")
    return found


# -- the agent ---------------------------------------------------------------------------------------------------------


def agent_parameters(agent: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of an agent: those given, and the study's for the others.

    Raises JsaeError if there is no such agent or parameter, or if a value is outside its limits.
    """
    if agent not in registry.names("agents"):
        raise JsaeError(messages.unknown("agent", agent, registry.names("agents")))
    hints = {**LIMITS, **doc.parameters_of(registry.load("agents", agent))}
    for name in given:
        if name not in hints:
            raise JsaeError(messages.unknown("train, argument", name, hints))
    values = {**COMMON, **AGENTS.get(agent, {}), **given}
    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    fields: dict[str, Any] = {name: (hint, ...) for name, hint in hints.items()}
    try:
        messages.validated(create_model(agent, __config__=strict, **fields), values)
    except messages.Mistakes as error:
        raise JsaeError(f"{agent}: {error}") from None
    return values


# -- the embedding -----------------------------------------------------------------------------------------------------


def _pretrain(
    embedding: base.Embedding, worlds: Vectorised, seeds: Sequence[int], num_envs: int, samples: int, epochs: int
) -> None:
    """Learn from transitions of the random policy, as the study and `jsae.fit` do (section 4.3.1, A.4.2)."""
    data = random_transitions(worlds, seeds, num_envs, samples)
    if worlds.n_actions is not None:
        for ids in data.action.numpy():
            warn_of_unseen(ids, worlds.actions)
    if isinstance(embedding, Standardized):
        embedding.measure(worlds.states, data.observation)
    learner = Learner(
        embedding,
        Streams(seeds, "pre-training"),
        learning_rate=LEARNING["learning_rate"],
        weight_decay=LEARNING["weight_decay"],
    )
    others = {name: LEARNING[name] for name in ("batch_size", "validation_share", "window", "minimum_improvement")}
    pretrain(embedding, data, learner, epochs=epochs, **others)


def random_transitions(worlds: Vectorised, seeds: Sequence[int], num_envs: int, samples: int) -> Transitions:
    """What `jsae.experience.samples.random_transitions` gives, by `num_envs` copies: they play it in several rounds.

    Args:
        worlds: the copies.
        seeds: of the random policy, one a run.
        num_envs: copies of each run.
        samples: transitions of each run.
    """
    steps, episodes = worlds.episode_length, -(-samples // worlds.episode_length)
    streams = Streams(seeds, "random policy")
    if worlds.n_actions is not None:
        noise = streams.integers(worlds.n_actions, steps, episodes)
    else:
        noise = streams.uniform(steps, episodes, worlds.action_size, dtype=torch.float32).mul_(2).sub_(1)
    rounds = [
        collect(worlds, lambda state, action: (action, action), part, streams) for part in noise.split(num_envs, 2)
    ]
    played = Trajectories(*(torch.cat(field, 2) for field in zip(*rounds, strict=True)))
    return Transitions(*(field[:, :samples] for field in transitions(worlds, played)))


def _continual() -> Continual:
    return Continual(learning_rate=LEARNING["learning_rate"], **CONTINUAL)
