"""Following a study: every run's curve so far, from checkpoints and from finished tables, each point once."""

import struct
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.io.table import write
from jsae.standalone.curves import curves
from jsae.standalone.following import Follower
from jsae.training.columns import CURVES
from jsae.training.trainer import METRICS
from tests import made_parameters
from tests.made_declared import declare_all
from tools import watch

NAME, CELL = "grid-vpg-none-0-2", Cell("grid", "vpg", "none")
STEPS = 24
CHANGES = {"scales.preview": [{"cells": "main", "seeds": ["0-2"]}], "environments.grid.epochs.preview": 9}


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declared:
    """The training of three seeds in batches of two and one, in a study in the current folder."""
    monkeypatch.chdir(tmp_path)
    return declare_all(made_parameters.loaded(CHANGES), "preview")[f"train@{NAME}"]


@pytest.fixture
def follower(declared: Declared) -> Iterator[Follower]:
    with Follower(Path("board"), points=9) as follower:
        yield follower


def history(seeds: list[int], epochs: int) -> dict[str, torch.Tensor]:
    """The mean return of seed s in epoch e is s + e / 10; the embedding loss is not measured."""
    values = torch.tensor(seeds)[:, None] + torch.arange(1, epochs + 1) / 10
    return {metric: torch.full_like(values, torch.nan) if metric == "embedding_loss" else values for metric in METRICS}


def save(declared: Declared, number: int, seeds: list[int], epochs: int) -> None:
    """A checkpoint of a batch of runs."""
    path = declared.scratch / "key" / f"batch-{number}.safetensors"
    checkpoint.save(path, {**checkpoint.prefixed("history", history(seeds, epochs)), "recent": torch.zeros(len(seeds))})


def points(folder: Path, tag: str = "mean_return") -> list[tuple[int, float]]:
    """Step and value of a tag in the event files of a run, in the order in which they were written."""
    found = []
    for path in sorted(folder.iterdir(), key=lambda path: int(path.suffix[1:])):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            event, content = content[12 : 12 + length], content[16 + length :]
            name = bytes([0x0A, len(tag)]) + tag.encode() + b"\x15"
            if name in event:
                step, shift = 0, 0
                for byte in event[10:]:  # behind the time, and the key of the step
                    step |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                (value,) = struct.unpack_from("<f", event, event.index(name) + len(name))
                found.append((step, value))
    return found


def expected(seed: int, epochs: Iterator[int] | range) -> list[tuple[int, float]]:
    return [(epoch * STEPS, pytest.approx(seed + epoch / 10)) for epoch in epochs]


def test_a_study_before_its_first_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Follower(tmp_path / "board") as follower:
        assert follower.look() == 0


def test_each_epoch_is_written_once_from_its_checkpoint_to_the_finished_table(
    declared: Declared, follower: Follower
) -> None:
    board = Path("board")
    assert follower.look() == 0
    save(declared, 0, [0, 1], 2)
    assert follower.look() == 2
    assert follower.look() == 0
    assert points(board / str(CELL) / "1") == expected(1, range(1, 3))
    save(declared, 0, [0, 1], 5)
    save(declared, 1, [2], 1)
    assert follower.look() == 3
    for path in declared.scratch.rglob("*.safetensors"):
        path.unlink()
    table = curves(CELL, [0, 1, 2], history([0, 1, 2], 9), STEPS)
    write(table, CURVES, declared.outputs["curves"])
    assert follower.look() == 3
    assert follower.look() == 0
    for seed in (0, 1, 2):
        assert points(board / str(CELL) / str(seed)) == expected(seed, range(1, 10))
        assert points(board / str(CELL) / str(seed), "embedding_loss") == []


def test_a_training_that_began_anew_is_written_anew(declared: Declared, follower: Follower) -> None:
    save(declared, 1, [2], 4)
    follower.look()
    save(declared, 1, [2], 2)
    follower.look()
    folder = Path("board") / str(CELL) / "2"
    assert points(folder) == expected(2, [*range(1, 5), 1, 2])
    last = max(folder.iterdir(), key=lambda path: int(path.suffix[1:])).read_bytes()
    assert bytes.fromhex("3a020801") in last  # "start": TensorBoard drops what the first file has


def test_long_curves_are_thinned_and_damage_is_passed_over(declared: Declared) -> None:
    save(declared, 1, [2], 8)
    (declared.scratch / "key" / "batch-0.safetensors").write_bytes(b"half a file")
    with Follower(Path("board"), points=3) as follower:
        assert follower.look() == 1
    assert points(Path("board") / str(CELL) / "2") == expected(2, [1, 3, 6, 8])


def test_the_tool_writes_what_there_is(declared: Declared, capsys: pytest.CaptureFixture[str]) -> None:
    save(declared, 1, [2], 3)
    old = Path("runs/study/old/events.out.tfevents.1.0")
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    watch.main(["--once"])
    assert not old.exists()
    assert capsys.readouterr().out == "runs/study: 1 runs of the study so far\n"
    assert points(Path("runs/study") / str(CELL) / "2") == expected(2, range(1, 4))


def test_without_tensorboard_it_says_how_to_get_it(declared: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(JsaeError, match="TensorBoard is not installed: make watch does it"):
        watch.main([])


STAND_IN = """
import shutil, sys, time, pathlib
print(*sys.argv[1:], flush=True)
shutil.move("ready", "{scratch}")
end = time.monotonic() + 60
while not list(pathlib.Path("runs/study").rglob("events*")) and time.monotonic() < end: time.sleep(0.01)
pathlib.Path("results/settings/train/damaged.json").write_text("x")
time.sleep(0.5)
sys.exit({status})
"""


@pytest.mark.parametrize("status", [0, 3])
def test_tensorboard_is_opened_and_the_study_followed_until_it_ends(
    declared: Declared, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    """A stand-in for TensorBoard brings a checkpoint, waits until the tool has written of it, and damages the study."""
    save(declared, 1, [2], 3)
    declared.scratch.rename("ready")
    Path("tensorboard").mkdir()
    Path("tensorboard/__init__.py").touch()
    Path("tensorboard/main.py").write_text(STAND_IN.format(scratch=declared.scratch, status=status), encoding="utf-8")
    monkeypatch.setattr(watch.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(watch, "PAUSE", 0.05)
    ending = pytest.raises(JsaeError, match="ended with status 3: see its message") if status else nullcontext()
    with ending:
        watch.main(["--port", "7007"])
    assert points(Path("runs/study") / str(CELL) / "2") == expected(2, range(1, 4))
    out, err = capfd.readouterr()
    assert "--logdir runs --port 7007" in out
    assert "note: results/settings/train/damaged.json is damaged" in err
