"""Damage in what a stage reads: one line that names the file and says what to do, and no results made from it."""

import contextlib
import importlib
import io
import re
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.nn import compiled
from stages import collect, environment, pretrain, train
from tests import made_parameters
from tests.made_declared import declare_all

ROOT = Path(__file__).resolve().parent.parent
SCALE = "smoke"
SAMPLES, LEARNT = layout.samples("slots-0-1"), layout.embeddings(SCALE, "slots-jsae-0-1")
READS = [
    ("filter@completejourney", layout.raw("completejourney") / "transactions.parquet"),
    ("transitions@completejourney", layout.purchases("completejourney")),
    ("environment@shop", layout.transitions("completejourney")),
    ("collect@slots-0-1", layout.environment("slots")),
    ("pretrain@slots-jsae-0-1", layout.environment("slots")),
    ("pretrain@slots-jsae-0-1", SAMPLES),
    ("pretrain@wide-grid-jsae_transfer-0-1", layout.embeddings(SCALE, "old-grid-jsae-0-1")),
    ("train@slots-vpg-none-0-1", layout.environment("slots")),
    ("train@slots-vpg-jsae-0-1", LEARNT),
    ("search@slots-vpg-none", layout.environment("slots")),
    ("search@slots-vpg-jsae", layout.samples("slots-1000-1001")),
    ("probes", LEARNT),
    ("theory", LEARNT),
    ("value_maps", layout.weights(SCALE, "grid-vpg-none-0-1")),
    ("aggregate", layout.curves(SCALE, "slots-vpg-jsae-0-1")),
    ("figures", layout.tables(SCALE) / "curves.parquet"),
    ("report", layout.tables(SCALE) / "cells.parquet"),
]
"""A stage, and a file that it reads."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the settings of a small study, the environments, and samples of the gridworlds and the slots."""
    folder = tmp_path_factory.mktemp("started")
    for name in ("report", "search"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("smoke", "preview", "paper"))
    with contextlib.chdir(folder):
        study = declare_all(made_parameters.loaded())
        for world in ("grid", "old-grid", "wide-grid", "slots"):
            environment.main(study[f"environment@{world}"])
        for name in ("collect@wide-grid-0-1", "collect@slots-0-1", "samples@slots-1000-1001"):
            collect.main(study[name])
    return folder


@pytest.fixture
def study(started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Declared]:
    """The settings of every stage; the current folder is a copy of it."""
    shutil.copytree(started, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return declare_all(made_parameters.loaded())


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


def files() -> set[Path]:
    """Every file here but checkpoints."""
    return {path for path in Path().rglob("*") if path.is_file() and layout.CHECKPOINTS.name not in path.parts}


def main_of(name: str) -> object:
    """What the stage of this name runs."""
    return importlib.import_module(f"stages.{name.partition('@')[0]}").main


@pytest.mark.parametrize(("name", "path"), READS, ids=lambda value: str(value))
def test_a_stage_names_the_damaged_file_and_the_fix(name: str, path: Path, study: dict[str, Declared]) -> None:
    path.unlink(missing_ok=True)
    before = files()
    cut_short(path)
    with pytest.raises(JsaeError) as caught:
        main_of(name)(study[name])
    said = rf"(\S+ )?{path} is .*: (delete it and run dvc repro again|run the \w+ stage).*"
    assert re.fullmatch(said, str(caught.value)), str(caught.value)
    assert files() - before == {path}


@pytest.mark.parametrize(
    ("name", "path"),
    [(name, path) for name, path in READS if name not in ("probes", "theory", "value_maps", "aggregate")],
    ids=lambda value: str(value),
)
def test_a_stage_names_the_missing_file_and_the_fix(name: str, path: Path, study: dict[str, Declared]) -> None:
    """Stages that read every cell say which files are not there, and go on."""
    path.unlink(missing_ok=True)
    before = files()
    with pytest.raises(JsaeError) as caught:
        main_of(name)(study[name])
    said = rf"(\S+ )?{path} is (missing|not readable .*): run the .*stage.*"
    assert re.fullmatch(said, str(caught.value)), str(caught.value)
    assert files() == before


def test_a_loss_that_is_no_number_names_cell_seed_epoch_and_checkpoint(study: dict[str, Declared]) -> None:
    declared = study["train@slots-vpg-none-0-1"]
    declared.values["reward_scale"] = 1e38
    before = files()
    with pytest.raises(JsaeError) as caught:
        train.main(declared)
    place = r"slots-vpg-none: \S* ?seed [01], epoch \d: \w+ is (nan|inf); lower .*learning_rate"
    assert re.match(rf"{place}.* \(its last checkpoint is in \.checkpoints/\S+\)", str(caught.value)), str(caught.value)
    assert files() == before


def test_a_training_leaves_no_checkpoint_behind(study: dict[str, Declared]) -> None:
    """Run again, it trains again, whatever has changed: nothing that is old can come back."""
    declared = study["train@slots-vpg-jsae-0-1"]
    pretrain.main(study["pretrain@slots-jsae-0-1"])
    train.main(declared)
    assert declared.outputs["curves"].exists()
    assert not [path for path in layout.CHECKPOINTS.rglob("*") if path.is_file()]


def test_checkpoints_belong_to_the_settings_inputs_code_and_kernels(
    study: dict[str, Declared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings hold digests of the code; which of the two ways to compute was taken is the machine's."""
    declared = study["train@slots-vpg-jsae-0-1"]
    pretrain.main(study["pretrain@slots-jsae-0-1"])
    folder = train.checkpoints(declared)
    assert train.checkpoints(declared) == folder
    keys = {folder}
    digest = declared.content.replace(b'"code": {', b'"code": {"jsae/nn/kernels.py": "other"')
    assert digest != declared.content
    keys.add(train.checkpoints(Declared(**{**vars(declared), "content": digest})))
    with monkeypatch.context() as other:
        other.setattr(compiled, "kind", lambda: "of another machine")
        keys.add(train.checkpoints(declared))
    LEARNT.write_bytes(LEARNT.read_bytes() + b" ")
    keys.add(train.checkpoints(declared))
    assert len(keys) == 4


def test_checkpoints_of_other_settings_are_removed(study: dict[str, Declared]) -> None:
    declared = study["train@slots-vpg-none-0-1"]
    own, other = train.checkpoints(declared), declared.scratch / "other"
    for folder in (own, other):
        folder.mkdir(parents=True)
    assert train.checkpoints(declared) == own
    assert own.exists()
    assert not other.exists()
