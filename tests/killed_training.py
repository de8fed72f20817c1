"""A training to kill: python -m tests.killed_training FOLDER EPOCHS trains two shards, with a checkpoint an epoch."""

import sys
from pathlib import Path
from typing import Any

import torch

from jsae.io import checkpoint
from jsae.io.workers import run_shards
from jsae.training.trainer import Settings, train_shard
from tests.made_worlds import TINY_GRIDWORLD

SETTINGS = Settings(
    lanes=6,
    hidden_sizes=[8, 8],
    initial_standard_deviations=[0.5],
    actor_learning_rates=[0.003],
    critic_learning_rates=[0.003],
    agent={"discount": 0.99, "gae_lambda": 0.97, "policy_steps": 2, "critic_steps": 5},
    reward_scale=1.0,
    continual=None,
)
SEEDS = (0, 1)


def calls(folder: Path, epochs: int) -> list[dict[str, Any]]:
    checkpoint.save(folder / "pretrained.safetensors", {})
    return [
        {
            "module": "gridworld",
            "dynamics": TINY_GRIDWORLD,
            "embedding": "none",
            "sizes": (3, 2),
            "pretrained": folder / "pretrained.safetensors",
            "rows": [seed],
            "agent": "vpg",
            "seeds": [seed],
            "settings": SETTINGS,
            "epochs": epochs,
            "device": torch.device("cpu"),
            "saved": saved(folder, seed),
            "source": None,
            "checkpoint_seconds": 0.0,
        }
        for seed in SEEDS
    ]


def saved(folder: Path, seed: int) -> Path:
    return folder / f"shard-{seed}.safetensors"


if __name__ == "__main__":
    run_shards(train_shard, calls(Path(sys.argv[1]), int(sys.argv[2])), total=1, label="test")
