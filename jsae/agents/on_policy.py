"""What agents that learn from their own last epoch share: advantages, policy steps with a KL stop, the critic."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from jsae.agents.policies import Choices, Policy, policy_over
from jsae.agents.returns import generalised_advantages, normalised, rewards_to_go
from jsae.experience.trajectories import Experience
from jsae.io import checkpoint
from jsae.nn import kernels
from jsae.nn.adam import Adam
from jsae.nn.mlp import MLP
from jsae.nn.randomness import Streams


class OnPolicyAgent:
    """Actor and critic of P members; a subclass says what its policy minimises.

    | argument | what |
    |---|---|
    | policy, critic | networks of the P members |
    | actor_learning_rates, critic_learning_rates | [P] |
    | discount, gae_lambda | γ, λ (A.4.2) |
    | policy_steps, critic_steps | full-batch gradient steps an epoch |
    | kl_limit | a member's policy steps end for the epoch when its mean ln π_old − ln π exceeds it; None: never |
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
        gae_lambda: float,
        policy_steps: int,
        critic_steps: int,
        kl_limit: float | None = None,
    ):
        self.policy, self.critic = policy, critic
        self.discount, self.gae_lambda = discount, gae_lambda
        self.policy_steps, self.critic_steps, self.kl_limit = policy_steps, critic_steps, kl_limit
        self._actor_adam = Adam([policy.network.flat], actor_learning_rates)
        self._critic_adam = Adam([critic.flat], critic_learning_rates)

    @classmethod
    def build(
        cls,
        seeds: Sequence[int],
        inputs: int,
        choices: Choices,
        hidden_sizes: Sequence[int],
        initial_standard_deviations: Tensor,
        device: torch.device | str = "cpu",
        **arguments: Any,
    ) -> Self:
        """A new agent for each seed; `arguments` are those of the constructor."""
        streams = Streams(seeds, "initialisation", device)
        policy = policy_over(choices, streams, inputs, hidden_sizes, initial_standard_deviations)
        return cls(policy, MLP(streams, inputs, hidden_sizes, 1, members=len(seeds)), **arguments)

    def draw(self, streams: Streams, *shape: int) -> Tensor:
        """Noise for `choose`, `[P, *shape, ...]`."""
        return self.policy.draw(streams, *shape)

    def choose(self, x: Tensor, noise: Tensor) -> Tensor:
        """What the policy chooses at inputs x `[P, N, ·]`, `[P, N, ...]`."""
        return self.policy.sample(x, noise)

    def policy_loss(self, log_p: Tensor, old_log_p: Tensor, advantage: Tensor) -> Tensor:
        """Each member's loss `[P]` from ln π(a | s), the same before the epoch's steps, and advantages, `[P, B]`."""
        raise TypeError(f"{type(self).__name__} is no agent: it has no policy loss")

    @property
    def compiled_clip(self) -> float | None:
        """`policy_loss` for jsae.nn.kernels: the clip of PPO's, or POLICY_GRADIENT; None for any other."""
        return None

    def update(self, experience: Experience, represent: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Learn from an epoch, seen through `represent`.

        Returns each member's `policy_loss`, `critic_loss`, `entropy`, `kl` and `policy_steps`.
        """
        choice = experience.choice.flatten(1, 2)
        with torch.no_grad():
            x = represent(experience.observation.flatten(1, 2))
            value = self.critic(x)[..., 0].view_as(experience.reward)
            last_value = self.critic(represent(experience.last_observation))[..., 0]
        reward, terminated = experience.reward, experience.terminated
        advantage = generalised_advantages(reward, value, last_value, terminated, self.discount, self.gae_lambda)
        returns = rewards_to_go(reward, last_value, terminated, self.discount).flatten(1)
        metrics = self._improve_policy(x, choice, normalised(advantage).flatten(1))
        metrics["critic_loss"] = self._fit_critic(x, returns)
        return metrics

    def _improve_policy(self, x: Tensor, choice: Tensor, advantage: Tensor) -> dict[str, Tensor]:
        network, clip = self.policy.network, self.compiled_clip
        if clip is not None and kernels.used(network.flat):
            state = self._actor_adam.ahead(self.policy_steps)
            metrics = kernels.improve_policy(
                network.shape, state, x, choice, advantage, clip=clip, kl_limit=self.kl_limit
            )
            self._actor_adam.count(metrics["policy_steps"])
            return metrics
        active = torch.ones(len(x), dtype=torch.bool, device=x.device)
        steps = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        first_loss = old_log_p = torch.empty(0)
        for step in range(self.policy_steps):
            log_p = self.policy.log_probability(x, choice)
            if step == 0:
                old_log_p = log_p.detach()
            elif self.kl_limit is not None:
                active &= (old_log_p - log_p.detach()).mean(1) <= self.kl_limit
                if not active.any():  # the one wait for a GPU in a step: it saves the steps that nobody makes
                    break
            loss = self.policy_loss(log_p, old_log_p, advantage)
            if step == 0:
                first_loss = loss.detach()
            loss.sum().backward()
            self._actor_adam.step(active)
            steps += active
        with torch.no_grad():
            kl = (old_log_p - self.policy.log_probability(x, choice)).mean(1)
        return {"policy_loss": first_loss, "entropy": -old_log_p.mean(1), "kl": kl, "policy_steps": steps}

    def _fit_critic(self, x: Tensor, returns: Tensor) -> Tensor:
        if kernels.used(self.critic.flat):
            state = self._critic_adam.ahead(self.critic_steps)
            self._critic_adam.count(self.critic_steps)
            return kernels.fit_critic(self.critic.shape, state, x, returns)
        first_loss = torch.empty(0)
        for step in range(self.critic_steps):
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
