"""Curves that are kept for git: what of them, what stays, and what other code has made."""

import json
from pathlib import Path

import polars as pl
import pytest

from jsae.analysis import tables
from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.training.columns import CURVES
from tests import made_runs
from tools import keep
from workflow import bridge, status

CELLS = {
    "slot-machine-vpg-jsae-5-6": (Cell("slot-machine", "vpg", "jsae"), [5, 6]),
    "slot-machine-vpg-none-5-6": (Cell("slot-machine", "vpg", "none"), [5, 6]),
    "recommender-vpg-jsae-frozen-5-6": (Cell("recommender", "vpg", "jsae", "frozen"), [5, 6]),
}


@pytest.fixture(autouse=True)
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three trainings, none finished yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keep, "up_to_date", set)
    for name in CELLS:
        settings(name, "old code")


def settings(name: str, code: str, rate: float = 0.1) -> None:
    path = layout.settings(f"train@{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    cell, seeds = CELLS[name]
    values = {"cell": vars(cell), "seeds": seeds, "epochs": 4, "rate": rate}
    content = {"record": layout.record(f"train@{name}", "paper").as_posix(), "code": {"a.py": code}, "values": values}
    path.write_text(json.dumps(content), encoding="utf-8")


def finish(name: str, shift: float = 0.0) -> pl.DataFrame:
    """The curves of a training, written as it does."""
    cell, seeds = CELLS[name]
    table = made_runs.run(cell, seeds, 4, 200).with_columns(pl.col("mean_return") + shift)
    layout.curves("paper", name).parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(layout.curves("paper", name))
    record = layout.record(f"train@{name}", "paper")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"commit": "abc", "wall_seconds": 3.5, "cores": 2}), encoding="utf-8")
    return table


def kept(environment: str) -> pl.DataFrame:
    return pl.read_parquet(keep.FOLDER / f"{environment}.parquet")


def test_returns_of_every_run_are_kept_and_other_metrics_of_the_primary_reading() -> None:
    whole, frozen = finish("slot-machine-vpg-jsae-5-6"), finish("recommender-vpg-jsae-frozen-5-6")
    keep.main([])
    for table, environment in ((whole, "slot-machine"), (frozen, "recommender")):
        assert kept(environment).columns == list(CURVES.columns)
        assert kept(environment)["mean_return"].to_list() == table["mean_return"].cast(pl.Float32).to_list()
        assert kept(environment)["seed"].to_list() == table["seed"].to_list()
    assert kept("slot-machine")["kl"].to_list() == whole["kl"].round_sig_figs(3).to_list()
    assert kept("recommender")["kl"].null_count() == len(frozen)
    assert kept("recommender")["pi_iters"].null_count() == 0


def test_what_was_kept_goes_back_to_where_it_ran(capsys: pytest.CaptureFixture[str]) -> None:
    here, elsewhere = "slot-machine-vpg-jsae-5-6", "recommender-vpg-jsae-frozen-5-6"
    finish(here)
    finish(elsewhere)
    keep.main([])
    before = layout.curves("paper", here).read_bytes()
    for path in (layout.curves("paper", elsewhere), layout.record(f"train@{elsewhere}", "paper")):
        path.unlink()
    keep.main(["--restore"])
    assert "1 trainings are restored, 1 had run here" in capsys.readouterr().out
    cell, seeds = CELLS[elsewhere]
    again = tables.read_run(layout.curves("paper", elsewhere), cell, seeds, 4)
    assert again.equals(kept("recommender"))
    assert layout.curves("paper", here).read_bytes() == before
    assert json.loads(layout.record(f"train@{elsewhere}", "paper").read_text())["wall_seconds"] == 3.5
    layout.curves("paper", elsewhere).unlink()
    settings(elsewhere, "old code", rate=0.2)  # of another search
    keep.main(["--restore"])
    said = capsys.readouterr()
    assert "0 trainings are restored" in said.out
    assert f"{elsewhere} was made by other settings or code" in said.err
    settings(elsewhere, "old code")
    kept("recommender").head(7).write_parquet(keep.FOLDER / "recommender.parquet")
    with pytest.raises(JsaeError, match=f"7 rows of {elsewhere}, not 2 × 4"):
        keep.main(["--restore"])


def test_curves_come_from_the_published_table_once_the_study_is_published(capsys: pytest.CaptureFixture[str]) -> None:
    name = "slot-machine-vpg-jsae-5-6"
    finish(name)
    keep.main([])
    curves = kept("slot-machine")
    table = keep.FOLDER.parent / "tables" / "curves.parquet"
    table.parent.mkdir()
    (keep.FOLDER / "slot-machine.parquet").rename(table)
    layout.curves("paper", name).unlink()
    keep.main(["--restore"])
    assert "1 trainings are restored" in capsys.readouterr().out
    assert pl.read_parquet(layout.curves("paper", name)).equals(curves)


def test_what_was_kept_before_stays_and_what_ran_again_takes_its_place() -> None:
    finish("slot-machine-vpg-none-5-6")
    keep.main([])
    layout.curves("paper", "slot-machine-vpg-none-5-6").unlink()  # another machine
    finish("slot-machine-vpg-jsae-5-6")
    keep.main([])
    first = kept("slot-machine")
    assert first.select("embedding", "seed").unique().height == 4
    assert len(first) == 16
    finish("slot-machine-vpg-jsae-5-6", shift=1.0)
    keep.main([])
    moved = kept("slot-machine")["mean_return"] - first["mean_return"]
    assert moved.filter(first["embedding"] == "none").to_list() == [0.0] * 8
    assert moved.filter(first["embedding"] == "jsae").to_numpy() == pytest.approx(1.0, abs=1e-4)


def test_each_training_says_what_made_it_and_what_other_code_made_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    name = "slot-machine-vpg-jsae-5-6"
    finish(name)
    keep.main([])
    made = json.loads((keep.FOLDER / keep.MADE).read_text())[name]
    assert made["record"] == {"commit": "abc", "wall_seconds": 3.5, "cores": 2}
    said = capsys.readouterr()
    assert "1 of 3 trainings are finished here, 1 are kept" in said.out
    assert said.err == ""
    layout.curves("paper", name).unlink()
    settings(name, "new code")
    keep.main([])
    assert f"{name} was made by other settings or code" in capsys.readouterr().err


def test_another_scale_than_the_one_that_was_set_up_is_refused() -> None:
    finish("slot-machine-vpg-jsae-5-6")
    with pytest.raises(JsaeError, match="settings/train is not of the scale preview: run `make preview` first"):
        keep.main(["--scale", "preview"])
    assert not keep.FOLDER.exists()


def test_curves_without_a_record_are_of_a_stage_that_has_not_ended() -> None:
    name = "slot-machine-vpg-jsae-5-6"
    finish(name)
    layout.record(f"train@{name}", "paper").unlink()
    keep.main([])
    assert not (keep.FOLDER / "slot-machine.parquet").exists()


def test_curves_of_other_code_are_not_kept_under_the_name_of_the_present(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "slot-machine-vpg-jsae-5-6"
    finish(name)
    settings(name, "new code")
    monkeypatch.setattr(keep, "up_to_date", lambda names: set())
    keep.main([])
    said = capsys.readouterr()
    assert "0 of 3 trainings are finished here, 0 are kept" in said.out
    assert f"{name} has run here, but is not up to date: not kept" in said.err
    assert not (keep.FOLDER / "slot-machine.parquet").exists()


@pytest.mark.parametrize("at_work", [False, True])
def test_what_is_up_to_date_is_what_status_says(monkeypatch: pytest.MonkeyPatch, at_work: bool) -> None:
    monkeypatch.undo()
    words = {"a": "done" if at_work else "fresh", "b": "stale", "c": "running"}
    found = {f"train@{name}": status.State(word, "", []) for name, word in words.items()}
    monkeypatch.setattr(bridge, "running", lambda: at_work)
    monkeypatch.setattr(status, "states_of_run" if at_work else "states", lambda: found)
    assert keep.up_to_date(["a", "b", "c", "of before"]) == ({"a", "of before"} if at_work else {"a"})


def test_without_settings_there_is_nothing_to_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(JsaeError, match="run `make paper` first"):
        keep.main([])
