"""Columns of the tables that trainings write. Needs no torch."""

import polars as pl

from jsae.io.table import Column, Table

__all__ = ["CELL", "CURVES", "KEYS", "LOSSES", "SEED"]

CELL = {
    "environment": Column(pl.String, "", "its name in params.yaml"),
    "agent": Column(pl.String, "", "its name in params.yaml"),
    "embedding": Column(pl.String, "", "its name: a file of jsae/embeddings"),
    "reading": Column(pl.String, "", 'its name in params.yaml; "": the primary reading'),
}
KEYS = list(CELL)
"""The columns that name a cell."""
SEED = {"seed": Column(pl.Int64, "", "of the run")}

CURVES = Table(
    "curves",
    {
        **CELL,
        **SEED,
        "epoch": Column(pl.Int64, "epochs", "from 1"),
        "env_steps": Column(pl.Int64, "environment steps", "so far"),
        "mean_return": Column(pl.Float64, "return", "mean of the last 10 episodes: the measure of Figure 2"),
        "epoch_return": Column(pl.Float64, "return", "mean of the first episode of each parallel environment"),
        "episodes": Column(pl.Int64, "episodes", "that ended in this epoch"),
        "policy_loss": Column(pl.Float64, "loss", "before the epoch's first policy step"),
        "critic_loss": Column(pl.Float64, "squared scaled return", "before the epoch's first critic step"),
        "entropy": Column(pl.Float64, "nats", "of the policy"),
        "kl": Column(pl.Float64, "nats", "E[ln π_old − ln π] after the policy steps"),
        "pi_iters": Column(pl.Int64, "gradient steps", "that the policy took"),
        "embedding_loss": Column(pl.Float64, "nats or squared error", "Eq. (5); NaN where nothing is learnt"),
    },
    finite=("mean_return", "epoch_return"),
    optional=(
        "epoch_return",
        "episodes",
        "policy_loss",
        "critic_loss",
        "entropy",
        "kl",
        "embedding_loss",
    ),
)
"""A training fills all columns; the study keeps the optional ones of the primary reading only."""
LOSSES = Table(
    "losses",
    {
        "environment": CELL["environment"],
        "embedding": CELL["embedding"],
        "reading": CELL["reading"],
        **SEED,
        "epoch": Column(pl.Int64, "epochs", "of pre-training, from 1"),
        "training_loss": Column(pl.Float64, "nats or squared error", "mean over the epoch"),
        "held_out_loss": Column(pl.Float64, "nats or squared error", "after the epoch"),
    },
    finite=("held_out_loss",),
)
