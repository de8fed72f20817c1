"""Damage in what a stage reads: one line that names the file and says what to do, and no results made from it."""

import contextlib
import io
import re
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

from jsae.analysis.curves import Cell
from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io import checkpoint
from jsae.nn import compiled
from stages import (
    _trainings,
    aggregate,
    bounds,
    collect,
    figures,
    filter,
    maps,
    paths,
    pretrain,
    quality,
    report,
    settings,
    theory,
    train,
    transitions,
)
from tests import made_parameters

ROOT = Path(__file__).resolve().parent.parent
SCALE, COHORT = ["--scale", "preview"], ["--cohort", "0-4"]
STORE = ["--store", "completejourney"]
RECOMMENDER, SLOTS = ["--environment", "recommender"], ["--environment", "slot-machine"]
JSAE, VPG = ["--embedding", "jsae"], ["--agent", "vpg"]
READS = [
    (filter, STORE, paths.raw("completejourney") / "transactions.parquet"),
    (transitions, STORE, paths.purchases("completejourney")),
    (bounds, RECOMMENDER, paths.transitions("completejourney")),
    (collect, RECOMMENDER + COHORT, paths.transitions("completejourney")),
    (pretrain, SCALE + COHORT + SLOTS + JSAE, paths.samples("slot-machine", "0-4")),
    (train, SCALE + COHORT + SLOTS + VPG + JSAE, paths.embedding("preview", "slot-machine", "jsae", "0-4")),
    (quality, SCALE, paths.embedding("preview", "gridworld-discrete", "jsae", "0-4")),
    (theory, SCALE, paths.embedding("preview", "gridworld-discrete", "jsae", "0-4")),
    (maps, SCALE, paths.weights("preview", "gridworld-discrete", "vpg", "none", "0-4")),
    (aggregate, SCALE, paths.curves("preview", "slot-machine", "vpg", "jsae", "0-4")),
    (figures, SCALE, paths.tables("preview") / "curves.parquet"),
    (report, SCALE, paths.tables("preview") / "curves.parquet"),
]
"""A stage, its arguments, and a file that it reads."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the project's parameters and the settings of each cell."""
    folder = tmp_path_factory.mktemp("started")
    made_parameters.written(folder)
    for name in ("report", "search"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("preview", "paper"))
    with contextlib.chdir(folder):
        settings.main([])
    return folder


@pytest.fixture
def study(started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, the current folder."""
    shutil.copytree(started, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def cut_short(path: Path) -> None:
    """Write the first half of a table, or of a file of tensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        stream = io.BytesIO()
        pl.DataFrame({"column": range(100)}).write_parquet(stream)
        path.write_bytes(stream.getvalue())
    else:
        checkpoint.save(path, {"tensor": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def files(folder: Path) -> set[Path]:
    """Every file in it but checkpoints."""
    return {path for path in folder.rglob("*") if path.is_file() and paths.CHECKPOINTS.name not in path.parts}


@pytest.mark.parametrize(("stage", "arguments", "path"), READS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_stage_names_the_damaged_file_and_the_fix(
    stage: object, arguments: list[str], path: Path, study: Path
) -> None:
    before = files(study)
    cut_short(path)
    with pytest.raises(JsaeError) as caught:
        stage.main(arguments)  # type: ignore[attr-defined]
    said = rf"(\S+ )?{path} is .*: (delete it and run dvc repro again|run the \w+ stage).*"
    assert re.fullmatch(said, str(caught.value)), str(caught.value)
    assert files(study) - before == {study / path}


def test_a_loss_that_is_no_number_names_cell_seed_epoch_and_checkpoint(study: Path) -> None:
    before = (study / "params.yaml").read_text()
    changed = re.sub(r"(slot-machine:\n.*?reward_scale: )1.0", r"\g<1>1.0e+30", before, count=1, flags=re.DOTALL)
    assert changed != before
    (study / "params.yaml").write_text(changed)
    cell = [*SCALE, "--cohort", "3-4", *SLOTS, "--embedding", "none"]
    pretrain.main(cell)
    with pytest.raises(JsaeError) as caught:
        train.main([*cell, *VPG])
    place = r"slot-machine\S* seed [34], epoch \d: \w+ is (nan|inf); lower .*learning_rate"
    assert re.match(rf"{place}.* \(its last checkpoint is in \.checkpoints/\S+\)", str(caught.value)), str(caught.value)


def test_a_training_leaves_no_checkpoint_behind(study: Path) -> None:
    """Run again, it trains again, whatever has changed: nothing that is old can come back."""
    cell = [*SCALE, "--cohort", "3-4", *SLOTS, "--embedding", "none"]
    pretrain.main(cell)
    train.main([*cell, *VPG])
    assert (study / paths.curves("preview", "slot-machine", "vpg", "none", "3-4")).exists()
    assert not [path for path in (study / paths.CHECKPOINTS).rglob("*") if path.is_file()]


def test_checkpoints_belong_to_the_code_that_made_them(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python, C++ and which of the two paths was taken."""
    seen: list[Path] = []
    monkeypatch.setattr(checkpoint, "fingerprint", lambda values, files: seen.extend(files) or repr(values))
    world = parameters.load(paths.PARAMETERS).environments["half-cheetah"]
    keys = set()
    for kind in ("plain", "auto"):
        monkeypatch.setenv("JSAE_KERNELS", kind)
        keys.add(_trainings.fingerprint(world, Cell("half-cheetah", "vpg", "none"), [], []))
    assert len(keys) == (2 if compiled.kind() == "compiled" else 1)
    names = {path.relative_to(ROOT).as_posix() for path in seen if path.is_relative_to(ROOT)}
    assert {
        "jsae/nn/kernels.py",
        "jsae/nn/kernels.cpp",
        "jsae/environments/half_cheetah.cpp",
        "stages/train.py",
    } <= names
