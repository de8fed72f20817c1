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

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from jsae.config.errors import JsaeError
from jsae.io.files import read_table, write_atomically
from jsae.purchases.download import JOURNEY
from jsae.purchases.event_log import BadRows, Counts, Duplicates, read_purchases, require_columns
from jsae.purchases.facts import transition_facts

Counting = Literal["all-purchases", "items-first", "users-first"]

PURCHASE_COLUMNS: dict[str, type[pl.DataType] | pl.DataType] = {
    "user": pl.Int64,
    "item": pl.Int64,
    "price": pl.Float64,
    "time": pl.Datetime("us"),
}
FUEL = "GASOLINE-REG UNLEADED"
"""The type of the products of The Complete Journey that are sold by volume."""


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
    """Write the filtered purchases of REES46 event logs as parquet, and what was counted as JSON.

    Args:
        paths: the logs, each once, named after their month (`event_log.month_of`).
        output: the parquet file, columns of `PURCHASE_COLUMNS`.
        summary: the JSON file: rows and purchases of the logs, rows left out by reason, what each rule left, and
            `successive_purchases`, the figures of `facts.transition_facts` on all purchases before the rules.
        source: name of the store, for the summary.
        minimum_item_purchases, minimum_user_purchases, counting: the rules, see `select`.
        bad_rows, duplicates: see `event_log.read_purchases`. Units bought together are rows seconds apart, so equal
            rows look like one purchase logged twice.
        calibration: rows of `synthetic.compare` for a synthetic log; the summary hands them on.

    Raises:
        JsaeError: a log cannot be used, or no purchase is left.

    Source: appendix A.4.1 of the paper.
    """
    counts = Counts()
    logs = [read_purchases(path, counts, bad_rows=bad_rows, duplicates=duplicates) for path in paths]
    if not any(map(len, logs)):
        raise JsaeError(f"{', '.join(map(str, paths))}: no purchase among {counts.rows:,} rows")
    purchases = pl.concat(logs)
    kept, rules = select(
        purchases,
        most_bought=None,
        minimum_item_purchases=minimum_item_purchases,
        minimum_user_purchases=minimum_user_purchases,
        counting=counting,
    )
    _write_sorted(kept, output)
    _write_summary(
        summary,
        source=source,
        files=paths,
        rows=counts.rows,
        purchases=counts.purchases,
        dropped=dict(sorted((+counts.dropped).items())),
        out_of_order=counts.out_of_order,
        counting=counting,
        rules=rules,
        successive_purchases=transition_facts(purchases),
        calibration=list(calibration),
    )


def filter_completejourney(
    folder: Path, output: Path, summary: Path, *, most_bought_items: int, minimum_user_purchases: int
) -> None:
    """Write the filtered purchases of The Complete Journey as parquet, and counts as JSON.

    A row is one product of a basket; its price is sales_value / quantity. Left out and counted: rows without a quantity
    or without a sales value (returns, coupons), which have no price, and fuel, whose quantity is a volume or 1 for a
    whole bill. All products of a basket have one time. The file sorts them by product, which says nothing about the
    order of buying, so theirs is drawn at random, the same each time. Of items bought equally often the one with the
    smaller product id comes first.

    folder: of transactions.parquet and products.parquet. Raises JsaeError if one is not readable.
    """
    transactions, products = (_journey(folder / name) for name in JOURNEY)
    fuel = products.filter(product_type=FUEL)["product_id"]
    reasons = {
        "missing value": pl.any_horizontal(pl.col(*JOURNEY["transactions.parquet"][1]).is_null()),
        "quantity is not positive": pl.col("quantity") <= 0,
        "sales value is not positive": ~(pl.col("sales_value").is_finite() & (pl.col("sales_value") > 0)),
        "fuel": pl.col("product_id").is_in(fuel.to_list()),
    }
    tagged = transactions.select(
        user=pl.col("household_id").cast(pl.Int64),
        item=pl.col("product_id").cast(pl.Int64),
        price=(pl.col("sales_value") / pl.col("quantity")).cast(pl.Float64),
        time=pl.col("transaction_timestamp").cast(pl.Datetime("us")),
        row=np.random.default_rng(0).permutation(len(transactions)),
        reason=pl.coalesce(*(pl.when(wrong).then(pl.lit(name)) for name, wrong in reasons.items())),
    )
    dropped = tagged["reason"].drop_nulls().value_counts().sort("reason")
    kept, rules = select(
        tagged.filter(pl.col("reason").is_null()).drop("reason"),
        most_bought=most_bought_items,
        minimum_item_purchases=1,
        minimum_user_purchases=minimum_user_purchases,
        counting="all-purchases",
    )
    _write_sorted(kept, output)
    _write_summary(
        summary,
        source="completejourney",
        files=[folder / name for name in JOURNEY],
        rows=len(tagged),
        purchases=len(tagged) - int(dropped["count"].sum()),
        dropped=dict(dropped.iter_rows()),
        out_of_order=0,
        counting="all-purchases",
        rules=rules,
    )


def _journey(path: Path) -> pl.DataFrame:
    try:
        table = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise JsaeError(f"{path} is not readable as parquet ({error}): run the download stage again") from error
    require_columns(path, table.columns, JOURNEY[path.name][1])
    return table


def select(
    purchases: pl.DataFrame,
    *,
    most_bought: int | None,
    minimum_item_purchases: int,
    minimum_user_purchases: int,
    counting: Counting,
) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """The purchases of items and users that are bought, or buy, often enough.

    Args:
        purchases: columns user, item and others.
        most_bought: keep only so many of the most bought items; None: all.
        minimum_item_purchases: purchases that an item needs.
        minimum_user_purchases: purchases that a user needs.
        counting: both thresholds count all purchases (`all-purchases`, which fits the paper's 835 items and about
            250,000 rows best), or one rule goes first and the other counts what it left.

    Returns:
        The rows that are left, and for each rule its name and the rows, items and users that it left.

    Raises:
        JsaeError: no purchase is left.
    """

    def keep(rows: pl.DataFrame, column: str, counted: pl.DataFrame) -> pl.DataFrame:
        least = minimum_item_purchases if column == "item" else minimum_user_purchases
        bought = counted.group_by(column).len().filter(pl.col("len") >= least)
        if column == "item" and most_bought is not None:
            bought = bought.sort(["len", "item"], descending=[True, False]).head(most_bought)
        return rows.join(bought, on=column, how="semi")

    names = {
        "item": f"items bought at least {minimum_item_purchases} times"
        if most_bought is None
        else f"the {most_bought} most bought items",
        "user": f"users with at least {minimum_user_purchases} purchases",
    }
    rules = [{"rule": "purchases", **_sizes(purchases)}]
    left = purchases
    for column in ("user", "item") if counting == "users-first" else ("item", "user"):
        left = keep(left, column, purchases if counting == "all-purchases" else left)
        rules.append({"rule": names[column], **_sizes(left)})
    if not rules[-1]["rows"]:
        left_by = "; ".join(f"{rule['rule']}: {rule['rows']:,} rows" for rule in rules)
        raise JsaeError(
            f"no purchase is left after the filter ({left_by}): lower the thresholds in params.yaml, section data, "
            "or use more months"
        )
    return left, rules


def _write_sorted(purchases: pl.DataFrame, output: Path) -> None:
    """Write purchases (columns as of `select`) as parquet, sorted by user, time and row."""
    with write_atomically(output) as temporary:
        purchases.sort("user", "time", "row").select(*PURCHASE_COLUMNS).write_parquet(temporary, statistics=False)


def _sizes(rows: pl.DataFrame) -> dict[str, int]:
    return {"rows": len(rows), "items": rows["item"].n_unique(), "users": rows["user"].n_unique()}


def _write_summary(summary: Path, *, files: Sequence[Path], **content: object) -> None:
    content["files"] = [path.name for path in files]
    with write_atomically(summary) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> pl.DataFrame:
    """Purchases that the filter wrote: columns user, item, price, time. Raises JsaeError if they are not."""
    bought = read_table(path)
    if bought.schema != pl.Schema(PURCHASE_COLUMNS):
        raise JsaeError(f"{path}: columns {bought.schema}, expected {PURCHASE_COLUMNS}: run the filter stage")
    return bought
