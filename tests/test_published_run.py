"""The first part of a published run is trained again: its curve is what git keeps.

On the kind of machine that the study ran on, to the last bit. On others sums are rounded otherwise, and after some
dozen epochs one action differs: there, the first epochs are compared.
"""

import sys
from pathlib import Path

import polars as pl
import pytest

from jsae.analysis import tables
from jsae.config import layout, schema
from jsae.config.study import Cell
from jsae.io import provenance
from jsae.io.files import read_json
from jsae.nn import compiled
from jsae.standalone import run
from jsae.standalone.settings import run_settings

ROOT = Path(__file__).resolve().parent.parent
CELL, SEED, SEEDS = Cell("slot-machine", "vpg", "ra"), 15, "15-24"
EPOCHS, EPOCHS_ELSEWHERE = 200, 15
METRICS = ("mean_return", "epoch_return", "critic_loss", "entropy")


def like_here(record: dict[str, str]) -> bool:
    """Whether a record's machine rounds sums as this one does. The study's had AVX-512, which no record says."""
    here = {"kernels": compiled.kind(), "processor": provenance.processor()}
    wide = "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8") if sys.platform == "linux" else False
    return wide and all(record[name] == value for name, value in here.items())


def test_a_published_run_trained_again_has_the_same_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    same = like_here(read_json(layout.PUBLISHED / "runs" / "made.json")[f"{CELL}-{SEEDS}"]["record"])
    epochs = EPOCHS if same else EPOCHS_ELSEWHERE
    settings = run_settings(schema.load(layout.PARAMETERS), CELL, SEED, scale="paper", epochs=epochs)
    again = tables.compact(run.train(settings, tmp_path / "run", report=lambda line: None))
    published = pl.read_parquet(layout.PUBLISHED_CURVES).filter(**vars(CELL), seed=SEED)
    assert published["epoch"].max() == 2500
    published = published.filter(pl.col("epoch") <= again["epoch"].max())
    assert len(published) == len(again) == epochs
    for metric in METRICS:
        told, ours = published[metric].to_list(), again[metric].to_list()
        assert len(set(told)) > epochs / 10  # three digits of the entropy, which changes slowly, repeat
        assert ours == (told if same else pytest.approx(told, rel=1e-2)), metric


def test_what_is_published_stays_small_enough_for_git() -> None:
    assert sum(path.stat().st_size for path in layout.PUBLISHED.rglob("*") if path.is_file()) <= 20e6
