"""Choose the best settings that the search has tried, for git: what every training from now on starts from.

    python -m stages.choose

inputs   results/search/ENVIRONMENT/AGENT-EMBEDDING.parquet of each cell that has been searched; search/settings.csv
outputs  search/settings.csv, every setting with its score, and search/best.yaml, the best of each cell

Where one embedding of an environment's agent has not been searched here, all rows of that agent in search/settings.csv
stay as they are, and that is said: what embeddings share is chosen over all of them.
"""

import sys
from collections.abc import Sequence

import polars as pl

from jsae import parameters, search
from jsae.errors import JsaeError
from jsae.files import write_atomically
from stages import _main, paths


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
    kept = pl.DataFrame(schema=search.OUTCOME)
    if paths.SEARCH.exists():
        kept = pl.read_csv(paths.SEARCH, schema=search.OUTCOME)
    outcome = pl.concat(
        [new.get(cell, kept.filter(environment=cell[0], agent=cell[1], embedding=cell[2])) for cell in cells]
    )
    best = search.choose(outcome)
    with write_atomically(paths.SEARCH) as temporary:
        outcome.write_csv(temporary)
    with write_atomically(paths.BEST) as temporary:
        search.write_best(temporary, best)
    print(f"{len(new)} of {len(cells)} cells: {paths.SEARCH} and {paths.BEST} are written; look, then git commit")


if __name__ == "__main__":
    _main.run(main)
