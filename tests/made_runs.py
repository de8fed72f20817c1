"""Runs made from a seeded generator, for tests of what comes after training: no result of the study."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from jsae.analysis import search
from jsae.config import layout, plan, schema
from jsae.config.best import NOTHING_FOUND, Best
from jsae.config.study import Cell, seeds_of
from jsae.config.yaml import read_yaml
from jsae.io.declared import Declared
from jsae.training.columns import CURVES
from jsae.training.probes import PRETRAINING
from stages.settings import Study, text

ROOT = Path(__file__).resolve().parent.parent
LEVELS = {
    "gridworld-continuous": (-2.8, 0.96),
    "gridworld-discrete": (-2.8, 0.96),
    "slot-machine": (13.3, 480.0),
    "gridworld-512": (-2.8, 0.96),
    "half-cheetah": (-70.0, 300.0),
    "recommender": (37.7, 55.0),
    "recommender-no-bonus": (37.6, 41.8),
    "recommender-synthetic-store": (6504.0, 8608.0),
}
"""Returns of the random and of the best policy, by the name of an environment's file."""
SPEED = {"jsae": 4.0, "ra": 2.0, "none": 1.0}


def run(cell: Cell, seeds: Sequence[int], epochs: int, steps_per_epoch: int) -> pl.DataFrame:
    """Rows of one block of seeds: a saturating curve with noise that depends on the cell and the seed only."""
    low, high = LEVELS.get(f"{cell.environment}-{cell.reading}", LEVELS[cell.environment])
    frames = []
    for seed in seeds:
        rng = np.random.default_rng([seed, *f"{cell}".encode()])
        time = np.linspace(0, 1, epochs) * SPEED.get(cell.embedding, 1.5) * rng.uniform(0.6, 1.4)
        returns = low + (high - low) * 0.7 * (1 - np.exp(-time)) + rng.normal(0, 0.03 * (high - low), epochs)
        epoch = np.arange(1, epochs + 1)
        losses = {name: rng.normal(size=epochs) for name in ("policy_loss", "critic_loss", "entropy", "kl")}
        columns: dict[str, Any] = {
            **{name: [word] * epochs for name, word in vars(cell).items()},
            "seed": np.full(epochs, seed),
            "epoch": epoch,
            "env_steps": epoch * steps_per_epoch,
            "mean_return": returns,
            "epoch_return": returns,
            "episodes": epoch * 10,
            **losses,
            "pi_iters": np.ones(epochs, dtype=np.int64),
            "embedding_loss": np.full(epochs, np.nan),
        }
        frames.append(CURVES.frame(columns))
    return pl.concat(frames)


def parameters(epochs: int = 6) -> schema.Parameters:
    """The project's parameters with so many epochs a run in the preview, and twice as many at the paper's scale."""
    content = read_yaml(ROOT / layout.PARAMETERS)
    for section in content["environments"].values():
        section["epochs"] = {"smoke": 2, "preview": epochs, "paper": 2 * epochs}
    for groups in content["scales"].values():
        for group in groups:
            group["seeds"] = ["0-1"] if group["cells"] == "smoke" else ["0-4"]
    return schema.Parameters.model_validate(content)


def planned(scale: str, panel: str = "", given: schema.Parameters | None = None, found: Best = NOTHING_FOUND) -> Study:
    """The stages of a study. found: what a search chose; nothing, if it is left out."""
    given = given or parameters()
    return Study(given, found, plan.plan(given, found, scale, panel))


def write_settings(study: Study) -> None:
    """Write the settings files of the stages after training under the current folder; they declare no code."""
    with contextlib.chdir(ROOT):  # where the locks are
        stages = study.aggregate(), study.figures(), study.report()
    for stage in stages:
        path = layout.settings(stage.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(stage, {}), encoding="utf-8")


def declared(stage: str) -> Declared:
    """The settings file that `write_settings` wrote."""
    return Declared.read(layout.settings(stage))


def write_study(study: Study, leave_out: Sequence[Cell] = ()) -> None:
    """Write a run file for every cell and block of seeds, under the current folder, except `leave_out`."""
    for name, entry in study.plan["train"].items():
        cell = Cell(entry["environment"], entry["agent"], entry["embedding"], entry["reading"])
        if cell not in leave_out:
            section = study.parameters.environment(cell.environment, cell.reading)
            path = layout.curves(study.scale, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            epochs = section.epochs.at(study.scale)
            run(cell, seeds_of(entry["seeds"]), epochs, section.steps_per_epoch).write_parquet(path)


def write_reference_returns() -> None:
    """Write the reference returns of every environment; the optimum of the half-cheetah stays unknown."""
    for environment, (low, high) in LEVELS.items():
        path = layout.reference_returns(environment)
        path.parent.mkdir(parents=True, exist_ok=True)
        optimal = "null" if environment == "half-cheetah" else high
        path.write_text(f'{{"random_return": {low}, "optimal_return": {optimal}}}\n')


def write_theory(scale: str) -> None:
    """Write checks of one lemma: it holds in one place and not in another; and of one embedding."""
    empty: dict[str, Any] = dict.fromkeys(("low", "high", "embedding", "trained", "seed"))
    exact = {**empty, "check": "lemma-1", "where": "injective φ", "quantity": "relative error", "value": 3e-15, "n": 20}
    broken = {**exact, "where": "states collide", "quantity": "error of Eq. (2)", "value": 0.3, "low": 0.1, "high": 0.7}
    learnt = {**exact, "check": "assumption-3", "where": "recommender-no-bonus", "embedding": "jsae", "trained": "vpg"}
    facts = {"lemma-1": {"holds": True, "measure": "digits", "value": 14, "n": 20}}
    path = layout.theory(scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": facts, "checks": [exact, broken, learnt]}))


def of_study(study: Study, table: pl.DataFrame) -> pl.DataFrame:
    """The rows on environments of the study."""
    return table.filter(pl.col("environment").is_in([cell.environment for cell in study.cells]))


def write_probes(study: Study) -> None:
    """Write measures of two embeddings of the discrete gridworld and one of Half-Cheetah, as far as they run."""
    rows = [
        ("gridworld-discrete", "jsae", "", 0, 0.5, 1.5, 1.25, 7.4, "nats", 0.75, None, 0.5),
        ("gridworld-discrete", "jsae", "", 1, 0.6, 1.7, 1.25, 7.4, "nats", 0.85, None, 0.7),
        ("gridworld-discrete", "ra", "", 0, 0.1, None, 1.25, 7.4, "nats", None, None, 0.4),
        ("half-cheetah", "jsae", "", 0, None, 0.2, 0.0, 1.5, "squared error", 0.3, 0.125, 0.25),
    ]
    columns = ("environment", "embedding", "reading", "seed", "rank_correlation", "loss", "least_loss", "chance_loss",
               "unit", "action_gain", "action_error", "spread")  # fmt: skip
    folder = layout.probes(study.scale)
    folder.mkdir(parents=True, exist_ok=True)
    measured = pl.DataFrame(rows, columns, orient="row").fill_null(float("nan"))
    of_study(study, measured).write_parquet(folder / "embeddings.parquet")
    losses = [("gridworld-discrete", "jsae", "", 0, 90, 4.5, 7.25), ("gridworld-discrete", "ra", "", 0, 1, 7.5, 7.25),
              ("half-cheetah", "jsae", "", 0, 50, 0.5, float("nan"))]  # fmt: skip
    learnt = pl.DataFrame(losses, PRETRAINING.schema, orient="row")
    of_study(study, learnt).write_parquet(folder / "pretraining.parquet")
    angle = np.linspace(-np.pi, np.pi, 32)
    actions = pl.DataFrame({"e1": np.cos(angle), "e2": 0.5 * np.sin(angle), "direction": angle, "length": np.ones(32)})
    names = pl.lit("gridworld-discrete").alias("environment"), pl.lit("jsae").alias("embedding")
    of_study(study, actions.with_columns(*names)).write_parquet(folder / "actions.parquet")


def write_value_maps(study: Study) -> None:
    """Write maps of the discrete gridworld, if it runs: values fall away from the goal, a part was visited."""
    y, x = np.meshgrid(np.arange(40), np.arange(40))
    frames = []
    for steps, embedding in ((60, "none"), (25, "jsae")):
        visits = np.exp(-((x - 12) ** 2 + (y - 4) ** 2) / steps)
        visits[visits < 1e-3] = 0
        columns: dict[str, Any] = {"environment": "gridworld-discrete", "agent": "vpg", "embedding": embedding}
        columns |= {"seeds": 5, "x_bin": x.ravel(), "y_bin": y.ravel(), "visits": (visits / visits.sum()).ravel()}
        frames.append(pl.DataFrame({**columns, "value": -np.hypot(x - 6, y - 26).ravel() / 20}))
    of_study(study, pl.concat(frames)).write_parquet(layout.value_maps(study.scale))


def write_search(rows: int = 0) -> None:
    """Write the outcome of a search of so many settings of two embeddings in the slot machine."""
    rng = np.random.default_rng(0)
    content = ",".join(search.OUTCOME) + "\n"
    for row in range(rows):
        embedding, rate = ("jsae", "none")[row % 2], (0.001, 0.0003, 0.0001)[row % 3]
        content += f"slot-machine,vpg,{embedding},{rate},0.001,{(0.3, 0.6, 0.8)[row // 3 % 3]},16,4,64-64,,,,10-11,"
        content += f"{(500, 2500)[row % 5 > 0]},{100 + 200 * rng.random():.4f}\n"
    layout.SEARCH.parent.mkdir(exist_ok=True)
    layout.SEARCH.write_text(content)
    layout.SEARCH_TIMES.write_text("environment,agent,embedding,seconds,kernels\nslot-machine,vpg,jsae,600,compiled\n")


def write_data() -> None:
    """Write summaries of the purchases of two data sets, one a synthetic log, and of their n-gram models."""
    calibration = [
        {"measure": "purchases", "published": 1000.0, "synthetic": 990.0, "ratio": 0.99},
        {"measure": "purchases at 01 h UTC", "published": 10.0, "synthetic": 9.0, "ratio": 0.9},
        {"measure": "purchases at 02 h UTC", "published": 10.0, "synthetic": 11.0, "ratio": 1.1},
        {"measure": "successive purchases: of the same product", "published": 0.2, "synthetic": 0.1, "ratio": 0.5},
        {"measure": "successive purchases: of the same category", "published": 0.4, "synthetic": 0.4, "ratio": 1.0},
    ]
    rules = [{"rule": "purchases", "rows": 990, "items": 50, "users": 300}]
    components = [
        {"component": "order 0", "skip_window": 0, "similarity": False, "perplexity": 40.0, "never_seen": 0.0},
        {"component": "mixture", "skip_window": 10, "similarity": True, "perplexity": 30.0, "never_seen": 0.123},
    ]
    model = {"items": 50, "held_out_users": 30, "held_out_purchases": 95, "components": components}
    for source, more in (("completejourney", {}), ("synthetic", {"calibration": calibration})):
        place = layout.purchases(source).with_suffix(".json")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps({"rows": 50_000, "rules": rules, **more}))
        layout.transitions(source).with_suffix(".json").write_text(json.dumps(model))


def write_all(study: Study, leave_out: Sequence[Cell] = ()) -> None:
    """Write everything that the stages after training read, under the current folder, but the report's own files."""
    write_settings(study)
    write_study(study, leave_out)
    write_reference_returns()
    write_theory(study.scale)
    write_probes(study)
    write_value_maps(study)
    write_search(18)
    write_data()
