"""Runs made from a seeded generator, for tests of what comes after training: no result of the study."""

import json
from collections.abc import Sequence

import numpy as np
import polars as pl

from jsae.analysis import search
from jsae.analysis.curves import CURVES, Cell
from jsae.config import parameters
from stages import paths

LEVELS = {
    "gridworld-continuous": (-2.8, 0.96),
    "gridworld-discrete": (-2.8, 0.96),
    "slot-machine": (13.3, 480.0),
    "gridworld-512": (-2.8, 0.96),
    "gridworld-2048": (-2.8, 0.96),
    "half-cheetah": (-70.0, 300.0),
    "recommender": (37.7, 55.0),
    "recommender-literal": (37.6, 41.8),
    "recommender-synthetic": (6504.0, 8608.0),
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


def write_quality() -> None:
    """Write measures of two embeddings of the discrete gridworld and one of Half-Cheetah."""
    rows = [
        ("gridworld-discrete", "jsae", 0, 0.5, 1.5, 1.25, 7.4, "nats", 0.75, None, 0.5),
        ("gridworld-discrete", "jsae", 1, 0.6, 1.7, 1.25, 7.4, "nats", 0.85, None, 0.7),
        ("gridworld-discrete", "ra", 0, 0.1, None, 1.25, 7.4, "nats", None, None, 0.4),
        ("half-cheetah", "jsae", 0, None, 0.2, 0.0, 1.5, "squared error", 0.3, 0.125, 0.25),
    ]
    columns = ("environment", "embedding", "seed", "rank_correlation", "loss", "least_loss", "guess", "unit",
               "action_gain", "action_error", "spread")  # fmt: skip
    folder = paths.quality("preview")
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, columns, orient="row").fill_null(float("nan")).write_parquet(folder / "embeddings.parquet")
    angle = np.linspace(-np.pi, np.pi, 32)
    actions = pl.DataFrame({"e1": np.cos(angle), "e2": 0.5 * np.sin(angle), "direction": angle, "length": np.ones(32)})
    names = pl.lit("gridworld-discrete").alias("environment"), pl.lit("jsae").alias("embedding")
    actions.with_columns(*names).write_parquet(folder / "actions.parquet")


def write_maps() -> None:
    """Write maps of the discrete gridworld: values fall with the distance from the goal, a part was visited."""
    y, x = np.meshgrid(np.arange(40), np.arange(40))
    frames = []
    for steps, embedding in ((60, "none"), (25, "jsae")):
        visits = np.exp(-((x - 12) ** 2 + (y - 4) ** 2) / steps)
        visits[visits < 1e-3] = 0
        columns = {"environment": "gridworld-discrete", "agent": "vpg", "embedding": embedding, "seeds": 5}
        columns |= {"x_bin": x.ravel(), "y_bin": y.ravel(), "visits": (visits / visits.sum()).ravel()}
        frames.append(pl.DataFrame({**columns, "value": -np.hypot(x - 6, y - 26).ravel() / 20}))
    pl.concat(frames).write_parquet(paths.maps("preview"))


def write_search(rows: int = 0) -> None:
    """Write the outcome of a search of so many settings of two embeddings in the slot machine."""
    rng = np.random.default_rng(0)
    text = ",".join(search.OUTCOME) + "\n"
    for row in range(rows):
        embedding, rate = ("jsae", "none")[row % 2], (0.001, 0.0003, 0.0001)[row % 3]
        text += f"slot-machine,vpg,{embedding},{rate},0.001,{(0.3, 0.6, 0.8)[row // 3 % 3]},16,4,64-64,,,,10-11,"
        text += f"{(500, 2500)[row % 5 > 0]},{100 + 200 * rng.random():.4f}\n"
    paths.SEARCH.parent.mkdir(exist_ok=True)
    paths.SEARCH.write_text(text)
    paths.SEARCH_TIMES.write_text("environment,agent,embedding,seconds,kernels\nslot-machine,vpg,jsae,600,compiled\n")
    paths.BEST.write_text("")


def write_data() -> None:
    """Write summaries of the purchases of both stores, one a synthetic log, and of their n-gram models."""
    calibration = [
        {"measure": "purchases", "published": 1000.0, "synthetic": 990.0, "ratio": 0.99},
        {"measure": "purchases at 01 h UTC", "published": 10.0, "synthetic": 9.0, "ratio": 0.9},
        {"measure": "purchases at 02 h UTC", "published": 10.0, "synthetic": 11.0, "ratio": 1.1},
    ]
    rules = [{"rule": "purchases", "rows": 990, "items": 50, "users": 300}]
    components = [
        {"component": "order 0", "skip_window": 0, "similarity": False, "perplexity": 40.0, "never_seen": 0.0},
        {"component": "mixture", "skip_window": 10, "similarity": True, "perplexity": 30.0, "never_seen": 0.123},
    ]
    model = {"items": 50, "held_out_users": 30, "held_out_purchases": 95, "components": components}
    for store, more in (("completejourney", {}), ("synthetic", {"calibration": calibration})):
        paths.purchases_summary(store).parent.mkdir(parents=True, exist_ok=True)
        paths.purchases_summary(store).write_text(json.dumps({"rows": 50_000, "rules": rules, **more}))
        paths.transitions_summary(store).write_text(json.dumps(model))
