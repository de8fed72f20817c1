"""The trainer: runs are independent, resuming changes no bit, a kill loses nothing, NaN stops with a name."""

import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jsae.config.errors import JsaeError
from jsae.embeddings.base import embed
from jsae.embeddings.learner import Learner
from jsae.environments.gridworld import Gridworld
from jsae.environments.half_cheetah import HalfCheetah
from jsae.environments.slot_machine import SlotMachine
from jsae.experience.environment import Environment
from jsae.experience.samples import random_transitions
from jsae.io.workers import batches, run_batches, runner, workers
from jsae.nn.randomness import Streams
from jsae.training import trainer as training
from jsae.training.pretraining import pretrain
from jsae.training.trainer import Continual, Settings, Trainer, train
from tests.made_worlds import TINY_GRIDWORLD

CONTINUAL = Continual(epochs=1, batch_size=10, learning_rate=0.01, weight_decay=1e-4)
SLOT_MACHINE = {
    "reels": [[0, 1, 2], [2, 0, 1], [1, 2, 0]],
    "moves": 4,
    "fraction": 0.25,
    "minimum_count": 2,
    "episode_length": 5,
}
NEVER: Any = {"window": 10**6, "minimum_improvement": 0.0}
"""Pre-training does not stop by itself."""


def environment(kind: str) -> Environment:
    if kind == "half-cheetah":
        return HalfCheetah(episode_length=12)
    return Gridworld(**TINY_GRIDWORLD) if kind == "gridworld" else SlotMachine(**SLOT_MACHINE)


def make(kind: str, embedding: str, seeds: list[int], *, continual: bool = False, **changes: object) -> Trainer:
    runs, world = len(seeds), environment(kind)
    values = Settings(
        num_envs=6,
        hidden_sizes=[8, 8],
        initial_standard_deviations=[0.5] * runs,
        actor_learning_rates=[0.003] * runs,
        critic_learning_rates=[0.003] * runs,
        agent_parameters={"discount": 0.99, "gae_lambda": 0.97, "train_pi_iters": 2, "train_v_iters": 5},
        reward_scale=1.0,
        continual=CONTINUAL if continual else None,
    )
    built = embed(embedding, world, seeds, 3, 2)
    if built.learnt:
        learner = Learner(built, Streams(seeds, "test"), learning_rate=0.01, weight_decay=0.0)
        data = random_transitions(world, seeds, 100)
        pretrain(built, data, learner, epochs=2, batch_size=50, validation_share=0.2, **NEVER)
    return Trainer(world, built, "vpg", seeds, replace(values, **changes))


CASES = [
    ("gridworld", "none", False),
    ("gridworld", "ra", False),
    ("gridworld", "jsae", False),
    ("slot-machine", "jsae", True),
    ("slot-machine", "ra", True),
    ("half-cheetah", "none", False),
    ("half-cheetah", "jsae", False),
    ("half-cheetah", "jsae", True),
]


@pytest.mark.parametrize(("kind", "embedding", "continual"), CASES)
def test_a_batch_of_five_runs_equals_five_batches_of_one(kind: str, embedding: str, continual: bool) -> None:
    together = make(kind, embedding, list(range(5)), continual=continual)
    alone = [make(kind, embedding, [seed], continual=continual) for seed in range(5)]
    for trainer in (together, *alone):
        for _ in range(3):
            trainer.run_epoch()
    for metric, values in together.history().items():
        separate = torch.cat([trainer.history()[metric] for trainer in alone])
        torch.testing.assert_close(values, separate, rtol=1e-4, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize(("kind", "embedding", "continual"), CASES)
def test_resuming_changes_no_bit(kind: str, embedding: str, continual: bool, tmp_path: Path) -> None:
    whole = train(make(kind, embedding, [3, 4], continual=continual), 6, tmp_path / "whole.safetensors")
    train(make(kind, embedding, [3, 4], continual=continual), 2, tmp_path / "parts.safetensors")
    counted: list[int] = []
    parts = make(kind, embedding, [3, 4], continual=continual)
    train(parts, 6, tmp_path / "parts.safetensors", counted.append)
    assert counted == [2, 1, 1, 1, 1]
    assert same(whole.tensors(), parts.tensors())
    assert (tmp_path / "whole.safetensors").read_bytes() == (tmp_path / "parts.safetensors").read_bytes()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Equal names and equal bits."""
    return one.keys() == other.keys() and all(
        torch.equal(one[name].nan_to_num(nan=-7.5), other[name].nan_to_num(nan=-7.5)) for name in one
    )


def test_when_checkpoints_are_written_changes_nothing(tmp_path: Path) -> None:
    often = train(make("gridworld", "jsae", [0]), 4, tmp_path / "often", checkpoint_seconds=0.0)
    seldom = train(make("gridworld", "jsae", [0]), 4, tmp_path / "seldom")
    assert same(often.tensors(), seldom.tensors())


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    saved = tmp_path / "saved.safetensors"
    first = train(make("gridworld", "none", [0]), 3, saved)
    again = make("gridworld", "none", [0])
    again.run_epoch = lambda: pytest.fail("it trained")  # type: ignore[method-assign]
    assert same(train(again, 3, saved).tensors(), first.tensors())


def test_a_damaged_checkpoint_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved = tmp_path / "saved.safetensors"
    whole = train(make("gridworld", "none", [0]), 3, saved)
    saved.write_bytes(saved.read_bytes()[:-100])
    again = train(make("gridworld", "none", [0]), 3, saved)
    assert same(whole.tensors(), again.tensors())
    assert "was damaged" in caplog.text
    assert (tmp_path / "saved.damaged").exists()


def test_hyper_parameters_are_each_runs_own() -> None:
    rates = [0.003, 0.03]
    together = make("gridworld", "jsae", [0, 1], actor_learning_rates=rates)
    alone = [make("gridworld", "jsae", [seed], actor_learning_rates=[rate]) for seed, rate in enumerate(rates)]
    for trainer in (together, *alone):
        trainer.run_epoch()
    separate = torch.cat([trainer.weights()["actor"] for trainer in alone])
    torch.testing.assert_close(together.weights()["actor"], separate)


def test_a_number_that_is_not_finite_stops_with_seed_and_epoch(tmp_path: Path) -> None:
    trainer = make("gridworld", "jsae", [5, 6])
    train(trainer, 2, tmp_path / "saved")
    with torch.no_grad():
        trainer.agent.critic.flat[1, 0] = torch.nan
    with pytest.raises(JsaeError, match=r"seed 6, epoch 3: .* is nan"):
        train(trainer, 3, tmp_path / "saved2")


def test_the_shown_return_is_that_of_the_last_ten_episodes() -> None:
    trainer = make("gridworld", "none", [0])  # six episodes an epoch
    episodes: list[torch.Tensor] = []
    original = training.first_episode_returns

    def spied(reward: torch.Tensor, terminated: torch.Tensor) -> torch.Tensor:
        episodes.append(original(reward, terminated))
        return episodes[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "first_episode_returns", spied)
        for _ in range(3):
            trainer.run_epoch()
    every = torch.cat(episodes, 1)[0]
    shown = trainer.history()["mean_return"][0]
    expected = [every[:6].mean(), every[2:12].mean(), every[8:18].mean()]
    torch.testing.assert_close(shown, torch.stack(expected).double())


def test_batches_are_cut_by_the_parameter() -> None:
    assert batches(range(5), 3) == [[0, 1, 2], [3, 4]]
    assert batches([7, 8], 5) == [[7, 8]]


def test_the_number_of_workers_must_be_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JSAE_WORKERS", "many")
    with pytest.raises(JsaeError, match="JSAE_WORKERS is 'many'"):
        workers()


@dataclass(frozen=True)
class Doubles:
    """A job that gives twice its number, unless that is 1."""

    number: int

    def run(self, progress: Callable[[int], None]) -> int:
        if self.number == 1:
            raise JsaeError("number 1 is wrong")
        progress(1)
        return 2 * self.number


class Dies:
    def run(self, progress: Callable[[int], None]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class LacksMemory:
    allocate: Callable[[int], object]

    def run(self, progress: Callable[[int], None]) -> None:
        used = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
        self.allocate(2**30)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_results_come_in_the_order_of_the_jobs(device: str) -> None:
    numbers = [5, 0, 3, 2]
    assert runner(device)([Doubles(n) for n in numbers], total=4, label="test") == [10, 0, 6, 4]
    assert runner(device)([], total=0, label="test") == []


def test_the_error_of_a_worker_reaches_the_caller() -> None:
    with pytest.raises(JsaeError, match="number 1 is wrong"):
        run_batches([Doubles(i) for i in range(3)], total=3, label="test")


def test_a_killed_worker_is_named() -> None:
    with pytest.raises(JsaeError, match="test: a worker process was killed"):
        run_batches([Dies()], total=1, label="test")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its limit of memory")
@pytest.mark.parametrize("allocate", [bytearray, torch.empty, np.empty])
def test_a_worker_without_memory_is_named_and_what_to_do(allocate: Callable[[int], object]) -> None:
    with pytest.raises(JsaeError, match=r"test: a worker process ran out of memory; run again .* JSAE_WORKERS=1"):
        run_batches([LacksMemory(allocate)], total=1, label="test")


def test_checkpoints_that_take_long_become_rare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An epoch takes a second, a checkpoint two."""
    now, written = [0.0], []

    class Epochs:
        epoch = 0

        def run_epoch(self) -> None:
            now[0] += 1
            self.epoch += 1

        def tensors(self) -> dict[str, torch.Tensor]:
            return {}

    def slow(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        now[0] += 2
        written.append(now[0])

    monkeypatch.setattr(training.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(training.checkpoint, "save", slow)
    train(Epochs(), 2000, tmp_path / "state")  # type: ignore[arg-type]
    assert written[0] == 23
    assert np.diff(written[:-1]).min() > 2 / training.CHECKPOINT_SHARE
    assert 2 * len(written) < 0.013 * now[0]
    written.clear()
    train(Epochs(), 50, tmp_path / "state", checkpoint_seconds=0.0)  # type: ignore[arg-type]
    assert len(written) == 50
