"""Tables keep to their declaration: what is written has its columns, and what is read is refused unless it has."""

import math
from pathlib import Path

import polars as pl
import pytest

from jsae.analysis import schema
from jsae.config.errors import JsaeError
from jsae.io.table import Column, Table, read, write
from jsae.training import columns

TABLE = Table(
    "heights",
    {
        "name": Column(pl.String, "", "of a person"),
        "age": Column(pl.Int64, "years", "on the day"),
        "height": Column(pl.Float64, "m", "without shoes"),
        "weight": Column(pl.Float64, "kg", "NaN: not known"),
    },
    finite=("height",),
)
ROWS = pl.DataFrame({"name": ["a", "b"], "age": [1, 2], "height": [0.5, 1.0], "weight": [math.nan, 3.0]})


def test_a_table_comes_back_as_it_was_written_in_the_declared_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "heights.parquet"
    write(ROWS.select(reversed(ROWS.columns)), TABLE, path)
    assert read(TABLE, path).equals(ROWS)
    ROWS.select("weight", "name", "height", "age").write_parquet(path)
    assert read(TABLE, path).columns == list(TABLE.columns)


def test_a_frame_has_the_declared_types_and_order() -> None:
    frame = TABLE.frame({"weight": [1], "height": [2], "age": [3], "name": ["a"]})
    assert frame.schema == TABLE.schema
    assert frame.rows() == [("a", 3, 2.0, 1.0)]


WRONG = [
    (ROWS.drop("age"), "lacks the column age"),
    (ROWS.with_columns(more=pl.lit(1)), "column more: not a column of heights"),
    (ROWS.with_columns(pl.col("age").cast(pl.Float64)), "column age: holds Float64, not Int64"),
    (ROWS.with_columns(pl.Series("age", [1, None])), "column age, row 2: None is empty"),
    (ROWS.with_columns(pl.Series("name", [None, "b"])), "column name, row 1: None is empty"),
    (ROWS.with_columns(pl.Series("height", [0.5, math.nan])), "column height, row 2: nan is not a finite number"),
    (ROWS.with_columns(pl.Series("height", [math.inf, 0.5])), "column height, row 1: inf is not a finite number"),
]


@pytest.mark.parametrize(("frame", "said"), WRONG)
def test_what_is_not_declared_is_refused_by_writer_and_reader(tmp_path: Path, frame: pl.DataFrame, said: str) -> None:
    path = tmp_path / "heights.parquet"
    with pytest.raises(JsaeError) as written:
        write(frame, TABLE, path)
    assert [*tmp_path.iterdir()] == []
    frame.write_parquet(path)
    with pytest.raises(JsaeError) as found:
        read(TABLE, path)
    for error in (written, found):
        assert str(error.value).startswith(str(path))
        assert said in str(error.value)
        assert len(str(error.value).splitlines()) == 1


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    write(ROWS.clear(), TABLE, tmp_path / "heights.parquet")
    assert read(TABLE, tmp_path / "heights.parquet").equals(ROWS.clear())


def test_a_missing_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(JsaeError, match=r"heights.parquet is missing: run the stage that makes it"):
        read(TABLE, tmp_path / "heights.parquet")
    (tmp_path / "heights.parquet").write_bytes(b"PAR1")
    with pytest.raises(JsaeError, match=r"heights.parquet is damaged .*: delete it and run dvc repro again"):
        read(TABLE, tmp_path / "heights.parquet")


def test_every_table_of_the_study_declares_units_meanings_and_finite_columns() -> None:
    found = [table for module in (schema, columns) for table in vars(module).values() if isinstance(table, Table)]
    assert len(found) >= 6
    for table in found:
        assert set(table.finite) <= set(table.columns)
        for name, column in table.columns.items():
            assert column.meaning, f"{table.name}, {name}"
            assert (column.dtype != pl.Float64) or column.unit, f"{table.name}, {name}"
