"""Train one cell, environment × agent × embedding, for a cohort of seeds (Algorithm 1).

inputs   params.yaml: environments.ENVIRONMENT, embeddings; the cell's hyper-parameters under results/shared/settings;
         the cohort's pre-trained embeddings; for a transfer of the agent, the weights of transfer.environment
outputs  results/SCALE/runs/ENVIRONMENT/AGENT-EMBEDDING/COHORT.parquet, a row per seed and epoch, and the final
         parameters as .safetensors

Checkpoints lie in .checkpoints, apart from the outputs: the same command goes on where it was stopped. Those of a
finished training are removed.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from jsae.embeddings.learning import kind

from jsae.analysis.curves import CURVES, Cell
from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io import checkpoint, provenance
from jsae.io.files import write_atomically
from jsae.io.workers import runner, shards
from jsae.nn import compiled, devices
from jsae.training.trainer import train_shard
from stages import _environments, _main, _pretrainings, _trainings, paths


def main(arguments: Sequence[str]) -> None:
    given = _main.parser(__doc__, "scale", "cohort", "environment", "agent", "embedding").parse_args(arguments)
    settings = parameters.load(paths.PARAMETERS)
    cell = Cell(given.environment, given.agent, given.embedding)
    record = paths.record("train", given.environment, f"{given.agent}-{given.embedding}", given.cohort,
                          scale=given.scale)  # fmt: skip
    device = devices.chosen(settings.training.device)
    with provenance.recorded(record, "train", device=devices.name(device)) as facts:
        facts["kernels"] = compiled.kind()
        train(given.scale, given.cohort, cell, settings, device)


def train(scale: str, cohort: str, cell: Cell, settings: parameters.Parameters, device: torch.device) -> None:
    """Train the cell's missing epochs and write its curves and weights."""
    environment = _environments.chosen(settings, cell.environment)
    values = _pretrainings.read_values(paths.settings("train", cell.environment, cell.agent, cell.embedding))
    seeds, epochs = parameters.seeds_of(cohort), environment.epochs.at(scale)
    pretrained = paths.embedding(scale, cell.environment, cell.embedding, cohort)
    old = settings.transfer
    source = paths.weights(scale, old.environment, cell.agent, old.embedding, cohort)
    blocks = shards(seeds, settings.training.members_per_shard.at(scale))
    calls = [
        _trainings.training_call(
            settings,
            environment,
            cell,
            block,
            [values] * len(block),
            pretrained=pretrained,
            rows=[seeds.index(seed) for seed in block],
            epochs=epochs,
            source=source if kind(cell.embedding).transfers_agent else None,
        )
        for block in blocks
    ]
    folder = checkpoints(scale, cohort, cell, environment, calls)
    for number, call in enumerate(calls):
        call |= {"saved": folder / f"shard-{number}.safetensors", "device": device}
    try:
        runner(device.type)(train_shard, calls, total=epochs * len(blocks), label=f"train {cell}")
    except JsaeError as error:
        raise JsaeError(f"{cell} {error} (its last checkpoint is in {folder})") from error
    write(scale, cohort, cell, blocks, [call["saved"] for call in calls], environment.steps_per_epoch)
    shutil.rmtree(folder)


def checkpoints(
    scale: str, cohort: str, cell: Cell, environment: parameters.AnyEnvironment, calls: list[dict[str, Any]]
) -> Path:
    """The folder of this training's checkpoints: another for other parameters, inputs or code.

    Folders of the same cell that belong to something else are removed: nothing could go on from them.
    """
    files = [calls[0][name] for name in ("pretrained", "source") if calls[0][name]]
    key = _trainings.fingerprint(environment, cell, calls, files)
    parent = paths.CHECKPOINTS / scale / cell.environment / f"{cell.agent}-{cell.embedding}" / cohort
    for other in parent.glob("*"):
        if other.name != key:
            shutil.rmtree(other)
    return parent / key


def write(
    scale: str, cohort: str, cell: Cell, blocks: list[list[int]], saved: list[Path], steps_per_epoch: int
) -> None:
    """Curves and weights from the shards' finished checkpoints."""
    states = [checkpoint.load(path)[0] for path in saved]
    frames = [
        curves(cell, seeds, checkpoint.under("history", state), steps_per_epoch)
        for seeds, state in zip(blocks, states, strict=True)
    ]
    weights = checkpoint.stack([checkpoint.under("weights", state) for state in states])
    checkpoint.save(paths.weights(scale, cell.environment, cell.agent, cell.embedding, cohort), weights)
    with write_atomically(paths.curves(scale, cell.environment, cell.agent, cell.embedding, cohort)) as temporary:
        pl.concat(frames).write_parquet(temporary, compression="zstd")


def curves(cell: Cell, seeds: Sequence[int], history: dict[str, torch.Tensor], steps_per_epoch: int) -> pl.DataFrame:
    """A row per seed and epoch from a history of `[P, epochs]` tensors."""
    epochs = next(iter(history.values())).shape[1]
    columns: dict[str, Any] = {name: [value] * (len(seeds) * epochs) for name, value in vars(cell).items()}
    columns["seed"] = np.repeat(seeds, epochs)
    columns["epoch"] = np.tile(np.arange(1, epochs + 1), len(seeds))
    columns["env_steps"] = columns["epoch"] * steps_per_epoch
    columns |= {metric: values.flatten().numpy() for metric, values in history.items()}
    return pl.DataFrame({name: columns[name] for name in CURVES}, schema_overrides=CURVES)


if __name__ == "__main__":
    _main.run(main)
