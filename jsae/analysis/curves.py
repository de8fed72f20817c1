"""A run's curve as a table: one row an epoch, nothing smoothed or normalised."""

from dataclasses import dataclass
from typing import Any

import polars as pl

CURVES: dict[str, Any] = {
    "environment": pl.String,
    "agent": pl.String,
    "embedding": pl.String,
    "seed": pl.Int64,
    "epoch": pl.Int64,
    "env_steps": pl.Int64,
    "mean_return": pl.Float64,
    "epoch_return": pl.Float64,
    "episodes": pl.Int64,
    "policy_loss": pl.Float64,
    "critic_loss": pl.Float64,
    "entropy": pl.Float64,
    "kl": pl.Float64,
    "policy_steps": pl.Int64,
    "embedding_loss": pl.Float64,
}
"""Columns of a run file and of curves.parquet. `epoch` counts from 1; `mean_return` is the paper's measure, the mean
over the last 10 episodes; `embedding_loss` is NaN where the embedding is frozen or absent."""

FINAL_SHARE = 10
"""A final return is the mean over the last 1/10 of the epochs, at least one."""


@dataclass(frozen=True)
class Cell:
    """One curve of a figure: environment × agent × embedding."""

    environment: str
    agent: str
    embedding: str

    def __str__(self) -> str:
        return f"{self.environment}/{self.agent}/{self.embedding}"
