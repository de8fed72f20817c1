"""One run by hand: it gives the very numbers of the study, goes on where it was stopped, and refuses what is wrong."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from jsae.config import hyper_parameters, layout, plan, schema
from jsae.config.best import NOTHING_FOUND, Best
from jsae.config.errors import JsaeError
from jsae.config.schema import Parameters
from jsae.config.study import Cell
from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.standalone import animation, command, policy, run
from jsae.standalone import settings as wanted
from jsae.standalone.settings import RunSettings, run_settings
from stages import collect, download, environment, filter, pretrain, train, transitions
from stages.settings import Study
from tests import made_parameters
from tests.made_declared import declare_all

ROOT = Path(__file__).resolve().parent.parent
SCALE, SEEDS = "preview", "0-2"
CHANGES: dict[str, Any] = {
    "scales.preview": [{"cells": "main", "seeds": [SEEDS]}, {"cells": "others", "seeds": [SEEDS]}],
    "readings.walls": {"meaning": "fewer bins", "environment": {"dynamics": {"bins": 5}}},
    "environments.grid.pretraining_epochs.preview": 3,
    "environments.grid.epochs.preview": 5,
    "environments.old-grid.epochs.preview": 3,
    "cells.main": [
        {"environments": ["grid"], "agents": ["vpg", "ppo"], "embeddings": ["none", "ra", "jsae"]},
        {"environments": ["shop"], "agents": ["ppo"], "embeddings": ["jsae"]},
        {"environments": ["old-grid"], "agents": ["vpg"], "embeddings": ["jsae"]},
        {"environments": ["wide-grid"], "agents": ["vpg"], "embeddings": ["jsae_transfer", "jsae_transfer_all"]},
    ],
}
CELLS = [
    Cell("grid", "vpg", "none"),
    Cell("grid", "ppo", "ra"),
    Cell("grid", "vpg", "jsae"),
    Cell("grid", "vpg", "jsae", "four-steps"),
    Cell("shop", "ppo", "jsae"),
    Cell("wide-grid", "vpg", "jsae_transfer"),
    Cell("wide-grid", "vpg", "jsae_transfer_all"),
]
"""Without and with an embedding, a reading, continual learning, transfers of a part and of the whole agent."""
STAGES = {
    "download": download,
    "filter": filter,
    "transitions": transitions,
    "environment": environment,
    "collect": collect,
    "pretrain": pretrain,
    "train": train,
}


def quiet(line: str) -> None:
    """Takes a report."""


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    return made_parameters.loaded(CHANGES)


@pytest.fixture(scope="module")
def declared(parameters: Parameters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Declared]]:
    """The stages of a small study, in whose folder the tests run, after all those up to training have run."""
    with contextlib.chdir(tmp_path_factory.mktemp("study")):
        stages = declare_all(parameters, SCALE)
        for name, one in stages.items():
            kind = name.partition("@")[0]
            if kind in STAGES:
                STAGES[kind].main(one)
        yield stages


def by_hand(parameters: Parameters, cell: Cell, seed: int, **arguments: Any) -> RunSettings:
    return run_settings(parameters, cell, seed, scale=SCALE, found=NOTHING_FOUND, **arguments)


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_by_hand_is_the_run_of_the_study(
    declared: dict[str, Declared], parameters: Parameters, cell: Cell, seed: int, tmp_path: Path
) -> None:
    """Bit for bit; seed 1 shares its batch there, seed 2 does not."""
    run.train(by_hand(parameters, cell, seed), tmp_path / "run", report=quiet)
    study = pl.read_parquet(layout.curves(SCALE, f"{cell}-{SEEDS}")).filter(pl.col("seed") == seed)
    mine = pl.read_parquet(tmp_path / "run" / run.CURVE_TABLE)
    assert mine.equals(study, null_equal=True)
    assert mine["mean_return"].n_unique() > 1
    weights = checkpoint.load(layout.weights(SCALE, f"{cell}-{SEEDS}"))[0]
    own = checkpoint.load(tmp_path / "run" / run.WEIGHTS)[0]
    assert own.keys() == weights.keys()
    for name, weight in own.items():
        assert torch.equal(weight[0], weights[name][seed]), name


@pytest.mark.parametrize("scale", schema.SCALES)
def test_every_run_of_the_study_has_the_numbers_of_its_stages(scale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    parameters = schema.load(layout.PARAMETERS)
    found = hyper_parameters.read_found(parameters)
    study = Study(parameters, found, plan.plan(parameters, found, scale))
    entries = study.plan["train"].values()
    assert entries
    machine = {"device", "runs_per_batch", "seeds"}
    for entry in entries:
        name = f"{Cell(entry['environment'], entry['agent'], entry['embedding'], entry['reading'])}"
        cell = Cell(entry["environment"], entry["agent"], entry["embedding"], entry["reading"])
        mine = run_settings(parameters, cell, 3, scale=scale)
        values = study.train(name, entry).values
        files = {"module": mine.embedding, "agent": mine.agent}
        assert mine.training | files | {"cell": vars(cell), "epochs": mine.epochs} == {
            key: value for key, value in values.items() if key not in machine
        }, name
        assert mine.device == values["device"]
        learnt = [
            one for one in study.plan["pretrain"].values() if entry["pretrained"].endswith(f"{_stem(one)}.safetensors")
        ]
        assert (mine.pretraining is not None) == (len(learnt) == 1)
        for one in learnt:
            stated = study.pretrain("x", one).values
            assert mine.pretraining == {
                key: value
                for key, value in stated.items()
                if key not in machine | {"environment", "embedding", "module", "reading"}
            }
            assert mine.embedding == stated["module"]
            assert mine.samples == study.collect("x", study.plan["collect"][one["samples"]]).values["samples"]


def _stem(entry: dict[str, str]) -> str:
    """The name of pre-trained embeddings, from their entry in the plan."""
    words = (entry[name] for name in ("environment", "embedding", "reading", "seeds"))
    return "/" + "-".join(word for word in words if word)


# -- stopping and going on ---------------------------------------------------------------------------------------------


@pytest.fixture
def grid(parameters: Parameters) -> RunSettings:
    return replace(by_hand(parameters, Cell("grid", "vpg", "jsae"), 4), epochs=5)


def test_a_run_goes_on_where_it_was_stopped(grid: RunSettings, tmp_path: Path) -> None:
    """Asked to stop after the second epoch, then trained to the third, then to the fifth."""
    whole = run.train(grid, tmp_path / "whole", report=quiet)
    lines: list[str] = []
    with pytest.raises(run.Stopped):
        run.train(grid, tmp_path / "parts", report=lines.append, stop=lambda: lines[-1].startswith("epoch 2/5"))
    assert pl.read_parquet(tmp_path / "parts" / run.CURVE_TABLE).equals(whole[:2], null_equal=True)
    three = run.train(replace(grid, epochs=3), tmp_path / "parts", report=quiet)
    assert three.equals(whole[:3], null_equal=True)
    five = run.train(grid, tmp_path / "parts", report=lines.append, tensorboard=True)
    assert five.equals(whole, null_equal=True)
    assert [line.split("   ")[0] for line in lines[2:]] == [
        "epoch 1/5",
        "epoch 2/5",
        f"goes on after epoch 3 of {tmp_path / 'parts' / run.CHECKPOINT}",
        "epoch 4/5",
        "epoch 5/5",
    ]
    again: list[str] = []
    shutil.copytree(tmp_path / "parts", tmp_path / "damaged")
    (tmp_path / "damaged" / run.CHECKPOINT).write_bytes(b"?")
    assert run.train(grid, tmp_path / "damaged", report=again.append).equals(whole, null_equal=True)
    assert again[0].startswith("epoch 1/5"), "it starts afresh and does not say that it goes on"
    assert run.train(grid, tmp_path / "parts", report=lines.append).equals(whole, null_equal=True)
    assert lines[-1] == f"{tmp_path / 'parts'} has all 5 epochs already: there is nothing to train"
    there, trainer = run.trained(tmp_path / "parts")
    assert there == grid
    assert trainer.epoch == 5
    before = (tmp_path / "parts" / run.CHECKPOINT).read_bytes()
    with pytest.raises(
        JsaeError, match="has a run of 5 epochs, more than 3: ask for 5 or more, or name another folder"
    ):
        run.train(replace(grid, epochs=3), tmp_path / "parts", report=quiet)
    assert (tmp_path / "parts" / run.CHECKPOINT).read_bytes() == before


def test_a_run_takes_one_thread_and_gives_the_others_back(
    grid: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_threads: None
) -> None:
    def seen(*_: Any) -> None:
        threads.append(torch.get_num_threads())

    threads: list[int] = []
    monkeypatch.setattr(policy, "collect", seen)
    run.train(replace(grid, epochs=1), tmp_path, report=seen)
    assert (set(threads), torch.get_num_threads()) == ({1}, 2)
    policy.play(run.trained(tmp_path)[1], 1, 0)
    assert (threads[-1], torch.get_num_threads()) == (1, 2)


def test_a_line_an_epoch_has_steps_return_and_seconds(grid: RunSettings, tmp_path: Path) -> None:
    lines: list[str] = []
    table = run.train(grid, tmp_path / "run", report=lines.append)
    assert lines[0] == "pre-trains jsae on 60 transitions of the random policy ..."
    assert lines[1].startswith("pre-trained in 3 epochs: held-out loss ")
    for line, row in zip(lines[2:], table.iter_rows(named=True), strict=True):
        words = line.split()
        assert words[:4] == ["epoch", f"{row['epoch']}/5", f"{row['env_steps']}", "steps"]
        assert words[4:6] == ["mean", "return"]
        assert words[6] == f"{row['mean_return']:.4f}"
        assert words[8] == "s"


def test_a_folder_keeps_one_run(grid: RunSettings, tmp_path: Path) -> None:
    run.prepare(grid, tmp_path / "run", quiet)
    run.prepare(replace(grid, epochs=99), tmp_path / "run", quiet)  # which can always go on for longer
    with pytest.raises(JsaeError, match="has a run with seed = 4, not 5: name another one with --folder"):
        run.prepare(replace(grid, seed=5), tmp_path / "run", quiet)
    agent_parameters = grid.training["agent_parameters"] | {"gae_lambda": 0.5}
    other = replace(grid, training=grid.training | {"agent_parameters": agent_parameters})
    with pytest.raises(JsaeError, match=r"gae_lambda = 0\.97, not 0\.5"):
        run.prepare(other, tmp_path / "run", quiet)


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a params.yaml, in which commands run."""
    made_parameters.written(tmp_path, CHANGES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command."""
    try:
        command.main(words)
        status: Any = 0
    except SystemExit as error:
        status = error.code
    if isinstance(status, str):  # Python prints it, and ends with 1
        return 1, capsys.readouterr().out, f"{status}\n"
    return status, *capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("gird", "environment: there is no 'gird' (did you mean grid?)"),
        ("grid --agent vgp", "agent: there is no 'vgp' (did you mean vpg?)"),
        ("grid --agent sac", "agent: there is no 'sac' (there are ppo, vpg)"),
        ("grid --embedding jase", "embedding: there is no 'jase' (did you mean jsae?)"),
        ("grid --reading four-step", "reading: there is no 'four-step' (did you mean four-steps?)"),
        ("grid --scale papre", "scale: there is no 'papre' (did you mean paper?)"),
        ("grid --set agents.vpg.train_pi_iter=2", "--set agents.vpg.train_pi_iter: agents.vpg: there is no "
         "'train_pi_iter' (did you mean train_pi_iters?)"),
        ("grid --set agent.vpg.clip=2", "--set agent.vpg.clip: params.yaml: there is no 'agent' (did you mean "
         "agents?): write the whole key, as in agents.vpg.train_pi_iters"),
        ("grid --set agents.vpg.gae_lambda.x=2", "--set agents.vpg.gae_lambda.x: agents.vpg.gae_lambda is a value, not "
         "a section"),
        ("grid --set agents.vpg", "--set agents.vpg: write KEY=VALUE, as in agents.vpg.train_pi_iters=4"),
        ("grid --set agents.vpg.gae_lambda=[", "--set agents.vpg.gae_lambda=[: the value is not YAML; write it as "
         "params.yaml does"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_one_line_and_status_2(
    project: Path, capsys: pytest.CaptureFixture[str], words: str, error: str
) -> None:
    assert said(capsys, "train", *words.split()) == (2, "", f"error: {error}\n")
    assert not (project / "runs").exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("train grid --set agents.vpg.train_pi_iters=x", "--set: agents.vpg.train_pi_iters = 'x': input should be a "
         "valid integer"),
        ("train grid --epochs 0", "--epochs 0: give 1 or more"),
        ("train grid --seed -1", "--seed -1: give 0 or more, below 2**63"),
        ("train grid --seed 18446744073709551616", "--seed 18446744073709551616: give 0 or more, below 2**63"),
        ("train grid --embedding jsae_by_price", "params.yaml, cells: the embedding jsae_by_price is for recommenders; "
         "take it out elsewhere"),
        ("train shop --reading walls", "the reading walls does not fit shop: readings.walls.environment.dynamics.bins "
         "is not a parameter (did you mean bonus?)"),
        ("train grid --folder params.yaml/x", "[Errno 20] Not a directory: 'params.yaml/x'"),
        ("evaluate runs/nothing", "runs/nothing has no trained run: give the folder that `python -m jsae train` has "
         "written"),
        ("watch runs/nothing --output x.mov", "--output x.mov: name a .gif or an .mp4"),
    ],
)  # fmt: skip
def test_other_errors_are_one_line_and_status_1(
    project: Path, capsys: pytest.CaptureFixture[str], words: str, error: str
) -> None:
    status, _, stderr = said(capsys, *words.split())
    assert (status, stderr) == (1, f"error: {error}\n")


def test_train_evaluate_and_watch(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "grid", "--seed", "1", "--epochs", "2", "--set", "agents.vpg.train_pi_iters=3"]
    status, stdout, stderr = said(capsys, *words)
    assert (status, stderr) == (0, "")
    table = pl.read_parquet("runs/grid-vpg-jsae-1/curves.parquet")
    assert stdout.splitlines()[-1] == (
        f"runs/grid-vpg-jsae-1: 2 epochs, mean return {table['mean_return'][1]:.4f} over the last 10 episodes"
    )
    assert table["pi_iters"].max() == 3
    status, stdout, stderr = said(capsys, "evaluate", "runs/grid-vpg-jsae-1", "--episodes", "5")
    assert (status, stderr) == (0, "")
    assert stdout.startswith("grid-vpg-jsae, seed 1, after 2 epochs, 5 episodes\nmean return ")
    assert " of 5 episodes (" in stdout.splitlines()[-1]
    assert said(capsys, "watch", "runs/grid-vpg-jsae-1", "--output", "films/x.gif")[0] == 0
    assert said(capsys, "watch", "runs/grid-vpg-jsae-1", "--output", "films/x.gif", "--fps", "0")[0] == 1
    for refused in ("evaluate runs/grid-vpg-jsae-1", "watch runs/grid-vpg-jsae-1 --output x.gif"):
        assert said(capsys, *refused.split(), "--seed", "-1") == (1, "", "error: --seed -1: give 0 or more\n")
    fewer = said(capsys, "train", "grid", "--seed", "1", "--epochs", "1", *words[-2:])
    assert (fewer[0], "2 epochs, more than 1: ask for 2 or more" in fewer[2]) == (1, True)
    with Image.open("films/x.gif") as film:
        assert film.size == (400, 400)


def test_what_is_set_holds_whatever_the_search_found(parameters: Parameters) -> None:
    cell = Cell("grid", "vpg", "jsae")
    found = Best({("grid", "jsae"): {"action_embedding_size": 3}}, {cell: {"actor_learning_rate": 0.5}})
    searched = run_settings(parameters, cell, 0, scale=SCALE, found=found)
    assert searched.training["actor_learning_rate"] == 0.5
    assert searched.pretraining is not None
    assert searched.pretraining["action_embedding_size"] == searched.training["action_embedding_size"] == 3
    stated = ["agents.common.actor_learning_rate", "environments.grid.action_embedding_size"]
    mine = run_settings(parameters, cell, 0, scale=SCALE, found=found, stated=stated)
    assert mine.training["actor_learning_rate"] == 0.001
    assert mine.pretraining is not None
    assert mine.pretraining["action_embedding_size"] == mine.training["action_embedding_size"] == 2


def test_what_is_set_changes_nothing_else(project: Path) -> None:
    """In this file, `slots` takes its epochs from `grid` by a YAML alias."""
    before = wanted.load(layout.PARAMETERS, {})
    after = wanted.load(layout.PARAMETERS, {"environments.grid.epochs.preview": 44})
    assert after.environments["grid"].epochs.preview == 44
    assert after.environments["slots"] == before.environments["slots"]


def test_what_is_set_without_effect_is_noted(project: Path) -> None:
    """The reading sets the policy steps itself; the other agent is not there; what the file has already is no news."""
    changes = {
        "agents.vpg.train_pi_iters": 2,
        "agents.ppo.clip": 0.5,
        "agents.vpg.gae_lambda": 0.9,
        "agents.vpg.train_v_iters": 3,
    }
    cell = Cell("grid", "vpg", "jsae", "four-steps")
    quiet_keys = wanted.without_effect(layout.PARAMETERS, cell, 0, scale=SCALE, epochs=1, changes=changes)
    assert quiet_keys == ["agents.vpg.train_pi_iters", "agents.ppo.clip"]


def test_a_signal_stops_after_the_epoch_and_a_second_one_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with command._stopping() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        assert stop()
        assert "stops after this epoch" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_stopped_command_says_how_to_go_on(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_stopping", lambda: contextlib.nullcontext(lambda: True))
    words = ["train", "grid", "--embedding", "none"]
    status, stdout, _ = said(capsys, *words)
    assert status == 130
    assert stdout.splitlines()[-2:] == [
        "stopped; the same command goes on:",
        "    python -m jsae train grid --embedding none",
    ]
    assert len(pl.read_parquet("runs/grid-vpg-none-0/curves.parquet")) == 1


# -- trained policies --------------------------------------------------------------------------------------------------


def test_a_uniform_policy_reaches_the_return_of_the_random_one(parameters: Parameters, tmp_path: Path) -> None:
    settings = replace(by_hand(parameters, Cell("slots", "vpg", "none"), 0), epochs=1)
    run.train(settings, tmp_path / "run", report=quiet)
    trainer = run.trained(tmp_path / "run")[1]
    trainer.agent.weights()["actor"].zero_()
    outcome = policy.evaluate(trainer, 4000)
    expected = trainer.environment.reference_returns().random
    error = float(outcome.returns.double().std()) / 4000**0.5
    assert abs(float(outcome.returns.double().mean()) - expected) < 4 * error
    assert not outcome.can_terminate
    assert "terminated" not in outcome.text()
    assert torch.equal(policy.evaluate(trainer, 5, seed=1).returns, policy.evaluate(trainer, 5, seed=1).returns)
    with pytest.raises(JsaeError, match="--episodes 0: give 1 or more"):
        policy.evaluate(trainer, 0)


def test_the_lines_of_an_outcome() -> None:
    outcome = policy.Outcome(torch.tensor([1.0, 3.0]), torch.tensor([True, False]), can_terminate=True)
    assert outcome.text().splitlines() == [
        "mean return       2.0000",
        "standard deviation 1.4142, of a single episode",
        "lowest, highest   1.0000, 3.0000",
        "terminated        1 of 2 episodes (50%), the rest hit the time limit",
    ]


def test_a_film_shows_each_episode_to_its_end(grid: RunSettings, tmp_path: Path) -> None:
    run.train(grid, tmp_path / "run", report=quiet)
    trainer = animation.loaded(tmp_path / "run")
    played = policy.play(trainer, 2, 7)
    ends = [int(t.argmax()) + 1 if t.any() else 12 for t in played.terminated[0].int().unbind(1)]
    pictures = list(animation.frames(trainer, 2, 7))
    assert len(pictures) == sum(ends) + 2 * animation.HOLD
    picture = trainer.environment.picture  # type: ignore[attr-defined]
    np.testing.assert_array_equal(pictures[0], picture(played.state[0, 0, 0]))
    np.testing.assert_array_equal(pictures[-1], picture(played.next_state[0, ends[1] - 1, 1]))
    np.testing.assert_array_equal(pictures[ends[0] + animation.HOLD], picture(played.state[0, 0, 1]))


def test_what_has_no_picture(grid: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run.train(replace(grid, epochs=1), tmp_path / "run", report=quiet)
    trainer = animation.loaded(tmp_path / "run")
    monkeypatch.delattr(type(trainer.environment), "picture")
    with pytest.raises(JsaeError, match="Gridworld has no pictures"):
        next(animation.frames(trainer, 1, 0))


SQUARES = [np.full((5, 4, 3), shade, np.uint8) for shade in (0, 100, 200)]


def test_a_gif_has_every_picture_for_its_time(tmp_path: Path) -> None:
    assert animation.write(iter(SQUARES), tmp_path / "x.gif", fps=10) == 3
    with Image.open(tmp_path / "x.gif") as film:
        assert film.n_frames == 3  # type: ignore[attr-defined]
        for number, square in enumerate(SQUARES):
            film.seek(number)
            assert film.info["duration"] == 100
            np.testing.assert_array_equal(np.asarray(film.convert("RGB")), square)
    with pytest.raises(JsaeError, match="--fps 0"):
        animation.write(SQUARES, tmp_path / "x.gif", fps=0)


def test_an_mp4_is_made_by_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in writes down what ffmpeg is told and given: pictures of an even size, as H.264 needs them."""
    program = tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\nfor last; do :; done\necho "$*" >{tmp_path}/words\ncat >"$last"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(animation.importlib, "import_module", _missing)
    assert animation.write(iter(SQUARES), tmp_path / "x.mp4", fps=10) == 3
    assert (tmp_path / "x.mp4").read_bytes() == b"".join(square[:4].tobytes() for square in SQUARES)
    words = (tmp_path / "words").read_text()
    assert "-video_size 4x4 -framerate 10" in words
    program.write_text('#!/bin/sh\nfor last; do :; done\necho half >"$last"\necho "no codec" >&2\nexit 1\n')
    (tmp_path / "x.mp4").write_text("an earlier film")
    with pytest.raises(JsaeError, match=r"ffmpeg could not write .*: no codec"):
        animation.write(iter(SQUARES), tmp_path / "x.mp4", fps=10)
    assert (tmp_path / "x.mp4").read_text() == "an earlier film"
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(JsaeError, match="needs ffmpeg: pip install imageio-ffmpeg"):
        animation.check(tmp_path / "x.mp4")


def _missing(name: str) -> Any:
    raise ModuleNotFoundError(name)
