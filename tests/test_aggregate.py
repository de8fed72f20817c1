"""Runs become tables: what is computed, what is refused, and that it is the same bytes each time."""

import json
import math
from pathlib import Path

import polars as pl
import pytest

from jsae.analysis import tables
from jsae.analysis.curves import Cell
from jsae.analysis.tables import Bounds
from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io import provenance
from jsae.io.files import sha256
from stages import aggregate, paths
from tests import made_parameters, made_runs

ROOT = Path(__file__).parent.parent
CELL = Cell("slot-machine", "vpg", "jsae")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> parameters.Parameters:
    """Parameters of the study in an empty folder that is now the current one."""
    made_parameters.written(tmp_path)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "claims.yaml").write_text((ROOT / "report" / "claims.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    return parameters.load(Path("params.yaml"))


def curve(*returns: float, seed: int = 0) -> pl.DataFrame:
    frame = made_runs.run(CELL, [seed], len(returns), 200)
    return frame.with_columns(pl.Series("mean_return", returns), pl.Series("epoch_return", returns))


def written(frame: pl.DataFrame, folder: Path) -> Path:
    path = folder / "0-0.parquet"
    frame.write_parquet(path)
    return path


def test_final_return_is_the_mean_of_the_last_tenth_and_area_of_all():
    run = tables.final(curve(*range(1, 21)), {}).row(0, named=True)
    assert run["final_return"] == pytest.approx((19 + 20) / 2)
    assert run["area"] == pytest.approx(10.5)
    assert math.isnan(run["fraction"])


def test_a_run_of_fewer_than_ten_epochs_ends_at_its_last_one():
    assert tables.final(curve(3.0, 7.0), {})["final_return"].item() == 7.0


@pytest.mark.parametrize(("last", "fraction"), [(13.3, 0.0), (480.0, 1.0), (246.65, 0.5), (-220.05, -0.5)])
def test_fraction_runs_from_the_random_to_the_optimal_return(last, fraction):
    runs = tables.final(curve(0.0, last), {"slot-machine": Bounds(13.3, 480.0)})
    assert runs["fraction"].item() == pytest.approx(fraction)


def test_metrics_are_mean_and_sample_standard_deviation_over_seeds():
    runs = tables.final(pl.concat([curve(0.0, 10.0, seed=0), curve(0.0, 14.0, seed=1)]), {})
    cell = tables.metrics(runs)["slot-machine/vpg/jsae"]
    assert cell == {
        "seeds": 2,
        "final_return": 12.0,
        "area": 6.0,
        "final_return_std": pytest.approx(math.sqrt(8.0)),
    }


def test_the_summary_has_a_row_a_cell_and_leaves_the_unknown_empty():
    runs = tables.final(pl.concat([curve(0.0, 10.0, seed=0), curve(0.0, 14.0, seed=1)]), {})
    (row,) = tables.summary(runs).rows(named=True)
    assert row == {"cell": "slot-machine/vpg/jsae", "seeds": 2, "final_return": 12.0, "area": 6.0, "fraction": None}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: f.drop("kl"), "lacks the column kl"),
        (lambda f: f.with_columns(surprise=pl.lit(1)), "column surprise: not a column"),
        (lambda f: f.with_columns(pl.col("epoch").cast(pl.Float64)), "column epoch: holds Float64 instead of Int64"),
        (
            lambda f: f.with_columns(pl.Series("mean_return", [1.0, math.nan, 3.0])),
            "column mean_return, row 2: nan is not a finite number",
        ),
        (lambda f: f.with_columns(pl.Series("seed", [0, 0, None])), "column seed, row 3: None is empty"),
        (lambda f: f.with_columns(agent=pl.lit("ppo")), "column agent, row 1: 'ppo' does not belong here"),
        (lambda f: f.with_columns(seed=pl.lit(4, pl.Int64)), "column seed, row 1: 4 is not one of the cohort's"),
        (lambda f: f.head(2), "seed 0 has 2 epochs, not 1 to 3"),
        (lambda f: pl.concat([f, f.tail(1)]), "seed 0 has 4 epochs, not 1 to 3"),
    ],
)
def test_a_wrong_run_file_is_refused_with_its_place(tmp_path, spoil, said):
    path = written(spoil(curve(1.0, 2.0, 3.0)), tmp_path)
    with pytest.raises(JsaeError, match=said) as caught:
        tables.read_run(path, CELL, [0], 3)
    assert str(path) in str(caught.value)


def test_a_damaged_run_file_is_refused(tmp_path):
    path = tmp_path / "0-0.parquet"
    path.write_bytes(b"PAR1 cut short")
    with pytest.raises(JsaeError, match="is damaged"):
        tables.read_run(path, CELL, [0], 3)


def test_rows_come_back_in_the_order_of_seeds_and_epochs(tmp_path):
    frame = pl.concat([curve(1.0, 2.0, seed=1), curve(3.0, 4.0, seed=0)]).reverse()
    read = tables.read_run(written(frame, tmp_path), CELL, [0, 1], 2)
    assert read["mean_return"].to_list() == [3.0, 4.0, 1.0, 2.0]


@pytest.mark.parametrize("content", ["{}", '{"random_return": 1', '{"random_return": "1", "optimal_return": 2}'])
def test_bounds_that_are_no_numbers_are_refused(tmp_path, content):
    path = tmp_path / "slot-machine.json"
    path.write_text(content)
    with pytest.raises(JsaeError, match="return"):
        tables.read_bounds(path)


def test_every_cell_is_collected_once_in_the_order_of_params_yaml(settings):
    made_runs.write_study(settings)
    aggregate.aggregate("preview", settings)
    final = pl.read_parquet(paths.tables("preview") / "final.parquet")
    found = final.select("environment", "agent", "embedding").unique(maintain_order=True).rows()
    assert found == list(settings.cells())
    assert json.loads((paths.tables("preview") / "missing.json").read_text()) == []


def test_a_missing_cell_is_listed_and_leftovers_do_not_appear(settings):
    lost = Cell("gridworld-discrete", "vpg", "ra")
    made_runs.write_study(settings, leave_out=[lost])
    leftover = paths.curves("preview", "slot-machine", "vpg", "removed", "0-4")
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"left over")
    aggregate.aggregate("preview", settings)
    missing = json.loads((paths.tables("preview") / "missing.json").read_text())
    assert [(row["environment"], row["agent"], row["embedding"]) for row in missing] == [
        (lost.environment, lost.agent, lost.embedding)
    ]
    curves = pl.read_parquet(paths.tables("preview") / "curves.parquet")
    assert "removed" not in curves["embedding"].unique()


def test_bounds_reach_the_table_and_an_unknown_one_stays_unknown(settings):
    made_runs.write_study(settings)
    made_runs.write_bounds()
    aggregate.aggregate("preview", settings)
    final = pl.read_parquet(paths.tables("preview") / "final.parquet")
    known = final.filter(pl.col("environment") == "slot-machine")
    assert set(known["optimal_return"]) == {480.0}
    assert final.filter(pl.col("environment") == "recommender")["fraction"].is_nan().all()


def test_no_run_at_all_is_an_error(settings):
    with pytest.raises(JsaeError, match="no run of the preview study"):
        aggregate.aggregate("preview", settings)


def test_the_stage_writes_the_same_bytes_again_and_its_record_beside_them(settings):
    made_runs.write_study(settings)
    digests = []
    for _ in range(2):
        aggregate.main(["--scale", "preview"])
        digests.append([sha256(path) for path in sorted(paths.tables("preview").iterdir())])
    assert digests[0] == digests[1]
    record = json.loads(paths.record("aggregate", scale="preview").read_text())
    assert record["stage"] == "aggregate"
    assert record["wall_seconds"] >= 0


def test_provenance_without_git_names_no_commit(tmp_path):
    assert provenance.commit(tmp_path) is None
    assert provenance.changed(tmp_path) is None


def test_a_failed_stage_leaves_no_record(tmp_path):
    with pytest.raises(JsaeError), provenance.recorded(tmp_path / "record.json", "made-up"):
        raise JsaeError("no")
    assert list(tmp_path.iterdir()) == []


def test_lock_digest_depends_on_names_and_contents(tmp_path):
    one, two = tmp_path / "a.lock", tmp_path / "b.lock"
    one.write_text("numpy==2.4.6 \\\n    --hash=sha256:00\n")
    two.write_text("# made\ntorch==2.13.0+cpu ; sys_platform != 'darwin' \\\n    --hash=sha256:11\n")
    both = provenance.lock_digest([one, two])
    assert both == provenance.lock_digest([two, one])
    assert provenance.locked_versions([one, two]) == {"numpy": "2.4.6", "torch": "2.13.0+cpu"}
    two.write_text("")
    assert provenance.lock_digest([one, two]) != both
