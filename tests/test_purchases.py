"""The readers and the filter against hand-made logs, bad input, and a reference in pandas."""

import errno
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jsae.config.errors import JsaeError
from jsae.nn import compiled
from jsae.purchases import event_log
from jsae.purchases import filter as purchases

HEADER = ",".join(event_log.EVENT_COLUMNS)
SESSION = "01234567-89ab-cdef-0123-456789abcdef"
LOOSE = {"minimum_item_purchases": 1, "minimum_user_purchases": 1}


def event(
    second: int = 0,
    kind: str = "purchase",
    item: object = 1004856,
    user: object = 512000001,
    price: object = "130.76",
    brand: str = "samsung",
    code: str = "electronics.smartphone",
    session: str = SESSION,
) -> str:
    """A row in the schema of the REES46 logs, at `second` of 1 October 2019."""
    time = f"2019-10-01 {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d} UTC"
    return f"{time},{kind},{item},2053013555631882655,{code},{brand},{price},{user},{session}"


def write_log(path: Path, rows: Sequence[str | bytes], header: str = HEADER, end: str = "\n") -> Path:
    lines = [header.encode(), *(row if isinstance(row, bytes) else row.encode() for row in rows)]
    data = b"".join(line + end.encode() for line in lines)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


PIECES = [",purchase,", ",view,", ",pu", "purchase", "\n", '"', "é", ",", "a" * 31, "b" * 100]


@pytest.mark.skipif(compiled.library(event_log.CODE) is None, reason="JSAE_KERNELS=plain, or ziglang is not installed")
@given(st.lists(st.sampled_from(PIECES), max_size=60), st.integers(0, 600))
def test_a_compiled_look_sees_what_python_sees(pieces: list[str], repeated: int) -> None:
    text = ("".join(pieces) + ",x\n" * repeated * 20).encode()
    found = event_log._look(text)
    with mock.patch.object(compiled, "library", return_value=None):
        assert found == event_log._look(text)


def run(paths: Path | Sequence[Path], folder: Path, **options: Any) -> tuple[pl.DataFrame, dict[str, Any]]:
    chosen: dict[str, Any] = {
        "source": "kechinov",
        "counting": "all-purchases",
        "bad_rows": "error",
        "duplicates": "drop",
        **LOOSE,
        **options,
    }
    logs = [paths] if isinstance(paths, Path) else paths
    purchases.filter_event_logs(logs, folder / "purchases.parquet", folder / "purchases.json", **chosen)
    return purchases.read(folder / "purchases.parquet"), json.loads((folder / "purchases.json").read_text())


def bought(table: pl.DataFrame) -> list[tuple[int, int, float]]:
    return list(table.select("user", "item", "price").iter_rows())


@pytest.mark.parametrize("name", ["2019-Oct.csv", "2019-Oct.csv.gz"])
def test_only_purchases_sorted_by_user_and_time(tmp_path: Path, name: str) -> None:
    rows = [
        event(0, "view", 7),
        event(1, "purchase", 7, user=2, price="5.50"),
        event(2, "cart", 8),
        event(3, "purchase", 9, user=1),
        event(3, "purchase", 8, user=1, price="10.00"),
    ]
    table, summary = run(write_log(tmp_path / name, rows), tmp_path)
    assert bought(table) == [(1, 9, 130.76), (1, 8, 10.0), (2, 7, 5.5)]
    assert table["time"].dt.to_string("%F %T").to_list()[2] == "2019-10-01 00:00:01"
    assert (summary["rows"], summary["purchases"], summary["dropped"]) == (5, 3, {})


COUNTED = [
    *((user, 1) for user in (1, 1, 2, 3)),  # item 1: four purchases
    *((user, 2) for user in (1, 2)),  # item 2: two
    (3, 3),
    (3, 4),
]  # users 1, 2, 3 have 3, 2, 3 purchases


@pytest.mark.parametrize(
    ("counting", "expected"),
    [
        ("all-purchases", [(1, 1), (1, 1), (1, 2), (3, 1)]),  # users 1 and 3; items 1 and 2
        ("items-first", [(1, 1), (1, 1), (1, 2)]),  # without items 3 and 4 user 3 has one purchase left
        ("users-first", [(1, 1), (1, 1), (3, 1)]),  # without user 2 item 2 was bought once
    ],
)
def test_what_the_thresholds_count(tmp_path: Path, counting: str, expected: list[tuple[int, int]]) -> None:
    log = write_log(tmp_path / "log.csv", [event(s, item=i, user=u) for s, (u, i) in enumerate(COUNTED)])
    table, summary = run(log, tmp_path, counting=counting, minimum_item_purchases=2, minimum_user_purchases=3)
    assert list(table.select("user", "item").iter_rows()) == expected
    assert [rule["rows"] for rule in summary["rules"]][::2] == [8, len(expected)]


logged = st.lists(
    st.tuples(
        st.sampled_from(["view", "cart", "purchase", "purchase", "purchase"]),
        st.integers(1, 5),
        st.integers(1, 4),
        st.integers(1, 9999),
        st.sampled_from(["", "samsung", "nan", "null", "a b", '"x, y"']),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(logged, st.integers(1, 4), st.integers(1, 4), st.sampled_from(["all-purchases", "items-first", "users-first"]))
def test_any_log_gives_what_pandas_gives(
    tmp_path_factory: pytest.TempPathFactory, events: list[Any], item_minimum: int, user_minimum: int, counting: str
) -> None:
    folder = tmp_path_factory.mktemp("log")
    rows = [
        event(second // 2, kind, item, user, f"{cents / 100:.2f}", brand)
        for second, (kind, item, user, cents, brand) in enumerate(events)
    ]
    log = write_log(folder / "log.csv.gz", rows)

    frame = pd.read_csv(log, parse_dates=["event_time"])
    frame = frame[frame.event_type == "purchase"].drop_duplicates()
    items = frame.groupby("product_id").product_id.transform("size") >= item_minimum
    users = frame.groupby("user_id").user_id.transform("size") >= user_minimum
    if counting == "items-first":
        users = (
            frame[items].groupby("user_id").user_id.transform("size").reindex(frame.index, fill_value=0) >= user_minimum
        )
    if counting == "users-first":
        items = frame[users].groupby("product_id").product_id.transform("size").reindex(frame.index, fill_value=0)
        items = items >= item_minimum
    frame = frame[items & users].sort_values(["user_id", "event_time"], kind="stable")
    expected = list(frame[["user_id", "product_id", "price"]].itertuples(index=False, name=None))

    options = {"minimum_item_purchases": item_minimum, "minimum_user_purchases": user_minimum, "counting": counting}
    if expected:
        assert bought(run(log, folder, **options)[0]) == expected
    else:
        with pytest.raises(JsaeError, match="no purchase"):
            run(log, folder, **options)


@pytest.mark.parametrize("plain", [False, True])
def test_blocks_of_any_size_give_the_same(plain: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows cut by the border of a block are read whole, and lines keep their numbers; without compiled code too."""
    if plain:
        monkeypatch.setattr(compiled, "library", lambda source: None)
    rows = [event(s, "purchase" if s % 3 else "view", item=s + 1, user=s % 4 + 1) for s in range(50)]
    log = write_log(tmp_path / "log.csv.gz", rows)
    whole = bought(run(log, tmp_path)[0])
    damaged = write_log(tmp_path / "damaged.csv.gz", [*rows, event(50, price="x")])
    for block in (100, 131, 1000):
        monkeypatch.setattr(event_log, "BLOCK", block)
        assert bought(run(log, tmp_path)[0]) == whole
        with pytest.raises(JsaeError, match="line 52: price"):
            run(damaged, tmp_path)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=40), st.integers(1, 7))
def test_sorting_some_users_at_a_time_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory, users: list[int], rows: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = write_log(folder / "log.csv", [event(s, user=user, item=s + 1) for s, user in enumerate(users)])
    whole, _ = run(log, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(purchases, "SORTED_ROWS", rows)
        assert run(log, folder)[0].equals(whole)


def test_several_months_are_one_log_and_output_is_reproducible(tmp_path: Path) -> None:
    october = write_log(tmp_path / "2019-Oct.csv.gz", [event(0, item=1, user=5), event(1, item=2, user=5)])
    november = write_log(tmp_path / "2019-Nov.csv.gz", [event(7, item=3, user=5).replace("-10-", "-11-")])
    table, summary = run([october, november], tmp_path)
    assert table["item"].to_list() == [1, 2, 3]
    assert summary["files"] == ["2019-Oct.csv.gz", "2019-Nov.csv.gz"]
    first = (tmp_path / "purchases.parquet").read_bytes()
    run([october, november], tmp_path)
    assert (tmp_path / "purchases.parquet").read_bytes() == first


def test_quirks_of_the_real_files_are_no_errors(tmp_path: Path) -> None:
    """Category ids of 19 digits, missing fields, brands that read as missing, free views, quotes, CRLF."""
    rows = [
        event(0, "view", price="0.00"),
        event(1, brand="", code="", item=1),
        event(2, brand="nan", session="", item=2),
        event(3, brand="null", item=3),
        event(4, brand='"smith, jones & co"', item=4),
        event(5, "view", brand="purchase"),
        event(6, '"purchase"', item=5),
    ]
    for end in ("\n", "\r\n"):
        table, summary = run(write_log(tmp_path / "log.csv", rows, header=HEADER, end=end), tmp_path)
        assert table["item"].to_list() == [1, 2, 3, 4, 5]
        assert summary["dropped"] == {}
    lines = [HEADER, *rows]
    (tmp_path / "log.csv").write_text("\n".join(lines))  # no newline at the end
    assert len(run(tmp_path / "log.csv", tmp_path)[0]) == 5


@pytest.mark.parametrize("block", [100, event_log.BLOCK])
def test_equal_rows_count_once_or_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Equal in every field: logged twice, be they checked together or not. Another second: another unit."""
    monkeypatch.setattr(event_log, "BLOCK", block)
    monkeypatch.setattr(event_log, "BLOCKS_CHECKED", 1)
    log = write_log(tmp_path / "log.csv", [event(1), event(1, user=7), event(1), event(2)])
    table, summary = run(log, tmp_path)
    assert len(table) == 3
    assert summary["dropped"] == {"equal to a purchase before it": 1}
    assert len(run(log, tmp_path, duplicates="keep")[0]) == 4


BAD = {
    "8 fields": (event(5).rpartition(",")[0], "9 fields expected, 8 found"),
    "2 fields": ("2019-10-01 00:00:05 UTC,purchase", "9 fields expected, 2 found"),
    "10 fields": (event(5) + ",more", "9 fields expected, 10 found"),
    "short view": (event(5, "view").rpartition(",")[0], "9 fields expected, 8 found"),
    "open quote": (event(5, brand='"open'), "a quote is not closed"),
    "not UTF-8": (event(5).encode().replace(b"samsung", b"sams\xfcng"), "not UTF-8"),
    "view not UTF-8": (event(5, "view").encode().replace(b"samsung", b"sams\xfcng"), "not UTF-8"),
    "NaN price": (event(5, price="NaN"), "price is not a positive number"),
    "no price": (event(5, price=""), "price is not a positive number"),
    "negative price": (event(5, price="-1.00"), "price is not a positive number"),
    "free purchase": (event(5, price="0.00"), "price is not a positive number"),
    "infinite price": (event(5, price="inf"), "price is not a positive number"),
    "no number": (event(5, price="12 USD"), "price is not a positive number"),
    "item 0": (event(5, item=0), "product_id is not a positive whole number"),
    "item a word": (event(5, item="abc"), "product_id is not a positive whole number"),
    "user 0": (event(5, user=0), "user_id is not a positive whole number"),
    "user a fraction": (event(5, user="1.5"), "user_id is not a positive whole number"),
    "no time": (event(5).replace("2019-10-01", "yesterday"), "event_time is not a time"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_an_error_with_its_place_or_a_counted_drop(tmp_path: Path, case: str) -> None:
    row, reason = BAD[case]
    log = write_log(tmp_path / "log.csv.gz", [event(1, "view"), event(2), event(3, "view"), row, event(9)])
    with pytest.raises(JsaeError, match=rf"log\.csv\.gz, line 5: {reason}.*bad_rows to drop"):
        run(log, tmp_path)
    assert not (tmp_path / "purchases.parquet").exists()
    table, summary = run(log, tmp_path, bad_rows="drop")
    assert len(table) == 2
    assert summary["dropped"] == {reason: 1}


def test_time_out_of_order_is_an_error_or_sorted_and_counted(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.csv", [event(5, item=1), event(9, item=2), event(7, item=3), event(8, item=4)])
    with pytest.raises(JsaeError, match="line 4: event_time is before that of a row above it"):
        run(log, tmp_path)
    table, summary = run(log, tmp_path, bad_rows="drop")
    assert table["item"].to_list() == [1, 3, 4, 2]
    assert (summary["out_of_order"], summary["dropped"]) == (2, {})


def test_damaged_files_are_errors(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.csv.gz", [event(s, item=s + 1) for s in range(2000)])
    content = log.read_bytes()
    for name, damaged in {
        "truncated": content[:-20],
        "cut": content[: len(content) // 2],
        "flipped": content[:-400] + bytes(byte ^ 255 for byte in content[-400:-300]) + content[-300:],
    }.items():
        log.write_bytes(damaged)
        with pytest.raises(JsaeError, match=r"damaged or cut short .*delete the file"):
            run(log, tmp_path)
        assert not (tmp_path / "purchases.parquet").exists(), name
    log.write_bytes(b"")
    with pytest.raises(JsaeError, match="is empty"):
        run(log, tmp_path)
    with pytest.raises(JsaeError, match="run the download stage"):
        run(tmp_path / "absent.csv.gz", tmp_path)


def test_the_wrong_file_is_refused(tmp_path: Path) -> None:
    for column in event_log.EVENT_COLUMNS:
        header = ",".join(name for name in event_log.EVENT_COLUMNS if name != column)
        with pytest.raises(JsaeError, match=f"column {column} is missing"):
            run(write_log(tmp_path / "log.csv", [event()], header=header), tmp_path)
    swapped = HEADER.replace("brand,price", "price,brand")
    with pytest.raises(JsaeError, match="in this order"):
        run(write_log(tmp_path / "log.csv", [event()], header=swapped), tmp_path)
    with pytest.raises(JsaeError, match="Cosmetics Shop"):
        run(write_log(tmp_path / "cosmetics-2019-Oct.csv", [event()]), tmp_path)
    with pytest.raises(JsaeError, match="remove_from_cart belong to the Cosmetics Shop"):
        run(write_log(tmp_path / "2019-Oct.csv", [event(), event(1, "remove_from_cart")]), tmp_path)


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    log = write_log(tmp_path / "log.csv", [event(1), event(2)])
    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(JsaeError, match=r"purchases\.parquet was not written: the disk is full"):
        run(log, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_what_a_killed_process_left_is_not_counted(tmp_path: Path) -> None:
    left = tmp_path / ".purchases.parquet.events"
    left.mkdir()
    pl.DataFrame(
        {"user": [1], "item": [1], "price": [1.0], "time": [pd.Timestamp("2019-10-01")], "row": [0]},
        schema=event_log.PURCHASE_SCHEMA,
    ).write_parquet(left / "000000.parquet")
    table, _ = run(write_log(tmp_path / "log.csv", [event(1), event(2)]), tmp_path)
    assert len(table) == 2
    assert not left.exists()


def test_nothing_left_is_an_error_that_shows_the_counts(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.csv", [event(1), event(2, "view")])
    with pytest.raises(JsaeError, match=r"items bought at least 2 times: 0 rows.*lower the thresholds"):
        run(log, tmp_path, minimum_item_purchases=2)
    with pytest.raises(JsaeError, match="no purchase among 1 rows"):
        run(write_log(tmp_path / "views.csv", [event(2, "view")]), tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".csv"] == []


def transactions(**columns: list[Any]) -> pl.DataFrame:
    rows = len(columns["product_id"])
    table = {
        "household_id": [1] * rows,
        "quantity": [1] * rows,
        "sales_value": [2.0] * rows,
        "transaction_timestamp": [pd.Timestamp("2017-01-01 11:53:26")] * rows,
        **columns,
    }
    return pl.DataFrame(table)


def run_journey(
    table: pl.DataFrame, folder: Path, items: int = 2, users: int = 1
) -> tuple[pl.DataFrame, dict[str, Any]]:
    table.write_parquet(folder / "transactions.parquet")
    purchases.filter_completejourney(
        folder / "transactions.parquet",
        folder / "purchases.parquet",
        folder / "purchases.json",
        most_bought_items=items,
        minimum_user_purchases=users,
    )
    return purchases.read(folder / "purchases.parquet"), json.loads((folder / "purchases.json").read_text())


def test_the_complete_journey_prices_drops_and_ties(tmp_path: Path) -> None:
    """Item 5 has 3 purchases; 3 and 9 have 2: the smaller id wins. A price is sales value / quantity."""
    table = transactions(
        product_id=[9, 5, 3, 5, 9, 3, 5, 4, 4],
        quantity=[1, 4, 1, 1, 1, 1, 1, 0, 1],
        sales_value=[1.0, 10.0, 1.0, 2.0, 1.0, 3.0, 2.0, 5.0, 0.0],
    )
    kept, summary = run_journey(table, tmp_path)
    assert bought(kept) == [(1, 5, 2.5), (1, 3, 1.0), (1, 5, 2.0), (1, 3, 3.0), (1, 5, 2.0)]
    assert summary["dropped"] == {"quantity is not positive": 1, "sales value is not positive": 1}
    assert [rule["rows"] for rule in summary["rules"]] == [7, 5, 5]


def test_the_complete_journey_counts_users_over_all_purchases(tmp_path: Path) -> None:
    table = transactions(product_id=[5, 5, 9, 5], household_id=[1, 1, 1, 2])
    kept, _ = run_journey(table, tmp_path, items=1, users=3)
    assert bought(kept) == [(1, 5, 2.0), (1, 5, 2.0)]


def test_the_complete_journey_bad_input(tmp_path: Path) -> None:
    with pytest.raises(JsaeError, match="column sales_value is missing"):
        run_journey(transactions(product_id=[1]).drop("sales_value"), tmp_path)
    kept, summary = run_journey(transactions(product_id=[1, 1], sales_value=[float("nan"), 1.0]), tmp_path)
    assert (len(kept), summary["dropped"]) == (1, {"sales value is not positive": 1})
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(JsaeError, match="is damaged"):
        purchases.read(tmp_path / "broken.parquet")
    pl.DataFrame({"user": [1]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(JsaeError, match="run the filter stage"):
        purchases.read(tmp_path / "other.parquet")
