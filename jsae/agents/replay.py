"""The memory of an off-policy agent: the last epochs of its runs, from which it draws minibatches."""

from typing import NamedTuple

import torch
from torch import Tensor

from jsae.experience.trajectories import Experience

__all__ = ["Batch", "Replay"]


class Batch(NamedTuple):
    """Transitions of the replay buffer; `next_observation` means nothing where `terminated`.

    | field | shape | what |
    |---|---|---|
    | observation, next_observation | [P, B, f] | ids or vectors |
    | latent | [P, B] or [P, B, d] | what the policy output: ids or points |
    | reward | [P, B] | scaled for learning |
    | terminated | [P, B] | the episode ended in the environment's own sense |
    """

    observation: Tensor
    next_observation: Tensor
    latent: Tensor
    reward: Tensor
    terminated: Tensor


class Replay:
    """The last epochs of P runs: a ring with room for `capacity` steps of each, in whole epochs (at least one).

    It keeps observations, not embeddings, so that a φ that goes on learning sees them again. An epoch of T steps of N
    episodes takes T + 1 rows of N observations: the row that a step leads to lies N after its own. After a termination
    that row belongs to the next episode, which no target looks at.
    """

    def __init__(self, capacity: int, device: torch.device | str = "cpu"):
        self._capacity, self._device = capacity, device
        self._epochs = self._steps = self._num_envs = 0
        self._fields: dict[str, Tensor] = {}

    @property
    def steps(self) -> int:
        """Steps that each run has ever added."""
        return self._epochs * self._steps * self._num_envs

    @property
    def size(self) -> int:
        """Steps that each run has here."""
        return self._filled * self._steps * self._num_envs

    def add(self, experience: Experience) -> None:
        """Keep an epoch, in place of the oldest one where the ring is full."""
        epoch = {
            "observation": torch.cat([experience.observation, experience.last_observation[:, None]], 1),
            "latent": experience.latent,
            "reward": experience.reward,
            "terminated": experience.terminated,
        }
        self._steps, self._num_envs = experience.reward.shape[1:]
        place = self._epochs % self._room
        for name, field in epoch.items():
            rows = field.flatten(1, 2)
            rows = rows.int() if rows.dtype == torch.int64 else rows
            if name not in self._fields:
                self._fields[name] = self._allocate(rows[:, None])
            self._fields[name][:, place] = rows
        self._epochs += 1

    def take(self, index: Tensor) -> Batch:
        """Transitions number `index` `[P, B]`, int64, each from 0 to size − 1."""
        row = index + index.div(self._steps * self._num_envs, rounding_mode="floor") * self._num_envs
        return Batch(
            observation=self._rows("observation", row),
            next_observation=self._rows("observation", row + self._num_envs),
            latent=self._rows("latent", index),
            reward=self._rows("reward", index),
            terminated=self._rows("terminated", index),
        )

    def tensors(self) -> dict[str, Tensor]:
        """What has been filled, for a checkpoint."""
        kept = {name: field[:, : self._filled] for name, field in self._fields.items()}
        runs = len(next(iter(kept.values()))) if kept else 1
        return {"counts": torch.tensor([[self._epochs, self._steps, self._num_envs]] * runs)} | kept

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `tensors()` was taken."""
        self._epochs, self._steps, self._num_envs = tensors["counts"][0].tolist()
        self._fields = {name: self._allocate(rows) for name, rows in tensors.items() if name != "counts"}
        for name, field in self._fields.items():
            field[:, : self._filled] = tensors[name]

    @property
    def _room(self) -> int:
        """Epochs that the ring holds."""
        return max(1, self._capacity // (self._steps * self._num_envs))

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
