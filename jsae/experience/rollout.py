"""Experience of a population: all episodes of all members in lockstep."""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from jsae.nn.randomness import Streams


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


class Trajectories(NamedTuple):
    """T steps of N episodes of P members.

    | field | shape | what |
    |---|---|---|
    | state, next_state | [P, T, N, k] | environment states before and after the step, the latter before any reset |
    | choice | [P, T, N, ...] | what the policy chose: a point e of E, an action id, or a continuous action |
    | action | [P, T, N, ...] | the action of the environment, f(e) |
    | reward | [P, T, N] | raw |
    | terminated | [P, T, N] | the episode ended in the environment's own sense |
    """

    state: Tensor
    next_state: Tensor
    choice: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor


@torch.no_grad()
def collect(
    environment: Environment,
    act: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    noise: Tensor,
    streams: Streams,
) -> Trajectories:
    """Run every episode for `episode_length` steps, and begin a new one in its place where one terminates.

    `act(state, noise)` gives what the policy chose and the environment's action; `noise` is `[P, T, N, ...]`. Each
    member's episodes draw from its own `streams`.
    """
    steps, lanes = noise.shape[1:3]
    resets = streams.uniform(steps + 1, lanes, environment.reset_noise)
    uniforms = streams.uniform(steps, lanes, environment.step_noise)
    state = environment.reset(resets[:, 0])
    columns: list[list[Tensor]] = [[] for _ in Trajectories._fields]
    for t in range(steps):
        choice, action = act(state, noise[:, t])
        next_state, reward, terminated = environment.step(state, action, uniforms[:, t])
        for column, value in zip(columns, (state, next_state, choice, action, reward, terminated), strict=True):
            column.append(value)
        state = torch.where(terminated[..., None], environment.reset(resets[:, t + 1]), next_state)
    return Trajectories(*(torch.stack(column, 1) for column in columns))


class Experience(NamedTuple):
    """What an agent learns from: an epoch.

    | field | shape | what |
    |---|---|---|
    | observation | [P, T, N, f] | ids or vectors, before each step |
    | last_observation | [P, N, f] | those of the states that the last step led to |
    | choice | [P, T, N, ...] | what the policy chose |
    | reward | [P, T, N] | scaled for learning |
    | terminated | [P, T, N] | as in Trajectories |
    """

    observation: Tensor
    last_observation: Tensor
    choice: Tensor
    reward: Tensor
    terminated: Tensor


class Transitions(NamedTuple):
    """What an embedding learns from.

    | field | shape | what |
    |---|---|---|
    | observation, next_observation | [P, B, f] | ids or vectors |
    | action | [P, B] or [P, B, action_size] | ids or vectors |
    | target | [P, B] or [P, B, n_targets] | the next state as Eq. (5) predicts it: a class or a vector |
    """

    observation: Tensor
    action: Tensor
    next_observation: Tensor
    target: Tensor

    def take(self, rows: Tensor) -> "Transitions":
        """Rows `[P, b]` of each member."""
        return Transitions(*(_take(field, rows) for field in self))


def _take(field: Tensor, rows: Tensor) -> Tensor:
    index = rows.view(*rows.shape, *(1,) * (field.dim() - 2)).expand(*rows.shape, *field.shape[2:])
    return field.gather(1, index)


def transitions(environment: Environment, trajectories: Trajectories) -> Transitions:
    """Trajectories as an embedding learns from them, each member's in order of episodes, then of time."""
    state, next_state, action = (
        field.transpose(1, 2).flatten(1, 2)
        for field in (trajectories.state, trajectories.next_state, trajectories.action)
    )
    return Transitions(
        environment.observe(state), action, environment.observe(next_state), environment.target(next_state)
    )
