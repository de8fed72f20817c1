"""Say with which hyper-parameters each cell is pre-trained and trained.

inputs   params.yaml: agents, environments, search.same_as, study; search/best.yaml: what the search has found
outputs  results/shared/settings/pretrain/ENVIRONMENT-EMBEDDING.json: embedding sizes;
         results/shared/settings/train/ENVIRONMENT-AGENT-EMBEDDING.json: those and all that the agent is made with

What was found stands over params.yaml. A change in either reaches those cells only whose file here it changes.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from jsae import parameters, search
from jsae.curves import Cell
from jsae.files import write_atomically
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    _main.parser(__doc__).parse_args(arguments)
    settings = parameters.load(paths.PARAMETERS)
    best = search.read_best(paths.BEST)
    shutil.rmtree(paths.SETTINGS, ignore_errors=True)
    for environment, agent, embedding in settings.cells():
        cell = Cell(environment, agent, embedding)
        write(paths.settings("train", environment, agent, embedding), search.values(settings, cell, best))
        write(paths.settings("pretrain", environment, embedding), search.sizes(settings, environment, embedding, best))


def write(path: Path, values: search.Values) -> None:
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    _main.run(main)
