"""Reader of the REES46 event logs: the purchases out of tens of millions of events, in little memory.

A log is a text file with one header line, one row an event, sorted by time. About 1.75 % of the rows are purchases. It
may be compressed (gzip, xz, bzip2, or zip with one file). Source: data/README.md.

The file is read in chunks. polars splits each chunk into numbered lines and keeps those that may be purchases or cannot
be read, so that every message has the number of its line.
"""

import bz2
import csv
import importlib
import importlib.util
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal

import polars as pl
from tqdm import tqdm

from jsae.config.errors import JsaeError

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
    "brand": pl.String,
    "session": pl.UInt64,
}
EVENT_TIME = "%Y-%m-%d %H:%M:%S UTC"
DUPLICATE = "equal to a purchase before it"
OTHER_MONTH = "not in the month of the file's name"
CHUNK = 8 * 2**20  # bytes of text read at a time
LONGEST_HEADER = 2**16  # bytes
NO_SEPARATOR = "\x1f"  # a character that no log holds: a line is then one field
# OSError: also of gzip and bz2; RuntimeError: a zip archive with a password
DAMAGES = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError, RuntimeError)


def _open_zip(stream: BinaryIO) -> IO[bytes]:
    archive = zipfile.ZipFile(stream)
    if len(archive.namelist()) != 1:
        raise JsaeError(f"{stream.name} is a zip archive of {len(archive.namelist())} files: unpack the log from it")
    return archive.open(archive.namelist()[0])


COMPRESSED: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": open_gzip,
    b"\xfd7zXZ\0": lzma.open,
    b"BZh": bz2.open,
    b"PK\x03\x04": _open_zip,
}
NOT_A_LOG = {
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"PAR1": "a parquet file; write it as CSV",
    b"<": "a web page or XML; download the log again",
}


@dataclass
class Counts:
    """What the reader saw.

    | field | meaning |
    |---|---|
    | rows | lines of the files after their headers |
    | purchases | rows of nine fields with event_type purchase |
    | dropped | rows left out, by reason |
    | out_of_order | purchases with an event_time before that of a purchase above them; they are kept |
    """

    rows: int = 0
    purchases: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    out_of_order: int = 0


def month_of(path: Path) -> datetime:
    """First moment (UTC) of the month in a log's name, YEAR-MONTH.csv or the like: 2019-Oct.csv.gz.

    Raises JsaeError if the name has no month.
    """
    try:
        return datetime.strptime(path.name.partition(".")[0], "%Y-%b")
    except ValueError:
        raise JsaeError(f"{path}: a log is named after its month, like 2019-Oct.csv.gz; rename it") from None


def read_purchases(path: Path, counts: Counts, *, bad_rows: BadRows, duplicates: Duplicates) -> pl.DataFrame:
    """The purchases of one event log, in the order of the file: columns of `PURCHASE_SCHEMA`.

    Args:
        path: the log; its name has the month (`month_of`).
        counts: is added to. `row` of the result is counts.rows before the call + the row's place in the file.
        bad_rows: a row that cannot be read, or is out of order, raises an error (`error`); or the first are left out
            and counted, the second are kept and counted (`drop`).
        duplicates: of purchases that are equal in every field, all count (`keep`) or only the first (`drop`).

    Raises:
        JsaeError: with file and line for a bad row; the file is missing, damaged, of another kind, of another store; or
            most of its purchases are of another month. Single purchases of another month are left out and counted.
    """
    begins, above = month_of(path), counts.rows

    def reject(line: int, reason: str, text: str) -> None:
        if bad_rows == "error":
            raise JsaeError(
                f"{path}, line {line:,}: {reason}: {text[:200]!r}. Download the file again, or set bad_rows to drop in "
                "section data of params.yaml to leave such rows out"
            )
        counts.dropped[reason] += 1

    parts = [pl.DataFrame(schema={**PURCHASE_SCHEMA, "line": pl.Int64, "hash": pl.UInt64})]
    for lines in _lines(path):
        counts.rows += len(lines)
        typed = _typed(_candidates(lines))
        for line, reason, raw in typed.filter(pl.col("reason").is_not_null()).select("line", "reason", "raw").rows():
            reject(line, reason, raw)
        counts.purchases += int(typed["complete"].sum())
        usable = typed.filter(pl.col("reason").is_null())
        parts.append(usable.with_columns(row=above + pl.col("line")).select(parts[0].columns))
    found = pl.concat(parts)

    in_month = found.filter(pl.col("time").is_between(begins, pl.lit(begins).dt.offset_by("1mo"), closed="left"))
    if (others := len(found) - len(in_month)) > len(in_month):
        first, last = found.select(first=pl.col("time").min(), last=pl.col("time").max()).row(0)
        raise JsaeError(
            f"{path}: {others:,} of {len(found):,} purchases are not in {begins:%B %Y} but between {first} and {last}: "
            "this is a file of another month or of another store; use the file that its name says"
        )
    if duplicates == "drop":
        distinct = in_month.unique(["time", "user", "item", "price", "hash"], keep="first", maintain_order=True)
    else:
        distinct = in_month
    counts.dropped += Counter({OTHER_MONTH: others, DUPLICATE: len(in_month) - len(distinct)})
    late = distinct.filter(pl.col("time") < pl.col("time").cum_max())
    if bad_rows == "error" and len(late):
        line, time = late.select("line", "time").row(0)
        reject(line, "event_time is before that of a purchase above it", str(time))
    counts.out_of_order += len(late)
    return distinct.select(PURCHASE_SCHEMA.keys())


def _candidates(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines that may be purchases or cannot be read; columns line, raw, and text: raw without quotes, null if it fails.

    Nearly all rows are views, so this, and decompression, is what a log takes.
    """
    raw = pl.col("raw")
    purchase = raw.str.contains("purchase", literal=True)
    not_utf8 = raw.str.contains("\ufffd", literal=True)
    odd = raw.str.count_matches(",", literal=True) != len(EVENT_COLUMNS) - 1
    kept = lines.filter(purchase | odd | not_utf8)
    if kept["raw"].str.contains('"', literal=True).any():
        return kept.with_columns(text=pl.Series([_unquoted(text) for text in kept["raw"]], dtype=pl.String))
    return kept.with_columns(text="raw")


def _unquoted(raw: str) -> str | None:
    """A row without quotes, commas within a field replaced; None if a quote is not closed."""
    try:
        return ",".join(value.replace(",", ";") for value in next(csv.reader([raw], strict=True)))
    except csv.Error:
        return None


def _typed(candidates: pl.DataFrame) -> pl.DataFrame:
    """The candidates that are purchases or cannot be read.

    Columns line, raw, hash (of all fields), complete (whether it is a purchase with all fields), user, item, price,
    time, brand, session, and reason: why the row cannot be used, null where it can.
    """
    fields = (pl.col("text").str.count_matches(",", literal=True) + 1).fill_null(0)
    purchase = (fields == len(EVENT_COLUMNS)) & (pl.col("event_type") == "purchase")
    values = candidates.with_columns(
        pl.col("text").str.split_exact(",", len(EVENT_COLUMNS) - 1).struct.rename_fields(EVENT_COLUMNS).alias("fields")
    ).unnest("fields")
    typed = values.select(
        "line",
        "raw",
        "event_type",
        hash=pl.col("text").hash(),
        fields=fields,
        complete=purchase.fill_null(False),
        user=pl.col("user_id").cast(pl.Int64, strict=False),
        item=pl.col("product_id").cast(pl.Int64, strict=False),
        price=pl.col("price").cast(pl.Float64, strict=False),
        time=pl.col("event_time").str.to_datetime(EVENT_TIME, time_unit="us", strict=False),
        brand="brand",
        session=pl.col("user_session").hash(),
    )
    bad_row = {
        "not UTF-8": pl.col("raw").str.contains("\ufffd", literal=True),
        "a quote is not closed": pl.col("fields") == 0,
    }
    bad_value = {
        "event_time is not a time": pl.col("time").is_null(),
        "product_id is not a positive whole number": ~(pl.col("item") > 0).fill_null(False),
        "user_id is not a positive whole number": ~(pl.col("user") > 0).fill_null(False),
        "price is not a positive number": ~(pl.col("price").is_finite() & (pl.col("price") > 0)).fill_null(False),
    }
    number = pl.format("{} fields expected, {} found", pl.lit(len(EVENT_COLUMNS)), "fields")
    reason = pl.coalesce(
        *(pl.when(wrong).then(pl.lit(name)) for name, wrong in bad_row.items()),
        pl.when(pl.col("fields") != len(EVENT_COLUMNS)).then(number),
        *(pl.when(pl.col("complete") & wrong).then(pl.lit(name)) for name, wrong in bad_value.items()),
    )
    return typed.with_columns(reason=reason).filter(pl.col("complete") | pl.col("reason").is_not_null())


def _lines(path: Path) -> Iterator[pl.DataFrame]:
    """The lines after the header, some at a time: columns line (their number in the file) and raw (null if empty).

    Bytes that are not UTF-8 become U+FFFD. Raises JsaeError if the file is missing, damaged or not an event log.
    """
    if not path.is_file():
        raise JsaeError(f"{path} is missing: run the download stage")
    line = 1
    with (
        path.open("rb") as stream,
        tqdm(total=path.stat().st_size, unit="B", unit_scale=True, desc=path.name, disable=None) as bar,
    ):
        start = stream.read(8)
        stream.seek(0)
        opener = next((opener for magic, opener in COMPRESSED.items() if start.startswith(magic)), None)
        try:
            with opener(stream) if opener else stream as text:
                _check_header(path, text.readline(LONGEST_HEADER))
                while chunk := text.read(CHUNK):
                    if line == 1 and b",remove_from_cart," in chunk:
                        raise JsaeError(
                            f"{path}: events remove_from_cart belong to the Cosmetics Shop, another store with files "
                            "of the same name; use the multi-category store's"
                        )
                    lines = _split(chunk + text.readline(), line + 1)
                    yield lines
                    line += len(lines)
                    bar.update(stream.tell() - bar.n)
        except DAMAGES as error:
            raise JsaeError(
                f"{path}, after line {line:,}: the file is damaged or cut short ({error}); delete it and run the "
                "download stage again"
            ) from error


def _split(text: bytes, first_line: int) -> pl.DataFrame:
    return pl.read_csv(
        text,
        has_header=False,
        separator=NO_SEPARATOR,
        quote_char=None,
        schema={"raw": pl.String},
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
        row_index_name="line",
        row_index_offset=first_line,
    ).cast({"line": pl.Int64})


def _check_header(path: Path, header: bytes) -> None:
    """Raise JsaeError with what the file is and what to do, if this first line is not that of an event log."""
    if not header:
        raise JsaeError(f"{path} is empty: delete it and run the download stage again")
    for magic, description in NOT_A_LOG.items():
        if header.startswith(magic):
            raise JsaeError(f"{path} is not an event log but {description}")
    text = header.decode(errors="replace").removeprefix("\ufeff").rstrip("\r\n")
    for separator, name in {";": "semicolons", "\t": "tabs", "|": "bars"}.items():
        if text.replace('"', "").split(separator)[: len(EVENT_COLUMNS)] == list(EVENT_COLUMNS):
            raise JsaeError(f"{path}, line 1: {name} separate the fields; write the file again with commas")
    if not header.endswith(b"\n") or not text.isprintable():
        raise JsaeError(f"{path} is not text with an event a line; download the log again (a .csv or .csv.gz)")
    columns = next(csv.reader([text]))
    require_columns(path, columns, EVENT_COLUMNS)
    if tuple(columns) != EVENT_COLUMNS:
        raise JsaeError(
            f"{path}, line 1: columns {', '.join(columns)}; expected {', '.join(EVENT_COLUMNS)}, in this order"
        )


def require_columns(path: Path, columns: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise JsaeError with the names of the columns that are missing, if any are."""
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise JsaeError(
            f"{path}: column {', '.join(missing)} is missing (found {', '.join(columns)}): is this the right file?"
        )
