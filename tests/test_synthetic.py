"""The synthetic log against the published marginals, the real schema, and the paper's filter."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.purchases import event_log, synthetic
from jsae.purchases import filter as purchases
from stages import filter
from tests import made_parameters
from tests.made_declared import declare_all

CALIBRATION = Path(__file__).parent.parent / "data" / "calibration"


@pytest.fixture(scope="module")
def calibration() -> synthetic.Calibration:
    return synthetic.read_calibration(CALIBRATION)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Purchases of a log of full size as the filter reads them, and its calibration table."""
    path = tmp_path_factory.mktemp("log") / "2019-Oct.csv.gz"
    table = synthetic.generate(path, CALIBRATION, purchases=742_849, seed=3)
    return event_log.read_purchases(path, event_log.Counts(), bad_rows="error", duplicates="keep"), table


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    path = tmp_path_factory.mktemp("log") / "2019-Oct.csv.gz"
    return path, synthetic.generate(path, CALIBRATION, purchases=2_000, seed=1)


def rows_of(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema_length=0)


def test_popularity_has_the_published_counts_and_totals(calibration: synthetic.Calibration) -> None:
    counts = synthetic.popularity(calibration)
    assert counts[:2].tolist() == pytest.approx([28_944, 21_806])
    assert (counts >= 100 - 1e-6).sum() == 835
    assert counts[:267].sum() == pytest.approx(325_277, rel=1e-3)
    assert len(counts) == 42_241
    assert counts.sum() == pytest.approx(742_849, rel=1e-6)


def test_the_filter_of_the_paper_keeps_its_items_and_rows(store: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    """835 items and about 250,000 purchases, both within 2 %."""
    kept, rules = purchases.select(
        store[0],
        most_bought=None,
        minimum_item_purchases=100,
        minimum_user_purchases=3,
        counting="all-purchases",
    )
    assert rules[-1]["items"] == pytest.approx(835, rel=0.02)
    assert len(kept) == pytest.approx(250_000, rel=0.02)


def test_users_products_and_prices_have_the_published_marginals(
    calibration: synthetic.Calibration, store: tuple[pl.DataFrame, pl.DataFrame]
) -> None:
    bought, table = store
    per_user = np.bincount(np.unique(bought["user"], return_counts=True)[1])
    for times, users in calibration.purchases_per_user:
        assert per_user[times] == users  # the histogram is exact at full size
    ratio = dict(table.select("measure", "ratio").iter_rows())
    for row in calibration.top_products:
        if row["purchases_oct"]:
            assert ratio[f"purchases of product {row['product_id']}"] == pytest.approx(1, rel=0.005)
    for measure in (
        "mean price of a purchase",
        "price of one-time buyers, quantile 0.50",
        "mean price of one-time buyers",
        "mean price of users with 3",
        "same product again in a session",
        *(f"sessions with a purchase on day {day}" for day in range(1, 32)),
    ):
        assert ratio[measure] == pytest.approx(1, rel=0.05), measure
    assert bought["price"].is_between(0.5, 2574.07).all()


def test_successive_purchases_are_like_the_published_ones(store: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    """What the generator draws directly within 5 %; what follows from it within 25 %."""
    table = store[1].filter(pl.col("measure").str.starts_with("successive purchases: "))
    assert len(table) == 13
    for measure, ratio in table.select("measure", "ratio").iter_rows():
        direct = any(name in measure for name in ("popular", "slope", "phone after phone", "price correlation"))
        assert ratio == pytest.approx(1, rel=0.05 if direct else 0.25), measure


def test_the_log_has_the_schema_and_order_of_the_real_one(log: tuple[Path, pl.DataFrame]) -> None:
    rows = rows_of(log[0])
    assert tuple(rows.columns) == event_log.EVENT_COLUMNS
    assert len(rows) == pytest.approx(2_000, rel=0.02)
    time = rows["event_time"]
    assert time.is_sorted()
    moments = time.str.to_datetime(event_log.EVENT_TIME)
    assert moments.is_between(pl.datetime(2019, 10, 1), pl.datetime(2019, 11, 1)).all()
    assert set(rows["event_type"]) == {"purchase"}
    assert rows["category_id"].str.len_chars().eq(19).all()
    assert rows["price"].str.contains(r"^\d+\.\d\d$").all()
    assert rows["user_session"].str.contains(r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$").all()
    assert rows["product_id"].str.to_integer().is_between(100_000, 99_999_999).all()
    same = rows.group_by("user_session").agg(pl.col("user_id").n_unique())
    assert (same["user_id"] == 1).all()


def test_the_same_seed_gives_the_same_bytes(log: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    again = synthetic.generate(tmp_path / "again.csv.gz", CALIBRATION, purchases=2_000, seed=1)
    assert (tmp_path / "again.csv.gz").read_bytes() == log[0].read_bytes()
    assert again.equals(log[1])
    synthetic.generate(tmp_path / "other.csv.gz", CALIBRATION, purchases=2_000, seed=2)
    assert (tmp_path / "other.csv.gz").read_bytes() != log[0].read_bytes()


def test_the_calibration_table_counts_what_is_in_the_file(log: tuple[Path, pl.DataFrame]) -> None:
    path, table = log
    measured = dict(table.select("measure", "synthetic").iter_rows())
    rows = rows_of(path)
    assert measured["purchases"] == len(rows)
    assert measured["buyers"] == rows["user_id"].n_unique()
    assert measured["sessions with a purchase"] == rows["user_session"].n_unique()
    assert measured["purchases at 12 h UTC"] == rows["event_time"].str.contains(" 12:").sum()
    assert measured["purchases of brand samsung"] == (rows["brand"] == "samsung").sum()


def test_the_filter_hands_the_calibration_on(
    log: tuple[Path, pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = declare_all(made_parameters.loaded({"environments.shop.purchases": "synthetic"}))
    raw = layout.raw("synthetic")
    raw.mkdir(parents=True)
    shutil.copy(log[0], raw / "2019-Oct.csv.gz")
    log[1].write_parquet(raw / "calibration.parquet")
    filter.main(study["filter@synthetic"])
    summary = json.loads(layout.purchases("synthetic").with_suffix(".json").read_text(encoding="utf-8"))
    assert summary["calibration"] == log[1].to_dicts()
    assert summary["dropped"] == {}
    found = {row["measure"]: row["synthetic"] for row in summary["calibration"]}
    for name in ("same phone within a session", "price correlation"):
        assert summary["successive_purchases"][name] == pytest.approx(found[f"successive purchases: {name}"])


def test_too_few_purchases_and_missing_tables_are_errors(tmp_path: Path) -> None:
    with pytest.raises(JsaeError, match="at least 1,000"):
        synthetic.generate(tmp_path / "log.csv.gz", CALIBRATION, purchases=10, seed=0)
    with pytest.raises(JsaeError, match="calibration tables are not readable"):
        synthetic.generate(tmp_path / "log.csv.gz", tmp_path, purchases=10_000, seed=0)
    assert list(tmp_path.iterdir()) == []
