"""Soft actor-critic (Haarnoja et al. 2018; Spinning Up's SAC) with a fixed entropy weight α (section 5, A.4.2).

for each epoch:
    collect trajectories with π_θ (at first: with uniform choices) and keep them in the replay buffer D
    for each update step, on a minibatch (s, a, r, s′) of D:
        y = r + γ V̄(s′), without the second term after a termination; V̄(s) = E_{a ∼ π_θ}[min_i Q̄_i(s, a) − α ln π_θ(a | s)]
        ψ_i ← ψ_i − α_Q ∇ E[(Q_i(s, a) − y)²]                                     both critics, i = 1, 2
        θ ← θ − α_π ∇ E_{a ∼ π_θ}[α ln π_θ(a | s) − min_i Q_i(s, a)]
        Q̄_i ← ρ Q̄_i + (1 − ρ) Q_i                                                 the targets follow

In the action embedding space E (and in continuous action spaces) π_θ is a Gaussian squashed by tanh, and an expectation
over it is one reparameterised sample; Q sees the point e that the policy chose, not the embedding of the action that
f made of it. Among discrete actions the expectations are exact sums (discrete SAC: Christodoulou 2019).

Of what the paper leaves open this follows the public re-implementation: a standard deviation that does not depend on
the state, squashed points reaching a little beyond g's (−1, 1), and all update steps at the end of an epoch.
"""  # noqa: E501

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from jsae.agents.policies import Categorical, Choices, SquashedGaussian
from jsae.experience.trajectories import Experience
from jsae.io import checkpoint
from jsae.nn import kernels
from jsae.nn.adam import Adam
from jsae.nn.mlp import MLP
from jsae.nn.randomness import Streams


def soft_targets(reward: Tensor, terminated: Tensor, next_value: Tensor, discount: float) -> Tensor:
    """y = r + γ V̄(s′), and r alone where the episode terminated; all `[P, B]`."""
    return torch.where(terminated, reward, reward + discount * next_value)


def critic_loss(q: Tensor, target: Tensor) -> Tensor:
    """Σ_i E[(Q_i − y)²] of each member, `[P]`, from Q `[P, 2, B]` and y `[P, B]`."""
    return (q - target[:, None]).square().mean(2).sum(1)


def sampled_soft_value(q: Tensor, log_p: Tensor, entropy_weight: float) -> Tensor:
    """min_i Q_i(s, a) − α ln π(a | s) of one a ∼ π(· | s): Q `[P, 2, B]`, ln π `[P, B]` → `[P, B]`."""
    return q[:, 0].minimum(q[:, 1]) - entropy_weight * log_p


def exact_soft_value(q: Tensor, logits: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
    """V = Σ_a π(a | s) (min_i Q_i(s, a) − α ln π(a | s)), and the entropy of π(· | s), `[P, B]` each.

    Q is `[P, 2, B, A]`, π the softmax of `logits` `[P, B, A]`, in which V is differentiable.
    """
    return _ExactSoftValue.apply(q, logits, entropy_weight)


class _ExactSoftValue(torch.autograd.Function):
    """∂V/∂logit(a) = π(a) (min_i Q_i(a) − α ln π(a) − V): π's own ln has no part in it, since Σ π ∂ ln π = 0."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, logits: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
        log_p = logits.log_softmax(2)
        p = log_p.exp()
        entropy = -torch.linalg.vecdot(p, log_p)
        worth = q[:, 0].minimum(q[:, 1]).sub_(log_p, alpha=entropy_weight)
        value = torch.linalg.vecdot(p, worth)
        if ctx.needs_input_grad[1]:
            ctx.save_for_backward(worth.sub_(value[..., None]).mul_(p))
        ctx.mark_non_differentiable(entropy)
        return value, entropy

    @staticmethod
    def backward(ctx: Any, grad_value: Tensor, _: Tensor) -> tuple[None, Tensor, None]:
        return None, ctx.saved_tensors[0] * grad_value[..., None], None


def policy_loss(soft_value: Tensor) -> Tensor:
    """E[α ln π − min_i Q_i] = −E[V] of each member, `[P]`: the policy climbs the soft value `[P, B]`."""
    return -soft_value.mean(1)


class Batch(NamedTuple):
    """Transitions of the replay buffer; `next_observation` means nothing where `terminated`.

    | field | shape |
    |---|---|
    | observation, next_observation | [P, B, f] |
    | choice | [P, B] or [P, B, d] |
    | reward, terminated | [P, B] |
    """

    observation: Tensor
    next_observation: Tensor
    choice: Tensor
    reward: Tensor
    terminated: Tensor


class Replay:
    """The last epochs of P members: a ring with room for `capacity` steps of each, in whole epochs (at least one).

    It keeps observations, not embeddings, so that a φ that goes on learning sees them anew. An epoch of T steps of N
    episodes takes T + 1 rows of N observations: the row that a step leads to lies N after its own. After a termination
    that row belongs to the next episode, which no target looks at.
    """

    def __init__(self, capacity: int, device: torch.device | str = "cpu"):
        self._capacity, self._device = capacity, device
        self._epochs = self._steps = self._lanes = 0
        self._fields: dict[str, Tensor] = {}

    @property
    def steps(self) -> int:
        """Steps that each member has ever added."""
        return self._epochs * self._steps * self._lanes

    @property
    def size(self) -> int:
        """Steps that each member has here."""
        return self._filled * self._steps * self._lanes

    def add(self, experience: Experience) -> None:
        """Keep an epoch, in place of the oldest one where the ring is full."""
        epoch = {
            "observation": torch.cat([experience.observation, experience.last_observation[:, None]], 1),
            "choice": experience.choice,
            "reward": experience.reward,
            "terminated": experience.terminated,
        }
        self._steps, self._lanes = experience.reward.shape[1:]
        place = self._epochs % self._room
        for name, field in epoch.items():
            rows = field.flatten(1, 2)
            rows = rows.int() if rows.dtype == torch.int64 else rows
            if name not in self._fields:
                self._fields[name] = self._allocate(rows[:, None])
            self._fields[name][:, place] = rows
        self._epochs += 1

    def take(self, index: Tensor) -> Batch:
        """Transitions `index` `[P, B]`, each of 0 ... size − 1."""
        row = index + index.div(self._steps * self._lanes, rounding_mode="floor") * self._lanes
        return Batch(
            observation=self._rows("observation", row),
            next_observation=self._rows("observation", row + self._lanes),
            choice=self._rows("choice", index),
            reward=self._rows("reward", index),
            terminated=self._rows("terminated", index),
        )

    def tensors(self) -> dict[str, Tensor]:
        """What has been filled, for a checkpoint."""
        kept = {name: field[:, : self._filled] for name, field in self._fields.items()}
        members = len(next(iter(kept.values()))) if kept else 1
        return {"counts": torch.tensor([[self._epochs, self._steps, self._lanes]] * members)} | kept

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `tensors()` was taken."""
        self._epochs, self._steps, self._lanes = tensors["counts"][0].tolist()
        self._fields = {name: self._allocate(rows) for name, rows in tensors.items() if name != "counts"}
        for name, field in self._fields.items():
            field[:, : self._filled] = tensors[name]

    @property
    def _room(self) -> int:
        """Epochs that the ring holds."""
        return max(1, self._capacity // (self._steps * self._lanes))

    @property
    def _filled(self) -> int:
        return min(self._epochs, self._room) if self._epochs else 0

    def _allocate(self, rows: Tensor) -> Tensor:
        """Room for epochs such as those of `rows`, `[P, epochs, rows of an epoch, ...]`."""
        return torch.empty(len(rows), self._room, *rows.shape[2:], dtype=rows.dtype, device=self._device)

    def _rows(self, name: str, index: Tensor) -> Tensor:
        field = self._fields[name]
        first = torch.arange(len(field), device=index.device)[:, None] * (field.shape[1] * field.shape[2])
        rows = field.flatten(0, 2).index_select(0, (index + first).flatten()).unflatten(0, index.shape)
        return rows.long() if rows.dtype == torch.int32 else rows


class SoftActorCritic(Protocol):
    """Policy and twin critics: what differs between points of a space and discrete actions."""

    critics: MLP
    limit: float
    """Of the points' coordinates; of no meaning among actions."""

    @property
    def policy(self) -> SquashedGaussian | Categorical: ...

    def explore(self, streams: Streams, *shape: int) -> Tensor:
        """Uniform choices, `[P, *shape, ...]`."""

    def noise(self, streams: Streams, *shape: int) -> Tensor:
        """Noise for `soft_value`, `[P, *shape, d]`; d = 0 where it needs none."""

    def q(self, x: Tensor, choice: Tensor) -> Tensor:
        """Q_i(x, choice) of both critics, `[P, 2, B]`."""

    def soft_value(self, critics: Tensor, x: Tensor, noise: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
        """V(x) by critics with these parameters, differentiable in the policy, and its −ln π, `[P, B]` each."""


class ContinuousActorCritic:
    """π_i(e | x): a squashed Gaussian; Q_i(x, e): ReLU networks of both."""

    def __init__(
        self, streams: Streams, inputs: int, size: int, hidden_sizes: Sequence[int], deviations: Tensor, limit: float
    ):
        self._size, self.limit, members = size, limit, len(deviations)
        self.policy = SquashedGaussian(streams, inputs, hidden_sizes, size, deviations, limit)
        self.critics = MLP(streams, inputs, hidden_sizes, 1, activation="relu", beside=size, twins=2, members=members)

    def explore(self, streams: Streams, *shape: int) -> Tensor:
        """Points uniform in (−1, 1), where the embeddings of actions lie."""
        return streams.uniform(*shape, self._size, dtype=torch.float32).mul_(2).sub_(1)

    def noise(self, streams: Streams, *shape: int) -> Tensor:
        """See SoftActorCritic."""
        return self.policy.draw(streams, *shape)

    def q(self, x: Tensor, choice: Tensor) -> Tensor:
        """See SoftActorCritic."""
        return self._q(self.critics.flat, x, choice)

    def soft_value(self, critics: Tensor, x: Tensor, noise: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
        """See SoftActorCritic; by one sample."""
        e, log_p = self.policy.sample_with_log_probability(x, noise)
        return sampled_soft_value(self._q(critics, x, e), log_p, entropy_weight), -log_p

    def _q(self, critics: Tensor, x: Tensor, e: Tensor) -> Tensor:
        return self.critics.at(critics, _twice(x), _twice(e)).unflatten(0, (-1, 2))[..., 0]


class DiscreteActorCritic:
    """π(a | s): a softmax; Q_i(s, ·): ReLU networks with an output for each action (Christodoulou 2019)."""

    def __init__(self, streams: Streams, inputs: int, actions: int, hidden_sizes: Sequence[int], members: int):
        self._actions, self.limit = actions, 1.0
        self.policy = Categorical(streams, inputs, hidden_sizes, actions, members)
        self.critics = MLP(streams, inputs, hidden_sizes, actions, activation="relu", twins=2, members=members)

    def explore(self, streams: Streams, *shape: int) -> Tensor:
        """Uniform action ids."""
        return streams.integers(self._actions, *shape)

    def noise(self, streams: Streams, *shape: int) -> Tensor:
        """See SoftActorCritic."""
        return streams.normal(*shape, 0)

    def q(self, x: Tensor, choice: Tensor) -> Tensor:
        """See SoftActorCritic."""
        return self.critics.chosen(_twice(x), _twice(choice)).unflatten(0, (-1, 2))

    def soft_value(self, critics: Tensor, x: Tensor, noise: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
        """See SoftActorCritic; exact, without noise."""
        q = self.critics.at(critics, _twice(x)).unflatten(0, (-1, 2))
        return exact_soft_value(q, self.policy.network(x), entropy_weight)


def _twice(x: Tensor) -> Tensor:
    """`[P, B, ·]` → `[2P, B, ·]`: the same inputs for both critics of each member."""
    return x[:, None].expand(-1, 2, *x.shape[1:]).flatten(0, 1)


class SAC:
    """Soft actor-critic for P members.

    | argument | what |
    |---|---|
    | models | policy and twin critics |
    | streams | of minibatches and of the noise in their losses |
    | actor_learning_rates, critic_learning_rates | [P] |
    | discount | γ (A.4.2) |
    | entropy_weight | α, fixed (A.4.2) |
    | polyak | ρ: how much of a target critic stays at an update step |
    | replay_capacity | steps that the replay buffer holds, in whole epochs |
    | update_steps, batch_size | update steps an epoch, transitions in each |
    | start_steps | epochs begin with uniform choices until each member has so many steps behind it |
    | update_after | epochs end without update steps until then |
    """

    label = "SAC"
    order = 2
    searched = ("entropy_weight", "update_steps")

    def __init__(
        self,
        models: SoftActorCritic,
        streams: Streams,
        *,
        actor_learning_rates: Tensor,
        critic_learning_rates: Tensor,
        discount: float,
        entropy_weight: float,
        polyak: float,
        replay_capacity: int,
        update_steps: int,
        batch_size: int,
        start_steps: int,
        update_after: int,
    ):
        self.models, self._streams = models, streams
        self.discount, self.entropy_weight, self.polyak = discount, entropy_weight, polyak
        self.update_steps, self.batch_size = update_steps, batch_size
        self.start_steps, self.update_after = start_steps, update_after
        self.replay = Replay(replay_capacity, models.critics.flat.device)
        self._targets = models.critics.flat.detach().clone()
        self._actor_adam = Adam([models.policy.network.flat], actor_learning_rates)
        self._critic_adam = Adam([models.critics.flat], critic_learning_rates.repeat_interleave(2))

    @classmethod
    def build(
        cls,
        seeds: Sequence[int],
        inputs: int,
        choices: Choices,
        hidden_sizes: Sequence[int],
        initial_standard_deviations: Tensor,
        device: torch.device | str = "cpu",
        *,
        act_limit: float,
        **arguments: Any,
    ) -> Self:
        """A new agent for each seed. Points stay within ±`act_limit`; `arguments` are those of the constructor."""
        streams = Streams(seeds, "initialisation", device)
        models: SoftActorCritic
        if choices.dimensions:
            models = ContinuousActorCritic(
                streams, inputs, choices.dimensions, hidden_sizes, initial_standard_deviations, act_limit
            )
        else:
            models = DiscreteActorCritic(streams, inputs, choices.actions, hidden_sizes, len(seeds))
        return cls(models, Streams(seeds, "soft actor-critic", device), **arguments)

    @property
    def _exploring(self) -> bool:
        return self.replay.steps < self.start_steps

    def draw(self, streams: Streams, *shape: int) -> Tensor:
        """Noise for `choose`, `[P, *shape, ...]`; the choices themselves while they are uniform."""
        return self.models.explore(streams, *shape) if self._exploring else self.models.policy.draw(streams, *shape)

    def choose(self, x: Tensor, noise: Tensor) -> Tensor:
        """What the policy chooses at inputs x `[P, N, ·]`, `[P, N, ...]`."""
        return noise if self._exploring else self.models.policy.sample(x, noise)

    def update(self, experience: Experience, represent: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Remember an epoch and learn from what is remembered, seen through `represent`.

        Returns each member's `policy_steps` and, once it learns, the means over its update steps of `policy_loss`,
        `critic_loss` (of both critics) and `entropy`.
        """
        self.replay.add(experience)
        members = len(experience.reward)
        if self.replay.steps < self.update_after:
            return {"policy_steps": experience.reward.new_zeros(members)}
        rows = self._streams.integers(self.replay.size, self.update_steps, self.batch_size)
        noise = self.models.noise(self._streams, self.update_steps, 2, self.batch_size)
        if kernels.used(self.models.policy.network.flat):
            return self._update_steps(self.replay.take(rows.flatten(1)), noise, represent)
        total = torch.zeros(3, members, device=rows.device)
        for step in range(self.update_steps):
            total += torch.stack(self._update_step(self.replay.take(rows[:, step]), noise[:, step], represent))
        means = dict(zip(("critic_loss", "policy_loss", "entropy"), total / self.update_steps, strict=True))
        return {**means, "policy_steps": experience.reward.new_full((members,), self.update_steps)}

    def _update_steps(self, batch: Batch, noise: Tensor, represent: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """All update steps at once, by jsae.nn.kernels."""
        network, critics, steps = self.models.policy.network, self.models.critics, self.update_steps
        actor_state, critic_state = self._actor_adam.ahead(steps), self._critic_adam.ahead(steps)
        self._actor_adam.count(steps)
        self._critic_adam.count(steps)
        shape = steps, self.batch_size
        with torch.no_grad():
            x, next_x = represent(batch.observation), represent(batch.next_observation)
        metrics = kernels.soft_actor_critic(
            network.shape,
            actor_state,
            critics.shape,
            critic_state,
            self._targets,
            x,
            next_x,
            batch.choice.unflatten(1, shape),
            batch.reward.unflatten(1, shape),
            batch.terminated.unflatten(1, shape),
            noise,
            discount=self.discount,
            entropy_weight=self.entropy_weight,
            polyak=self.polyak,
            limit=self.models.limit,
        )
        return {**metrics, "policy_steps": batch.reward.new_full((len(x),), steps)}

    def _update_step(
        self, batch: Batch, noise: Tensor, represent: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        models, alpha = self.models, self.entropy_weight
        with torch.no_grad():
            x, next_x = represent(batch.observation), represent(batch.next_observation)
            next_value, _ = models.soft_value(self._targets, next_x, noise[:, 0], alpha)
            target = soft_targets(batch.reward, batch.terminated, next_value, self.discount)
        of_critics = critic_loss(models.q(x, batch.choice), target)
        of_critics.sum().backward()
        self._critic_adam.step()
        value, surprise = models.soft_value(models.critics.flat.detach(), x, noise[:, 1], alpha)
        of_policy = policy_loss(value)
        of_policy.sum().backward()
        self._actor_adam.step()
        self._targets.lerp_(models.critics.flat.detach(), 1 - self.polyak)
        return of_critics.detach(), of_policy.detach(), surprise.detach().mean(1)

    def weights(self) -> dict[str, Tensor]:
        """Parameters of the actor `[P, n]`, and of the two critics and their targets `[P, 2, n]`."""
        return {
            "actor": self.models.policy.network.flat.detach(),
            "critics": self.models.critics.flat.detach().unflatten(0, (-1, 2)),
            "targets": self._targets.unflatten(0, (-1, 2)),
        }

    def tensors(self) -> dict[str, Tensor]:
        """The rest of the state, for a checkpoint: optimisers, streams and the replay buffer."""
        return {**self._optimisers(), **self._streams.tensors(), **checkpoint.prefixed("replay", self.replay.tensors())}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `weights()` and `tensors()` were taken."""
        for name, tensor in {**self.weights(), **self._optimisers()}.items():
            tensor.copy_(tensors[name])
        self._streams.load(tensors)
        self.replay.load(checkpoint.under("replay", tensors))

    def _optimisers(self) -> dict[str, Tensor]:
        twins = {name: tensor.unflatten(0, (-1, 2)) for name, tensor in self._critic_adam.tensors().items()}
        return {
            **checkpoint.prefixed("actor_adam", self._actor_adam.tensors()),
            **checkpoint.prefixed("critic_adam", twins),
        }
