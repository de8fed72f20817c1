"""The readers and the filter against hand-made logs, bad input, and a reference in pandas."""

import bz2
import errno
import gzip
import io
import json
import lzma
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jsae.config.errors import JsaeError
from jsae.purchases import event_log, facts
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
    return purchases.read(folder / "purchases.parquet"), json.loads(
        (folder / "purchases.json").read_text(encoding="utf-8")
    )


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
    log = write_log(tmp_path / "2019-Oct.csv", [event(s, item=i, user=u) for s, (u, i) in enumerate(COUNTED)])
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
    log = write_log(folder / "2019-Oct.csv.gz", rows)

    frame = pd.read_csv(log, parse_dates=["event_time"], keep_default_na=False)  # a brand may be called nan
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


def test_chunks_of_any_size_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows cut by the border of a chunk are read whole, and lines keep their numbers."""
    rows = [event(s, "purchase" if s % 3 else "view", item=s + 1, user=s % 4 + 1) for s in range(50)]
    log = write_log(tmp_path / "2019-Oct.csv.gz", rows)
    whole = bought(run(log, tmp_path)[0])
    (tmp_path / "damaged").mkdir()
    damaged = write_log(tmp_path / "damaged" / "2019-Oct.csv.gz", [*rows, event(50, price="x")])
    for chunk in (1, 131, 1000):
        monkeypatch.setattr(event_log, "CHUNK", chunk)
        assert bought(run(log, tmp_path)[0]) == whole
        with pytest.raises(JsaeError, match="line 52: price"):
            run(damaged, tmp_path)


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
        table, summary = run(write_log(tmp_path / "2019-Oct.csv", rows, header=HEADER, end=end), tmp_path)
        assert table["item"].to_list() == [1, 2, 3, 4, 5]
        assert summary["dropped"] == {}
    lines = [HEADER, *rows]
    (tmp_path / "2019-Oct.csv").write_text("\n".join(lines), encoding="utf-8")  # no newline at the end
    assert len(run(tmp_path / "2019-Oct.csv", tmp_path)[0]) == 5


@pytest.mark.parametrize("chunk", [100, event_log.CHUNK])
def test_equal_rows_count_once_or_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Equal in every field: logged twice, be they checked together or not. Another second: another unit."""
    monkeypatch.setattr(event_log, "CHUNK", chunk)
    log = write_log(tmp_path / "2019-Oct.csv", [event(1), event(1, user=7), event(1), event(2)])
    table, summary = run(log, tmp_path)
    assert len(table) == 3
    assert summary["dropped"] == {"equal to a purchase before it": 1}
    assert len(run(log, tmp_path, duplicates="keep")[0]) == 4


BAD: dict[str, tuple[str | bytes, str]] = {
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
    log = write_log(tmp_path / "2019-Oct.csv.gz", [event(1, "view"), event(2), event(3, "view"), row, event(9)])
    with pytest.raises(JsaeError, match=rf"2019-Oct\.csv\.gz, line 5: {reason}.*bad_rows to drop"):
        run(log, tmp_path)
    assert not (tmp_path / "purchases.parquet").exists()
    table, summary = run(log, tmp_path, bad_rows="drop")
    assert len(table) == 2
    assert summary["dropped"] == {reason: 1}


def test_time_out_of_order_is_an_error_or_sorted_and_counted(tmp_path: Path) -> None:
    log = write_log(tmp_path / "2019-Oct.csv", [event(5, item=1), event(9, item=2), event(7, item=3), event(8, item=4)])
    with pytest.raises(JsaeError, match="line 4: event_time is before that of a purchase above it"):
        run(log, tmp_path)
    table, summary = run(log, tmp_path, bad_rows="drop")
    assert table["item"].to_list() == [1, 3, 4, 2]
    assert (summary["out_of_order"], summary["dropped"]) == (2, {})


def test_damaged_files_are_errors(tmp_path: Path) -> None:
    log = write_log(tmp_path / "2019-Oct.csv.gz", [event(s, item=s + 1) for s in range(2000)])
    content = log.read_bytes()
    for name, damaged in {
        "truncated": content[:-20],
        "cut": content[: len(content) // 2],
        "flipped": content[:-400] + bytes(byte ^ 255 for byte in content[-400:-300]) + content[-300:],
    }.items():
        log.write_bytes(damaged)
        with pytest.raises(JsaeError, match=r"damaged or cut short .*delete it"):
            run(log, tmp_path)
        assert not (tmp_path / "purchases.parquet").exists(), name
    log.write_bytes(b"")
    with pytest.raises(JsaeError, match="is empty"):
        run(log, tmp_path)
    with pytest.raises(JsaeError, match="run the download stage"):
        run(tmp_path / "2019-Dec.csv.gz", tmp_path)


def test_the_wrong_file_is_refused(tmp_path: Path) -> None:
    for column in event_log.EVENT_COLUMNS:
        header = ",".join(name for name in event_log.EVENT_COLUMNS if name != column)
        with pytest.raises(JsaeError, match=f"column {column} is missing"):
            run(write_log(tmp_path / "2019-Oct.csv", [event()], header=header), tmp_path)
    swapped = HEADER.replace("brand,price", "price,brand")
    with pytest.raises(JsaeError, match="in this order"):
        run(write_log(tmp_path / "2019-Oct.csv", [event()], header=swapped), tmp_path)
    with pytest.raises(JsaeError, match="named after its month"):
        run(write_log(tmp_path / "cosmetics-2019-Oct.csv", [event()]), tmp_path)
    with pytest.raises(JsaeError, match="remove_from_cart belong to the Cosmetics Shop"):
        run(write_log(tmp_path / "2019-Oct.csv", [event(), event(1, "remove_from_cart")]), tmp_path)


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    log = write_log(tmp_path / "2019-Oct.csv", [event(1), event(2)])
    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(JsaeError, match=r"purchases\.parquet was not written: the disk is full"):
        run(log, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["2019-Oct.csv"]


def month(name: str, days: Sequence[int], users: int = 40) -> list[str]:
    """Rows of two purchases a day of each user, in order of time; name: year and month, 2019-10."""
    return [
        event(60 * user, item=1004000 + (day * hour + user) % 9, user=500000000 + user)
        .replace("2019-10-01 00", f"{name}-{day:02d} {hour:02d}")
        for day in days
        for hour in (3, 17)
        for user in range(users)
    ]  # fmt: skip


def test_months_that_overlap_count_once(tmp_path: Path) -> None:
    """November's file begins with the last day of October. Equal rows of one file stay if `duplicates` keeps them."""
    october = write_log(tmp_path / "2019-Oct.csv", [*month("2019-10", range(1, 32)), month("2019-10", [31])[-1]])
    november = write_log(tmp_path / "2019-Nov.csv", month("2019-10", [31]) + month("2019-11", range(1, 31)))
    table, summary = run([october, november], tmp_path, duplicates="keep")
    assert len(table) == 31 * 80 + 1 + 30 * 80
    assert summary["dropped"] == {"not in the month of the file's name": 80}
    assert summary["purchases"] == 31 * 80 + 1 + 31 * 80


def test_a_file_of_another_month_is_refused_and_single_rows_of_one_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "2019-Oct.csv"
    with pytest.raises(JsaeError, match=r"560 of 560 .* not in October 2019 but between 2020-09-24 03.* another month"):
        run(write_log(log, month("2020-09", range(24, 31))), tmp_path, bad_rows="drop")
    table, summary = run(write_log(log, [*month("2019-10", [1, 31]), *month("2019-11", [1], users=1)]), tmp_path)
    assert len(table) == 160
    assert summary["dropped"] == {"not in the month of the file's name": 2}


PLAIN = "\n".join([HEADER, *month("2019-10", [1, 2])]) + "\n"


def zipped(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, PLAIN)
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(PLAIN.encode()),
        gzip.compress(PLAIN[:1000].encode()) + gzip.compress(PLAIN[1000:].encode()),
        lzma.compress(PLAIN.encode()),
        bz2.compress(PLAIN.encode()),
        zipped("2019-Oct.csv"),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace("\n", "\r\n").encode(),
        "\n".join(",".join(f'"{name}"' for name in line.split(",")) for line in PLAIN.splitlines()).encode(),
        (",".join(f'"{name}"' for name in HEADER.split(",")) + PLAIN[len(HEADER) :]).encode(),
    ],
    ids=["gzip", "two gzip files in one", "xz", "bzip2", "zip", "byte order mark", "CRLF", "quotes", "quoted header"],
)
def test_a_log_is_read_whatever_its_name_says_of_compression(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "2019-Oct.csv").write_bytes(content)
    table, summary = run(tmp_path / "2019-Oct.csv", tmp_path)
    assert (len(table), summary["rows"], summary["dropped"]) == (160, 160, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN.encode("utf-16"), "UTF-16 text; save it as UTF-8"),
        (gzip.compress(PLAIN.encode("utf-16")), "UTF-16 text; save it as UTF-8"),
        (PLAIN.replace(",", ";").encode(), "line 1: semicolons separate the fields; write the file again with commas"),
        (zipped("a.csv", "b.csv"), "a zip archive of 2 files: unpack the log"),
        (b"<html><body>Not found</body></html>", "a web page or XML; download the log again"),
        (b"PAR1" + bytes(100), "a parquet file; write it as CSV"),
        (bytes(range(256)) * 1000, "not text with an event a line; download the log again"),
        (b"a" * 1_000_000, "not text with an event a line; download the log again"),
    ],
    ids=["UTF-16", "UTF-16 in gzip", "semicolons", "zip of two", "web page", "parquet", "binary", "one line"],
)
def test_another_kind_of_file_is_named_with_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "2019-Oct.csv").write_bytes(content)
    with pytest.raises(JsaeError, match=message) as raised:
        run(tmp_path / "2019-Oct.csv", tmp_path)
    assert str(raised.value).isprintable()


def test_facts_on_successive_purchases_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phones 1 and 2 (samsung) and headphones (apple) with log prices 1, 2 and 3; four users."""
    phone, other, headphones = 1_000_001, 1_000_002, facts.HEADPHONES
    bought = [
        *((1, phone, 1), (1, phone, 1)),
        *((2, phone, 2), (2, other, 2), (2, headphones, 3)),
        *((3, headphones, 4), (3, headphones, 4)),
        (4, other, 5),
    ]  # user, item, session
    level = {phone: 1.0, other: 2.0, headphones: 3.0}
    table = pl.DataFrame(
        {
            "user": [user for user, _, _ in bought],
            "item": [item for _, item, _ in bought],
            "price": [math.exp(level[item]) for _, item, _ in bought],
            "time": [0] * len(bought),
            "row": range(len(bought)),
            "brand": ["apple" if item == headphones else "samsung" for _, item, _ in bought],
            "session": [session for _, _, session in bought],
        }
    )
    monkeypatch.setattr(facts, "FIRST_RANK", 1)
    assert facts.transition_facts(table.sample(fraction=1, shuffle=True, seed=0), popular=2) == {
        "purchases a user": 2.0,
        "same item": 2 / 4,
        "same phone within a session": 1 / 2,
        "same headphones within a session": 1.0,
        "one price, 2 purchases": 1.0,
        "one price, 3 purchases": 0.0,
        "one price, 4 purchases": None,
        "one price, 5 purchases": None,
        "one price, 7 purchases": None,
        "price correlation": pytest.approx(2.25 / 2.75),  # of (1, 1), (1, 2), (2, 3), (3, 3)
        "price correlation, different items": pytest.approx(1.0),  # of (1, 2), (2, 3)
        "phone after phone": 1 / 2,  # of phone 2 after 1, headphones after 2
        "same brand after phone": 1 / 2,
        "popular phones": 2.0,
        "share of popular phones": 5 / 8,
        "slope of phones": pytest.approx(math.log(3 / 2) / math.log(2)),  # 3 and 2 purchases
        "among 10 likeliest": 1.0,
        "among 100 likeliest": 1.0,
    }
    assert set(facts.transition_facts(table.clear()).values()) == {None, 0.0}


def test_nothing_left_is_an_error_that_shows_the_counts(tmp_path: Path) -> None:
    log = write_log(tmp_path / "2019-Oct.csv", [event(1), event(2, "view")])
    with pytest.raises(JsaeError, match=r"items bought at least 2 times: 0 rows.*lower the thresholds"):
        run(log, tmp_path, minimum_item_purchases=2)
    with pytest.raises(JsaeError, match="no purchase among 1 rows"):
        run(write_log(tmp_path / "2019-Nov.csv", [event(2, "view")]), tmp_path)
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
    products = {"product_id": [1, 5, 77], "product_type": ["MILK", "BREAD", "GASOLINE-REG UNLEADED"]}
    pl.DataFrame(products).write_parquet(folder / "products.parquet")
    purchases.filter_completejourney(
        folder,
        folder / "purchases.parquet",
        folder / "purchases.json",
        most_bought_items=items,
        minimum_user_purchases=users,
    )
    return purchases.read(folder / "purchases.parquet"), json.loads(
        (folder / "purchases.json").read_text(encoding="utf-8")
    )


def test_the_complete_journey_prices_drops_and_ties(tmp_path: Path) -> None:
    """Item 5 has 3 purchases; 3 and 9 have 2: the smaller id wins. A price is sales value / quantity; fuel has none."""
    table = transactions(
        product_id=[9, 5, 3, 5, 9, 3, 5, 4, 4, 77, 77, 77],
        quantity=[1, 4, 1, 1, 1, 1, 1, 0, 1, 9000, 1, 1],
        sales_value=[1.0, 10.0, 1.0, 2.0, 1.0, 3.0, 2.0, 5.0, 0.0, 20.0, 30.0, 15.0],
    )
    kept, summary = run_journey(table, tmp_path)
    assert sorted(bought(kept)) == [(1, 3, 1.0), (1, 3, 3.0), (1, 5, 2.0), (1, 5, 2.0), (1, 5, 2.5)]
    assert summary["dropped"] == {"fuel": 3, "quantity is not positive": 1, "sales value is not positive": 1}
    assert [rule["rows"] for rule in summary["rules"]] == [7, 5, 5]


def test_products_of_a_basket_are_in_a_random_order_and_baskets_in_theirs(tmp_path: Path) -> None:
    """The file sorts a basket by product, so that each would seem to be bought after those with smaller numbers."""
    baskets, size = 40, 30
    table = transactions(
        product_id=[*range(size)] * baskets,
        transaction_timestamp=[
            pd.Timestamp("2017-01-01") + pd.Timedelta(n // size, "h") for n in range(size * baskets)
        ],
    )
    kept, _ = run_journey(table, tmp_path, items=size)
    assert kept["time"].is_sorted()
    assert kept.group_by("time").agg(pl.col("item").n_unique())["item"].to_list() == [size] * baskets
    pairs = kept.with_columns(next=pl.col("item").shift(-1).over("time")).drop_nulls()
    assert 0.4 < pairs.select(pl.col("next") > pl.col("item")).mean().item() < 0.6
    again, _ = run_journey(table, tmp_path, items=size)
    assert again.equals(kept)


def test_the_complete_journey_counts_users_over_all_purchases(tmp_path: Path) -> None:
    table = transactions(product_id=[5, 5, 9, 5], household_id=[1, 1, 1, 2])
    kept, _ = run_journey(table, tmp_path, items=1, users=3)
    assert bought(kept) == [(1, 5, 2.0), (1, 5, 2.0)]


def test_the_complete_journey_bad_input(tmp_path: Path) -> None:
    with pytest.raises(JsaeError, match="column sales_value is missing"):
        run_journey(transactions(product_id=[1]).drop("sales_value"), tmp_path)
    kept, summary = run_journey(transactions(product_id=[1, 1], sales_value=[float("nan"), 1.0]), tmp_path)
    assert (len(kept), summary["dropped"]) == (1, {"sales value is not positive": 1})
    (tmp_path / "products.parquet").unlink()
    with pytest.raises(JsaeError, match=r"products\.parquet is not readable.*run the download stage again"):
        purchases.filter_completejourney(tmp_path, tmp_path / "a", tmp_path / "b", most_bought_items=2,
                                         minimum_user_purchases=1)  # fmt: skip
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(JsaeError, match="is damaged"):
        purchases.read(tmp_path / "broken.parquet")
    pl.DataFrame({"user": [1]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(JsaeError, match="run the filter stage"):
        purchases.read(tmp_path / "other.parquet")
