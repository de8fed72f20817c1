"""Jobs: what they read and write, what they hand on of other environments, what they refuse."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from jsae.config.errors import JsaeError
from jsae.embeddings.base import embed, restore
from jsae.environments.gridworld import Gridworld
from jsae.experience.environment import save_environment
from jsae.experience.samples import random_transitions, save_samples
from jsae.io import checkpoint
from jsae.io.workers import run_batches
from jsae.training.jobs import PretrainingJob, TrainingJob
from jsae.training.trainer import Continual, Trainer
from tests.made_worlds import TINY_GRIDWORLD

BLOCK = [5, 6, 7]
RATES: dict[str, Any] = {"learning_rate": 0.01, "weight_decay": 0.0}


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    save_environment(tmp_path / "environment", "gridworld", TINY_GRIDWORLD)
    return tmp_path / "environment"


@pytest.fixture
def pretraining(environment: Path, tmp_path: Path) -> PretrainingJob:
    """The second and the third seed of a block of three."""
    save_samples(tmp_path / "samples", random_transitions(Gridworld(**TINY_GRIDWORLD), BLOCK, 60))
    return PretrainingJob(
        environment=environment,
        samples=tmp_path / "samples",
        embedding="jsae",
        state_size=3,
        action_size=2,
        seeds=(6, 7),
        rows=(1, 2),
        epochs=4,
        batch_size=20,
        validation_share=0.2,
        window=10**6,
        minimum_improvement=0.0,
        source=None,
        device="cpu",
        **RATES,
    )


@pytest.fixture
def training(environment: Path, tmp_path: Path) -> TrainingJob:
    return TrainingJob(
        environment=environment,
        embedding="none",
        state_size=3,
        action_size=2,
        pretrained=None,
        rows=(1, 2),
        agent="vpg",
        agent_parameters={"discount": 0.99, "gae_lambda": 0.97, "train_pi_iters": 1, "train_v_iters": 2},
        seeds=(6, 7),
        num_envs=3,
        hidden_sizes=(8, 8),
        initial_standard_deviations=(0.5, 0.5),
        actor_learning_rates=(0.01, 0.01),
        critic_learning_rates=(0.01, 0.01),
        reward_scale=1.0,
        continual=None,
        epochs=2,
        source=None,
        saved=tmp_path / "saved",
        device="cpu",
    )


def nothing(units: int) -> None:
    """Takes progress."""


def saved_block(path: Path, embedding: str = "jsae", state_size: int = 3) -> Path:
    """Embeddings of the whole block, with seeds of their own."""
    found = embed(embedding, Gridworld(**TINY_GRIDWORLD), [40, 41, 42], state_size, 2)
    checkpoint.save(path, found.parameters)
    return path


def test_jobs_are_values_that_reach_a_worker_whole(pretraining: PretrainingJob, training: TrainingJob) -> None:
    for job in (pretraining, training):
        assert pickle.loads(pickle.dumps(job)) == job == replace(job)  # noqa: S301
    progress: list[int] = []
    here = pretraining.run(progress.append)
    assert progress == [1] * 4
    [there] = run_batches([pretraining], total=4, label="test")
    assert torch.equal(here.training_loss, there.training_loss)
    assert torch.equal(here.held_out_loss, there.held_out_loss)
    assert all(torch.equal(here.parameters[name], there.parameters[name]) for name in here.parameters)


def test_pretraining_gives_each_run_its_own_rows(pretraining: PretrainingJob) -> None:
    """A run alone, with its row of the samples, gives what it gives in its batch."""
    together = pretraining.run(nothing)
    assert together.training_loss.shape == together.held_out_loss.shape == (2, 4)
    alone = replace(pretraining, seeds=(7,), rows=(2,)).run(nothing)
    torch.testing.assert_close(alone.held_out_loss[0], together.held_out_loss[1])
    for name, parameter in alone.parameters.items():
        torch.testing.assert_close(parameter[0], together.parameters[name][1])


def test_pretraining_takes_the_rows_of_another_environments_embedding(
    pretraining: PretrainingJob, tmp_path: Path
) -> None:
    source = saved_block(tmp_path / "source")
    found = replace(pretraining, embedding="jsae_transfer", source=source).run(nothing)
    assert torch.equal(found.parameters["phi"], checkpoint.load(source)[0]["phi"][1:])
    with pytest.raises(JsaeError, match="transfer: phi is"):
        replace(pretraining, embedding="jsae_transfer", source=saved_block(source, state_size=4)).run(nothing)


def test_pretraining_of_what_learns_nothing_gives_nothing(pretraining: PretrainingJob) -> None:
    parameters, training_loss, held_out_loss = replace(pretraining, embedding="none").run(nothing)
    assert parameters == {}
    assert training_loss.shape == held_out_loss.shape == (2, 0)


def test_a_training_job_is_a_trainer_on_its_rows(training: TrainingJob, tmp_path: Path) -> None:
    continual = Continual(epochs=1, batch_size=10, **RATES)
    job = replace(training, embedding="jsae", pretrained=saved_block(tmp_path / "embeddings"), continual=continual)
    job.run(nothing)
    world = Gridworld(**TINY_GRIDWORLD)
    embedding = embed("jsae", world, job.seeds, 3, 2)
    restore(embedding, checkpoint.rows(checkpoint.load(tmp_path / "embeddings")[0], [1, 2]))
    trainer = Trainer(world, embedding, "vpg", job.seeds, job)
    for _ in range(2):
        trainer.run_epoch()
    found, _ = checkpoint.load(job.saved)
    for name, tensor in trainer.tensors().items():
        assert torch.equal(found[name].nan_to_num(nan=-7.5), tensor.nan_to_num(nan=-7.5)), name


def test_a_training_starts_from_the_weights_of_another_and_goes_on_from_its_own(
    training: TrainingJob, tmp_path: Path
) -> None:
    training.run(nothing)
    old = checkpoint.under("weights", checkpoint.load(training.saved)[0])
    checkpoint.save(tmp_path / "source", {name: torch.cat([weight[:1], weight]) for name, weight in old.items()})
    other = replace(training, source=tmp_path / "source", saved=tmp_path / "other", actor_learning_rates=(1e-12,) * 2)
    progress: list[int] = []
    other.run(progress.append)
    assert progress == [1, 1]
    new = checkpoint.under("weights", checkpoint.load(other.saved)[0])
    torch.testing.assert_close(new["actor"], old["actor"])
    assert not torch.equal(new["critic"], old["critic"])
    replace(other, epochs=3).run(progress.append)
    assert progress == [1, 1, 2, 1]


def test_a_diverging_run_is_an_error_only_where_that_is_wanted(training: TrainingJob, tmp_path: Path) -> None:
    wild = replace(training, reward_scale=1e38)
    with pytest.raises(JsaeError, match=r"seed 6, epoch 1: .* is inf"):
        wild.run(nothing)
    replace(wild, strict=False, saved=tmp_path / "lenient").run(nothing)
    assert checkpoint.load(tmp_path / "lenient")[0]["history.mean_return"].isnan().all()


def test_an_embedding_that_learns_must_have_been_pretrained(training: TrainingJob) -> None:
    with pytest.raises(JsaeError, match="the embedding jsae has parameters: name its pre-trained file"):
        replace(training, embedding="jsae").run(nothing)


def test_a_missing_file_is_named(training: TrainingJob, tmp_path: Path) -> None:
    with pytest.raises(JsaeError, match="absent is missing"):
        replace(training, source=tmp_path / "absent").run(nothing)
