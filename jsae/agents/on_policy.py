"""What agents that learn from their own last epoch share: advantages, policy steps with a KL stop, the critic."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar, Self

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from jsae.agents.policies import ActionSpec, Policy, policy_over
from jsae.agents.returns import generalised_advantages, normalised, rewards_to_go
from jsae.config.doc import Doc, Finite
from jsae.experience.trajectories import Experience
from jsae.io import checkpoint
from jsae.nn import kernels
from jsae.nn.adam import Adam
from jsae.nn.mlp import MLP
from jsae.nn.randomness import Streams

__all__ = ["OnPolicyAgent"]


class OnPolicyAgent:
    """Actor and critic of P runs; a subclass says what its policy minimises.

    Args:
        policy, critic: networks of the P runs.
        actor_learning_rates, critic_learning_rates: Adam's, `[P]`.
        discount: γ (A.4.2).
        gae_lambda, train_pi_iters, train_v_iters, target_kl: documented in the signature. An update step takes the
            whole epoch; each run stops on its own.
    """

    label: ClassVar[str]
    order: ClassVar[int]
    searched: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        policy: Policy,
        critic: MLP,
        *,
        actor_learning_rates: Tensor,
        critic_learning_rates: Tensor,
        discount: float,
        gae_lambda: Annotated[Finite, Ge(0), Le(1), Doc("λ of generalised advantage estimation", "A.4.2")],
        train_pi_iters: Annotated[
            int, Ge(1), Doc("gradient steps of the policy an epoch", "not stated: Spinning Up's 1")
        ],
        train_v_iters: Annotated[
            int, Ge(1), Doc("gradient steps of the critic an epoch", "not stated: Spinning Up's 80")
        ],
        target_kl: Annotated[
            Annotated[Finite, Gt(0)] | None,
            Doc(
                "policy steps after the first end when E[ln π_old − ln π] exceeds it; null: never",
                "not stated: Spinning Up, with one step, has none; here that of PPO, where an environment has more",
            ),
        ] = None,
    ):
        self.policy, self.critic = policy, critic
        self.discount, self.gae_lambda = discount, gae_lambda
        self.train_pi_iters, self.train_v_iters, self.target_kl = train_pi_iters, train_v_iters, target_kl
        self._actor_adam = Adam([policy.network.flat], actor_learning_rates)
        self._critic_adam = Adam([critic.flat], critic_learning_rates)

    @classmethod
    def build(
        cls,
        seeds: Sequence[int],
        inputs: int,
        spec: ActionSpec,
        hidden_sizes: Sequence[int],
        initial_standard_deviations: Tensor,
        device: torch.device | str = "cpu",
        **arguments: Any,
    ) -> Self:
        """A new agent for each seed.

        Args:
            inputs: size of the vectors, or rows of the table, that actor and critic see.
            spec: what the policy outputs.
            hidden_sizes: hidden units of each layer of actor and critic.
            initial_standard_deviations: of the Gaussian, `[P]`; a softmax has none.
            arguments: those of the constructor, except the networks.
        """
        streams = Streams(seeds, "initialisation", device)
        policy = policy_over(spec, streams, inputs, hidden_sizes, initial_standard_deviations)
        return cls(policy, MLP(streams, inputs, hidden_sizes, 1, runs=len(seeds)), **arguments)

    def draw(self, streams: Streams, *shape: int) -> Tensor:
        """Noise for `sample`, `[P, *shape, ...]`."""
        return self.policy.draw(streams, *shape)

    def sample(self, x: Tensor, noise: Tensor) -> Tensor:
        """Latent actions `[P, N, ...]` at inputs x `[P, N, ·]`."""
        return self.policy.sample(x, noise)

    def policy_loss(self, log_p: Tensor, old_log_p: Tensor, advantage: Tensor) -> Tensor:
        """Each run's loss `[P]` from ln π(a | s), the same before the epoch's steps, and advantages, `[P, B]`."""
        raise TypeError(f"{type(self).__name__} is no agent: it has no policy loss")

    @property
    def compiled_clip(self) -> float | None:
        """`policy_loss` for jsae.nn.kernels: the clip of PPO's, or POLICY_GRADIENT; None for any other."""
        return None

    def update(self, experience: Experience, represent: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Learn from an epoch, seen through `represent`.

        Returns:
            `[P]` each: `policy_loss` and `critic_loss` before the first step, `entropy` of the policy in nats,
            `kl` after the last step, and `pi_iters`, the policy steps that were taken.
        """
        latent = experience.latent.flatten(1, 2)
        with torch.no_grad():
            x = represent(experience.observation.flatten(1, 2))
            value = self.critic(x)[..., 0].view_as(experience.reward)
            last_value = self.critic(represent(experience.last_observation))[..., 0]
        reward, terminated = experience.reward, experience.terminated
        advantage = generalised_advantages(reward, value, last_value, terminated, self.discount, self.gae_lambda)
        returns = rewards_to_go(reward, last_value, terminated, self.discount).flatten(1)
        metrics = self._improve_policy(x, latent, normalised(advantage).flatten(1))
        metrics["critic_loss"] = self._fit_critic(x, returns)
        return metrics

    def _improve_policy(self, x: Tensor, latent: Tensor, advantage: Tensor) -> dict[str, Tensor]:
        clip = self.compiled_clip
        if clip is not None and kernels.used(self.policy.network.flat):
            return self._improve_policy_compiled(x, latent, advantage, clip)
        active = torch.ones(len(x), dtype=torch.bool, device=x.device)
        steps = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        first_loss = old_log_p = torch.empty(0)
        for step in range(self.train_pi_iters):
            log_p = self.policy.log_probability(x, latent)
            if step == 0:
                old_log_p = log_p.detach()
            elif self.target_kl is not None:
                active &= (old_log_p - log_p.detach()).mean(1) <= self.target_kl
                if not active.any():  # the one wait for a GPU in a step: it saves the steps that no run takes
                    break
            loss = self.policy_loss(log_p, old_log_p, advantage)
            if step == 0:
                first_loss = loss.detach()
            loss.sum().backward()
            self._actor_adam.step(active)
            steps += active
        with torch.no_grad():
            kl = (old_log_p - self.policy.log_probability(x, latent)).mean(1)
        return {"policy_loss": first_loss, "entropy": -old_log_p.mean(1), "kl": kl, "pi_iters": steps}

    def _improve_policy_compiled(self, x: Tensor, latent: Tensor, advantage: Tensor, clip: float) -> dict[str, Tensor]:
        """The same by jsae.nn.kernels."""
        state = self._actor_adam.ahead(self.train_pi_iters)
        shape, target_kl = self.policy.network.shape, self.target_kl
        metrics = kernels.improve_policy(shape, state, x, latent, advantage, clip=clip, target_kl=target_kl)
        metrics["pi_iters"] = metrics.pop("policy_steps")
        self._actor_adam.count(metrics["pi_iters"])
        return metrics

    def _fit_critic(self, x: Tensor, returns: Tensor) -> Tensor:
        """Descend E[(V(s_t) − R̂_t)²]; the loss before the first step, `[P]`."""
        if kernels.used(self.critic.flat):
            state = self._critic_adam.ahead(self.train_v_iters)
            self._critic_adam.count(self.train_v_iters)
            return kernels.fit_critic(self.critic.shape, state, x, returns)
        first_loss = torch.empty(0)
        for step in range(self.train_v_iters):
            loss = (self.critic(x)[..., 0] - returns).square().mean(1)
            if step == 0:
                first_loss = loss.detach()
            loss.sum().backward()
            self._critic_adam.step()
        return first_loss

    def weights(self) -> dict[str, Tensor]:
        """Parameters of actor and critic, `[P, n]` each."""
        return {"actor": self.policy.network.flat.detach(), "critic": self.critic.flat.detach()}

    def tensors(self) -> dict[str, Tensor]:
        """The rest of the state, for a checkpoint: that of the optimisers."""
        actor, critic = self._actor_adam.tensors(), self._critic_adam.tensors()
        return checkpoint.prefixed("actor_adam", actor) | checkpoint.prefixed("critic_adam", critic)

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `weights()` and `tensors()` were taken."""
        for name, tensor in {**self.weights(), **self.tensors()}.items():
            tensor.copy_(tensors[name])
