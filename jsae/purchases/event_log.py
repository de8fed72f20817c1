"""Reader of the REES46 event logs: purchases out of tens of millions of views, in little memory.

A log is a .csv or .csv.gz with one header line, sorted by time, one row an event; 1.75 % of its rows are purchases.
Blocks of text are searched for the word before anything is parsed, so that decompression is most of the work, and every
line keeps its number.
"""

import csv
import ctypes
import gzip
import importlib
import importlib.util
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, cast

import numpy as np
import polars as pl
from tqdm import tqdm

from jsae.config.errors import JsaeError
from jsae.nn import compiled

# igzip decompresses three times as fast as zlib; it is not on every platform
open_gzip = importlib.import_module("isal.igzip" if importlib.util.find_spec("isal") else "gzip").open

BadRows = Literal["error", "drop"]
Duplicates = Literal["keep", "drop"]

EVENT_COLUMNS = (
    "event_time",
    "event_type",
    "product_id",
    "category_id",
    "category_code",
    "brand",
    "price",
    "user_id",
    "user_session",
)
PURCHASE_SCHEMA: dict[str, type[pl.DataType] | pl.DataType] = {
    "user": pl.Int64,
    "item": pl.Int64,
    "price": pl.Float64,
    "time": pl.Datetime("us"),
    "row": pl.Int64,
}
PURCHASE = b",purchase,"
CODE = Path(__file__).with_suffix(".cpp")
EVENT_TIME = "%Y-%m-%d %H:%M:%S UTC"
OUT_OF_ORDER = "event_time is before that of a row above it"
CHUNK = 8 * 2**20  # bytes of text decompressed at a time: threads meet seldom
BLOCK = 2**20  # bytes of text searched at a time: small enough to stay in the processor's cache
BLOCKS_CHECKED = 256  # blocks whose purchases are parsed at once
CACHED = 2**17  # bytes counted at a time
PART_ROWS = 200_000  # purchases of a temporary file
GZIP_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass
class Counts:
    """What the reader saw: rows of the files, purchases among them, and what it left out, by reason."""

    rows: int = 0
    purchases: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    out_of_order: int = 0


def extract_purchases(path: Path, folder: Path, counts: Counts, *, bad_rows: BadRows, duplicates: Duplicates) -> None:
    """Write the purchases of one event log to numbered parquet parts in `folder`, and count."""
    if "cosmetics" in path.name.lower():
        raise JsaeError(f"{path}: this is a log of the Cosmetics Shop, another store; use the multi-category store's")
    found = _Purchases(path, folder, counts, bad_rows, duplicates)
    for number, (first_line, block, seen) in enumerate(_blocks(path), 1):
        counts.rows += seen.lines
        found.search(first_line, block, seen)
        if number % BLOCKS_CHECKED == 0:
            found.check()
    found.check()
    found.write()


class _Purchases:
    """Purchase rows of one log on their way to the parts: as text, then checked and typed, then written."""

    def __init__(self, path: Path, folder: Path, counts: Counts, bad_rows: BadRows, duplicates: Duplicates) -> None:
        self.path, self.folder, self.counts = path, folder, counts
        self.strict, self.distinct = bad_rows == "error", duplicates == "drop"
        self.rows: list[bytes] = []  # that may be purchases: UTF-8, no quotes
        self.lines: list[int] = []  # of each, its number in the file
        self.typed: list[pl.DataFrame] = []
        self.latest: datetime | None = None  # event_time
        self.this_second = pl.DataFrame(schema={"event_time": pl.String, "raw": pl.String})  # rows of the newest one

    def search(self, first_line: int, block: bytes, seen: "_Seen") -> None:
        """Note the rows of a block that may be purchases; reject those that cannot be read."""
        if seen.regular:
            self.rows += [block[start:end] for _, start, end in seen.rows]
            self.lines += [first_line + line for line, _, _ in seen.rows]
            return
        for line, raw in _suspects(block):
            try:
                self.rows.append(raw if b'"' not in raw and _is_utf8(raw) else _unquoted(raw))
                self.lines.append(first_line + line)
            except ValueError as error:
                if self.strict:
                    self.check()  # a bad row above this one is told first
                self.reject(first_line + line, raw, str(error))

    def check(self) -> None:
        """Turn text into numbers; reject rows that are none."""
        if not self.rows:
            return
        typed = _typed(self.rows, self.latest)
        complete = pl.col("fields") == len(EVENT_COLUMNS)
        self.counts.purchases += len(typed.filter(complete))
        if self.distinct:
            repeated = complete & self._repeated(typed)
            if times := len(typed.filter(repeated)):
                self.counts.dropped["equal to a purchase before it"] += times
                typed = typed.filter(~repeated)
        for index, reason in typed.select("index", "reason").drop_nulls().iter_rows():
            if reason == OUT_OF_ORDER and not self.strict:
                self.counts.out_of_order += 1  # sorting by time mends it
            else:
                self.reject(self.lines[index], self.rows[index], reason)
        usable = typed.filter(pl.col("reason").is_null() | (pl.col("reason") == OUT_OF_ORDER))
        if not usable.is_empty():
            newest = cast("datetime", usable["time"].max())
            self.latest = newest if self.latest is None else max(self.latest, newest)
            row = pl.col("index") + (self.counts.rows - len(self.rows))  # ascends, over several logs too
            self.typed.append(usable.select("user", "item", "price", "time", row=row))
        self.rows.clear()
        self.lines.clear()
        if sum(map(len, self.typed)) > PART_ROWS:
            self.write()

    def _repeated(self, typed: pl.DataFrame) -> pl.Series:
        """Which rows equal a row before them, among those that follow each other with one event_time."""
        seen = pl.concat([self.this_second, typed.select("event_time", "raw")])
        seen = seen.with_columns(run=pl.col("event_time").rle_id())
        self.this_second = seen.filter(pl.col("run") == pl.col("run").max()).select("event_time", "raw")
        first = seen.select(pl.struct("run", "raw").is_first_distinct()).to_series()
        return ~first.tail(len(typed))

    def reject(self, line: int, raw: bytes, reason: str) -> None:
        """Raise JsaeError with the row's place, or count it."""
        if self.strict:
            raise JsaeError(
                f"{self.path}, line {line:,}: {reason}: {raw[:200].decode(errors='replace')!r}. Download the file "
                "again, or set bad_rows to drop in section data of params.yaml to leave such rows out"
            )
        self.counts.dropped[reason] += 1

    def write(self) -> None:
        """Write what is typed as the next part."""
        if self.typed:
            pl.concat(self.typed).write_parquet(self.folder / f"{len(list(self.folder.iterdir())):06d}.parquet")
            self.typed.clear()


def _typed(rows: Sequence[bytes], latest: datetime | None) -> pl.DataFrame:
    """The rows that are purchases or have too few or too many fields.

    Columns index (among `rows`), raw, fields (how many), event_time as written, user, item, price, time, and reason:
    why the row cannot be used, null where it can. latest: newest time of the file so far.
    """
    raw = pl.DataFrame({"raw": b"\n".join(rows).decode().split("\n")}).with_row_index("index")
    text = raw.select(
        pl.col("index").cast(pl.Int64),
        "raw",
        fields=pl.col("raw").str.count_matches(",", literal=True) + 1,
        text=pl.col("raw").str.split_exact(",", len(EVENT_COLUMNS) - 1).struct.rename_fields(EVENT_COLUMNS),
    ).unnest("text")
    complete = pl.col("fields") == len(EVENT_COLUMNS)
    typed = text.filter(~complete | (pl.col("event_type") == "purchase")).select(
        "index",
        "raw",
        "fields",
        "event_time",
        user=pl.col("user_id").cast(pl.Int64, strict=False),
        item=pl.col("product_id").cast(pl.Int64, strict=False),
        price=pl.col("price").cast(pl.Float64, strict=False),
        time=pl.col("event_time").str.to_datetime(EVENT_TIME, time_unit="us", strict=False),
    )
    newest = pl.col("time").cum_max().shift(1)
    newest = pl.max_horizontal(newest.forward_fill(), pl.lit(latest, dtype=pl.Datetime("us")))
    reasons = {
        "event_time is not a time": pl.col("time").is_null(),
        "product_id is not a positive whole number": ~(pl.col("item") > 0).fill_null(False),
        "user_id is not a positive whole number": ~(pl.col("user") > 0).fill_null(False),
        "price is not a positive number": ~(pl.col("price").is_finite() & (pl.col("price") > 0)).fill_null(False),
        OUT_OF_ORDER: (pl.col("time") < newest).fill_null(False),
    }
    found = pl.format("{} fields expected, {} found", pl.lit(len(EVENT_COLUMNS)), "fields")
    reason = pl.coalesce(
        pl.when(~complete).then(found), *(pl.when(wrong).then(pl.lit(name)) for name, wrong in reasons.items())
    )
    return typed.with_columns(reason=reason)


class _Seen(NamedTuple):
    """What a block holds: lines, whether all may be rows without quotes, and which have the word for a purchase.

    Of these, the number of lines before, and where the row starts and ends in the block.
    """

    lines: int
    regular: bool
    rows: list[tuple[int, int, int]]


def _look(block: bytes) -> _Seen:
    """Look through a block. Nearly all rows are views, so this, and decompression, is what a log takes."""
    code = compiled.library(CODE)
    if code is None:
        lines, commas, quoted = _count(block, b"\n"), _count(block, b","), b'"' in block
        ascii_only, rows = block.isascii(), list(_rows_with_the_word(block))
    else:
        seen, places = np.empty(5, np.int64), np.empty((len(block) // len(PURCHASE) + 1, 3), np.int64)
        addresses = (ctypes.c_void_p(array.ctypes.data) for array in (seen, places))
        code.look(block, ctypes.c_int64(len(block)), *addresses)
        lines, commas, quotes, not_ascii, count = seen.tolist()
        quoted, ascii_only = bool(quotes), not not_ascii
        rows = [(line, start, end) for line, start, end in places[:count].tolist()]
    regular = not quoted and commas == (len(EVENT_COLUMNS) - 1) * lines and (ascii_only or _is_utf8(block))
    return _Seen(lines, regular, rows)


def _rows_with_the_word(block: bytes) -> Iterator[tuple[int, int, int]]:
    line = end = 0
    found = block.find(PURCHASE)
    while found >= 0:
        start = block.rfind(b"\n", 0, found) + 1
        line += block.count(b"\n", end, start)
        end = block.find(b"\n", found)
        end = len(block) if end < 0 else end
        yield line, start, end
        found = block.find(PURCHASE, end)


def _suspects(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Rows of an irregular block that may be purchases or cannot be read, with the number of lines before each."""
    for line, raw in enumerate(block.split(b"\n")):
        plain = raw.count(b",") == len(EVENT_COLUMNS) - 1 and b'"' not in raw and _is_utf8(raw)
        if raw.strip() and (b"purchase" in raw or not plain):
            yield line, raw


def _is_utf8(text: bytes) -> bool:
    if text.isascii():  # much faster
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unquoted(raw: bytes) -> bytes:
    """A row without quotes. Raises ValueError with the reason where it is not a row of an event log."""
    try:
        fields = next(csv.reader([raw.decode().rstrip("\r")], strict=True))
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except csv.Error:
        raise ValueError("a quote is not closed") from None
    return ",".join(field.replace(",", "\0") for field in fields).encode()


def _count(text: bytes, character: bytes) -> int:
    """How often a frequent character occurs: several times as fast as bytes.count, in pieces that stay in the cache."""
    numbers = np.frombuffer(text, np.uint8)
    pieces = range(0, len(numbers), CACHED)
    return sum(int(np.count_nonzero(numbers[start : start + CACHED] == ord(character))) for start in pieces)


def _blocks(path: Path) -> Iterator[tuple[int, bytes, _Seen]]:
    """Text of a .csv or .csv.gz after its header, in whole lines: (number of the first line, text, what it holds)."""
    if not path.is_file():
        raise JsaeError(f"{path} is missing: run the download stage")
    line = 2
    rest = b""
    header = b""
    with (
        path.open("rb") as compressed,
        tqdm(total=path.stat().st_size, unit="B", unit_scale=True, desc=path.name, disable=None) as bar,
    ):
        try:
            for chunk in _read_ahead(compressed, bar):
                if not header:
                    header, newline, chunk = chunk.partition(b"\n")
                    if not newline:
                        raise JsaeError(
                            f"{path}, line 1: no line ends within {len(header):,} bytes: is this a CSV file?"
                        )
                    _check_header(path, header, chunk)
                end = chunk.rfind(b"\n") + 1
                if not end:
                    rest += chunk
                    continue
                block = b"".join((rest, memoryview(chunk)[:end]))
                rest = chunk[end:]
                seen = _look(block)
                yield line, block, seen
                line += seen.lines
        except GZIP_ERRORS as error:
            raise JsaeError(
                f"{path}, after line {line - 1:,}: the compressed data are damaged or cut short ({error}); "
                "delete the file and run the download stage again"
            ) from error
    if not header:
        raise JsaeError(f"{path} is empty: delete it and run the download stage again")
    if rest:
        yield line, rest + b"\n", _look(rest + b"\n")


def _read_ahead(stream: BinaryIO, bar: "tqdm[Any]") -> Iterator[bytes]:
    """Decompressed pieces of `BLOCK` bytes at most; a thread reads the next `CHUNK` while this one is searched."""
    compressed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    with open_gzip(stream) if compressed else nullcontext(stream) as source, ThreadPoolExecutor(1) as reader:
        upcoming = reader.submit(source.read, CHUNK)
        while chunk := upcoming.result():
            bar.update(stream.tell() - bar.n)
            upcoming = reader.submit(source.read, CHUNK)
            for start in range(0, len(chunk), BLOCK):
                yield chunk[start : start + BLOCK]


def _check_header(path: Path, header: bytes, text: bytes) -> None:
    columns = header.decode(errors="replace").removeprefix("\ufeff").rstrip("\r").split(",")
    require_columns(path, columns, EVENT_COLUMNS)
    if tuple(columns) != EVENT_COLUMNS:
        raise JsaeError(
            f"{path}, line 1: columns {', '.join(columns)}; expected {', '.join(EVENT_COLUMNS)}, in this order"
        )
    if b",remove_from_cart," in text:
        raise JsaeError(
            f"{path}: events remove_from_cart belong to the Cosmetics Shop, another store with files of the same name; "
            "use the multi-category store's"
        )


def require_columns(path: Path, columns: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise JsaeError(
            f"{path}: column {', '.join(missing)} is missing (found {', '.join(columns)}): is this the right file?"
        )
