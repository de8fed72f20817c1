"""What the search tried and how long it took."""

from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from jsae.config.errors import JsaeError
from jsae.training.columns import KEYS

CELL = KEYS[:3]
"""The columns that name a cell in tables of the search, which looks at the primary reading only."""
TIMES: dict[str, Any] = {**dict.fromkeys(CELL, pl.String), "seconds": pl.Float64, "kernels": pl.String}
"""Columns of search/times.csv, a row a cell; kernels: compiled or plain. Those of search/settings.csv are OUTCOME of
jsae.analysis.search."""


def read(path: Path, columns: dict[str, Any]) -> pl.DataFrame:
    """A table of the search; it has no rows while no search has run.

    columns: its columns, in order, and their types. Raises JsaeError if the file is missing or no such table.
    """
    try:
        header = path.read_text(encoding="utf-8").partition("\n")[0]
        if header != ",".join(columns):  # polars takes columns by place and never looks
            raise JsaeError(f"{path} has other columns than {', '.join(columns)}: restore it from git")
        return pl.read_csv(path, schema=columns)
    except (OSError, UnicodeDecodeError, PolarsError) as error:
        raise JsaeError(f"{path} is no readable table ({str(error).splitlines()[0]}): restore it from git") from None


def of_study(table: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """The rows on cells of a study. cells: the table CELLS of jsae.analysis.schema."""
    return table.join(cells, on=CELL, how="semi", maintain_order="left")
