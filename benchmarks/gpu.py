"""A GPU and the CPU: whether they agree, and what an epoch costs a run as the batch of runs grows.

    python -m benchmarks.gpu            # up to 1,000 runs
    python -m benchmarks.gpu --quick    # up to 100

The CPU has one core, and at most 100 runs: from some ten on, each costs it the same. Writes
benchmarks/results/gpu.csv. Where torch finds no GPU, it says so and does nothing.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch
from rich.console import Console
from rich.table import Table

from benchmarks import cells
from benchmarks.timing import interleaved
from jsae.config.study import Cell

RESULT = Path(__file__).parent / "results" / "gpu.csv"
SEEDS = range(5)
MOST_ON_CPU = 100
CELLS = [
    Cell("gridworld-discrete", "vpg", "none"),
    Cell("gridworld-discrete", "vpg", "jsae"),
    Cell("slot-machine", "vpg", "jsae"),
    Cell("half-cheetah", "vpg", "jsae"),
    Cell("recommender", "ppo", "none"),
    Cell("recommender", "ppo", "jsae"),
    Cell("recommender", "sac", "jsae"),
]


class Row(NamedTuple):
    """Of a cell: how far an epoch of five runs on the GPU is from the CPU's, and its cost for so many runs.

    | field | what |
    |---|---|
    | difference | the largest of any metric, in standard deviations of that metric over the seeds |
    | cpu, gpu | milliseconds of an epoch for each run; NaN where not measured, or where memory did not suffice |
    """

    cell: str
    difference: float
    runs: int
    cpu: float
    gpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 100 runs, in fewer turns")
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        print("skipped: torch finds no GPU here (make setup TORCH=cuda installs the torch that can use one)")
        return
    torch.set_num_threads(1)
    sizes, rounds = ((1, 10, 100), 1) if chosen.quick else ((1, 3, 10, 30, 100, 300, 1000), 3)
    table = Table(*Row._fields, title=f"{torch.cuda.get_device_name()}, milliseconds an epoch and run")
    rows = []
    for row in compared(CELLS, "cuda", sizes, rounds):
        rows.append(row)
        table.add_row(row.cell, f"{row.difference:.2g}", str(row.runs), f"{row.cpu:.3g}", f"{row.gpu:.3g}")
    RESULT.parent.mkdir(exist_ok=True)
    pl.DataFrame(rows, schema=list(Row._fields), orient="row").write_csv(RESULT)
    Console().print(table)


def compared(chosen: Sequence[Cell], device: str, sizes: Sequence[int], rounds: int) -> Iterator[Row]:
    """A row for each cell and size."""
    for cell in chosen:
        apart = difference(cell, device)
        for runs in sizes:
            on_cpu = cost(cell, runs, "cpu", rounds) if runs <= MOST_ON_CPU else math.nan
            yield Row(f"{cell}", apart, runs, on_cpu, cost(cell, runs, device, rounds))


def difference(cell: Cell, device: str) -> float:
    """See Row. Both begin with the same weights and see the same random numbers."""
    here, there = (cells.trainer(cell, SEEDS, device=where) for where in ("cpu", device))
    for trainer in (here, there):
        trainer.run_epoch()
    found = there.history()
    apart = [(found[name] - values).abs().amax() / values.std() for name, values in here.history().items()]
    return float(torch.stack(apart).nan_to_num(0.0).max())  # NaN: not measured, or 0 of 0


def cost(cell: Cell, runs: int, device: str, rounds: int) -> float:
    """See Row. An epoch ends with its metrics on the CPU, so that none of it is left to do."""
    try:
        trainer = cells.trainer(cell, range(runs), device=device)
        return 1e3 * interleaved({"epoch": trainer.run_epoch}, rounds)["epoch"] / runs
    except torch.OutOfMemoryError:
        return math.nan


if __name__ == "__main__":
    main()
