"""From the curves of every run to the tables that are reported: final returns, means over training, aggregates."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from jsae.analysis import statistics
from jsae.analysis.schema import AGGREGATES, FINAL, FINAL_SHARE, PROFILES
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.io.files import write_atomically
from jsae.io.table import read, refuse
from jsae.training.columns import CURVES, KEYS

__all__ = [
    "NOT_KNOWN",
    "THRESHOLDS",
    "ReferenceReturns",
    "aggregates",
    "compact",
    "counted",
    "final",
    "metrics",
    "pack",
    "read_reference_returns",
    "read_run",
    "summary",
]


@dataclass(frozen=True)
class ReferenceReturns:
    """Expected undiscounted return of an episode under the uniform random and the best policy; None: not known."""

    random: float | None
    optimal: float | None


NOT_KNOWN = ReferenceReturns(None, None)


def read_run(path: Path, cell: Cell, seeds: Sequence[int], epochs: int) -> pl.DataFrame:
    """Read one block of seeds of a cell: every one of `seeds`, each with the epochs 1 to `epochs`, in that order.

    Raises JsaeError that names the file, the column and the row (counted from 1) of what is wrong.
    """
    frame = read(CURVES, path)
    for name, expected in vars(cell).items():
        refuse(path, name, frame[name] != expected, frame[name], f"does not belong here, {expected!r} does")
    refuse(path, "seed", ~frame["seed"].is_in(list(seeds)), frame["seed"], f"is not one of {list(seeds)}")
    frame = frame.sort("seed", "epoch")
    for seed in seeds:
        have = frame.filter(pl.col("seed") == seed)["epoch"].to_list()
        if have != list(range(1, epochs + 1)):
            raise JsaeError(
                f"{path}, column epoch: seed {seed} has {len(have)} epochs, not 1 to {epochs}: train that cell again"
            )
    return frame


def compact(curves: pl.DataFrame) -> pl.DataFrame:
    """The curves that a study reports and git keeps.

    Returns are as precise as float32. The optional columns are there for the primary reading only; those that are not
    returns have three significant digits.
    """
    returns = [name for name, column in CURVES.columns.items() if column.unit == "return"]
    numbers = [
        pl.col(returns).cast(pl.Float32).cast(pl.Float64),
        pl.col(pl.Float64).exclude(returns).round_sig_figs(3),
    ]
    primary = pl.col("reading") == ""
    return curves.with_columns(numbers).with_columns(pl.when(primary).then(pl.col(name)) for name in CURVES.optional)


def pack(curves: pl.DataFrame, path: Path) -> None:
    """Write curves for git, as small as zstd makes them: a sixth smaller than other tables, in seconds. Checked.

    Each column is one large page: epochs and steps then compress to almost nothing.
    """
    CURVES.check(curves, path)
    with write_atomically(path) as temporary:
        curves.select(list(CURVES.columns)).write_parquet(
            temporary,
            compression="zstd",
            compression_level=19,
            row_group_size=max(1, len(curves)),
            data_page_size=16 * 2**20,
        )


def read_reference_returns(path: Path) -> ReferenceReturns:
    """Read `{"random_return": …, "optimal_return": …}` (null: not known); further keys are ignored."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values = [content["random_return"], content["optimal_return"]]
    except (ValueError, KeyError, TypeError):
        raise JsaeError(
            f"{path} must hold random_return and optimal_return: run the stage that made it again"
        ) from None
    for value in values:
        if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
            raise JsaeError(f"{path}: {value!r} is no return: run the stage that made it again")
    return ReferenceReturns(*(None if value is None else float(value) for value in values))


def final(
    curves: pl.DataFrame, reference: Mapping[Cell, ReferenceReturns], success: Mapping[str, float] | None = None
) -> pl.DataFrame:
    """The table `final`: one row per run, in the order of `curves`.

    Args:
        curves: of every run.
        reference: returns of each cell's environment.
        success: by environment, the return above which a run succeeds under the primary reading. Under a reading that
            changes returns, it lies the same share of the way from random to optimal.
    """
    tail = (pl.col("epoch").max() // FINAL_SHARE).clip(lower_bound=1)
    runs = curves.group_by([*KEYS, "seed"], maintain_order=True).agg(
        pl.col("mean_return").filter(pl.col("epoch") > pl.col("epoch").max() - tail).mean().alias("final_return"),
        pl.col("mean_return").mean().alias("mean_over_training"),
    )
    known = [reference.get(Cell(*words), NOT_KNOWN) for words in runs.select(KEYS).iter_rows()]
    for end in ("random", "optimal"):
        found = (getattr(one, end) for one in known)
        numbers = [math.nan if value is None else value for value in found]
        runs = runs.with_columns(pl.Series(f"{end}_return", numbers, dtype=pl.Float64))
    way = pl.col("optimal_return") - pl.col("random_return")
    normalized = ((pl.col("final_return") - pl.col("random_return")) / way).alias("normalized_return")
    threshold = [_threshold(Cell(*words), reference, success or {}) for words in runs.select(KEYS).iter_rows()]
    succeeds = (pl.col("final_return") > pl.Series(threshold, dtype=pl.Float64)).alias("success")
    return runs.with_columns(normalized, succeeds).select(list(FINAL.columns))


def _threshold(cell: Cell, reference: Mapping[Cell, ReferenceReturns], success: Mapping[str, float]) -> float | None:
    """The return above which a run of this cell succeeds; None if there is none, or if it is not known."""
    above = success.get(cell.environment)
    if above is None or not cell.reading:
        return above
    of_primary = (one for c, one in reference.items() if c.environment == cell.environment and not c.reading)
    primary, here = next(of_primary, NOT_KNOWN), reference.get(cell, NOT_KNOWN)
    if None in (primary.random, primary.optimal, here.random, here.optimal):
        return None
    if here == primary:
        return above
    share = (above - primary.random) / (primary.optimal - primary.random)  # type: ignore[operator]
    return here.random + share * (here.optimal - here.random)  # type: ignore[operator]


THRESHOLDS = np.linspace(-0.25, 1.0, 126)
"""Normalized returns at which a performance profile is taken."""


def aggregates(runs: pl.DataFrame, cells: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The paper's representations over its environments at once, from the tables `final` and `cells`, agent by agent.

    First table: the interquartile mean of the normalized return over seeds and environments with its 95 % interval
    (stratified bootstrap). Second: its performance profile. Only panels of Figure 2 count in which every embedding of
    the agent has runs and both reference returns are known, and of them the seeds that all cells have; an agent with
    fewer than two environments or seeds has no row.
    """
    rows: list[dict[str, object]] = []
    profile: list[dict[str, object]] = []
    known = _known(runs, cells)
    for agent, environments in counted(runs, cells).items():
        here = known.filter((pl.col("agent") == agent) & pl.col("environment").is_in(environments))
        embeddings = here["embedding"].unique(maintain_order=True)
        seeds = here.group_by("seed").len().filter(pl.col("len") == len(embeddings) * len(environments))["seed"]
        if min(len(seeds), len(environments)) < 2:
            continue
        for embedding in embeddings:
            wide = (
                here.filter((pl.col("embedding") == embedding) & pl.col("seed").is_in(seeds.to_list()))
                .pivot("environment", index="seed", values="normalized_return")
                .drop("seed")
                .to_numpy()
            )
            interval = statistics.stratified_bootstrap(wide)
            key = {"agent": agent, "embedding": embedding}
            rows.append({**key, "environments": len(environments), "seeds": len(seeds), **vars(interval)})
            shares = statistics.performance_profile(wide, THRESHOLDS)
            profile += [{**key, "threshold": t, "share": s} for t, s in zip(THRESHOLDS, shares, strict=True)]
    return pl.DataFrame(rows, AGGREGATES.schema), pl.DataFrame(profile, PROFILES.schema)


def counted(runs: pl.DataFrame, cells: pl.DataFrame) -> dict[str, list[str]]:
    """By agent, the environments that `aggregates` looks at: those in which each of its embeddings has runs."""
    found = {}
    for (agent,), of_agent in _known(runs, cells).group_by("agent", maintain_order=True):
        per = of_agent.group_by("environment", maintain_order=True).agg(pl.col("embedding").n_unique())
        found[str(agent)] = per.filter(pl.col("embedding") == of_agent["embedding"].n_unique())["environment"].to_list()
    return found


def _known(runs: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """The runs of the paper's representations in panels of Figure 2 whose normalized return is known."""
    of_paper = cells.filter((pl.col("role") == "paper") & (pl.col("panel") != ""))
    known = runs.join(of_paper, on=KEYS, how="semi", maintain_order="left")
    return known.filter(pl.col("normalized_return").is_finite())


def metrics(runs: pl.DataFrame) -> dict[str, dict[str, float | int]]:
    """For `dvc metrics`, a line a cell, from the table `final`: means over seeds; what is not known is left out."""
    rows = summary(runs).drop("reading").rows(named=True)
    return {row.pop("cell"): {name: value for name, value in row.items() if value is not None} for row in rows}


def summary(runs: pl.DataFrame) -> pl.DataFrame:
    """A row per cell: how many seeds, and the mean over them of each measure; empty where a measure is not known."""
    name = pl.concat_str(KEYS[:3], separator="-")
    reading = pl.when(pl.col("reading") == "").then(pl.lit("")).otherwise("-" + pl.col("reading"))
    means = [pl.col(name).mean().fill_nan(None) for name in ("final_return", "mean_over_training", "normalized_return")]
    cell = (name + reading).alias("cell")
    return runs.group_by(cell, "reading", maintain_order=True).agg(pl.len().alias("seeds"), *means)
