"""Choose the best settings that the search has tried, for git: what every training from now on starts from.

    python -m tools.choose

inputs   results/search/CELL.parquet of each cell that has been searched, and its record;
         search/settings.csv and search/times.csv
outputs  search/settings.csv, every setting with its score; search/best/primary.yaml, the best of each cell; and
         search/times.csv, the seconds that a cell's search took, with what it took before it was stopped

A cell that has not been searched here keeps its rows in search/*.csv. The best settings of a cell are chosen once all
cells have rows that share a value with it, as agents share the sizes of embeddings; until then a message says so.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import polars as pl

from jsae.analysis import search
from jsae.config import layout, plan, schema
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.io.files import DAMAGED, read_json, read_table, write_atomically
from jsae.reporting import tried


def main() -> None:
    cells = plan.searched_cells(schema.load(layout.PARAMETERS))
    new = {cell: outcome_of(cell) for cell in cells if layout.searched(str(cell)).exists()}
    if not new:
        raise JsaeError("nothing to choose from: no cell has been searched here (`make search`)")
    outcome = joined(layout.SEARCH, search.OUTCOME, new, cells)
    took = joined(layout.SEARCH_TIMES, tried.TIMES, {cell: time_of(cell) for cell in new}, cells)
    searched = {Cell(*words) for words in outcome.select("environment", "agent", "embedding").unique().iter_rows()}
    lacking = [cell for cell in cells if cell not in searched]
    waiting = search.waiting(outcome, lacking)
    for cell in lacking:
        print(f"not searched yet: {cell}", file=sys.stderr)
    for cell in waiting:
        print(
            f"nothing is chosen for {cell}: it shares a value with a cell that has not been searched", file=sys.stderr
        )
    of_rows = (Cell(*words) for words in outcome.select("environment", "agent", "embedding").iter_rows())
    best = search.choose(outcome.filter(pl.Series([cell not in waiting for cell in of_rows], dtype=pl.Boolean)))
    for path, table in ((layout.SEARCH, outcome), (layout.SEARCH_TIMES, took)):
        with write_atomically(path) as temporary:
            table.write_csv(temporary)
    with write_atomically(layout.BEST) as temporary:
        search.write_best(temporary, best)
    print(f"{len(searched)} of {len(cells)} cells: {layout.SEARCH} and {layout.BEST} are written: look, commit")


def joined(path: Path, schema: dict[str, Any], new: dict[Cell, pl.DataFrame], cells: list[Cell]) -> pl.DataFrame:
    """The table in `path`, in the order of `cells`, with the rows of those in `new` replaced."""
    kept = tried.read(path, schema) if path.exists() else pl.DataFrame(schema=schema)
    return pl.concat(
        [
            new.get(cell, kept.filter(environment=cell.environment, agent=cell.agent, embedding=cell.embedding))
            for cell in cells
        ]
    )


def outcome_of(cell: Cell) -> pl.DataFrame:
    """What the search of a cell has written. Raises JsaeError if it is damaged or of other columns."""
    path = layout.searched(str(cell))
    table = read_table(path)
    if table.schema != search.OUTCOME:
        raise JsaeError(f"{path} has other columns than a search writes: run `make search` again")
    return table


def time_of(cell: Cell) -> pl.DataFrame:
    """A row with the seconds that the search of a cell took, by its record. Raises JsaeError if there is none."""
    path = layout.record(f"search@{cell}", "search")
    record = read_json(path)
    try:
        seconds = round(record["seconds_before"] + record["wall_seconds"], 3)
        row = (cell.environment, cell.agent, cell.embedding, seconds, record["kernels"])
    except (KeyError, TypeError):
        raise JsaeError(DAMAGED.format(path, "no record of a search")) from None
    return pl.DataFrame([row], schema=tried.TIMES, orient="row")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    try:
        main()
    except JsaeError as error:
        sys.exit(f"error: {error}")
