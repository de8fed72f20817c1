"""Runs made from a seeded generator, for tests of what comes after training: no result of the study."""

import json
from collections.abc import Sequence

import numpy as np
import polars as pl

from jsae import parameters
from jsae.curves import CURVES, Cell
from stages import paths

LEVELS = {
    "gridworld-continuous": (-2.8, 0.96),
    "gridworld-discrete": (-2.8, 0.96),
    "slot-machine": (13.3, 480.0),
    "gridworld-2048": (-2.8, 0.96),
    "half-cheetah": (-70.0, 300.0),
    "recommender": (37.6, 43.4),
}
SPEED = {"jsae": 4.0, "ra": 2.0, "none": 1.0}


def run(cell: Cell, seeds: Sequence[int], epochs: int, steps_per_epoch: int) -> pl.DataFrame:
    """Rows of one cohort: a saturating curve with noise that depends on the cell and the seed only."""
    low, high = LEVELS[cell.environment]
    frames = []
    for seed in seeds:
        rng = np.random.default_rng([seed, *f"{cell}".encode()])
        time = np.linspace(0, 1, epochs) * SPEED.get(cell.embedding, 1.5) * rng.uniform(0.6, 1.4)
        returns = low + (high - low) * 0.7 * (1 - np.exp(-time)) + rng.normal(0, 0.03 * (high - low), epochs)
        epoch = np.arange(1, epochs + 1)
        losses = {name: rng.normal(size=epochs) for name in ("policy_loss", "critic_loss", "entropy", "kl")}
        frames.append(
            pl.DataFrame(
                {
                    "environment": [cell.environment] * epochs,
                    "agent": [cell.agent] * epochs,
                    "embedding": [cell.embedding] * epochs,
                    "seed": np.full(epochs, seed),
                    "epoch": epoch,
                    "env_steps": epoch * steps_per_epoch,
                    "mean_return": returns,
                    "epoch_return": returns,
                    "episodes": epoch * 10,
                    **losses,
                    "policy_steps": np.ones(epochs, dtype=np.int64),
                    "embedding_loss": np.full(epochs, np.nan),
                },
                schema=CURVES,
            )
        )
    return pl.concat(frames)


def write_study(settings: parameters.Parameters, scale: str = "preview", leave_out: Sequence[Cell] = ()) -> None:
    """Write a run file for every cell and cohort of `settings`, under the current folder, except `leave_out`."""
    for cell in (Cell(*names) for names in settings.cells()):
        if cell in leave_out:
            continue
        environment = settings.environments[cell.environment]
        for cohort in settings.cohorts:
            path = paths.curves(scale, cell.environment, cell.agent, cell.embedding, cohort)
            path.parent.mkdir(parents=True, exist_ok=True)
            seeds = parameters.seeds_of(cohort)
            run(cell, seeds, environment.epochs.at(scale), environment.steps_per_epoch).write_parquet(path)


def write_bounds() -> None:
    """Write a file of bounds for every environment but the recommender, whose optimum stays unknown."""
    for environment, (low, high) in LEVELS.items():
        path = paths.bounds(environment)
        path.parent.mkdir(parents=True, exist_ok=True)
        optimal = "null" if environment == "recommender" else high
        path.write_text(f'{{"random_return": {low}, "optimal_return": {optimal}}}\n')


def write_theory() -> None:
    """Write checks of one lemma: it holds in one place and not in another."""
    empty = dict.fromkeys(("low", "high", "embedding", "trained", "seed"))
    exact = {**empty, "check": "lemma-1", "where": "injective φ", "quantity": "relative error", "value": 3e-15, "n": 20}
    broken = {**exact, "where": "states collide", "quantity": "error of Eq. (2)", "value": 0.3, "low": 0.1, "high": 0.7}
    facts = {"lemma-1": {"holds": True, "measure": "digits", "value": 14, "n": 20}}
    path = paths.theory("preview")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": facts, "checks": [exact, broken], "missing": []}))
