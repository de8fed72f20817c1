"""What the search tried and how long it took."""

from collections.abc import Collection
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from jsae.config.errors import JsaeError
from jsae.reporting.looks import SEARCHED
from jsae.training.columns import KEYS

CELL = KEYS[:3]
"""The columns that name a cell in tables of the search, which looks at the primary reading only."""
SETTINGS = (*CELL, *SEARCHED, "epochs", "score")
"""Columns of search/settings.csv, a row a setting."""
TIMES = (*CELL, "seconds", "kernels")
"""Columns of search/times.csv, a row a cell."""


def read(path: Path, columns: Collection[str]) -> pl.DataFrame:
    """A table of the search; it has no rows while no search has run.

    columns: that must be there. Raises JsaeError if the file is missing, no table, or without one of them.
    """
    try:
        table = pl.read_csv(path, infer_schema_length=None)
    except (OSError, PolarsError) as error:
        raise JsaeError(f"{path} is no readable table ({str(error).splitlines()[0]}): restore it from git") from None
    lacking = set(columns) - set(table.columns)
    if lacking:
        raise JsaeError(f"{path} lacks the column {min(lacking)}: restore it from git")
    return table.with_columns(pl.col(CELL).cast(pl.String))


def of_study(table: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """The rows on cells of a study. cells: the table CELLS of jsae.analysis.schema."""
    return table.join(cells, on=CELL, how="semi", maintain_order="left")
