"""Environments whose values are known in closed form, each adding one difficulty to the one before."""

from typing import Self

import torch
from torch import Tensor


class Probe:
    """States 0 and 1 as one-hot ids, `n_actions` discrete actions; subclasses say what a step does."""

    episode_length = 6
    observation_size = 2
    discrete_observations = True
    n_actions = 4
    action_size = 0
    n_targets = 2
    reset_noise = 1
    step_noise = 0
    one_hots = 1
    grid = None
    device = torch.device("cpu")

    def to(self, device: torch.device | str) -> Self:
        return self

    def reset(self, uniforms: Tensor) -> Tensor:
        return torch.zeros_like(uniforms, dtype=torch.int64)

    def observe(self, state: Tensor) -> Tensor:
        return state

    def target(self, state: Tensor) -> Tensor:
        return state[..., 0]

    def action_effects(self) -> None:
        """Actions are no motions."""


class ConstantReward(Probe):
    """One step worth 1: V(0) = 1."""

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return state, torch.ones(action.shape), torch.ones(action.shape, dtype=torch.bool)


class RewardOfState(Probe):
    """Starts in 0 or 1 by chance; one step worth −1 or +1: V(0) = −1, V(1) = 1."""

    def reset(self, uniforms: Tensor) -> Tensor:
        return (uniforms < 0.5).long()

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return state, (2.0 * state[..., 0] - 1), torch.ones(action.shape, dtype=torch.bool)


class DelayedReward(Probe):
    """0 → 1 → end, the second step worth 1: V(0) = γ, V(1) = 1."""

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        second = state[..., 0] == 1
        return torch.ones_like(state), second.float(), second


class RewardOfAction(Probe):
    """One step, worth 1 for action 2 and nothing else; the state reached tells the action: best return 1."""

    observation_size = 5
    n_targets = 5
    episode_length = 1

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return action[..., None] + 1, (action == 2).float(), torch.ones(action.shape, dtype=torch.bool)


class Endless(Probe):
    """Never ends, every step worth 1: V = 1 / (1 − γ), although every trajectory is cut after six."""

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return state, torch.ones(action.shape), torch.zeros(action.shape, dtype=torch.bool)
