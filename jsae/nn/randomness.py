"""Random numbers of a batch of runs: each run has its own streams, so its result depends on no other run."""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one run and one purpose; different purposes give independent streams."""
    entropy = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
    return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))


class Streams:
    """One generator a run, all for the same purpose.

    Numbers are drawn on the CPU, a block an epoch, and moved: every device sees the same, and never waits for them.
    """

    def __init__(self, seeds: Sequence[int], purpose: str, device: torch.device | str = "cpu"):
        self._generators = [generator(seed, purpose) for seed in seeds]
        self._device = device

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """`[P, *shape]` numbers of [0, 1)."""
        numbers = torch.empty(len(self._generators), *shape, dtype=dtype)
        for row, run in zip(numbers, self._generators, strict=True):
            row.uniform_(generator=run)
        return self._moved(numbers)

    def normal(self, *shape: int) -> Tensor:
        """`[P, *shape]` standard normal numbers, float32."""
        numbers = torch.empty(len(self._generators), *shape)
        for row, run in zip(numbers, self._generators, strict=True):
            row.normal_(generator=run)
        return self._moved(numbers)

    def integers(self, bound: int, *shape: int) -> Tensor:
        """`[P, *shape]` whole numbers of 0 ... bound − 1, int64."""
        numbers = torch.empty(len(self._generators), *shape, dtype=torch.int64)
        for row, run in zip(numbers, self._generators, strict=True):
            row.random_(0, bound, generator=run)
        return self._moved(numbers)

    def permutation(self, length: int) -> Tensor:
        """`[P, length]`: a shuffled 0 ... length − 1 for each run, int64."""
        rows = [torch.randperm(length, generator=run) for run in self._generators]
        return self._moved(torch.stack(rows))

    def _moved(self, numbers: Tensor) -> Tensor:
        if torch.device(self._device).type == "cuda":
            numbers = numbers.pin_memory()  # else the host waits for the copy
        return numbers.to(self._device, non_blocking=True)

    def tensors(self) -> dict[str, Tensor]:
        """The whole state, for a checkpoint."""
        return {"generators": torch.stack([run.get_state() for run in self._generators])}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `tensors()` was taken."""
        for run, state in zip(self._generators, tensors["generators"], strict=True):
            run.set_state(state.clone())  # a view of a file may lie at an odd address
