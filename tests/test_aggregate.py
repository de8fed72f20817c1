"""Runs become tables: what is computed, what is refused, and that it is the same bytes each time."""

import json
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from jsae.analysis import tables
from jsae.analysis.schema import CELLS, FINAL
from jsae.analysis.tables import ReferenceReturns
from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.io import provenance
from jsae.io.declared import Declared
from jsae.io.files import sha256, write_json
from jsae.io.table import read
from jsae.training.columns import CURVES
from stages import aggregate
from tests import made_parameters
from tests.made_declared import declare_all, run

ROOT = Path(__file__).parent.parent
CELL = Cell("slot-machine", "vpg", "jsae")


def rows(cell: Cell, seeds: Sequence[int], returns: Sequence[float]) -> pl.DataFrame:
    """The curves of a block of seeds, all with the same returns."""
    epochs, runs = len(returns), len(seeds)
    columns: dict[str, Any] = dict.fromkeys(CURVES.columns, np.ones(epochs * runs, dtype=np.int64))
    columns |= {name: [word] * (epochs * runs) for name, word in vars(cell).items()}
    columns |= {"seed": np.repeat(seeds, epochs), "epoch": np.tile(np.arange(1, epochs + 1), runs)}
    return CURVES.frame(columns | {"mean_return": [*returns] * runs, "epoch_return": [*returns] * runs})


def curve(*returns: float, seed: int = 0) -> pl.DataFrame:
    return rows(CELL, [seed], returns)


def written(frame: pl.DataFrame, folder: Path) -> Path:
    path = folder / "0-0.parquet"
    frame.write_parquet(path)
    return path


def test_final_return_is_the_mean_of_the_last_tenth_and_mean_over_training_of_all() -> None:
    final = tables.final(curve(*range(1, 21)), {}).row(0, named=True)
    assert final["final_return"] == pytest.approx((19 + 20) / 2)
    assert final["mean_over_training"] == pytest.approx(10.5)
    assert math.isnan(final["normalized_return"])


def test_a_run_of_fewer_than_ten_epochs_ends_at_its_last_one() -> None:
    assert tables.final(curve(3.0, 7.0), {})["final_return"].item() == 7.0


def test_git_keeps_returns_as_float32_and_three_digits_of_the_rest_of_the_primary_reading() -> None:
    whole = pl.concat([curve(1 / 3), rows(Cell("grid", "vpg", "none", "four-steps"), [0], [2 / 3])])
    kept = tables.compact(whole.with_columns(kl=pl.lit(-0.00123456), epoch_return=pl.lit(0.1)))
    assert kept["mean_return"].to_list() == [np.float32(1 / 3), np.float32(2 / 3)]
    assert kept["epoch_return"].to_list() == [np.float32(0.1), None]
    assert kept["kl"].to_list() == [-0.00123, None]
    CURVES.check(kept, "kept")


def test_the_same_seed_of_two_cells_is_two_runs_and_readings_are_cells() -> None:
    under = Cell(*list(vars(CELL).values())[:3], "four-steps")
    frame = pl.concat([curve(1.0), rows(under, [0], [2.0]), rows(Cell("grid", "vpg", "jsae"), [0], [3.0])])
    assert tables.final(frame, {})["final_return"].to_list() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("last", "share"), [(13.3, 0.0), (480.0, 1.0), (246.65, 0.5), (-220.05, -0.5)])
def test_normalized_return_runs_from_the_random_to_the_optimal_return(last: float, share: float) -> None:
    runs = tables.final(curve(0.0, last), {CELL: ReferenceReturns(13.3, 480.0)})
    assert runs["normalized_return"].item() == pytest.approx(share)
    other = Cell(CELL.environment, CELL.agent, CELL.embedding, "four-steps")
    unknown = tables.final(curve(0.0, last), {other: ReferenceReturns(13.3, 480.0)})
    assert unknown["normalized_return"].is_nan().all()


@pytest.mark.parametrize("known", [ReferenceReturns(13.3, None), ReferenceReturns(None, 480.0)])
def test_one_reference_return_alone_normalizes_nothing(known: ReferenceReturns) -> None:
    assert tables.final(curve(0.0, 100.0), {CELL: known})["normalized_return"].is_nan().all()


def test_metrics_are_means_over_seeds_and_leave_the_unknown_out() -> None:
    frame = pl.concat([curve(0.0, 10.0, seed=0), curve(0.0, 14.0, seed=1)])
    metrics = tables.metrics(tables.final(frame, {}))
    assert metrics == {"slot-machine-vpg-jsae": {"seeds": 2, "final_return": 12.0, "mean_over_training": 6.0}}
    known = tables.metrics(tables.final(frame, {CELL: ReferenceReturns(0.0, 24.0)}))
    assert known["slot-machine-vpg-jsae"]["normalized_return"] == pytest.approx(0.5)


def test_the_summary_has_a_row_a_cell_and_leaves_the_unknown_empty() -> None:
    under = Cell(*list(vars(CELL).values())[:3], "four-steps")
    frame = pl.concat([curve(0.0, 10.0, seed=0), curve(0.0, 14.0, seed=1), rows(under, [0], [3.0])])
    first, second = tables.summary(tables.final(frame, {})).rows(named=True)
    means = {"final_return": 12.0, "mean_over_training": 6.0, "normalized_return": None}
    assert first == {"cell": "slot-machine-vpg-jsae", "reading": "", "seeds": 2, **means}
    assert (second["cell"], second["reading"]) == ("slot-machine-vpg-jsae-four-steps", "four-steps")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: f.drop("kl"), "lacks the column kl"),
        (lambda f: f.with_columns(surprise=pl.lit(1)), "column surprise: not a column"),
        (lambda f: f.with_columns(pl.col("epoch").cast(pl.Float64)), "column epoch: holds Float64, not Int64"),
        (
            lambda f: f.with_columns(pl.Series("mean_return", [1.0, math.nan, 3.0])),
            "column mean_return, row 2: nan is not a finite number",
        ),
        (lambda f: f.with_columns(pl.Series("seed", [0, 0, None])), "column seed, row 3: None is empty"),
        (lambda f: f.with_columns(agent=pl.lit("ppo")), "column agent, row 1: 'ppo' does not belong here"),
        (lambda f: f.with_columns(seed=pl.lit(4, pl.Int64)), "column seed, row 1: 4 is not one of "),
        (lambda f: f.with_columns(reading=pl.lit("x")), "column reading, row 1: 'x' does not belong here, '' does"),
        (lambda f: f.head(2), "seed 0 has 2 epochs, not 1 to 3"),
        (lambda f: pl.concat([f, f.tail(1)]), "seed 0 has 4 epochs, not 1 to 3"),
    ],
)
def test_a_wrong_run_file_is_refused_with_its_place(
    tmp_path: Path, spoil: Callable[[pl.DataFrame], pl.DataFrame], said: str
) -> None:
    path = written(spoil(curve(1.0, 2.0, 3.0)), tmp_path)
    with pytest.raises(JsaeError, match=said) as caught:
        tables.read_run(path, CELL, [0], 3)
    assert str(path) in str(caught.value)


def test_a_damaged_run_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "0-0.parquet"
    path.write_bytes(b"PAR1 cut short")
    with pytest.raises(JsaeError, match="is damaged"):
        tables.read_run(path, CELL, [0], 3)


def test_rows_come_back_in_the_order_of_seeds_and_epochs(tmp_path: Path) -> None:
    frame = pl.concat([curve(1.0, 2.0, seed=1), curve(3.0, 4.0, seed=0)]).reverse()
    read = tables.read_run(written(frame, tmp_path), CELL, [0, 1], 2)
    assert read["mean_return"].to_list() == [3.0, 4.0, 1.0, 2.0]


@pytest.mark.parametrize(
    "content",
    ["{}", '{"random_return": 1', '{"random_return": "1", "optimal_return": 2}', "[]", "null",
     '{"random_return": NaN, "optimal_return": 2}', '{"random_return": 1, "optimal_return": Infinity}'],
)  # fmt: skip
def test_reference_returns_that_are_no_numbers_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "slot-machine.json"
    path.write_text(content)
    with pytest.raises(JsaeError, match=r"slot-machine.json.*return.*run the stage that made it again"):
        tables.read_reference_returns(path)


def test_reference_returns_that_are_not_known_are_none(tmp_path: Path) -> None:
    path = tmp_path / "slot-machine.json"
    path.write_text('{"random_return": 1, "optimal_return": null, "error": null}')
    assert tables.read_reference_returns(path) == ReferenceReturns(1.0, None)


SCALE = "paper"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Declared]:
    """The settings of a small study at the paper's scale; the current folder holds what the stage reads but runs."""
    monkeypatch.chdir(tmp_path)
    layout.CLAIMS.parent.mkdir()
    shutil.copy(ROOT / layout.CLAIMS, layout.CLAIMS)
    write_json({"facts": {"lemma-1": {"holds": True, "measure": "x", "value": 1, "n": 2}}}, layout.theory(SCALE))
    return declare_all(made_parameters.loaded(), SCALE)


def write_runs(study: dict[str, Declared], leave_out: Sequence[str] = ()) -> None:
    """A file of runs for every cell and block of seeds of the study."""
    for name, declared in study.items():
        if name.startswith("train@") and name not in leave_out:
            cell, epochs = Cell(**declared.values["cell"]), declared.values["epochs"]
            level = len(str(cell))
            frames = [rows(cell, [seed], np.arange(epochs) + level + seed) for seed in declared.values["seeds"]]
            declared.outputs["curves"].parent.mkdir(parents=True, exist_ok=True)
            pl.concat(frames).write_parquet(declared.outputs["curves"])


def table(name: str) -> pl.DataFrame:
    return pl.read_parquet(layout.tables(SCALE) / f"{name}.parquet")


def test_every_cell_is_collected_once_in_the_order_of_params_yaml(study: dict[str, Declared]) -> None:
    write_runs(study)
    aggregate.main(study["aggregate"])
    cells = list(made_parameters.loaded().runs(SCALE))
    for name in ("final", "cells", "curves"):
        found = table(name).select("environment", "agent", "embedding", "reading").unique(maintain_order=True)
        assert [Cell(*row) for row in found.rows()] == cells
    assert Cell("grid", "vpg", "jsae", "four-steps") in cells
    assert json.loads((layout.tables(SCALE) / "missing.json").read_text()) == []
    assert read(FINAL, layout.tables(SCALE) / "final.parquet").height == 2 * len(cells)
    assert {path.stem for path in layout.metrics(SCALE).iterdir()} == {str(cell) for cell in cells}
    assert pl.read_csv(layout.summary(SCALE))["cell"].to_list() == [str(cell) for cell in cells]


def test_the_table_of_cells_says_what_each_is_called_and_where_a_transfer_starts(study: dict[str, Declared]) -> None:
    write_runs(study)
    aggregate.main(study["aggregate"])
    found = {
        str(Cell(*row)): row for row in table("cells").select("environment", "agent", "embedding", "reading").rows()
    }
    cells = dict(zip(found, read(CELLS, layout.tables(SCALE) / "cells.parquet").rows(named=True), strict=True))
    transfer, reading = cells["wide-grid-vpg-jsae_transfer_all"], cells["grid-vpg-jsae-four-steps"]
    assert (transfer["source"], transfer["role"], transfer["panel"]) == ("old-grid-vpg-jsae", "transfer", "2f")
    assert (reading["source"], reading["panel"], reading["world"]) == ("", "", "grid")
    assert (cells["grid-vpg-none"]["environment_label"], cells["grid-vpg-none"]["agent_label"]) == ("Grid", "VPG")
    assert (reading["epochs"], reading["paper_epochs"]) == (18, 18)


def test_a_missing_cell_is_listed_and_leftovers_do_not_appear(study: dict[str, Declared]) -> None:
    write_runs(study, leave_out=["train@grid-vpg-none-0-1"])
    layout.curves(SCALE, "grid-vpg-removed-0-1").write_bytes(b"left over")
    aggregate.main(study["aggregate"])
    missing = json.loads((layout.tables(SCALE) / "missing.json").read_text())
    assert missing == [{**vars(Cell("grid", "vpg", "none")), "seeds": [0, 1]}]
    assert "removed" not in table("curves")["embedding"].unique()
    assert "none" in table("cells").filter(environment="grid")["embedding"]


def test_a_planned_cell_of_a_reading_that_has_not_run_is_not_the_primary_one(
    study: dict[str, Declared], tmp_path: Path
) -> None:
    text = (ROOT / layout.CLAIMS).read_text()
    claim = """
- {id: x, family: x, section: "5", figure: 2b, sentence: s, aspect: a, kind: better, measures: [end], unit: return,
   first: [grid, vpg, none], second: [grid, vpg, jsae]}
"""
    layout.CLAIMS.write_text(text[: text.index("claims:")] + "claims:" + claim)
    write_runs(study, leave_out=["train@grid-vpg-jsae-four-steps-0-1"])
    aggregate.main(study["aggregate"])
    (record,) = json.loads((layout.tables(SCALE) / "readings.json").read_text())
    assert (record["verdict"], record["reason"]) == ("not tested", "grid-vpg-jsae-four-steps has no run")


def test_reference_returns_reach_the_table_and_an_unknown_one_stays_unknown(study: dict[str, Declared]) -> None:
    write_runs(study)
    write_json({"random_return": 10.0, "optimal_return": 60.0}, layout.reference_returns("grid"))
    write_json({"random_return": 3.0, "optimal_return": None}, layout.reference_returns("shop"))
    aggregate.main(study["aggregate"])
    final = table("final")
    here = final.filter(environment="grid")
    assert here["reading"].unique().sort().to_list() == ["", "four-steps"]  # they share the environment
    assert set(here["optimal_return"]) == {60.0}
    assert np.allclose(here["normalized_return"], (here["final_return"] - 10) / 50)
    assert set(final.filter(environment="shop")["random_return"]) == {3.0}
    for environment in ("shop", "slots"):
        assert final.filter(environment=environment)["normalized_return"].is_nan().all()


def test_readings_and_variants_are_set_beside_what_they_vary(study: dict[str, Declared]) -> None:
    write_runs(study)
    aggregate.main(study["aggregate"])
    found = json.loads((layout.tables(SCALE) / "differences.json").read_text())
    pairs = [(record["first"][:1] + record["first"][2:], record["second"][2:]) for record in found]
    assert (["grid", "jsae", "four-steps"], ["jsae", ""]) in pairs
    (record,) = (record for record in found if record["first"][3] == "four-steps")
    assert record["end"]["effect"] == pytest.approx(len("-four-steps"))
    facts = {record["id"]: record["verdict"] for record in json.loads(layout.claims(SCALE).read_text())}
    assert facts["lemma-1"] == "supported"
    assert {verdict for name, verdict in facts.items() if name != "lemma-1"} == {"not tested"}


def test_no_run_at_all_is_an_error_and_writes_nothing(study: dict[str, Declared]) -> None:
    before = sorted(Path().rglob("*"))
    with pytest.raises(JsaeError, match="no run of the paper study exists yet"):
        aggregate.main(study["aggregate"])
    assert sorted(Path().rglob("*")) == before


def test_the_stage_writes_the_same_bytes_again_and_its_record_beside_them(study: dict[str, Declared]) -> None:
    write_runs(study)
    digests = []
    for _ in range(2):
        run(aggregate.main, study["aggregate"])
        folders = (layout.tables(SCALE), layout.metrics(SCALE))
        files = [path for folder in folders for path in sorted(folder.iterdir())]
        digests.append([sha256(path) for path in (*files, layout.claims(SCALE), layout.summary(SCALE))])
    assert digests[0] == digests[1]
    record = json.loads(layout.record("aggregate", SCALE).read_text())
    assert record["stage"] == "aggregate"
    assert record["wall_seconds"] >= 0


def test_provenance_without_git_names_no_commit(tmp_path: Path) -> None:
    assert provenance.commit(tmp_path) is None
    assert provenance.changed(tmp_path) is None


def test_a_failed_stage_leaves_no_record(tmp_path: Path) -> None:
    with pytest.raises(JsaeError), provenance.recorded(tmp_path / "record.json", "made-up"):
        raise JsaeError("no")
    assert list(tmp_path.iterdir()) == []


def test_lock_digest_depends_on_names_and_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "a.lock", tmp_path / "b.lock"
    one.write_text("numpy==2.4.6 \\\n    --hash=sha256:00\n")
    two.write_text("# made\ntorch==2.13.0+cpu ; sys_platform != 'darwin' \\\n    --hash=sha256:11\n")
    both = provenance.lock_digest([one, two])
    assert both == provenance.lock_digest([two, one])
    assert provenance.locked_versions([one, two]) == {"numpy": "2.4.6", "torch": "2.13.0+cpu"}
    two.write_text("")
    assert provenance.lock_digest([one, two]) != both
