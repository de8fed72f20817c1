"""The curves of a training as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from torch import Tensor

from jsae.config.study import Cell
from jsae.training.columns import CURVES
from jsae.training.trainer import METRICS

__all__ = ["curves"]


def curves(cell: Cell, seeds: Sequence[int], history: Mapping[str, Tensor], steps_per_epoch: int) -> pl.DataFrame:
    """A row a run and epoch, from a history of `[P, epochs]` tensors: the columns of CURVES."""
    epochs = history[METRICS[0]].shape[1]
    epoch = np.tile(np.arange(1, epochs + 1), len(seeds))
    columns: dict[str, Any] = {name: [value] * len(epoch) for name, value in vars(cell).items()}
    columns |= {"seed": np.repeat(seeds, epochs), "epoch": epoch, "env_steps": epoch * steps_per_epoch}
    return CURVES.frame(columns | {metric: values.flatten().numpy() for metric, values in history.items()})
