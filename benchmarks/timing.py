"""How the benchmarks measure: contenders take turns, the median of several turns counts."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

GEMM = "GEMM"
_SIZE = 1024


def gemm() -> Callable[[], object]:
    """A large float32 matrix product: what the machine can do at best, as a contender of any measurement."""
    a, b, c = (torch.zeros(_SIZE, _SIZE) for _ in range(3))
    return lambda: torch.mm(a, b, out=c)


def gemm_rate(seconds: float) -> float:
    """Operations a second of `gemm`, a multiplication and an addition being two."""
    return 2 * _SIZE**3 / seconds


def interleaved(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of a call of each, taking turns after one unmeasured call: a busy moment hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            start = time.perf_counter()
            contender()
            if number:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}
