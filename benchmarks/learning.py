"""Whether speed costs learning: our trainings and the plain reference's, from the same start, on fewer epochs.

    python -m benchmarks.learning --show
    python -m benchmarks.learning [--seeds 5] [--epochs 60] [--pretraining-epochs 40] [--only ENVIRONMENT ...]
        [--agents AGENT ...] [--embeddings EMBEDDING ...]

For each cell, seed by seed, our mean return of the last third of the epochs, and the reference's of the last third of
its finished episodes, among which short ones are more frequent than among ours. Both start from the same embeddings,
pre-trained by us in so many epochs over 30,000 random transitions, and have the settings that the search has found;
with `--pretraining-epochs 0`, embeddings as they start and the settings of params.yaml. The reference steps one
episode of one seed at a time, so this takes hours; a cell that benchmarks/results/learning.csv has
already is not run again.
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
from jsae.config import hyper_parameters
from jsae.config.best import NOTHING_FOUND
from jsae.config.study import Cell
from jsae.embeddings.learner import Learner
from jsae.experience.samples import random_transitions
from jsae.nn.randomness import Streams
from jsae.training.trainer import Trainer

RESULTS = Path(__file__).parent / "results" / "learning.csv"
SAMPLES = 30_000
"""Random transitions of each seed that embeddings are pre-trained on."""


class Row(NamedTuple):
    """Returns of a cell: means over the seeds, ours in the first epoch too, and the ends of the seeds."""

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
    pretraining_epochs: int
    ours_low: float | None
    ours_high: float | None

    @property
    def cell(self) -> Cell:
        """Environment, agent and embedding."""
        return Cell(self.environment, self.agent, self.embedding)

    @property
    def verdict(self) -> str:
        """Where our mean lies."""
        if self.ours < self.reference_low:
            return "below"
        return "above" if self.ours > self.reference_high else "within"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--pretraining-epochs", type=int, default=40, help="of pre-training")
    parser.add_argument("--show", action="store_true", help="what there is, and run nothing")
    parser.add_argument("--only", nargs="+", default=list(training.WORLDS), help="environments")
    parser.add_argument("--agents", nargs="+", default=["vpg", "ppo", "sac"])
    parser.add_argument("--embeddings", nargs="+", default=["none", "ra", "jsae"])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = [Row(*row) for row in pl.read_csv(RESULTS).rows()] if RESULTS.exists() else []
    done = {(row.cell, row.seeds, row.epochs, row.pretraining_epochs) for row in rows}
    for cell in [] if chosen.show else training.all_cells():
        wanted = cell.environment in chosen.only and cell.agent in chosen.agents and cell.embedding in chosen.embeddings
        if wanted and (cell, chosen.seeds, chosen.epochs, chosen.pretraining_epochs) not in done:
            rows.append(compared(cell, chosen.seeds, chosen.epochs, chosen.pretraining_epochs))
            pl.DataFrame(rows, schema=list(Row._fields), orient="row").write_csv(RESULTS, float_precision=4)
    table = Table("cell", "seeds", "epochs", "pretraining_epochs", "first epoch", "ours", "reference", "ours lies")
    for row in rows:
        reference = f"{row.reference:.3g} ({row.reference_low:.3g} to {row.reference_high:.3g})"
        ours = f"{row.ours:.3g}" + (f" ({row.ours_low:.3g} to {row.ours_high:.3g})" if row.ours_low is not None else "")
        name = f"{row.cell}"
        counts = (str(count) for count in (row.seeds, row.epochs, row.pretraining_epochs))
        table.add_row(name, *counts, f"{row.first_epoch:.3g}", ours, reference, row.verdict)
    terminal = Console()
    (terminal if terminal.is_terminal else Console(width=140)).print(table)


def compared(cell: Cell, seeds: int, epochs: int, pretraining_epochs: int) -> Row:
    """Train a cell by both."""
    found = hyper_parameters.read_found(cells.settings()) if pretraining_epochs else NOTHING_FOUND
    trainer = cells.trainer(cell, range(seeds), target_kl=True, found=found)
    pretrain(trainer, seeds, pretraining_epochs)
    reference = [by_reference(cell, trainer, run, epochs) for run in range(seeds)]
    for _ in range(epochs):
        trainer.run_epoch()
    returns = trainer.history()["epoch_return"]
    ours = returns[:, min(-(-2 * epochs // 3), epochs - 1) :].mean(1).tolist()
    first, means = float(returns[:, 0].mean()), (float(np.mean(ours)), float(np.mean(reference)))
    ends = (min(reference), max(reference), pretraining_epochs, min(ours), max(ours))
    return Row(cell.environment, cell.agent, cell.embedding, seeds, epochs, first, *means, *ends)


def pretrain(trainer: Trainer, seeds: int, pretraining_epochs: int) -> None:
    """Learn the trainer's embeddings, if there is anything to learn."""
    if pretraining_epochs and trainer.embedding.parameters:
        settings = cells.settings().embeddings
        rates = {"learning_rate": settings.learning_rate, "weight_decay": settings.weight_decay}
        learner = Learner(trainer.embedding, Streams(range(seeds), "benchmark"), **rates)
        data = random_transitions(trainer.environment, range(seeds), SAMPLES)
        for _ in range(pretraining_epochs):
            learner.one_epoch(data, settings.batch_size)


def by_reference(cell: Cell, trainer: Any, run: int, epochs: int) -> float:
    """The plain trainer's mean return, of a seed."""
    env = gymnasium.wrappers.RecordEpisodeStatistics(training.single(cell.environment), buffer_length=10**6)
    torch.manual_seed(run)
    training.plain_epochs(cell, trainer, run, env, epochs)()
    returns = np.array(env.return_queue)
    return float(returns[-(-2 * len(returns) // 3) :].mean())


if __name__ == "__main__":
    main()
