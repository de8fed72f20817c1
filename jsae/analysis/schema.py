"""The tables of a study: every column once, with its type, its unit and its meaning. Files are checked against them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from jsae.config.errors import JsaeError
from jsae.io.files import read_table, write_atomically

FINAL_SHARE = 10
"""A final return is the mean over the last 1/10 of the epochs, at least one."""


class Column(NamedTuple):
    """unit: "" for names and counts."""

    dtype: type[pl.DataType]
    unit: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A kind of table; `finite`: columns in which NaN or an infinity is an error."""

    name: str
    columns: Mapping[str, Column]
    finite: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, Any]:
        """Type of each column."""
        return {name: column.dtype for name, column in self.columns.items()}

    def frame(self, columns: Mapping[str, Any]) -> pl.DataFrame:
        """A table of these columns, in the declared order and types."""
        return pl.DataFrame({name: columns[name] for name in self.columns}, schema_overrides=self.schema)

    def check(self, frame: pl.DataFrame, place: object) -> None:
        """Raise JsaeError that names `place`, the column and the row (from 1) of what is wrong."""
        for name in self.columns:
            if name not in frame.columns:
                raise JsaeError(f"{place} lacks the column {name}: another version wrote it, run its stage again")
        for name in frame.columns:
            if name not in self.columns:
                raise JsaeError(f"{place}, column {name}: not a column of {self.name}: run its stage again")
            if frame.schema[name] != self.columns[name].dtype:
                kinds = f"holds {frame.schema[name]}, not {self.columns[name].dtype}"
                raise JsaeError(f"{place}, column {name}: {kinds}: run its stage again")
            refuse(place, name, frame[name].is_null(), frame[name], "is empty")
        for name in self.finite:
            refuse(place, name, ~frame[name].is_finite(), frame[name], "is not a finite number")


def refuse(place: object, column: str, wrong: pl.Series, values: pl.Series, why: str) -> None:
    """Raise JsaeError for the first row at which `wrong` holds."""
    row = wrong.arg_max() if wrong.any() else None
    if row is not None:
        raise JsaeError(f"{place}, column {column}, row {row + 1}: {values[row]!r} {why}: run its stage again")


def write(frame: pl.DataFrame, table: Table, path: Path) -> None:
    """Write a table as Parquet, checked. Raises JsaeError."""
    table.check(frame, path)
    with write_atomically(path) as temporary:
        frame.select(list(table.columns)).write_parquet(temporary, compression="zstd")


def read(table: Table, path: Path) -> pl.DataFrame:
    """Read a table that `write` wrote. Raises JsaeError if it is missing, damaged or of another kind."""
    frame = read_table(path)
    table.check(frame, path)
    return frame.select(list(table.columns))


CELL = {
    "environment": Column(pl.String, "", "its name in params.yaml"),
    "agent": Column(pl.String, "", "its name in params.yaml"),
    "embedding": Column(pl.String, "", "its name: a file of jsae/embeddings"),
    "reading": Column(pl.String, "", 'its name in params.yaml; "": the primary reading'),
}
KEYS = list(CELL)
"""The columns that name a cell."""
SEED = {"seed": Column(pl.Int64, "", "of the run")}

CURVES = Table(
    "curves",
    {
        **CELL,
        **SEED,
        "epoch": Column(pl.Int64, "epochs", "from 1"),
        "env_steps": Column(pl.Int64, "environment steps", "so far"),
        "mean_return": Column(pl.Float64, "return", "mean of the last 10 episodes: the measure of Figure 2"),
        "epoch_return": Column(pl.Float64, "return", "mean of the first episode of each parallel environment"),
        "episodes": Column(pl.Int64, "episodes", "that ended in this epoch"),
        "policy_loss": Column(pl.Float64, "loss", "before the epoch's first policy step"),
        "critic_loss": Column(pl.Float64, "squared scaled return", "before the epoch's first critic step"),
        "entropy": Column(pl.Float64, "nats", "of the policy"),
        "kl": Column(pl.Float64, "nats", "E[ln π_old − ln π] after the policy steps"),
        "pi_iters": Column(pl.Int64, "gradient steps", "that the policy took"),
        "embedding_loss": Column(pl.Float64, "nats or squared error", "Eq. (5); NaN where nothing is learnt"),
    },
    finite=("mean_return", "epoch_return"),
)
FINAL = Table(
    "final",
    {
        **CELL,
        **SEED,
        "final_return": Column(pl.Float64, "return", "mean of mean_return over the last tenth of the epochs"),
        "mean_over_training": Column(pl.Float64, "return", "mean of mean_return over all epochs: area under the curve"),
        "random_return": Column(pl.Float64, "return", "of the uniform random policy; NaN: not known"),
        "optimal_return": Column(pl.Float64, "return", "of the best policy; NaN: not known"),
        "normalized_return": Column(pl.Float64, "share", "final_return between random (0) and optimal (1)"),
    },
    finite=("final_return", "mean_over_training"),
)
CELLS = Table(
    "cells",
    {
        **CELL,
        "environment_label": Column(pl.String, "", "what figures and prose call it"),
        "agent_label": Column(pl.String, "", "what figures and prose call it"),
        "embedding_label": Column(pl.String, "", "what figures and prose call it"),
        "color": Column(pl.String, "", "of the embedding in figures"),
        "order": Column(pl.Int64, "", "of the embedding in legends"),
        "role": Column(pl.String, "", "paper, transfer, ablation or control"),
        "compared_with": Column(pl.String, "", 'the embedding that this one varies; "": none'),
        "panel": Column(pl.String, "", 'of Figure 2; "": none'),
        "epochs": Column(pl.Int64, "epochs", "at this scale"),
        "paper_epochs": Column(pl.Int64, "epochs", "at the paper's scale"),
        "world": Column(pl.String, "", "name of the environment's file, which readings may share"),
        "source": Column(pl.String, "", 'the cell that a transfer starts from; "": none'),
    },
)
INTERVAL = {name: Column(pl.Float64, "share", "of a 95 % bootstrap interval") for name in ("estimate", "low", "high")}
AGGREGATES = Table(
    "aggregates",
    {
        "agent": CELL["agent"],
        "embedding": CELL["embedding"],
        "environments": Column(pl.Int64, "", "that count"),
        "seeds": Column(pl.Int64, "", "that count"),
        **INTERVAL,
    },
)
PROFILES = Table(
    "profiles",
    {
        "agent": CELL["agent"],
        "embedding": CELL["embedding"],
        "threshold": Column(pl.Float64, "share", "a normalized return"),
        "share": Column(pl.Float64, "share", "of runs that end above it"),
    },
)
LOSSES = Table(
    "losses",
    {
        "environment": CELL["environment"],
        "embedding": CELL["embedding"],
        "reading": CELL["reading"],
        **SEED,
        "epoch": Column(pl.Int64, "epochs", "of pre-training, from 1"),
        "training_loss": Column(pl.Float64, "nats or squared error", "mean over the epoch"),
        "held_out_loss": Column(pl.Float64, "nats or squared error", "after the epoch"),
    },
    finite=("held_out_loss",),
)
PROBES = Table(
    "probes",
    {
        "environment": CELL["environment"],
        "embedding": CELL["embedding"],
        "reading": CELL["reading"],
        **SEED,
        "rank_correlation": Column(pl.Float64, "", "Spearman's ρ of distances in E and of true motions"),
        "loss": Column(pl.Float64, "nats or squared error", "held-out Eq. (5)"),
        "least_loss": Column(pl.Float64, "nats or squared error", "of the best possible model"),
        "chance_loss": Column(pl.Float64, "nats or squared error", "of a model that knows nothing"),
        "unit": Column(pl.String, "", "of the losses"),
        "action_gain": Column(pl.Float64, "nats or squared error", "how much the loss rises with another action"),
        "action_error": Column(pl.Float64, "squared error", "held-out Eq. (6)"),
        "spread": Column(pl.Float64, "units of E", "standard deviation of action embeddings, a coordinate"),
    },
)
ACTIONS = Table(
    "actions",
    {
        "environment": CELL["environment"],
        "embedding": CELL["embedding"],
        **SEED,
        "action": Column(pl.Int64, "", "its number"),
        "e1": Column(pl.Float64, "units of E", "first coordinate of its embedding"),
        "e2": Column(pl.Float64, "units of E", "second coordinate"),
        "direction": Column(pl.Float64, "radians", "of its motion"),
        "length": Column(pl.Float64, "largest motion = 1", "of its motion"),
    },
)
VALUE_MAPS = Table(
    "value_maps",
    {
        "environment": CELL["environment"],
        "agent": CELL["agent"],
        "embedding": CELL["embedding"],
        "seeds": Column(pl.Int64, "", "that the means are over"),
        "x_bin": Column(pl.Int64, "bins", "from 0"),
        "y_bin": Column(pl.Int64, "bins", "from 0"),
        "value": Column(pl.Float64, "discounted return", "that the critic expects at the bin's centre"),
        "visits": Column(pl.Float64, "share of steps", "that begin in the bin"),
    },
)
