"""Algorithm 1: joint training of state-action embeddings and the internal policy, for a population of seeds."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jsae.agents.policies import Choices
from jsae.agents.returns import first_episode_returns
from jsae.config.errors import JsaeError
from jsae.config.registry import load
from jsae.embeddings.base import Embedding, embed, restore
from jsae.embeddings.learner import Learner
from jsae.experience.environment import Environment, build
from jsae.experience.rollout import collect
from jsae.experience.trajectories import Experience, Trajectories, transitions
from jsae.io import checkpoint
from jsae.nn.randomness import Streams

CHECKPOINT_SECONDS = 20.0
CHECKPOINT_SHARE = 0.01
"""Of the time of a training, what checkpoints may take."""
EPISODES_SHOWN = 10
"""Figure 2: "all results are the average return over 10 episodes"."""

METRICS = ("mean_return", "epoch_return", "episodes", "policy_loss", "critic_loss", "entropy", "kl", "policy_steps",
           "embedding_loss")  # fmt: skip
"""Columns of the curves; NaN in the epochs in which there was nothing to measure."""


class Settings(NamedTuple):
    """Hyper-parameters of a training; one number a member where a search varies it.

    | field | what |
    |---|---|
    | lanes | N, episodes side by side; an epoch is N × episode_length environment steps |
    | hidden_sizes | of actor and critic |
    | initial_standard_deviations, actor_learning_rates, critic_learning_rates | one number a member |
    | agent | the other arguments of the agent's constructor |
    | reward_scale | rewards are multiplied by it for learning |
    | continual | None: embeddings are frozen; else (passes, batch size, learning rate, weight decay) of each epoch |
    """

    lanes: int
    hidden_sizes: Sequence[int]
    initial_standard_deviations: Sequence[float]
    actor_learning_rates: Sequence[float]
    critic_learning_rates: Sequence[float]
    agent: dict[str, Any]
    reward_scale: float
    continual: tuple[int, int, float, float] | None


class Trainer:
    """The state of a training, epoch by epoch; `tensors` and `load` make it resumable bit for bit.

    It all is where the environment is, but for the history and the random generators, which are on the CPU.
    strict: a number that stops being finite is an error; else that member goes on in vain, with NaN as its mean_return.
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
        members = len(seeds)
        self.agent = load("agents", agent).build(
            seeds,
            embedding.input_size,
            Choices(embedding.choice_size or environment.action_size, environment.n_actions or 0),
            settings.hidden_sizes,
            torch.tensor(settings.initial_standard_deviations),
            environment.device,
            actor_learning_rates=torch.tensor(settings.actor_learning_rates),
            critic_learning_rates=torch.tensor(settings.critic_learning_rates),
            **settings.agent,
        )
        self._learner: Learner | None = None
        if settings.continual and embedding.parameters:
            self._passes, self._batch_size, rate, decay = settings.continual
            streams = Streams(seeds, "continual embedding", environment.device)
            self._learner = Learner(embedding, streams, learning_rate=rate, weight_decay=decay)
        self._streams = {purpose: Streams(seeds, purpose, environment.device) for purpose in ("policy", "environment")}
        self._recent = torch.full((members, EPISODES_SHOWN), torch.nan, device=environment.device)
        self._history: dict[str, list[Tensor]] = {metric: [] for metric in METRICS}

    @property
    def epoch(self) -> int:
        """Epochs behind it."""
        return len(self._history["mean_return"])

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Give the agent the weights that another training ended with (section 5.4, Figure 2f)."""
        for name, weight in self.agent.weights().items():
            if weight.shape != weights[name].shape:
                raise JsaeError(
                    f"transfer: {name} is {list(weights[name].shape)} in the old environment and {list(weight.shape)} "
                    "in the new one; both need the same hidden_sizes and embedding sizes"
                )
            weight.copy_(weights[name])

    def run_epoch(self) -> None:
        """One pass through the body of Algorithm 1. Raises JsaeError if a number stops being finite."""
        environment, lanes = self.environment, self.settings.lanes
        noise = self.agent.draw(self._streams["policy"], environment.episode_length, lanes)
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
        """X_t = φ(S_t), E_t ∼ π_i(· | X_t), A_t = f(E_t)."""
        x = self.embedding.represent(self.environment.observe(state))
        choice = self.agent.choose(x, noise)
        return choice, self.embedding.to_action(choice)

    def _experience(self, trajectories: Trajectories) -> Experience:
        observation = self.environment.observe(trajectories.state.flatten(1, 2))
        return Experience(
            observation=observation.unflatten(1, trajectories.reward.shape[1:]),
            last_observation=self.environment.observe(trajectories.next_state[:, -1].contiguous()),
            choice=trajectories.choice,
            reward=trajectories.reward * self.settings.reward_scale,
            terminated=trajectories.terminated,
        )

    def _update_embedding(self, trajectories: Trajectories) -> dict[str, Tensor]:
        """Update φ, g and T on Eq. (5) with the epoch's own transitions, where that is wanted."""
        if self._learner is None:
            return {}
        data = transitions(self.environment, trajectories)
        losses = [self._learner.one_epoch(data, self._batch_size) for _ in range(self._passes)]
        return {"embedding_loss": losses[-1]}

    def _record(self, metrics: dict[str, Tensor]) -> None:
        """Check and keep what an epoch has measured; one copy brings all of it from the device."""
        measured = torch.stack([values.detach().double() for values in metrics.values()]).cpu()
        found = dict(zip(metrics, measured, strict=True))
        sound = measured.isfinite()
        if not self._strict:
            found["mean_return"] = found["mean_return"].where(sound.all(0), torch.nan)
        elif not bool(sound.all()):
            number, member = (~sound).nonzero()[0].tolist()
            raise JsaeError(
                f"seed {self.seeds[member]}, epoch {self.epoch + 1}: {list(metrics)[number]} is "
                f"{float(measured[number, member])}; "
                "lower actor_learning_rate or critic_learning_rate (search/best.yaml where it has them, else "
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
        """The whole state; the members are the first axis of every tensor, as checkpoint.rows needs it."""
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


def train_shard(
    *,
    module: str,
    dynamics: dict[str, Any],
    embedding: str,
    sizes: tuple[int, int],
    pretrained: Path,
    rows: list[int],
    agent: str,
    seeds: Sequence[int],
    settings: Settings,
    epochs: int,
    device: torch.device,
    saved: Path,
    source: Path | None,
    progress: Callable[[int], None],
    strict: bool = True,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> None:
    """Train one shard, whose members' embeddings are `rows` of the file `pretrained`, up to `epochs`.

    Its agents start from the same rows of the file `source`, if there is one: the weights of another training.
    The finished state stands in `saved`. Raises JsaeError naming the seed and epoch if a number stops being finite,
    unless `strict` is off.
    """
    environment = build(module, dynamics, device)
    built = embed(embedding, environment, seeds, *sizes)
    parameters, _ = checkpoint.load(pretrained)
    restore(built, {name: parameter[rows] for name, parameter in parameters.items()})
    trainer = Trainer(environment, built, agent, seeds, settings, strict=strict)
    if source is not None:
        trainer.start_from({name: weight[rows] for name, weight in checkpoint.load(source)[0].items()})
    train(trainer, epochs, saved, progress, checkpoint_seconds)
