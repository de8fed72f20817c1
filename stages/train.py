"""Train one cell, environment × agent × embedding under a reading, for a block of seeds (Algorithm 1).

inputs   the environment; its pre-trained embeddings, unless there is nothing to learn; for a transfer of the agent, the
         weights of the old environment's
outputs  a table with a row per seed and epoch, and the final parameters

Checkpoints are in .checkpoints, apart from the outputs: the same command resumes where it was stopped. Those of a
finished training are removed.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.io.table import write
from jsae.io.workers import batches, runner
from jsae.nn import compiled, devices
from jsae.training.columns import CURVES
from jsae.training.jobs import TrainingJob
from jsae.training.trainer import Continual
from stages import _main

RESULT = "result: "
"""How the line starts that the engine repeats when the stage has ended."""


def main(declared: Declared) -> dict[str, Any]:
    values, cell = declared.values, Cell(**declared.values["cell"])
    device = devices.chosen(values["device"])
    blocks = batches(values["seeds"], values["runs_per_batch"])
    folder = checkpoints(declared)
    jobs = [
        job(declared, cell, seeds, folder / f"batch-{number}.safetensors", device)
        for number, seeds in enumerate(blocks)
    ]
    try:
        runner(device.type)(jobs, total=values["epochs"] * len(jobs), label=f"train {cell}")
    except JsaeError as error:
        raise JsaeError(f"{cell}: {error} (its last checkpoint is in {folder})") from error
    states = [checkpoint.load(job.saved)[0] for job in jobs]
    frames = [
        curves(cell, seeds, checkpoint.under("history", state), values["steps_per_epoch"])
        for seeds, state in zip(blocks, states, strict=True)
    ]
    weights = checkpoint.stack([checkpoint.under("weights", state) for state in states])
    checkpoint.save(declared.outputs["weights"], weights)
    table = pl.concat(frames)
    write(table, CURVES, declared.outputs["curves"])
    shutil.rmtree(folder)
    last = table.filter(pl.col("epoch") == values["epochs"])["mean_return"].to_numpy().mean()
    print(f"{RESULT}{last:.4g} after {values['epochs']} epochs, {len(values['seeds'])} seeds")
    return {"device": devices.name(device), "kernels": compiled.kind()}


def job(declared: Declared, cell: Cell, seeds: Sequence[int], saved: Path, device: torch.device) -> TrainingJob:
    """The training of some of the block's seeds."""
    values, runs = declared.values, len(seeds)
    continual = values["continual"]
    return TrainingJob(
        environment=declared.input("environment"),
        embedding=values["module"],
        state_size=values["state_embedding_size"],
        action_size=values["action_embedding_size"],
        pretrained=declared.optional("pretrained"),
        rows=tuple(values["seeds"].index(seed) for seed in seeds),
        agent=values["agent"],
        agent_parameters=values["agent_parameters"],
        seeds=tuple(seeds),
        num_envs=values["num_envs"],
        hidden_sizes=tuple(values["hidden_sizes"]),
        initial_standard_deviations=(values["initial_standard_deviation"],) * runs,
        actor_learning_rates=(values["actor_learning_rate"],) * runs,
        critic_learning_rates=(values["critic_learning_rate"],) * runs,
        reward_scale=values["reward_scale"],
        continual=None if continual is None else Continual(**continual),
        epochs=values["epochs"],
        source=declared.optional("source"),
        saved=saved,
        device=str(device),
    )


def checkpoints(declared: Declared) -> Path:
    """The folder of this training's checkpoints: another for other settings, inputs or code.

    Folders of the same stage that belong to something else are removed: nothing could resume from them.
    """
    files = [path for name in declared.inputs if (path := declared.optional(name)) is not None]
    key = checkpoint.fingerprint([declared.content, torch.__version__, compiled.kind()], files)
    for other in declared.scratch.glob("*"):
        if other.name != key:
            shutil.rmtree(other)
    return declared.scratch / key


def curves(cell: Cell, seeds: Sequence[int], history: dict[str, torch.Tensor], steps_per_epoch: int) -> pl.DataFrame:
    """A row per seed and epoch from a history of `[P, epochs]` tensors."""
    epochs = next(iter(history.values())).shape[1]
    columns: dict[str, Any] = {name: [value] * (len(seeds) * epochs) for name, value in vars(cell).items()}
    columns["seed"] = np.repeat(seeds, epochs)
    columns["epoch"] = np.tile(np.arange(1, epochs + 1), len(seeds))
    columns["env_steps"] = columns["epoch"] * steps_per_epoch
    columns |= {metric: values.flatten().numpy() for metric, values in history.items()}
    return CURVES.frame(columns)


if __name__ == "__main__":
    _main.run(main)
