"""The forecast of costs: which record it takes, and how it scales it."""

import json
from pathlib import Path

import pytest

from workflow import forecast
from workflow.forecast import SETTING_UP, START, Forecast

OPTIONS = {"scale": "paper", "cohort": "0-4", "environment": "maze", "agent": "vpg", "embedding": "ra"}
STAGE = "train-mazes@paper-0-4-maze-vpg-ra"
NAME = "train/maze/vpg-ra/0-4.json"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of one environment, on a machine half as fast as that of the costs."""
    monkeypatch.chdir(tmp_path)
    Path("workflow").mkdir()
    forecast.COSTS.write_text(f"# a remark\ngflops,40,\npreview/{NAME},4.5,2000\nshared/collect/maze/0-4.json,8,700\n")
    Path("params.yaml").write_text(
        "cohorts: [0-4, 5-9]\n"
        "environments: {maze: {epochs: {preview: 2, paper: 100}}, twin: {epochs: {preview: 4, paper: 300}}}\n"
        "search: {same_as: {twin: maze}}\n"
    )
    monkeypatch.setattr(forecast, "gflops", lambda: 20.0)
    return tmp_path


def write_record(scale: str, seconds: float, name: str = NAME) -> None:
    path = Path("results") / scale / "provenance" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"wall_seconds": seconds}))


def seconds(stage: str = STAGE, options: dict[str, str] = OPTIONS) -> float:
    found = Forecast().cost(stage, options)
    assert found is not None
    return found.seconds - 2 * START


def test_its_own_record_comes_first(study: Path) -> None:
    write_record("paper", 70.0)
    write_record("preview", 3.0)
    assert seconds() == pytest.approx(70)


def test_the_other_scales_record_grows_with_the_epochs(study: Path) -> None:
    write_record("preview", SETTING_UP + 3.0)
    assert seconds() == pytest.approx(SETTING_UP + 150)


def test_another_machines_record_grows_with_the_epochs_and_with_its_speed(study: Path) -> None:
    assert seconds() == pytest.approx(2 * (SETTING_UP + (4.5 - SETTING_UP) * 50))
    collect = {"environment": "maze", "cohort": "0-4"}
    assert seconds("collect-mazes@0-4-maze", collect) == pytest.approx(16)


def test_tables_of_runs_grow_with_the_epochs_and_other_outputs_do_not(study: Path) -> None:
    found = Forecast().cost(STAGE, OPTIONS)
    assert found is not None
    assert found.bytes == 50 * 2000
    twice = Forecast().cost(STAGE, OPTIONS | {"environment": "twin"})
    assert twice is not None
    assert twice.bytes == 3 * 50 * 2000
    samples = Forecast().cost("collect-mazes@5-9-maze", {"environment": "maze", "cohort": "5-9"})
    assert samples is not None
    assert samples.bytes == 700


def test_sizes_of_outputs_are_those_of_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text(
        "schema: '2.0'\nstages:\n"
        f"  {STAGE}:\n    cmd: python -m stages.train --scale paper --cohort 0-4 --environment\n"
        "      maze --agent vpg --embedding ra\n"
        "    outs:\n    - {path: a, md5: b, size: 30}\n    - {path: c, md5: d, size: 12}\n"
        "  code:\n    cmd: python -m stages.code\n"
    )
    assert forecast.sizes(lock) == {f"paper/{NAME}": 42, "shared/code/run.json": 0}


def test_what_was_never_recorded_is_not_known(study: Path) -> None:
    assert Forecast().cost("theory@paper", {"scale": "paper"}) is None


def test_another_cohort_takes_as_long(study: Path) -> None:
    write_record("paper", 70.0)
    assert seconds(options=OPTIONS | {"cohort": "5-9"}) == pytest.approx(70)


def test_an_environment_without_a_record_takes_as_long_as_the_one_whose_search_it_shares(study: Path) -> None:
    write_record("paper", 70.0)
    assert seconds(options=OPTIONS | {"environment": "twin"}) == pytest.approx(3 * 70)
    write_record("paper", 50.0, NAME.replace("maze", "twin"))
    assert seconds(options=OPTIONS | {"environment": "twin"}) == pytest.approx(50)


def test_a_damaged_record_counts_as_none(study: Path) -> None:
    write_record("paper", 70.0)
    (Path("results/paper/provenance") / NAME).write_text("{")
    write_record("preview", SETTING_UP + 3.0)
    assert seconds() == pytest.approx(SETTING_UP + 150)


def test_the_costs_in_the_repository_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)
    options = {**OPTIONS, "environment": "gridworld-discrete", "embedding": "jsae"}
    found = Forecast().cost("train-gridworld@paper-0-4-gridworld-discrete-vpg-jsae", options)
    assert found is not None
    assert found.seconds > 10


@pytest.mark.parametrize(("given", "said"), [(12.3, "12 s"), (300, "5 min"), (9000, "2.5 h")])
def test_spans_in_words(given: float, said: str) -> None:
    assert forecast.span(given) == said


def test_the_speed_of_this_machine_is_a_speed() -> None:
    assert forecast.gflops() > 0.1
