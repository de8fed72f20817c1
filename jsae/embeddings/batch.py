"""Transitions that an embedding learns from."""

from typing import NamedTuple, Protocol

from torch import Tensor


class Transitions(NamedTuple):
    """| field | shape | what |
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


class Spaces(Protocol):
    """What an embedding needs to know of an environment."""

    observation_size: int
    discrete_observations: bool
    n_actions: int | None
    action_size: int
    n_targets: int
