"""Purchases of a store: readers of the sources, and the paper's filter (appendix A.4.1).

Whatever the source, purchases are a table

| column | type | meaning |
|---|---|---|
| user | int64 | who bought |
| item | int64 | product id |
| price | float64 | unit price, dollars |
| time | datetime (µs, UTC) | when |

sorted by user, time and the order of the source.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from jsae.config.errors import JsaeError
from jsae.io.files import read_table, write_atomically
from jsae.purchases.event_log import PURCHASE_SCHEMA, BadRows, Counts, Duplicates, extract_purchases, require_columns

Counting = Literal["all-purchases", "items-first", "users-first"]

PURCHASE_COLUMNS: dict[str, type[pl.DataType] | pl.DataType] = {
    "user": pl.Int64,
    "item": pl.Int64,
    "price": pl.Float64,
    "time": pl.Datetime("us"),
}
SORTED_ROWS = 2**19  # purchases sorted at a time
TRANSACTION_COLUMNS = ("household_id", "product_id", "quantity", "sales_value", "transaction_timestamp")


def filter_event_logs(
    paths: Sequence[Path],
    output: Path,
    summary: Path,
    *,
    source: str,
    minimum_item_purchases: int,
    minimum_user_purchases: int,
    counting: Counting,
    bad_rows: BadRows,
    duplicates: Duplicates,
    calibration: Sequence[Mapping[str, object]] = (),
) -> None:
    """Purchases of the REES46 event logs `paths` (one a month, .csv or .csv.gz), filtered, as parquet; counts as JSON.

    source: its name, for the summary. bad_rows: a row that cannot be read ends the stage with its file and line
    (`error`), or is counted and left out (`drop`). duplicates: purchases equal in every field are kept, or all but the
    first are left out (`drop`): units bought together are rows seconds apart, so equal rows look like one purchase
    logged twice. calibration: rows of `synthetic.compare` for a synthetic log; the summary hands them on.
    """
    counts = Counts()
    with write_atomically(output) as temporary, _scratch(output) as folder:
        for path in paths:
            extract_purchases(path, folder, counts, bad_rows=bad_rows, duplicates=duplicates)
        if not any(folder.iterdir()):
            raise JsaeError(f"{', '.join(map(str, paths))}: no purchase among {counts.rows:,} rows")
        kept, rules = select(
            pl.scan_parquet(f"{folder}/*.parquet", schema=PURCHASE_SCHEMA),
            most_bought=None,
            minimum_item_purchases=minimum_item_purchases,
            minimum_user_purchases=minimum_user_purchases,
            counting=counting,
        )
        _write_sorted(kept, temporary, folder)
    _write_summary(
        summary,
        source=source,
        files=paths,
        rows=counts.rows,
        purchases=counts.purchases,
        dropped=dict(sorted(counts.dropped.items())),
        out_of_order=counts.out_of_order,
        counting=counting,
        rules=rules,
        calibration=list(calibration),
    )


@contextlib.contextmanager
def _scratch(output: Path) -> Iterator[Path]:
    """A folder beside `output` for what does not fit in memory; one that a killed process left is emptied."""
    folder = output.with_name(f".{output.name}.events")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def filter_completejourney(
    path: Path, output: Path, summary: Path, *, most_bought_items: int, minimum_user_purchases: int
) -> None:
    """Purchases of The Complete Journey (transactions.parquet), filtered, as parquet; counts as JSON.

    A row is one product of a basket; its price is sales_value / quantity. Rows without a quantity or without a sales
    value (returns, coupons) have no price and are left out and counted. Ties among items go to the smaller product id.
    """
    transactions = pl.scan_parquet(path)
    try:
        columns = transactions.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise JsaeError(f"{path} is not readable as parquet ({error}): run the download stage again") from error
    require_columns(path, columns, TRANSACTION_COLUMNS)
    numbered = transactions.select(TRANSACTION_COLUMNS).with_row_index("row")
    price = pl.col("sales_value") / pl.col("quantity")
    reasons = {
        "missing value": pl.any_horizontal(pl.col(*TRANSACTION_COLUMNS).is_null()),
        "quantity is not positive": pl.col("quantity") <= 0,
        "sales value is not positive": ~(pl.col("sales_value").is_finite() & (pl.col("sales_value") > 0)),
    }
    reason = pl.coalesce(*(pl.when(wrong).then(pl.lit(name)) for name, wrong in reasons.items()))
    tagged = numbered.with_columns(reason=reason)
    dropped = tagged.filter(pl.col("reason").is_not_null()).group_by("reason").len().sort("reason").collect()
    purchases = tagged.filter(pl.col("reason").is_null()).select(
        user=pl.col("household_id").cast(pl.Int64),
        item=pl.col("product_id").cast(pl.Int64),
        price=price.cast(pl.Float64),
        time=pl.col("transaction_timestamp").cast(pl.Datetime("us")),
        row=pl.col("row").cast(pl.Int64),
    )
    rows = transactions.select(pl.len()).collect().item()
    kept, rules = select(
        purchases,
        most_bought=most_bought_items,
        minimum_item_purchases=1,
        minimum_user_purchases=minimum_user_purchases,
        counting="all-purchases",
    )
    with write_atomically(output) as temporary, _scratch(output) as folder:
        _write_sorted(kept, temporary, folder)
    _write_summary(
        summary,
        source="completejourney",
        files=[path],
        rows=rows,
        purchases=rows - int(dropped["len"].sum()),
        dropped=dict(dropped.iter_rows()),
        out_of_order=0,
        counting="all-purchases",
        rules=rules,
    )


def select(
    purchases: pl.LazyFrame,
    *,
    most_bought: int | None,
    minimum_item_purchases: int,
    minimum_user_purchases: int,
    counting: Counting,
) -> tuple[pl.LazyFrame, list[dict[str, Any]]]:
    """The rows of well-sold items and regular users, and what each rule left.

    purchases: columns user, item, price, time and row (the order of the source).
    most_bought: keep so many of the most bought items (None: all). counting: the thresholds count all purchases
    (which fits the paper's 835 items and about 250,000 rows best), or one of them counts what the other left.
    """

    def good_items(rows: pl.LazyFrame) -> pl.DataFrame:
        bought = rows.group_by("item").len().filter(pl.col("len") >= minimum_item_purchases)
        ranked = bought.sort(["len", "item"], descending=[True, False])
        return (ranked if most_bought is None else ranked.head(most_bought)).select("item").collect(engine="streaming")

    def good_users(rows: pl.LazyFrame) -> pl.DataFrame:
        bought = rows.group_by("user").len().filter(pl.col("len") >= minimum_user_purchases)
        return bought.select("user").collect(engine="streaming")

    def keep(rows: pl.LazyFrame, names: pl.DataFrame) -> pl.LazyFrame:
        return rows.join(names.lazy(), on=names.columns[0], how="semi")

    item_rule: tuple[str, Callable[[pl.LazyFrame], pl.DataFrame]] = (
        f"items bought at least {minimum_item_purchases} times"
        if most_bought is None
        else f"the {most_bought} most bought items",
        good_items,
    )
    user_rule: tuple[str, Callable[[pl.LazyFrame], pl.DataFrame]] = (
        f"users with at least {minimum_user_purchases} purchases",
        good_users,
    )
    rules = [{"rule": "purchases", **_sizes(purchases)}]
    left = purchases
    for name, names in (user_rule, item_rule) if counting == "users-first" else (item_rule, user_rule):
        left = keep(left, names(purchases if counting == "all-purchases" else left))
        rules.append({"rule": name, **_sizes(left)})
    if not rules[-1]["rows"]:
        left_by = "; ".join(f"{rule['rule']}: {rule['rows']:,} rows" for rule in rules)
        raise JsaeError(
            f"no purchase is left after the filter ({left_by}): lower the thresholds in params.yaml, section data, "
            "or use more months"
        )
    return left, rules


def _write_sorted(purchases: pl.LazyFrame, output: Path, folder: Path) -> None:
    """Write purchases (columns as of `select`) to `output`, sorted by user, time and row: some users at a time.

    folder: for what is sorted so far.
    """
    users = purchases.group_by("user").len().collect(engine="streaming").sort("user")
    shares = users.group_by(pl.col("len").cum_sum() // SORTED_ROWS, maintain_order=True)
    spans = shares.agg(first=pl.first("user"), last=pl.last("user")).select("first", "last")
    (folder / "sorted").mkdir()
    for number, (first, last) in enumerate(spans.iter_rows()):
        share = purchases.filter(pl.col("user").is_between(first, last)).collect(engine="streaming")
        share = share.sort("user", "time", "row").select(*PURCHASE_COLUMNS)
        share.write_parquet(folder / "sorted" / f"{number:06d}.parquet")
    everything = pl.scan_parquet(f"{folder}/sorted/*.parquet")
    everything.sink_parquet(output, statistics=False, row_group_size=SORTED_ROWS)


def _sizes(rows: pl.LazyFrame) -> dict[str, int]:
    counted = rows.select(rows=pl.len(), items=pl.col("item").n_unique(), users=pl.col("user").n_unique())
    return {name: int(value) for name, value in counted.collect(engine="streaming").row(0, named=True).items()}


def _write_summary(summary: Path, *, files: Sequence[Path], **content: object) -> None:
    content["files"] = [path.name for path in files]
    with write_atomically(summary) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def read(path: Path) -> pl.DataFrame:
    """Purchases that the filter wrote: columns user, item, price, time. Raises JsaeError if they are not."""
    bought = read_table(path)
    if bought.schema != pl.Schema(PURCHASE_COLUMNS):
        raise JsaeError(f"{path}: columns {bought.schema}, expected {PURCHASE_COLUMNS}: run the filter stage")
    return bought
