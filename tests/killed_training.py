"""A training to kill: python -m tests.killed_training FOLDER EPOCHS trains two batches, with a checkpoint an epoch."""

import sys
from pathlib import Path

from jsae.experience.environment import save_environment
from jsae.io.workers import run_batches
from jsae.training.jobs import TrainingJob
from tests.made_worlds import TINY_GRIDWORLD

SEEDS = (0, 1)


def jobs(folder: Path, epochs: int) -> list[TrainingJob]:
    save_environment(folder / "environment", "gridworld", TINY_GRIDWORLD)
    return [
        TrainingJob(
            environment=folder / "environment",
            embedding="none",
            state_size=3,
            action_size=2,
            pretrained=None,
            rows=(0,),
            agent="vpg",
            agent_parameters={"discount": 0.99, "gae_lambda": 0.97, "train_pi_iters": 2, "train_v_iters": 5},
            seeds=(seed,),
            num_envs=6,
            hidden_sizes=(8, 8),
            initial_standard_deviations=(0.5,),
            actor_learning_rates=(0.003,),
            critic_learning_rates=(0.003,),
            reward_scale=1.0,
            continual=None,
            epochs=epochs,
            source=None,
            saved=saved(folder, seed),
            device="cpu",
            checkpoint_seconds=0.0,
        )
        for seed in SEEDS
    ]


def saved(folder: Path, seed: int) -> Path:
    return folder / f"batch-{seed}.safetensors"


if __name__ == "__main__":
    run_batches(jobs(Path(sys.argv[1]), int(sys.argv[2])), total=1, label="test")
