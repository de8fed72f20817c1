"""Soft actor-critic (Haarnoja et al. 2019, arXiv 1812.05905; Spinning Up's SAC) with a fixed entropy weight α (section 5, A.4.2).

for each epoch:
    collect trajectories with π_θ (at first: with uniform latent actions) and keep them in the replay buffer D
    for each update step, on a minibatch (s, a, r, s′) of D:
        y = r + γ V̄(s′), without the second term after a termination; V̄(s) = E_{a ∼ π_θ}[min_i Q̄_i(s, a) − α ln π_θ(a | s)]
        ψ_i ← ψ_i − α_Q ∇ E[(Q_i(s, a) − y)²]                                     both critics, i = 1, 2
        θ ← θ − α_π ∇ E_{a ∼ π_θ}[α ln π_θ(a | s) − min_i Q_i(s, a)]
        Q̄_i ← ρ Q̄_i + (1 − ρ) Q_i                                                 the targets follow

In the action embedding space E (and in continuous action spaces) π_θ is a Gaussian squashed by tanh, and an expectation
over it is one reparameterised sample; Q sees the point e that the policy output, not the embedding of the action that
f made of it. Among discrete actions the expectations are exact sums (discrete SAC: Christodoulou 2019).

Of what the paper leaves open this follows the public re-implementation: a standard deviation that does not depend on
the state, squashed points reaching a little beyond g's (−1, 1), and all update steps at the end of an epoch.
"""  # noqa: E501

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol, Self

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from jsae.agents.policies import ActionSpec, Categorical, SquashedGaussian
from jsae.agents.replay import Batch, Replay
from jsae.config.doc import Doc, Finite
from jsae.experience.trajectories import Experience
from jsae.io import checkpoint
from jsae.nn import kernels
from jsae.nn.adam import Adam
from jsae.nn.mlp import MLP
from jsae.nn.randomness import Streams

__all__ = [
    "SAC",
    "ContinuousActorCritic",
    "DiscreteActorCritic",
    "SoftActorCritic",
    "critic_loss",
    "exact_soft_value",
    "policy_loss",
    "sampled_soft_value",
    "soft_targets",
]


def soft_targets(reward: Tensor, terminated: Tensor, next_value: Tensor, discount: float) -> Tensor:
    """y = r + γ V̄(s′), and r alone where the episode terminated; all `[P, B]` (Haarnoja et al. 2019, in Eq. 5)."""
    return torch.where(terminated, reward, reward + discount * next_value)


def critic_loss(q: Tensor, target: Tensor) -> Tensor:
    """Σ_i E[(Q_i − y)²] of each run, `[P]`, from Q `[P, 2, B]` and y `[P, B]` (Haarnoja et al. 2019, twice Eq. 5)."""
    return (q - target[:, None]).square().mean(2).sum(1)


def sampled_soft_value(q: Tensor, log_p: Tensor, entropy_weight: float) -> Tensor:
    """min_i Q_i(s, a) − α ln π(a | s) of one a ∼ π(· | s) (Haarnoja et al. 2019, Eq. 3).

    Q `[P, 2, B]`, ln π `[P, B]` → `[P, B]`.
    """
    return q[:, 0].minimum(q[:, 1]) - entropy_weight * log_p


def exact_soft_value(q: Tensor, logits: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
    """V = Σ_a π(a | s) (min_i Q_i(s, a) − α ln π(a | s)), and the entropy of π(· | s) in nats, `[P, B]` each.

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
    """E[α ln π − min_i Q_i] = −E[V] of each run, `[P]` (Haarnoja et al. 2019, Eq. 7).

    The policy climbs the soft value `[P, B]`.
    """
    return -soft_value.mean(1)


class SoftActorCritic(Protocol):
    """Policy and twin critics: what differs between points of a space and discrete actions."""

    critics: MLP

    @property
    def policy(self) -> SquashedGaussian | Categorical: ...

    def explore(self, streams: Streams, *shape: int) -> Tensor:
        """Uniform latent actions, `[P, *shape, ...]`."""

    def noise(self, streams: Streams, *shape: int) -> Tensor:
        """Noise for `soft_value`, `[P, *shape, d]`; d = 0 where it needs none."""

    def q(self, x: Tensor, latent: Tensor) -> Tensor:
        """Q_i(x, latent) of both critics, `[P, 2, B]`."""

    def soft_value(self, critics: Tensor, x: Tensor, noise: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
        """V(x) by critics with these parameters, differentiable in the policy, and its −ln π, `[P, B]` each."""


class ContinuousActorCritic:
    """π_i(e | x): a squashed Gaussian; Q_i(x, e): ReLU networks of both."""

    def __init__(
        self, streams: Streams, inputs: int, size: int, hidden_sizes: Sequence[int], deviations: Tensor, limit: float
    ):
        self._size, runs = size, len(deviations)
        self.policy = SquashedGaussian(streams, inputs, hidden_sizes, size, deviations, limit)
        self.critics = MLP(streams, inputs, hidden_sizes, 1, activation="relu", beside=size, twins=2, runs=runs)

    def explore(self, streams: Streams, *shape: int) -> Tensor:
        """Points uniform in (−1, 1), where the embeddings of actions lie."""
        return streams.uniform(*shape, self._size, dtype=torch.float32).mul_(2).sub_(1)

    def noise(self, streams: Streams, *shape: int) -> Tensor:
        """See SoftActorCritic."""
        return self.policy.draw(streams, *shape)

    def q(self, x: Tensor, latent: Tensor) -> Tensor:
        """See SoftActorCritic."""
        return self._q(self.critics.flat, x, latent)

    def soft_value(self, critics: Tensor, x: Tensor, noise: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
        """See SoftActorCritic; by one sample."""
        e, log_p = self.policy.sample_with_log_probability(x, noise)
        return sampled_soft_value(self._q(critics, x, e), log_p, entropy_weight), -log_p

    def _q(self, critics: Tensor, x: Tensor, e: Tensor) -> Tensor:
        return self.critics.at(critics, _twice(x), _twice(e)).unflatten(0, (-1, 2))[..., 0]


class DiscreteActorCritic:
    """π(a | s): a softmax; Q_i(s, ·): ReLU networks with an output for each action (Christodoulou 2019)."""

    def __init__(self, streams: Streams, inputs: int, actions: int, hidden_sizes: Sequence[int], runs: int):
        self._actions = actions
        self.policy = Categorical(streams, inputs, hidden_sizes, actions, runs)
        self.critics = MLP(streams, inputs, hidden_sizes, actions, activation="relu", twins=2, runs=runs)

    def explore(self, streams: Streams, *shape: int) -> Tensor:
        """Uniform action ids."""
        return streams.integers(self._actions, *shape)

    def noise(self, streams: Streams, *shape: int) -> Tensor:
        """See SoftActorCritic."""
        return streams.normal(*shape, 0)

    def q(self, x: Tensor, latent: Tensor) -> Tensor:
        """See SoftActorCritic."""
        return self.critics.chosen(_twice(x), _twice(latent)).unflatten(0, (-1, 2))

    def soft_value(self, critics: Tensor, x: Tensor, noise: Tensor, entropy_weight: float) -> tuple[Tensor, Tensor]:
        """See SoftActorCritic; exact, without noise."""
        q = self.critics.at(critics, _twice(x)).unflatten(0, (-1, 2))
        return exact_soft_value(q, self.policy.network(x), entropy_weight)


def _twice(x: Tensor) -> Tensor:
    """`[P, B, ·]` → `[2P, B, ·]`: the same inputs for both critics of each run."""
    return x[:, None].expand(-1, 2, *x.shape[1:]).flatten(0, 1)


class SAC:
    """Soft actor-critic for P runs.

    Args:
        models: policy and twin critics.
        streams: of minibatches and of the noise in their losses.
        actor_learning_rates, critic_learning_rates: Adam's, `[P]`.
        discount: γ (A.4.2).
        act_limit: must be that of `models`; a softmax makes no use of it.

    The other arguments are documented in the signature.
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
        entropy_weight: Annotated[
            Finite,
            Ge(0),
            Doc(
                "α: worth of a nat of the policy's entropy, in scaled rewards",
                "A.4.2: searched over 0.1, 0.3; the public re-implementation's, where the search has not varied it",
            ),
        ],
        act_limit: Annotated[
            Finite,
            Gt(0),
            Doc(
                "points of E stay within ± this; 1 is where g ends",
                "public re-implementation: 1.1 reaches all of g",
            ),
        ],
        polyak: Annotated[
            Finite,
            Ge(0),
            Lt(1),
            Doc(
                "ρ: share of a target critic that stays at an update step",
                "not stated: Spinning Up's 0.995; public re-implementation: 0.999",
            ),
        ],
        replay_capacity: Annotated[
            int,
            Ge(1),
            Doc(
                "steps that are remembered, in whole epochs",
                "not stated: 1,000,000 in Spinning Up and the public re-implementation",
            ),
        ],
        update_steps: Annotated[
            int,
            Ge(1),
            Doc(
                "gradient steps of policy and critics at the end of an epoch",
                "public re-implementation: 50 to 300",
            ),
        ],
        batch_size: Annotated[
            int, Ge(1), Doc("transitions of a gradient step", "public re-implementation: 256 to 512")
        ],
        start_steps: Annotated[
            int,
            Ge(0),
            Doc(
                "uniform latent actions for so many steps, rounded up to whole epochs",
                "not stated: between 100 and 20,000 of the public re-implementation",
            ),
        ],
        update_after: Annotated[
            int, Ge(0), Doc("no gradient steps before so many steps", "not stated: Spinning Up's 1,000")
        ],
    ):
        self.models, self._streams = models, streams
        self.discount, self.entropy_weight, self.polyak = discount, entropy_weight, polyak
        self.act_limit, self.update_steps, self.batch_size = act_limit, update_steps, batch_size
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
        spec: ActionSpec,
        hidden_sizes: Sequence[int],
        initial_standard_deviations: Tensor,
        device: torch.device | str = "cpu",
        *,
        act_limit: float,
        **arguments: Any,
    ) -> Self:
        """A new agent for each seed.

        Args:
            inputs: size of the vectors, or rows of the table, that actor and critics see.
            spec: what the policy outputs.
            hidden_sizes: hidden units of each layer of actor and critics.
            initial_standard_deviations: of the Gaussian before it is squashed, `[P]`; a softmax has none.
            act_limit: points stay within ± this.
            arguments: those of the constructor, except the models and their streams.
        """
        streams = Streams(seeds, "initialisation", device)
        models: SoftActorCritic
        if spec.dimensions:
            models = ContinuousActorCritic(
                streams, inputs, spec.dimensions, hidden_sizes, initial_standard_deviations, act_limit
            )
        else:
            models = DiscreteActorCritic(streams, inputs, spec.actions, hidden_sizes, len(seeds))
        return cls(models, Streams(seeds, "soft actor-critic", device), act_limit=act_limit, **arguments)

    @property
    def _exploring(self) -> bool:
        return self.replay.steps < self.start_steps

    def draw(self, streams: Streams, *shape: int) -> Tensor:
        """Noise for `sample`, `[P, *shape, ...]`; the latent actions themselves while they are uniform."""
        return self.models.explore(streams, *shape) if self._exploring else self.models.policy.draw(streams, *shape)

    def sample(self, x: Tensor, noise: Tensor) -> Tensor:
        """Latent actions `[P, N, ...]` at inputs x `[P, N, ·]`."""
        return noise if self._exploring else self.models.policy.sample(x, noise)

    def update(self, experience: Experience, represent: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Remember an epoch and learn from what is remembered, seen through `represent`.

        Returns:
            `[P]` each: `pi_iters`, the update steps that were taken, and, once it learns, the means over them of
            `policy_loss`, `critic_loss` (the sum of both critics') and `entropy` in nats.
        """
        self.replay.add(experience)
        runs = len(experience.reward)
        if self.replay.steps < self.update_after:
            return {"pi_iters": experience.reward.new_zeros(runs)}
        rows = self._streams.integers(self.replay.size, self.update_steps, self.batch_size)
        noise = self.models.noise(self._streams, self.update_steps, 2, self.batch_size)
        pi_iters = experience.reward.new_full((runs,), self.update_steps)
        if kernels.used(self.models.policy.network.flat):
            metrics = self._update_steps_compiled(self.replay.take(rows.flatten(1)), noise, represent)
            return {**metrics, "pi_iters": pi_iters}
        total = torch.zeros(3, runs, device=rows.device)
        for step in range(self.update_steps):
            total += torch.stack(self._update_step(self.replay.take(rows[:, step]), noise[:, step], represent))
        means = dict(zip(("critic_loss", "policy_loss", "entropy"), total / self.update_steps, strict=True))
        return {**means, "pi_iters": pi_iters}

    def _update_step(
        self, batch: Batch, noise: Tensor, represent: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Eqs. (5) and (7) of Haarnoja et al. (2019) on a minibatch; losses J_Q and J_π and the entropy, `[P]` each."""
        models, alpha = self.models, self.entropy_weight
        with torch.no_grad():
            x, next_x = represent(batch.observation), represent(batch.next_observation)
            next_value, _ = models.soft_value(self._targets, next_x, noise[:, 0], alpha)
            y = soft_targets(batch.reward, batch.terminated, next_value, self.discount)
        j_q = critic_loss(models.q(x, batch.latent), y)
        j_q.sum().backward()
        self._critic_adam.step()
        value, surprise = models.soft_value(models.critics.flat.detach(), x, noise[:, 1], alpha)
        j_pi = policy_loss(value)
        j_pi.sum().backward()
        self._actor_adam.step()
        self._targets.lerp_(models.critics.flat.detach(), 1 - self.polyak)
        return j_q.detach(), j_pi.detach(), surprise.detach().mean(1)

    def _update_steps_compiled(
        self, batch: Batch, noise: Tensor, represent: Callable[[Tensor], Tensor]
    ) -> dict[str, Tensor]:
        """All update steps at once, by jsae.nn.kernels; `batch` holds those of each step, one after the other."""
        steps, shape = self.update_steps, (self.update_steps, self.batch_size)
        actor_state, critic_state = self._actor_adam.ahead(steps), self._critic_adam.ahead(steps)
        self._actor_adam.count(steps)
        self._critic_adam.count(steps)
        with torch.no_grad():
            x, next_x = represent(batch.observation), represent(batch.next_observation)
        return kernels.soft_actor_critic(
            self.models.policy.network.shape,
            actor_state,
            self.models.critics.shape,
            critic_state,
            self._targets,
            x,
            next_x,
            batch.latent.unflatten(1, shape),
            batch.reward.unflatten(1, shape),
            batch.terminated.unflatten(1, shape),
            noise,
            discount=self.discount,
            entropy_weight=self.entropy_weight,
            polyak=self.polyak,
            limit=self.act_limit,
        )

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
