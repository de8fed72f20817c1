"""How fast do agents without embeddings learn under each reading of the recommender?

    python -m benchmarks.recommender_reading [--epochs 300] [--readings REGEX] [--output FILE]

The paper leaves the details open on which its recommender's learning signal hangs. Each reading is trained with three
seeds that no run of the study uses, and no embedding, so that nothing is tuned towards one; returns stand next to the
exact bounds of that reading. Interrupted, it goes on from its checkpoints. Needs the n-gram model of a store
(`dvc repro transitions@completejourney`).
"""

import argparse
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from jsae.embeddings.base import embed
from jsae.environments.recommender import Recommender, Start
from jsae.experience.environment import ReferenceReturns
from jsae.io import checkpoint
from jsae.io.workers import run_batches
from jsae.training.trainer import Settings, Trainer, train

SEEDS = (1000, 1001, 1002)
EPISODE_LENGTH = 20
CHECKPOINTS = Path(".checkpoints/recommender-reading")


class Reading(NamedTuple):
    """One way to read the paper's section 4 and appendix A.4; `target_kl` None: all policy steps are made."""

    store: str
    agent: str
    bonus: float = 0.0
    start: Start = "uniform"
    train_pi_iters: int = 1
    target_kl: float | None = None
    learning_rate: float = 1e-3
    reward_scale: float = 1.0

    def __str__(self) -> str:
        return "-".join(str(value) for value in self)


def readings(store: str, reward_scale: float) -> list[Reading]:
    """Steps of either agent with and without the bonus; then, without it, one thing changed at a time for PPO."""
    vpg = Reading(store, "vpg", reward_scale=reward_scale)
    ppo = vpg._replace(agent="ppo", train_pi_iters=80, target_kl=0.015)
    steps = [
        vpg,
        vpg._replace(train_pi_iters=4, target_kl=0.015),
        vpg._replace(train_pi_iters=80, target_kl=0.015),
        ppo,
    ]
    changes = (
        {"target_kl": 0.002},
        {"reward_scale": reward_scale / 10},
        {"start": "popularity"},
    )
    return steps + [reading._replace(bonus=0.05) for reading in steps] + [ppo._replace(**change) for change in changes]


def environment_of(reading: Reading) -> Recommender:
    """The store of a reading."""
    model, _ = checkpoint.load(Path(reading.store))
    return Recommender(model, boost=3.0, bonus=reading.bonus, start=reading.start, episode_length=EPISODE_LENGTH)


class ReadingJob(NamedTuple):
    """Train the three seeds under a reading up to `epochs`; the curves stand in the checkpoint."""

    reading: Reading
    epochs: int

    def run(self, progress: Callable[[int], None]) -> None:
        learn(self.reading, self.epochs, progress)


def learn(reading: Reading, epochs: int, progress: Callable[[int], None]) -> None:
    """What a ReadingJob does."""
    environment = environment_of(reading)
    runs = len(SEEDS)
    agent: dict[str, Any] = {"discount": 0.99, "gae_lambda": 0.97, "train_v_iters": 80}
    agent |= {"train_pi_iters": reading.train_pi_iters, "target_kl": reading.target_kl}
    settings = Settings(
        num_envs=50,
        hidden_sizes=[64, 64],
        initial_standard_deviations=[0.6] * runs,
        actor_learning_rates=[reading.learning_rate] * runs,
        critic_learning_rates=[reading.learning_rate] * runs,
        agent_parameters=agent | ({"clip": 0.2} if reading.agent == "ppo" else {}),
        reward_scale=reading.reward_scale,
        continual=None,
    )
    trainer = Trainer(environment, embed("none", environment, SEEDS, 1, 1), reading.agent, SEEDS, settings)
    train(trainer, epochs, saved(reading), progress)


def saved(reading: Reading) -> Path:
    """Where a reading's checkpoint stands until all are through: another for another n-gram model."""
    with Path(reading.store).open("rb") as store:
        model = hashlib.file_digest(store, "sha256").hexdigest()[:12]
    return CHECKPOINTS / f"{model}-{str(reading).replace('/', '_')}.safetensors"


def table(found: list[Reading], bounds: dict[Reading, ReferenceReturns], window: int) -> pl.DataFrame:
    """A row a reading: its mean return over the seeds in each `window` epochs, with the exact bounds."""
    rows = []
    for reading in found:
        history = checkpoint.load(saved(reading))[0]["history.epoch_return"]
        random, optimal, _ = bounds[reading]
        row: dict[str, Any] = {**reading._asdict(), "random": random, "optimal": optimal}
        for last in range(window, history.shape[1] + 1, window):
            row[f"epochs {last - window + 1}-{last}"] = float(history[:, last - window : last].mean())
        row["normalized return"] = (float(history[:, -window:].mean()) - random) / (optimal - random)
        row["standard deviation over seeds"] = float(history[:, -window:].mean(1).std())
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--store", default="data/processed/completejourney/transitions.safetensors", help="the n-gram model"
    )
    parser.add_argument("--reward-scale", type=float, default=1.0, help="what rewards are multiplied by for learning")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--window", type=int, default=100, help="epochs that a figure of the table is the mean of")
    parser.add_argument("--readings", default="", help="a regular expression: only the readings whose name it matches")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/recommender_reading.csv"))
    chosen = parser.parse_args()
    found = [
        reading for reading in readings(chosen.store, chosen.reward_scale) if re.search(chosen.readings, str(reading))
    ]
    if not found:
        parser.error(f"no reading has a name that matches {chosen.readings}")
    jobs = [ReadingJob(reading, chosen.epochs) for reading in found]
    run_batches(jobs, total=chosen.epochs * len(jobs), label="readings")
    worlds = {(reading.bonus, reading.start): reading for reading in found}
    known = {world: environment_of(reading).reference_returns() for world, reading in worlds.items()}
    result = table(found, {reading: known[reading.bonus, reading.start] for reading in found}, chosen.window)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    result.write_csv(chosen.output, float_precision=4)
    for reading in found:
        saved(reading).unlink()
    with pl.Config(tbl_cols=-1, tbl_rows=-1, tbl_width_chars=240, float_precision=2):
        print(result)


if __name__ == "__main__":
    main()
