"""Algorithm 1: joint training of state-action embeddings and the internal policy, for a batch of runs."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jsae.agents.policies import ActionSpec
from jsae.agents.returns import first_episode_returns
from jsae.config.errors import JsaeError
from jsae.config.registry import load
from jsae.embeddings.base import Embedding, restore
from jsae.embeddings.learner import Learner
from jsae.experience.environment import Environment
from jsae.experience.rollout import collect
from jsae.experience.trajectories import Experience, Trajectories, transitions
from jsae.io import checkpoint
from jsae.nn.randomness import Streams

__all__ = [
    "CHECKPOINT_SECONDS",
    "CHECKPOINT_SHARE",
    "EPISODES_SHOWN",
    "METRICS",
    "Continual",
    "Settings",
    "Trainer",
    "train",
]

CHECKPOINT_SECONDS = 20.0
CHECKPOINT_SHARE = 0.01
"""Share of a training's time that writing checkpoints may take."""
EPISODES_SHOWN = 10
"""Figure 2: "all results are the average return over 10 episodes"."""

METRICS = ("mean_return", "epoch_return", "episodes", "policy_loss", "critic_loss", "entropy", "kl", "pi_iters",
           "embedding_loss")  # fmt: skip
"""Columns of the curves; NaN in the epochs in which there was nothing to measure."""


@dataclass(frozen=True, kw_only=True)
class Continual:
    """How an embedding goes on learning while the policy does: after each epoch, from that epoch's transitions.

    | field | what |
    |---|---|
    | epochs | passes over the transitions |
    | batch_size | transitions of a step |
    | learning_rate, weight_decay | Adam's |
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Hyper-parameters of a training; one number a run where the search varies it within a batch of runs.

    | field | what |
    |---|---|
    | num_envs | N, parallel episodes of a run; an epoch is N × episode_length environment steps |
    | hidden_sizes | hidden units of each layer of actor and critic |
    | initial_standard_deviations, actor_learning_rates, critic_learning_rates | P numbers, one a run |
    | agent_parameters | the other arguments of the agent's constructor |
    | reward_scale | rewards are multiplied by it for learning; metrics have them as they are |
    | continual | None: the embedding stays as it is |
    """

    num_envs: int
    hidden_sizes: Sequence[int]
    initial_standard_deviations: Sequence[float]
    actor_learning_rates: Sequence[float]
    critic_learning_rates: Sequence[float]
    agent_parameters: Mapping[str, Any]
    reward_scale: float
    continual: Continual | None


class Trainer:
    """The state of a training, epoch by epoch; `tensors` and `load` make it resumable bit for bit.

    All of it is on the environment's device, except the history and the random generators, which are on the CPU.

    Args:
        environment, embedding: what the P runs share, and their embedding.
        agent: name of a file of jsae/agents.
        seeds: one a run.
        settings: hyper-parameters.
        strict: a number that stops being finite is an error; else its run goes on, with NaN as its mean_return.

    Raises JsaeError if there is no such agent.
    """

    def __init__(
        self,
        environment: Environment,
        embedding: Embedding,
        agent: str,
        seeds: Sequence[int],
        settings: Settings,
        *,
        strict: bool = True,
    ):
        self.environment, self.embedding, self.seeds, self.settings = environment, embedding, seeds, settings
        self._strict = strict
        runs = len(seeds)
        self.agent = load("agents", agent).build(
            seeds,
            embedding.input_size,
            ActionSpec(embedding.latent_size or environment.action_size, environment.n_actions or 0),
            settings.hidden_sizes,
            torch.tensor(settings.initial_standard_deviations),
            environment.device,
            actor_learning_rates=torch.tensor(settings.actor_learning_rates),
            critic_learning_rates=torch.tensor(settings.critic_learning_rates),
            **settings.agent_parameters,
        )
        self._learner: Learner | None = None
        if settings.continual and embedding.parameters:
            rates = {
                "learning_rate": settings.continual.learning_rate,
                "weight_decay": settings.continual.weight_decay,
            }
            self._learner = Learner(embedding, Streams(seeds, "continual embedding", environment.device), **rates)
        self._streams = {purpose: Streams(seeds, purpose, environment.device) for purpose in ("policy", "environment")}
        self._recent = torch.full((runs, EPISODES_SHOWN), torch.nan, device=environment.device)
        self._history: dict[str, list[Tensor]] = {metric: [] for metric in METRICS}

    @property
    def epoch(self) -> int:
        """Epochs behind it."""
        return len(self._history["mean_return"])

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Give the agent the weights that another training ended with (section 5.4, Figure 2f).

        Raises JsaeError if they have other shapes than the agent's own.
        """
        for name, weight in self.agent.weights().items():
            if weight.shape != weights[name].shape:
                raise JsaeError(
                    f"transfer: {name} is {list(weights[name].shape)} in the old environment and {list(weight.shape)} "
                    "in the new one; both need the same hidden_sizes and embedding sizes"
                )
            weight.copy_(weights[name])

    def run_epoch(self) -> None:
        """The body of Algorithm 1, once. Raises JsaeError if a number stops being finite, unless strict is off."""
        environment, num_envs = self.environment, self.settings.num_envs
        noise = self.agent.draw(self._streams["policy"], environment.episode_length, num_envs)
        trajectories = collect(environment, self._act, noise, self._streams["environment"])
        metrics = self.agent.update(self._experience(trajectories), self.embedding.represent)
        metrics |= self._update_embedding(trajectories)
        returns = first_episode_returns(trajectories.reward, trajectories.terminated)
        self._recent = torch.cat([self._recent, returns], 1)[:, -EPISODES_SHOWN:]
        metrics["mean_return"] = self._recent.nanmean(1)
        metrics["epoch_return"] = returns.mean(1)
        survived = (~trajectories.terminated.any(1)).sum(1)
        metrics["episodes"] = trajectories.terminated.sum((1, 2)) + survived
        self._record(metrics)

    def _act(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """X_t = φ(S_t), E_t ∼ π_i(· | X_t), A_t = f(E_t); returns E_t and A_t, `[P, N, ...]`."""
        x = self.embedding.represent(self.environment.observe(state))
        latent = self.agent.sample(x, noise)
        return latent, self.embedding.to_action(latent)

    def _experience(self, trajectories: Trajectories) -> Experience:
        observation = self.environment.observe(trajectories.state.flatten(1, 2))
        return Experience(
            observation=observation.unflatten(1, trajectories.reward.shape[1:]),
            last_observation=self.environment.observe(trajectories.next_state[:, -1].contiguous()),
            latent=trajectories.latent,
            reward=trajectories.reward * self.settings.reward_scale,
            terminated=trajectories.terminated,
        )

    def _update_embedding(self, trajectories: Trajectories) -> dict[str, Tensor]:
        """Update φ, g and T on Eq. (5) with the epoch's own transitions, where that is wanted."""
        learner, continual = self._learner, self.settings.continual
        if learner is None or continual is None:
            return {}
        data = transitions(self.environment, trajectories)
        losses = [learner.one_epoch(data, continual.batch_size) for _ in range(continual.epochs)]
        return {"embedding_loss": losses[-1]}

    def _record(self, metrics: dict[str, Tensor]) -> None:
        """Check and keep what an epoch has measured; one copy brings all of it from the device."""
        measured = torch.stack([values.detach().double() for values in metrics.values()]).cpu()
        found = dict(zip(metrics, measured, strict=True))
        sound = measured.isfinite()
        if not self._strict:
            found["mean_return"] = found["mean_return"].where(sound.all(0), torch.nan)
        elif not bool(sound.all()):
            number, run = (~sound).nonzero()[0].tolist()
            raise JsaeError(
                f"seed {self.seeds[run]}, epoch {self.epoch + 1}: {list(metrics)[number]} is "
                f"{float(measured[number, run])}; "
                "lower actor_learning_rate or critic_learning_rate (search/best where it has them, else "
                "agents.common in params.yaml) or the environment's reward_scale"
            )
        unmeasured = torch.full_like(measured[0], torch.nan)
        for metric, history in self._history.items():
            history.append(found.get(metric, unmeasured))

    def history(self) -> dict[str, Tensor]:
        """Every metric so far, `[P, epochs]`."""
        return {metric: torch.stack(values, 1) for metric, values in self._history.items() if values}

    def weights(self) -> dict[str, Tensor]:
        """What has been learnt: parameters of agent and embedding, `[P, ...]`."""
        learnt = {name: p.detach() for name, p in self.embedding.parameters.items()}
        return {**self.agent.weights(), **checkpoint.prefixed("embedding", learnt)}

    def tensors(self) -> dict[str, Tensor]:
        """The whole state; the runs are the first axis of every tensor, as checkpoint.rows needs it."""
        state = {"recent": self._recent, **checkpoint.prefixed("history", self.history())}
        state |= checkpoint.prefixed("weights", self.weights())
        state |= checkpoint.prefixed("agent", self.agent.tensors())
        for purpose, streams in self._streams.items():
            state |= checkpoint.prefixed(purpose, streams.tensors())
        if self._learner:
            state |= checkpoint.prefixed("learner", self._learner.tensors())
        return state

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `tensors()` was taken."""
        self._recent = tensors["recent"].to(self.environment.device)
        history = checkpoint.under("history", tensors)
        self._history = {metric: list(history[metric].unbind(1)) if history else [] for metric in METRICS}
        weights = checkpoint.under("weights", tensors)
        self.agent.load({**weights, **checkpoint.under("agent", tensors)})
        restore(self.embedding, checkpoint.under("embedding", weights))
        for purpose, streams in self._streams.items():
            streams.load(checkpoint.under(purpose, tensors))
        if self._learner:
            self._learner.load(checkpoint.under("learner", tensors))


def train(
    trainer: Trainer,
    epochs: int,
    saved: Path,
    progress: Callable[[int], None] = lambda count: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Trainer:
    """Train up to `epochs`, from the checkpoint `saved` if there is one, and leave the finished state there.

    A checkpoint is written when `checkpoint_seconds` have passed since the last (0: after every epoch), or more where
    writing it takes so long that it would cost more than CHECKPOINT_SHARE; when does not change any result.
    """
    state = checkpoint.resume(saved)
    if state is not None:
        trainer.load(state)
        progress(trainer.epoch)
    written, pause = time.monotonic(), checkpoint_seconds
    while trainer.epoch < epochs:
        trainer.run_epoch()
        progress(1)
        now = time.monotonic()
        if now - written > pause or trainer.epoch == epochs:
            checkpoint.save(saved, trainer.tensors())
            written = time.monotonic()
            pause = max(checkpoint_seconds, (written - now) / CHECKPOINT_SHARE) if checkpoint_seconds else 0.0
    return trainer
