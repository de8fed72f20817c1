"""Map the gridworlds as the trained agents see them (jsae.training.value_maps).

inputs   environments; final weights of the agents
outputs  a row per environment, agent, embedding and bin: the critic's value of its centre and the share of steps spent
         in it, means over seeds

Cells that have not run are left out.
"""

from collections import defaultdict
from pathlib import Path

import polars as pl

from jsae.config.study import Cell
from jsae.embeddings.base import embed
from jsae.experience.environment import load_environment
from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.io.table import write
from jsae.training.value_maps import VALUE_MAPS, ValueMap, mean_map, value_map
from stages import _main


def main(declared: Declared) -> None:
    found: dict[Cell, list[ValueMap]] = defaultdict(list)
    for entry in declared.values["cells"]:
        cell, weights = Cell(**entry["cell"]), Path(declared.inputs["weights"][entry["name"]])
        if weights.exists():
            environment = load_environment(Path(declared.inputs["environments"][entry["world"]]))
            sizes = entry["state_embedding_size"], entry["action_embedding_size"]
            embedding = embed(cell.embedding, environment, entry["seeds"], *sizes)
            made = (entry["seeds"], entry["hidden_sizes"], checkpoint.load(weights)[0], declared.values["episodes"])
            found[cell].append(value_map(environment, embedding, *made))
    rows = [
        (cell.environment, cell.agent, cell.embedding, *row) for cell, maps in found.items() for row in mean_map(maps)
    ]
    write(pl.DataFrame(rows, VALUE_MAPS.schema, orient="row"), VALUE_MAPS, declared.outputs["table"])


if __name__ == "__main__":
    _main.run(main)
