"""Two of Gymnasium's standard tasks as environments of this library: `[P, N]` episodes, functions without a state.

The dynamics are Gymnasium's own: one environment is put into each episode's state in turn, and stepped.
"""

import math
from typing import Any, ClassVar, Self

import gymnasium
import torch
from torch import Tensor


class StandardTask:
    """A task of Gymnasium that keeps its whole state in the attribute `state`; a subclass says which.

    Episodes start uniformly within ± `reach`, as the task's own do.
    """

    name: ClassVar[str]
    reach: ClassVar[tuple[float, ...]]
    discrete_observations = False
    step_noise = 0
    device = torch.device("cpu")

    def __init__(self) -> None:
        self._task: Any = gymnasium.make(self.name).unwrapped
        self.episode_length: int = gymnasium.spec(self.name).max_episode_steps or 0
        self.observation_size = self.n_targets = self._task.observation_space.shape[0]
        actions = self._task.action_space
        self.n_actions = int(actions.n) if isinstance(actions, gymnasium.spaces.Discrete) else None
        self.action_size = 0 if self.n_actions else actions.shape[0]
        self.reset_noise = len(self.reach)

    def to(self, device: torch.device | str) -> Self:
        """Returns self: the task is NumPy's."""
        return self

    def reset(self, uniforms: Tensor) -> Tensor:
        """Start states [P, N, k], float64, from uniform numbers [P, N, k]."""
        return (2 * uniforms - 1) * torch.tensor(self.reach, dtype=torch.float64)

    def step(self, state: Tensor, action: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States [P, N, k] and actions [P, N] or [P, N, action_size] to next states, rewards and terminated."""
        next_state = torch.empty_like(state)
        reward, terminated = torch.empty(state.shape[:2]), torch.empty(state.shape[:2], dtype=torch.bool)
        for episode in torch.cartesian_prod(*map(torch.arange, state.shape[:2])).tolist():
            self._task.state = state[*episode].numpy()
            self._task.steps_beyond_terminated = None  # the pole of an earlier episode may have fallen
            _, reward[*episode], terminated[*episode], _, _ = self._task.step(action[*episode].numpy()[()])
            next_state[*episode] = torch.from_numpy(self._task.state)
        return next_state, reward, terminated

    def observe(self, state: Tensor) -> Tensor:
        """What the agent sees of states [P, N, k], float32: the state itself, where a subclass says nothing else."""
        return state.float()

    def target(self, state: Tensor) -> Tensor:
        """What Eq. (5) would predict: the observation."""
        return self.observe(state)


class CartPole(StandardTask):
    """`CartPole-v1`: two actions, 1 a step until the pole falls, at most 500."""

    name = "CartPole-v1"
    reach = (0.05, 0.05, 0.05, 0.05)


class Pendulum(StandardTask):
    """`Pendulum-v1`: a torque of ±2 swings a pendulum up; every one of 200 steps costs."""

    name = "Pendulum-v1"
    reach = (math.pi, 1.0)

    def observe(self, state: Tensor) -> Tensor:
        """Cosine and sine of the angle, and the angular velocity, [P, N, 3] float32."""
        angle, velocity = state.unbind(-1)
        return torch.stack([angle.cos(), angle.sin(), velocity], -1).float()
