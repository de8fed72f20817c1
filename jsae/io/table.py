"""Tables whose columns are declared once, with type, unit and meaning; files are checked against them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from jsae.config.errors import JsaeError
from jsae.io.files import read_table, write_atomically


class Column(NamedTuple):
    """unit: "" for names and counts."""

    dtype: type[pl.DataType]
    unit: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """A kind of table.

    | field | what |
    |---|---|
    | name, columns | its name; each column's type, unit and meaning |
    | finite | columns in which NaN or an infinity is an error |
    | optional | columns that may lack values |
    """

    name: str
    columns: Mapping[str, Column]
    finite: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

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
            if name not in self.optional:
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
