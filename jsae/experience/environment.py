"""What an environment must offer, and how one is made by name."""

import importlib
from typing import Any, Protocol, Self

import torch
from torch import Tensor


class Environment(Protocol):
    """A batched environment: P members × N parallel episodes, functions of tensors without any state of their own.

    | method | in | out |
    |---|---|---|
    | reset | uniforms [P, N, reset_noise] | state [P, N, k] |
    | step | state, action [P, N] or [P, N, action_size], uniforms [P, N, step_noise] | next state, reward [P, N], terminated [P, N] |
    | observe | state | ids [P, N, f] of a table of observation_size rows, or vectors [P, N, observation_size] |
    | target | state | what Eq. (5) predicts of it: a class [P, N] of n_targets, or a vector [P, N, n_targets] |

    The next state is the one before any reset; time limits are the caller's.
    """  # noqa: E501

    episode_length: int
    observation_size: int
    discrete_observations: bool
    n_actions: int | None
    action_size: int
    n_targets: int
    reset_noise: int
    step_noise: int
    device: torch.device

    def reset(self, uniforms: Tensor) -> Tensor: ...
    def step(self, state: Tensor, action: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...
    def observe(self, state: Tensor) -> Tensor: ...
    def target(self, state: Tensor) -> Tensor: ...
    def to(self, device: torch.device | str) -> Self: ...


def build(module: str, arguments: dict[str, Any], device: torch.device | str = "cpu") -> Environment:
    """The environment class of jsae/environments/`module`.py, with its arguments, on a device."""
    found = importlib.import_module(f"jsae.environments.{module}")
    environment: Environment = getattr(found, module.replace("_", " ").title().replace(" ", ""))(**arguments)
    return environment.to(device)
