"""The tidy tables of a study: what a run's file must hold, and what is computed from all of them.

A curve row is one epoch of one run; nothing is smoothed or normalised. A final row is one run.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from jsae.analysis import statistics
from jsae.analysis.curves import CURVES, FINAL_SHARE, Cell
from jsae.config import labels as names
from jsae.config.errors import JsaeError
from jsae.io.files import read_table

FINITE = ("mean_return", "epoch_return")
"""Columns in which a NaN or an infinity means that the run is broken."""


@dataclass(frozen=True)
class Bounds:
    """Expected undiscounted return of an episode under the uniform random and the best policy; None: not known."""

    random: float | None
    optimal: float | None


def read_run(path: Path, cell: Cell, seeds: Sequence[int], epochs: int) -> pl.DataFrame:
    """Read one cohort of a cell: every one of `seeds`, each with the epochs 1 to `epochs`, in that order.

    Raises JsaeError that names the file, the column and the row (counted from 1) of what is wrong.
    """
    frame = read_table(path)
    missing = [name for name in CURVES if name not in frame.columns]
    if missing:
        raise JsaeError(f"{path} lacks the column {missing[0]}: it was written by another version, train again")
    unknown = [name for name in frame.columns if name not in CURVES]
    if unknown:
        raise JsaeError(f"{path}, column {unknown[0]}: not a column of a run: train that cell again")
    for name, kind in CURVES.items():
        if frame.schema[name] != kind:
            raise JsaeError(
                f"{path}, column {name}: holds {frame.schema[name]} instead of {kind}: train that cell again"
            )
        _refuse(path, name, frame[name].is_null(), frame[name], "is empty")
    for name in FINITE:
        _refuse(path, name, ~frame[name].is_finite(), frame[name], "is not a finite number")
    for name in ("environment", "agent", "embedding"):
        expected = getattr(cell, name)
        _refuse(path, name, frame[name] != expected, frame[name], f"does not belong here, {expected!r} does")
    _refuse(path, "seed", ~frame["seed"].is_in(list(seeds)), frame["seed"], f"is not one of the cohort's {list(seeds)}")
    frame = frame.select(list(CURVES)).sort("seed", "epoch")
    for seed in seeds:
        have = frame.filter(pl.col("seed") == seed)["epoch"].to_list()
        if have != list(range(1, epochs + 1)):
            raise JsaeError(
                f"{path}, column epoch: seed {seed} has {len(have)} epochs, not 1 to {epochs}: train that cell again"
            )
    return frame


def _refuse(path: Path, column: str, wrong: pl.Series, values: pl.Series, why: str) -> None:
    """Raise JsaeError for the first row at which `wrong` holds."""
    row = wrong.arg_max() if wrong.any() else None
    if row is not None:
        raise JsaeError(f"{path}, column {column}, row {row + 1}: {values[row]!r} {why}: train that cell again")


def read_bounds(path: Path) -> Bounds:
    """Read `{"random_return": …, "optimal_return": …}` (null: not known); further keys are ignored."""
    try:
        content = json.loads(path.read_text())
        values = [content["random_return"], content["optimal_return"]]
    except (ValueError, KeyError, TypeError):
        raise JsaeError(
            f"{path} must hold random_return and optimal_return: run the stage that made it again"
        ) from None
    for value in values:
        if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
            raise JsaeError(f"{path}: {value!r} is no return: run the stage that made it again")
    return Bounds(*(None if value is None else float(value) for value in values))


def final(curves: pl.DataFrame, bounds: dict[str, Bounds]) -> pl.DataFrame:
    """One row per run, in the order of `curves`.

    final_return: mean of mean_return over the last tenth of the epochs; area: over all epochs; fraction: how far
    final_return stands on the way from the random (0) to the optimal return (1), NaN where a bound is not known.
    """
    keys = ["environment", "agent", "embedding", "seed"]
    tail = (pl.col("epoch").max() // FINAL_SHARE).clip(lower_bound=1)
    runs = curves.group_by(keys, maintain_order=True).agg(
        pl.col("mean_return").filter(pl.col("epoch") > pl.col("epoch").max() - tail).mean().alias("final_return"),
        pl.col("mean_return").mean().alias("area"),
    )
    nan = float("nan")
    known = [bounds.get(name, Bounds(None, None)) for name in runs["environment"]]
    runs = runs.with_columns(
        pl.Series("random_return", [nan if b.random is None else b.random for b in known], dtype=pl.Float64),
        pl.Series("optimal_return", [nan if b.optimal is None else b.optimal for b in known], dtype=pl.Float64),
    )
    way = pl.col("optimal_return") - pl.col("random_return")
    return runs.with_columns(((pl.col("final_return") - pl.col("random_return")) / way).alias("fraction"))


THRESHOLDS = np.linspace(-0.25, 1.0, 126)
"""Fractions at which a performance profile is taken."""


def aggregates(runs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The paper's representations over its environments at once, from the table of `final`, agent by agent.

    First table: the interquartile mean of `fraction` over seeds and environments with its 95 % interval (stratified
    bootstrap). Second: its performance profile. Only environments of the paper count in which every embedding of the
    agent has runs and both bounds are known, and of them the seeds that all cells have; an agent with fewer than two
    environments or seeds has no row.
    """
    rows: list[dict[str, object]] = []
    profile: list[dict[str, object]] = []
    of_paper = pl.col("embedding").is_in(names.PAPER) & ~pl.col("environment").is_in(list(names.VARIANTS))
    known = runs.filter(pl.col("fraction").is_finite() & of_paper)
    for (agent,), of_agent in known.group_by("agent", maintain_order=True):
        embeddings = of_agent["embedding"].unique(maintain_order=True)
        per = of_agent.group_by("environment", maintain_order=True).agg(pl.col("embedding").n_unique())
        environments = per.filter(pl.col("embedding") == len(embeddings))["environment"]
        here = of_agent.filter(pl.col("environment").is_in(environments.to_list()))
        seeds = here.group_by("seed").len().filter(pl.col("len") == len(embeddings) * len(environments))["seed"]
        if min(len(seeds), len(environments)) < 2:
            continue
        for embedding in embeddings:
            wide = (
                here.filter((pl.col("embedding") == embedding) & pl.col("seed").is_in(seeds.to_list()))
                .pivot("environment", index="seed", values="fraction")
                .drop("seed")
                .to_numpy()
            )
            interval = statistics.stratified_bootstrap(wide, _iqm, np.random.default_rng(0))
            key = {"agent": agent, "embedding": embedding}
            rows.append({**key, "environments": len(environments), "seeds": len(seeds), **vars(interval)})
            shares = statistics.performance_profile(wide, THRESHOLDS)
            profile += [{**key, "threshold": t, "share": s} for t, s in zip(THRESHOLDS, shares, strict=True)]
    keys = {"agent": pl.String, "embedding": pl.String}
    numbers = {"estimate": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    return (
        pl.DataFrame(rows, schema={**keys, "environments": pl.Int64, "seeds": pl.Int64, **numbers}),
        pl.DataFrame(profile, schema={**keys, "threshold": pl.Float64, "share": pl.Float64}),
    )


def _iqm(values: statistics.Scores) -> statistics.Scores:
    return statistics.interquartile_mean(values, axes=2)


def metrics(runs: pl.DataFrame) -> dict[str, dict[str, float | int]]:
    """Flat numbers for `dvc metrics`, from the table of `final`: per cell the mean over seeds of each measure that is
    known, the standard deviation (of the sample; from two seeds on) of the final return, and the number of seeds."""
    numbers: dict[str, dict[str, float | int]] = {}
    cells = runs.group_by("environment", "agent", "embedding", maintain_order=True)
    for (environment, agent, embedding), seeds in cells:
        cell: dict[str, float | int] = {"seeds": len(seeds)}
        cell |= {"final_return": _mean(seeds["final_return"]), "area": _mean(seeds["area"])}
        if len(seeds) > 1:
            cell["final_return_std"] = float(seeds["final_return"].to_numpy().std(ddof=1))
        if seeds["fraction"].is_finite().all():
            cell["fraction"] = _mean(seeds["fraction"])
        numbers[f"{environment}/{agent}/{embedding}"] = cell
    return numbers


def summary(runs: pl.DataFrame) -> pl.DataFrame:
    """A row per cell: how many seeds, and the mean over them of each measure; empty where a measure is not known."""
    cell = pl.concat_str("environment", "agent", "embedding", separator="/").alias("cell")
    means = [pl.col(name).mean().fill_nan(None) for name in ("final_return", "area", "fraction")]
    return runs.group_by(cell, maintain_order=True).agg(pl.len().alias("seeds"), *means)


def _mean(values: pl.Series) -> float:
    return float(values.to_numpy().mean())
