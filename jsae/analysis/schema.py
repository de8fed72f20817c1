"""Columns of the tables that are computed from all runs of a study."""

import polars as pl

from jsae.io.table import Column, Table
from jsae.training.columns import CELL, SEED

__all__ = ["AGGREGATES", "CELLS", "FINAL", "FINAL_SHARE", "INTERVAL", "PROFILES"]

FINAL_SHARE = 10
"""A final return is the mean over the last 1/10 of the epochs, at least one."""


FINAL = Table(
    "final",
    {
        **CELL,
        **SEED,
        "final_return": Column(pl.Float64, "return", "mean of mean_return over the last tenth of the epochs"),
        "mean_over_training": Column(pl.Float64, "return", "mean of mean_return over all epochs: area under the curve"),
        "random_return": Column(pl.Float64, "return", "of the uniform random policy; NaN: not known"),
        "optimal_return": Column(pl.Float64, "return", "of the best policy; NaN: not known"),
        "normalized_return": Column(pl.Float64, "share", "final_return between random (0) and optimal (1)"),
        "success": Column(pl.Boolean, "", "whether the run succeeds, where claims.yaml says from which return on"),
    },
    finite=("final_return", "mean_over_training"),
    optional=("success",),
)
CELLS = Table(
    "cells",
    {
        **CELL,
        "environment_label": Column(pl.String, "", "what figures and prose call it"),
        "agent_label": Column(pl.String, "", "what figures and prose call it"),
        "trained_by": Column(
            pl.String, "", "the same of the agent that trains it; a reading may replace the cell's own"
        ),
        "embedding_label": Column(pl.String, "", "what figures and prose call it"),
        "color": Column(pl.String, "", "of the embedding in figures"),
        "order": Column(pl.Int64, "", "of the embedding in legends"),
        "role": Column(pl.String, "", "paper, transfer, ablation or control"),
        "compared_with": Column(pl.String, "", 'the embedding that this one varies; "": none'),
        "panel": Column(pl.String, "", 'of Figure 2; "": none'),
        "epochs": Column(pl.Int64, "epochs", "at this scale"),
        "paper_epochs": Column(pl.Int64, "epochs", "at the paper's scale"),
        "world": Column(pl.String, "", "name of the environment's file, which readings may share"),
        "source": Column(pl.String, "", 'the cell that a transfer starts from; "": none'),
    },
)
INTERVAL = {name: Column(pl.Float64, "share", "of a 95 % bootstrap interval") for name in ("estimate", "low", "high")}
AGGREGATES = Table(
    "aggregates",
    {
        "agent": CELL["agent"],
        "embedding": CELL["embedding"],
        "environments": Column(pl.Int64, "", "that count"),
        "seeds": Column(pl.Int64, "", "that count"),
        **INTERVAL,
    },
)
PROFILES = Table(
    "profiles",
    {
        "agent": CELL["agent"],
        "embedding": CELL["embedding"],
        "threshold": Column(pl.Float64, "share", "a normalized return"),
        "share": Column(pl.Float64, "share", "of runs that end above it"),
    },
)
