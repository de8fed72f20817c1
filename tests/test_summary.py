"""The study's summary for people who live in DVC: its metrics, their difference and its plot, by DVC's own commands."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from jsae.analysis import tables
from jsae.analysis.tables import ReferenceReturns
from jsae.config import layout
from jsae.config.study import Cell
from jsae.io.files import write_json
from jsae.training.columns import CURVES

ROOT = Path(__file__).parent.parent
SCALE = "preview"
CELL = Cell("slot-machine", "vpg", "jsae")
METRICS, SUMMARY = layout.metrics(SCALE) / f"{CELL}.json", layout.summary(SCALE)


def write_summary(shift: float) -> None:
    """The summary of two seeds of a cell, whose returns are shifted."""
    columns: dict[str, Any] = {name: [word] * 4 for name, word in vars(CELL).items()}
    columns |= {"seed": [0, 0, 1, 1], "epoch": [1, 2, 1, 2], "mean_return": [20.0, 100.0, 30.0, 200.0]}
    curves = CURVES.frame(dict.fromkeys(CURVES.columns, [1] * 4) | columns)
    curves = curves.with_columns(pl.col("mean_return") + shift)
    runs = tables.final(curves, {CELL: ReferenceReturns(13.3, 480.0)})
    for name, numbers in tables.metrics(runs).items():
        write_json(numbers, layout.metrics(SCALE) / f"{name}.json")
    tables.summary(runs).write_csv(SUMMARY)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose dvc.yaml has the metrics and plots of the study's, committed, then computed again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    aggregate = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["aggregate"]
    stage = {"cmd": "true", "metrics": aggregate["metrics"], "plots": aggregate["plots"]}
    graph = json.dumps({"stages": {"aggregate": stage}}).replace("${runs.scale}", SCALE)
    Path("dvc.yaml").write_text(graph, encoding="utf-8")
    write_summary(0.0)
    git("init", "--quiet")
    Repo.init().close()
    with Repo() as repo:
        repo.commit(force=True)
    git("add", "--all")
    git("-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message", "before")
    write_summary(46.67)
    return tmp_path


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def dvc(*arguments: str) -> Any:
    """What a command of DVC prints, which is JSON."""
    command = [sys.executable, "-m", "dvc", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_dvc_shows_compares_and_plots_the_summary(study: Path) -> None:
    shown = dvc("metrics", "show", "--json")[""]["data"]
    assert list(shown) == [METRICS.as_posix()]
    assert shown[METRICS.as_posix()]["data"] == json.loads(METRICS.read_text())
    found = dvc("metrics", "diff", "--json")[METRICS.as_posix()]["normalized_return"]
    assert found["diff"] == pytest.approx(0.1, abs=1e-4)
    plot = dvc("plots", "show", SUMMARY.as_posix(), "--show-vega")
    (point,) = plot["data"]["values"]
    cell = pl.read_csv(SUMMARY).row(0, named=True)
    assert (point["cell"], float(point["normalized_return"])) == (str(CELL), pytest.approx(cell["normalized_return"]))
