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
from jsae.analysis.curves import Cell
from jsae.analysis.tables import Bounds
from tests import made_runs

ROOT = Path(__file__).parent.parent
METRICS, SUMMARY = "results/preview/metrics.json", "results/preview/summary.csv"


def write_summary(shift: float) -> None:
    """The summary of two seeds of a cell, whose returns are shifted."""
    curves = made_runs.run(Cell("slot-machine", "vpg", "jsae"), [0, 1], 10, 200)
    runs = tables.final(curves.with_columns(pl.col("mean_return") + shift), {"slot-machine": Bounds(13.3, 480.0)})
    Path(METRICS).parent.mkdir(parents=True, exist_ok=True)
    Path(METRICS).write_text(json.dumps(tables.metrics(runs)))
    tables.summary(runs).write_csv(SUMMARY)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose dvc.yaml has the metrics and plots of the study's, committed, then computed anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    aggregate = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["aggregate"]
    stage = {"cmd": "true", "metrics": aggregate["metrics"], "plots": aggregate["plots"]}
    Path("dvc.yaml").write_text(json.dumps({"stages": {"aggregate": stage}}).replace("${item.scale}", "preview"))
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
    shown = dvc("metrics", "show", "--json")[""]["data"][METRICS]["data"]
    assert shown == json.loads(Path(METRICS).read_text())
    found = dvc("metrics", "diff", "--json")[METRICS]["slot-machine/vpg/jsae.fraction"]
    assert found["diff"] == pytest.approx(0.1, abs=1e-4)
    plot = dvc("plots", "show", SUMMARY, "--show-vega")
    (point,) = plot["data"]["values"]
    cell = pl.read_csv(SUMMARY).row(0, named=True)
    assert (point["cell"], float(point["fraction"])) == ("slot-machine/vpg/jsae", pytest.approx(cell["fraction"]))
