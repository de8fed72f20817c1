"""The synthetic log against the published marginals, the real schema, and the paper's filter."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from jsae.config.errors import JsaeError
from jsae.purchases import event_log, synthetic
from jsae.purchases import filter as purchases
from stages import filter, paths

CALIBRATION = Path(__file__).parent.parent / "data" / "calibration"
ROWS = 30_000


@pytest.fixture(scope="module")
def calibration() -> synthetic.Calibration:
    return synthetic.read_calibration(CALIBRATION)


@pytest.fixture(scope="module")
def store(calibration: synthetic.Calibration) -> tuple[synthetic.Catalogue, synthetic.Orders]:
    """Products and purchases of a log of full size, without its views."""
    generator = np.random.default_rng(3)
    catalogue = synthetic.make_catalogue(calibration, generator)
    return catalogue, synthetic.make_orders(calibration, catalogue, 1.0, 3_200_000, generator)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    path = tmp_path_factory.mktemp("log") / "2019-Oct.csv.gz"
    return path, synthetic.generate(path, CALIBRATION, rows=ROWS, seed=1, events="all")


def rows_of(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema_length=0)


def test_popularity_has_the_published_counts_and_totals(calibration: synthetic.Calibration) -> None:
    counts = synthetic.popularity(calibration)
    assert counts[:2].tolist() == pytest.approx([28_944, 21_806])
    assert (np.diff(counts) <= 0).all()
    assert (counts >= 100 - 1e-6).sum() == 835
    assert len(counts) == 42_241
    assert counts.sum() == pytest.approx(742_849, rel=1e-6)


def test_the_filter_of_the_paper_keeps_its_items_and_rows(
    store: tuple[synthetic.Catalogue, synthetic.Orders],
) -> None:
    """835 items and about 250,000 purchases, both within 5 %."""
    catalogue, orders = store
    bought = pl.LazyFrame(
        {
            "user": orders.user[orders.session],
            "item": orders.item,
            "price": catalogue.price[orders.item],
            "time": orders.start[orders.session],
            "row": np.arange(len(orders.item)),
        }
    ).with_columns(pl.col("time").cast(pl.Datetime("us")))
    kept, rules = purchases.select(
        bought,
        most_bought=None,
        minimum_item_purchases=100,
        minimum_user_purchases=3,
        counting="all-purchases",
    )
    assert rules[-1]["items"] == pytest.approx(835, rel=0.05)
    assert len(kept.collect()) == pytest.approx(250_000, rel=0.05)


def test_users_products_and_prices_have_the_published_marginals(
    calibration: synthetic.Calibration, store: tuple[synthetic.Catalogue, synthetic.Orders]
) -> None:
    catalogue, orders = store
    user = orders.user[orders.session]
    per_user = np.bincount(np.bincount(user))
    for times, users in calibration.purchases_per_user:
        assert per_user[times] == users  # the histogram is exact at full size
    sold = np.bincount(orders.item, minlength=len(catalogue.price))
    for rank, row in enumerate(calibration.top_products):
        if row["purchases_oct"]:
            assert catalogue.product_id[rank] == int(row["product_id"])
            assert sold[rank] == pytest.approx(float(row["purchases_oct"]), rel=0.002)
    price = catalogue.price[orders.item]
    assert price.mean() == pytest.approx(309.56, rel=0.01)
    once = price[np.bincount(user)[user] == 1]
    assert np.median(once) == pytest.approx(160.2, rel=0.05)
    assert once.mean() == pytest.approx(264.5, rel=0.05)
    assert price.min() > 0
    assert catalogue.price.max() <= 2574.07
    assert len(np.unique(catalogue.product_id)) == len(catalogue.product_id) == 166_794
    same_session = np.diff(orders.session) == 0
    assert (same_session & (np.diff(orders.item) == 0)).sum() == pytest.approx(52_477, rel=0.03)
    days = np.bincount(orders.start // 86_400, minlength=31)
    assert days.tolist() == pytest.approx(calibration.days[:, 0].tolist(), rel=0.05)


def test_the_log_has_the_schema_and_order_of_the_real_one(log: tuple[Path, pl.DataFrame]) -> None:
    path, _ = log
    rows = rows_of(path)
    assert tuple(rows.columns) == event_log.EVENT_COLUMNS
    assert len(rows) == ROWS
    time = rows["event_time"]
    assert time.is_sorted()
    assert (
        time.str.to_datetime(event_log.EVENT_TIME).is_between(pl.datetime(2019, 10, 1), pl.datetime(2019, 11, 1)).all()
    )
    assert set(rows["event_type"]) == {"view", "cart", "purchase"}
    assert rows["category_id"].str.len_chars().eq(19).all()
    assert rows["price"].str.contains(r"^\d+\.\d\d$").all()
    assert rows["user_session"].str.contains(r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$").all()
    assert rows["product_id"].str.to_integer().is_between(100_000, 99_999_999).all()
    same = rows.group_by("user_session").agg(pl.col("user_id").n_unique())
    assert (same["user_id"] == 1).all()


def test_every_purchase_follows_a_view_of_the_product_in_its_session(log: tuple[Path, pl.DataFrame]) -> None:
    rows = rows_of(log[0]).with_row_index("line")
    visits = rows.group_by("user_session", "product_id").agg(
        bought=(pl.col("event_type") == "purchase").any(),
        viewed=pl.col("line").filter(pl.col("event_type") == "view").min(),
        sold=pl.col("line").filter(pl.col("event_type") == "purchase").min(),
    )
    bought = visits.filter("bought")
    assert (bought["viewed"] < bought["sold"]).all()


def test_the_same_seed_gives_the_same_bytes(log: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    synthetic.generate(tmp_path / "again.csv.gz", CALIBRATION, rows=ROWS, seed=1, events="all")
    assert (tmp_path / "again.csv.gz").read_bytes() == log[0].read_bytes()


def test_a_log_of_purchases_only_has_those_of_the_whole_log(log: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    path = tmp_path / "purchases.csv.gz"
    table = synthetic.generate(path, CALIBRATION, rows=ROWS, seed=1, events="purchases")
    assert rows_of(path).equals(rows_of(log[0]).filter(pl.col("event_type") == "purchase"))
    assert table.equals(log[1].head(len(table)))
    assert len(table) < len(log[1])


def test_the_calibration_table_counts_what_is_in_the_file(log: tuple[Path, pl.DataFrame]) -> None:
    path, table = log
    measured = dict(table.select("measure", "synthetic").iter_rows())
    rows = rows_of(path)
    types = dict(rows["event_type"].value_counts().iter_rows())
    assert (measured["views"], measured["carts"], measured["purchases"]) == (
        types["view"],
        types["cart"],
        types["purchase"],
    )
    assert measured["users"] == rows["user_id"].n_unique()
    assert measured["sessions"] == rows["user_session"].n_unique()
    assert measured["rows without brand"] == rows["brand"].is_null().sum()
    noon = rows.filter((pl.col("event_type") == "view") & pl.col("event_time").str.contains(" 12:"))
    assert measured["views at 12 h UTC"] == len(noon)


def test_the_reader_takes_the_log_without_a_word(log: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    purchases.filter_event_logs(
        [log[0]],
        tmp_path / "purchases.parquet",
        tmp_path / "purchases.json",
        source="synthetic",
        minimum_item_purchases=1,
        minimum_user_purchases=1,
        counting="all-purchases",
        bad_rows="error",
        duplicates="drop",
    )
    with gzip.open(log[0], "rt") as stream:
        expected = sum(",purchase," in line for line in stream)
    assert len(purchases.read(tmp_path / "purchases.parquet")) == expected


def test_the_filter_hands_the_calibration_on(
    log: tuple[Path, pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (CALIBRATION.parent.parent / "params.yaml").read_text()
    text = text.replace("minimum_item_purchases: 100", "minimum_item_purchases: 1")
    Path("params.yaml").write_text(text)
    paths.raw("synthetic").mkdir(parents=True)
    shutil.copy(log[0], paths.raw("synthetic") / "2019-Oct.csv.gz")
    log[1].write_parquet(paths.raw("synthetic") / "calibration.parquet")
    filter.main(["--store", "synthetic"])
    assert json.loads(paths.purchases_summary("synthetic").read_text())["calibration"] == log[1].to_dicts()


def test_too_few_rows_and_missing_tables_are_errors(tmp_path: Path) -> None:
    with pytest.raises(JsaeError, match="at least 10,000 rows"):
        synthetic.generate(tmp_path / "log.csv.gz", CALIBRATION, rows=10, seed=0, events="all")
    with pytest.raises(JsaeError, match="calibration tables are not readable"):
        synthetic.generate(tmp_path / "log.csv.gz", tmp_path, rows=10_000, seed=0, events="all")
    assert list(tmp_path.iterdir()) == []
