"""The benchmarks run, and what they compare is the same work."""

import contextlib
import math
import runpy
import sys
from pathlib import Path

import pytest

from benchmarks import cells, learning, recommender_reading, training
from jsae.config.best import Best
from jsae.config.study import Cell


@pytest.mark.parametrize(
    "cell", [Cell("slot-machine", "vpg", "jsae"), Cell("gridworld-discrete", "sac", "jsae")], ids=str
)
def test_an_epoch_is_measured_beside_the_reference_and_the_machines_peak(cell: Cell) -> None:
    found = training.compare(cell, rounds=1)
    assert found.steps == cells.settings().environments[cell.environment].steps_per_epoch
    assert found.runs == len(training.SEEDS)
    assert min(found.seconds, found.reference_seconds, found.plain_seconds, found.share_of_peak) > 0
    assert found.peer_seconds is None


def test_learning_starts_from_the_same_embeddings_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "SAMPLES", 500)
    row = learning.compared(Cell("slot-machine", "vpg", "jsae"), seeds=2, epochs=3, pretraining_epochs=1)
    assert (row.seeds, row.epochs, row.pretraining_epochs) == (2, 3, 1)
    assert row.ours_low is not None
    assert row.ours_high is not None
    assert row.ours_low <= row.ours <= row.ours_high
    assert row.reference_low <= row.reference <= row.reference_high
    assert math.isfinite(row.first_epoch)
    at_first = learning.compared(Cell("slot-machine", "vpg", "jsae"), seeds=2, epochs=1, pretraining_epochs=1)
    assert at_first.ours == pytest.approx(at_first.first_epoch)
    assert at_first.first_epoch == pytest.approx(row.first_epoch)


def test_a_training_has_the_sizes_that_the_search_found() -> None:
    cell = Cell("slot-machine", "vpg", "jsae")
    found = Best({("slot-machine", "jsae"): {"state_embedding_size": 5, "action_embedding_size": 3}}, {})
    learnt = cells.trainer(cell, [0], found=found).embedding.parameters
    assert (learnt["phi"].shape[-1], learnt["g"].shape[-1]) == (5, 3)


def test_a_pattern_that_no_reading_matches_leaves_the_table_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text("measured before")
    monkeypatch.setattr(sys, "argv", ["recommender_reading", "--readings", "zzz", "--output", str(table)])
    with pytest.raises(SystemExit, match="2"):
        recommender_reading.main()
    assert table.read_text() == "measured before"


def test_a_mean_outside_of_the_references_seeds_is_said_to_be() -> None:
    ends = {"reference": 1.0, "reference_low": 0.5, "reference_high": 1.5, "pretraining_epochs": 0, "ours_low": None}
    row = learning.Row("e", "a", "x", 5, 6, first_epoch=0.0, ours=1.2, **ends, ours_high=None)
    assert [row._replace(ours=ours).verdict for ours in (0.4, 0.5, 1.5, 1.6)] == ["below", "within", "within", "above"]


ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = [
    f"{folder}.{path.stem}"
    for folder in ("benchmarks", "tools")
    for path in sorted((ROOT / folder).glob("[!_]*.py"))
    if "__main__" in path.read_text(encoding="utf-8")
]
PROGRAMS += ["workflow.status", "jsae.config.schema"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_explains_itself(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In a folder without a study: it must not start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.delitem(sys.modules, name, raising=False)
    with contextlib.suppress(SystemExit):
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    assert len(capsys.readouterr().out.split()) > 10
    assert list(tmp_path.iterdir()) == []
