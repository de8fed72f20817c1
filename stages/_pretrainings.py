"""From the hyper-parameters of a cell to the calls that pre-train shards of its embeddings."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsae.config.errors import JsaeError
from jsae.config.parameters import AnyEnvironment, Parameters
from jsae.io.files import MISSING
from stages import _environments

SIZES = ("state_embedding_size", "action_embedding_size")
Values = dict[str, Any]
"""Hyper-parameters by name, as stages/settings.py writes them."""


def read_values(path: Path) -> Values:
    """Hyper-parameters as stages/settings.py writes them. Raises JsaeError."""
    try:
        read: Values = json.loads(path.read_text())["hyper_parameters"]
    except FileNotFoundError:
        raise JsaeError(MISSING.format(path)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise JsaeError(f"{path} is damaged ({error}): delete it and run dvc repro again") from None
    return read


def sizes(values: Values) -> tuple[int, int]:
    """Dimensions of state and action embeddings."""
    state, action = (int(values[size]) for size in SIZES)
    return state, action


def pretraining_call(
    settings: Parameters,
    environment: AnyEnvironment,
    embedding: str,
    seeds: Sequence[int],
    values: Values,
    *,
    samples: Path,
    rows: Sequence[int],
    passes: int,
    source: Path | None = None,
) -> dict[str, Any]:
    """Arguments of `pretrain_shard`; `rows` are those of its seeds in the files."""
    learning = settings.embeddings
    return {
        "module": environment.module,
        "dynamics": _environments.arguments(environment),
        "embedding": embedding,
        "sizes": sizes(values),
        "samples": samples,
        "source": source,
        "rows": list(rows),
        "seeds": list(seeds),
        "learning_rate": learning.learning_rate,
        "weight_decay": learning.weight_decay,
        "passes": passes,
        "batch_size": learning.batch_size,
        "validation_share": learning.validation_share,
        "patience": learning.patience,
    }
