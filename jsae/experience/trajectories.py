"""What policies experience, as tensors of a batch of runs: trajectories, and what agents and embeddings learn from."""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from jsae.experience.environment import Environment


class Trajectories(NamedTuple):
    """T steps of N episodes of P runs.

    | field | shape | what |
    |---|---|---|
    | state, next_state | [P, T, N, k] | environment states before and after the step, the latter before any reset |
    | latent | [P, T, N, ...] | what the policy chose: a point e of E, an action id, or a continuous action |
    | action | [P, T, N, ...] | the action of the environment, f(e) |
    | reward | [P, T, N] | raw |
    | terminated | [P, T, N] | the episode ended in the environment's own sense |
    """

    state: Tensor
    next_state: Tensor
    latent: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor


class Experience(NamedTuple):
    """What an agent learns from: an epoch.

    | field | shape | what |
    |---|---|---|
    | observation | [P, T, N, f] | ids or vectors, before each step |
    | last_observation | [P, N, f] | those of the states that the last step led to |
    | latent | [P, T, N, ...] | what the policy chose |
    | reward | [P, T, N] | scaled for learning |
    | terminated | [P, T, N] | as in Trajectories |
    """

    observation: Tensor
    last_observation: Tensor
    latent: Tensor
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
        """Rows `[P, b]` of each run."""
        return Transitions(*(_take(field, rows) for field in self))

    def minibatches(self, size: int) -> Iterator["Transitions"]:
        """All of them, `size` of each run at a time, as views."""
        return (Transitions(*parts) for parts in zip(*(field.split(size, 1) for field in self), strict=True))


def _take(field: Tensor, rows: Tensor) -> Tensor:
    index = rows.view(*rows.shape, *(1,) * (field.dim() - 2)).expand(*rows.shape, *field.shape[2:])
    return field.gather(1, index)


def transitions(environment: Environment, trajectories: Trajectories) -> Transitions:
    """Trajectories as an embedding learns from them, each run's in order of episodes, then of time."""
    state, next_state, action = (
        field.transpose(1, 2).flatten(1, 2)
        for field in (trajectories.state, trajectories.next_state, trajectories.action)
    )
    return Transitions(
        environment.observe(state), action, environment.observe(next_state), environment.target(next_state)
    )
