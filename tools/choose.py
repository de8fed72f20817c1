"""Choose the best settings that the search has tried, for git: what every training from now on starts from.

    python -m stages.choose

inputs   results/search/ENVIRONMENT/AGENT-EMBEDDING.parquet of each cell that has been searched, and its record;
         search/settings.csv and search/times.csv
outputs  search/settings.csv, every setting with its score; search/best.yaml, the best of each cell; and
         search/times.csv, the seconds that a cell's search took (one worker; the run that finished it)

Where one embedding of an environment's agent has not been searched here, all rows of that agent in search/*.csv stay as
they are, and that is said: what embeddings share is chosen over all of them.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from jsae.analysis import search
from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io.files import read_json, write_atomically
from stages import _main, paths

Words = tuple[str, str, str]
"""Environment, agent and embedding of a cell."""
TIMES: dict[str, Any] = {
    **dict.fromkeys(("environment", "agent", "embedding"), pl.String),
    "seconds": pl.Float64,
    "kernels": pl.String,
}
"""Columns of search/times.csv; kernels: compiled or plain."""


def main(arguments: Sequence[str]) -> None:
    _main.parser(__doc__).parse_args(arguments)
    settings = parameters.load(paths.PARAMETERS)
    cells = list(settings.searched_cells())
    lacking = [cell for cell in cells if not paths.searched(*cell).exists()]
    for environment, agent, embedding in lacking:
        print(f"not searched yet: {environment}/{agent}/{embedding}", file=sys.stderr)
    unready = {(environment, agent) for environment, agent, _ in lacking}
    new = {cell: pl.read_parquet(paths.searched(*cell)) for cell in cells if cell[:2] not in unready}
    if not new:
        raise JsaeError(
            "nothing to choose from: no agent has been searched here with all of its embeddings (`make search`)"
        )
    outcome = joined(paths.SEARCH, search.OUTCOME, new, cells)
    took = joined(paths.SEARCH_TIMES, TIMES, {cell: time_of(cell) for cell in new}, cells)
    best = search.choose(outcome)
    for path, table in ((paths.SEARCH, outcome), (paths.SEARCH_TIMES, took)):
        with write_atomically(path) as temporary:
            table.write_csv(temporary)
    with write_atomically(paths.BEST) as temporary:
        search.write_best(temporary, best)
    print(f"{len(new)} of {len(cells)} cells: {paths.SEARCH} and {paths.BEST} are written; look, then git commit")


def joined(path: Path, schema: dict[str, Any], new: dict[Words, pl.DataFrame], cells: list[Words]) -> pl.DataFrame:
    """The table in `path`, in the order of `cells`, with the rows of those in `new` replaced."""
    kept = pl.read_csv(path, schema=schema) if path.exists() else pl.DataFrame(schema=schema)
    return pl.concat(
        [new.get(cell, kept.filter(environment=cell[0], agent=cell[1], embedding=cell[2])) for cell in cells]
    )


def time_of(cell: Words) -> pl.DataFrame:
    """A row with the seconds that the search of a cell took, by its record."""
    environment, agent, embedding = cell
    record = read_json(paths.record("search", environment, f"{agent}-{embedding}"))
    return pl.DataFrame([(*cell, record["wall_seconds"], record["kernels"])], schema=TIMES, orient="row")


if __name__ == "__main__":
    _main.run(main)
