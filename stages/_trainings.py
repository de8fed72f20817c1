"""From the hyper-parameters of a cell to the calls that train shards of it."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from jsae.embeddings.learning import is_continual

from jsae.analysis.curves import Cell
from jsae.config.parameters import AnyEnvironment, Parameters
from jsae.io import checkpoint
from jsae.nn import compiled
from jsae.training.trainer import Settings, load_modules
from stages import _environments, paths
from stages._pretrainings import SIZES, Values, sizes

PER_MEMBER = ("initial_standard_deviation", "actor_learning_rate", "critic_learning_rate")
"""Hyper-parameters in which members of one shard may differ."""


def training_call(
    settings: Parameters,
    environment: AnyEnvironment,
    cell: Cell,
    seeds: Sequence[int],
    values: Sequence[Values],
    *,
    pretrained: Path,
    rows: Sequence[int],
    epochs: int,
    source: Path | None = None,
) -> dict[str, Any]:
    """Arguments of `train_shard`, but for the place of its checkpoint; a seed and hyper-parameters for each member.

    All but PER_MEMBER is the first member's.
    """
    first, learning = values[0], settings.embeddings
    others = {*PER_MEMBER, *SIZES, "hidden_sizes"}
    return {
        "module": environment.module,
        "dynamics": _environments.arguments(environment),
        "embedding": cell.embedding,
        "sizes": sizes(first),
        "pretrained": pretrained,
        "rows": list(rows),
        "agent": cell.agent,
        "seeds": list(seeds),
        "settings": Settings(
            lanes=environment.lanes,
            hidden_sizes=first["hidden_sizes"],
            initial_standard_deviations=[own["initial_standard_deviation"] for own in values],
            actor_learning_rates=[own["actor_learning_rate"] for own in values],
            critic_learning_rates=[own["critic_learning_rate"] for own in values],
            agent={name: value for name, value in first.items() if name not in others},
            reward_scale=environment.reward_scale,
            continual=(
                learning.continual_passes,
                learning.continual_batch_size,
                learning.learning_rate,
                learning.weight_decay,
            )
            if is_continual(cell.embedding, environment.continual)
            else None,
        ),
        "epochs": epochs,
        "source": source,
    }


def fingerprint(
    environment: AnyEnvironment, cell: Cell, values: Any, files: Iterable[Path], *, apart_from: str = ""
) -> str:
    """What tells the checkpoints of a training from those with other parameters, inputs or code.

    apart_from: a package that has no part in it.
    """
    load_modules(environment.module, cell.agent, cell.embedding)
    code = sorted(
        Path(file)
        for name, module in sys.modules.items()
        if name.split(".")[0] in ("jsae", "stages", "__main__") and (file := getattr(module, "__file__", None))
        if not (apart_from and name.startswith(apart_from))
    )
    code += [source for path in code if (source := path.with_suffix(".cpp")).is_file()]
    model = [paths.transitions(environment.store)] if environment.module == "recommender" else []
    return checkpoint.fingerprint([values, torch.__version__, compiled.kind()], [*files, *model, *code])
