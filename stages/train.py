"""Train one cell, environment × agent × embedding, for a cohort of seeds (Algorithm 1).

inputs   params.yaml: environments.ENVIRONMENT, agents, embeddings; the cohort's pre-trained embeddings; for a transfer
         of the agent, the weights of transfer.environment
outputs  results/SCALE/runs/ENVIRONMENT/AGENT-EMBEDDING/COHORT.parquet, a row per seed and epoch, and the final
         parameters as .safetensors

Checkpoints lie in .checkpoints, apart from the outputs: the same command goes on where it was stopped.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from jsae import checkpoint, devices, parameters, provenance
from jsae.curves import CURVES, Cell
from jsae.embeddings.learning import is_continual, kind
from jsae.errors import JsaeError
from jsae.files import write_atomically
from jsae.population import run_shards, run_shards_in_turn, shards
from jsae.training import Settings, load_modules, train_shard
from stages import _environments, _main, paths


def main(arguments: Sequence[str]) -> None:
    given = _main.parser(__doc__, "scale", "cohort", "environment", "agent", "embedding").parse_args(arguments)
    settings = parameters.load(paths.PARAMETERS)
    cell = Cell(given.environment, given.agent, given.embedding)
    record = paths.record("train", given.environment, f"{given.agent}-{given.embedding}", given.cohort,
                          scale=given.scale)  # fmt: skip
    device = devices.chosen(settings.training.device)
    with provenance.recorded(record, "train", device=devices.name(device)):
        train(given.scale, given.cohort, cell, settings, device)


def train(scale: str, cohort: str, cell: Cell, settings: parameters.Parameters, device: torch.device) -> None:
    """Train the cell's missing epochs and write its curves and weights."""
    environment = _environments.chosen(settings, cell.environment)
    seeds = parameters.seeds_of(cohort)
    epochs = environment.epochs.at(scale)
    pretrained = paths.embedding(scale, cell.environment, cell.embedding, cohort)
    blocks = shards(seeds, settings.training.members_per_shard)
    old = settings.transfer
    source = paths.weights(scale, old.environment, cell.agent, old.embedding, cohort)
    calls: list[dict[str, Any]] = [
        {
            "module": environment.module,
            "dynamics": _environments.arguments(environment),
            "embedding": cell.embedding,
            "sizes": (environment.state_embedding_size, environment.action_embedding_size),
            "pretrained": pretrained,
            "rows": (seeds.index(block[0]), seeds.index(block[-1]) + 1),
            "agent": cell.agent,
            "seeds": block,
            "settings": hyper_parameters(settings, environment, cell, len(block)),
            "epochs": epochs,
            "source": source if kind(cell.embedding).transfers_agent else None,
        }
        for block in blocks
    ]
    folder = checkpoints(scale, cohort, cell, calls, pretrained)
    for number, call in enumerate(calls):
        call |= {"saved": folder / f"shard-{number}.safetensors", "device": device}
    run = run_shards if device.type == "cpu" else run_shards_in_turn
    try:
        run(train_shard, calls, total=epochs * len(blocks), label=f"train {cell}")
    except JsaeError as error:
        raise JsaeError(f"{cell} {error} (its last checkpoint is in {folder})") from error
    write(scale, cohort, cell, blocks, [call["saved"] for call in calls], environment.steps_per_epoch)


def hyper_parameters(
    settings: parameters.Parameters, environment: parameters.AnyEnvironment, cell: Cell, members: int
) -> Settings:
    """What params.yaml says of this cell, for `members` members."""
    common, learning = settings.agents.common, settings.embeddings
    return Settings(
        lanes=environment.lanes,
        hidden_sizes=environment.hidden_sizes,
        initial_standard_deviations=[common.initial_standard_deviation] * members,
        actor_learning_rates=[common.actor_learning_rate] * members,
        critic_learning_rates=[common.critic_learning_rate] * members,
        agent={"discount": common.discount, **settings.agent(cell.environment, cell.agent)},
        reward_scale=environment.reward_scale,
        continual=(
            learning.continual_passes,
            learning.continual_batch_size,
            learning.learning_rate,
            learning.weight_decay,
        )
        if is_continual(cell.embedding, environment.continual)
        else None,
    )


def checkpoints(scale: str, cohort: str, cell: Cell, calls: Any, pretrained: Path) -> Path:
    """The folder of this training's checkpoints: another for other parameters, inputs or code.

    Folders of the same cell that belong to something else are removed: nothing could go on from them.
    """
    load_modules(calls[0]["module"], cell.agent, cell.embedding)
    code = sorted(
        Path(module.__file__)
        for name, module in sys.modules.items()
        if name.split(".")[0] in ("jsae", "stages", "__main__") and module.__file__
    )
    inputs = [pretrained, *([paths.transitions()] if calls[0]["module"] == "recommender" else [])]
    inputs += [calls[0]["source"]] if calls[0]["source"] else []
    key = checkpoint.fingerprint([calls, torch.__version__], [*inputs, *code])
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
