"""Whether speed costs learning: our trainings beside the plain reference's, from the same start, on fewer epochs.

    python -m benchmarks.learning [--seeds 5] [--epochs 20] [--only ENVIRONMENT ...] [--agents AGENT ...]

For each cell, seed by seed, our mean return of the last third of the epochs, and the reference's of the last third of
its finished episodes, among which short ones are more frequent than among ours. The reference steps one episode of one
seed at a time, so this takes hours; a cell that benchmarks/results/learning.csv has already is not run again.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table

from benchmarks import cells, training
from jsae.curves import Cell

RESULTS = Path(__file__).parent / "results" / "learning.csv"


class Row(NamedTuple):
    """Returns of a cell: means over the seeds, ours in the first epoch too, and the ends of the reference's seeds."""

    environment: str
    agent: str
    embedding: str
    seeds: int
    epochs: int
    first_epoch: float
    ours: float
    reference: float
    reference_low: float
    reference_high: float

    @property
    def verdict(self) -> str:
        """Where our mean lies."""
        if self.ours < self.reference_low:
            return "below"
        return "above" if self.ours > self.reference_high else "within"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=list(training.WORLDS), help="environments")
    parser.add_argument("--agents", nargs="+", default=["vpg", "ppo", "sac"])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = [Row(*row) for row in pl.read_csv(RESULTS).rows()] if RESULTS.exists() else []
    done = {(Cell(row.environment, row.agent, row.embedding), row.seeds, row.epochs) for row in rows}
    for cell in training.all_cells():
        wanted = cell.environment in chosen.only and cell.agent in chosen.agents
        if wanted and (cell, chosen.seeds, chosen.epochs) not in done:
            rows.append(compared(cell, chosen.seeds, chosen.epochs))
            pl.DataFrame(rows, schema=list(Row._fields), orient="row").write_csv(RESULTS, float_precision=4)
    table = Table("cell", "epochs", "first epoch", "ours", "reference (lowest, highest of its seeds)", "ours lies")
    for row in rows:
        reference = f"{row.reference:.3g} ({row.reference_low:.3g}, {row.reference_high:.3g})"
        name = f"{Cell(row.environment, row.agent, row.embedding)}"
        table.add_row(name, f"{row.epochs}", f"{row.first_epoch:.3g}", f"{row.ours:.3g}", reference, row.verdict)
    Console().print(table)


def compared(cell: Cell, seeds: int, epochs: int) -> Row:
    """Train a cell by both."""
    trainer = cells.trainer(cell, range(seeds), kl_limit=True)
    reference = [by_reference(cell, trainer, member, epochs) for member in range(seeds)]
    for _ in range(epochs):
        trainer.run_epoch()
    returns = trainer.history()["epoch_return"]
    ours = returns[:, -(-2 * epochs // 3) :].mean(1).tolist()
    first, means = float(returns[:, 0].mean()), (float(np.mean(ours)), float(np.mean(reference)))
    return Row(*vars(cell).values(), seeds, epochs, first, *means, min(reference), max(reference))


def by_reference(cell: Cell, trainer: Any, member: int, epochs: int) -> float:
    """The plain trainer's mean return, of a seed."""
    env = gymnasium.wrappers.RecordEpisodeStatistics(training.single(cell.environment), buffer_length=10**6)
    torch.manual_seed(member)
    training.plain_epochs(cell, trainer, member, env, epochs)()
    returns = np.array(env.return_queue)
    return float(returns[-(-2 * len(returns) // 3) :].mean())


if __name__ == "__main__":
    main()
