"""Measure every pre-trained embedding of the study on fresh transitions (jsae.training.probes).

inputs   environments; pre-trained embeddings and their losses
outputs  embeddings.parquet and pretraining.parquet: a row per environment, embedding, reading, seed; actions.parquet:
         the action embeddings of the first seed in the gridworlds, with direction and length of each action's motion

Embeddings that have not been pre-trained yet are left out.
"""

from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl

from jsae.embeddings.base import embed, restore
from jsae.experience.environment import load_environment
from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.io.table import read, write
from jsae.training.columns import LOSSES
from jsae.training.probes import ACTIONS, PRETRAINING, PROBES, action_vectors, held_out, probe
from stages import _main


def main(declared: Declared) -> None:
    values, folder = declared.values, declared.outputs["folder"]
    measured: list[tuple[Any, ...]] = []
    actions: list[tuple[Any, ...]] = []
    learnt: list[tuple[Any, ...]] = []
    shown: set[tuple[str, str]] = set()
    entries = [(entry, Path(declared.inputs["embeddings"][entry["name"]])) for entry in values["embeddings"]]
    known = sorted((pair for pair in entries if pair[1].exists()), key=lambda pair: str(pair[0]["world"]))
    for world, group in groupby(known, key=lambda pair: str(pair[0]["world"])):
        environment = load_environment(Path(declared.inputs["environments"][world]))
        held = held_out(environment, values["samples"], values["visits"], values["draws"])
        for entry, path in group:
            sizes = entry["state_embedding_size"], entry["action_embedding_size"]
            embedding = embed(entry["module"], environment, entry["seeds"], *sizes)
            restore(embedding, checkpoint.load(path)[0])
            names = entry["environment"], entry["embedding"]
            rows = probe(environment, embedding, entry["seeds"], held, values["pairs"])
            measured += [(*names, entry["reading"], *row) for row in rows]
            losses = read(LOSSES, Path(declared.inputs["losses"][entry["name"]]))
            for seed in entry["seeds"]:
                best = losses.filter(seed=seed).sort("held_out_loss", "epoch").row(0, named=True)
                kept = best["epoch"], best["held_out_loss"], embedding.chance_loss()
                learnt.append((*names, entry["reading"], seed, *kept))
            if not entry["reading"] and names not in shown:
                shown.add(names)
                actions += [(*names, entry["seeds"][0], *row) for row in action_vectors(environment, embedding, 0)]
    write(pl.DataFrame(measured, PROBES.schema, orient="row"), PROBES, folder / "embeddings.parquet")
    write(pl.DataFrame(learnt, PRETRAINING.schema, orient="row"), PRETRAINING, folder / "pretraining.parquet")
    write(pl.DataFrame(actions, ACTIONS.schema, orient="row"), ACTIONS, folder / "actions.parquet")


if __name__ == "__main__":
    _main.run(main)
