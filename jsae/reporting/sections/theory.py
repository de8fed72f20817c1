"""The paper's theory, checked with numbers."""

from collections.abc import Iterator

import polars as pl

from jsae.config import labels as names
from jsae.reporting import document
from jsae.reporting.context import Context
from jsae.reporting.document import number
from jsae.reporting.sections.results import claims_table


def checks(study: Context) -> Iterator[document.Block]:
    """Verdicts on the theory, and the range of every number by which it was checked."""
    facts = [claim for claim in study.verdicts if claim["kind"] == "fact"]
    yield claims_table(facts, "The paper's theory, checked with numbers.")
    yield document.table(
        ["Check", "Where", "Representation", "Quantity", "Smallest", "Largest", "n"],
        [
            (
                row["check"].replace("-", " ").capitalize(),
                names.environment(row["where"]),
                (names.embedding(row["embedding"]) if row["embedding"] else "")
                + (f", trained with {names.agent(row['trained'])}" if row["trained"] else ""),
                row["quantity"],
                "" if row["low"] is None else number(row["low"], 2),
                number(row["high"], 2),
                f"{row['rows']} × {row['n']:,}" if row["rows"] > 1 else f"{row['n']:,}",
            )
            for row in ranges(study.checks).rows(named=True)
        ],
        "Every check of what the paper has: the range of what was measured over problems or seeds. Ablations and "
        "transfers, which the verdict counts as well, are in theory.json. n: problems, or seeds × states.",
        numbers=["Smallest", "Largest", "n"],
        name="theory-checks",
        wide=True,
    )


def ranges(checks: pl.DataFrame) -> pl.DataFrame:
    """The range of each checked quantity over problems or seeds, of what the paper has.

    checks: one row for each problem or seed, or one row with the range of many, or with the largest of many alone.
    Returns `low` (null where only the largest was kept), `high`, `rows` and `n` of the first row.
    """
    keys = ["check", "where", "embedding", "trained", "quantity"]
    only_the_largest = pl.col("low").is_null().all() & (pl.len() == 1)
    of_paper = checks.filter(pl.col("embedding").is_null() | pl.col("embedding").is_in(names.PAPER))
    return of_paper.group_by(keys, maintain_order=True).agg(
        pl.when(only_the_largest).then(None).otherwise(pl.min_horizontal("value", "low").min()).alias("low"),
        pl.max_horizontal("value", "high").max().alias("high"),
        pl.len().alias("rows"),
        pl.col("n").first(),
    )
