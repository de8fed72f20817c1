"""The paper's theory, checked with numbers."""

from collections.abc import Collection, Iterator

import polars as pl

from jsae.reporting import document, wording
from jsae.reporting.context import Context
from jsae.reporting.document import number


def checks(study: Context) -> Iterator[document.Block]:
    """What holds of the theory, and the range of every number by which it was checked; no verdict on short runs."""
    looks = study.looks
    facts = [claim for claim in study.verdicts if claim["kind"] == "fact"]
    caption = "The paper's theory, checked with numbers."
    ends = ["Verdict"] if study.judged else []
    rows = [(one["aspect"], wording.effect(one), wording.seeds(one), *(one["verdict"] for _ in ends)) for one in facts]
    yield document.table(["Claim", "Measured", "n", *ends], rows, caption, numbers=["n"], name="theory-facts")
    papers = [name for name, role in looks.roles.items() if role == "paper"]
    yield document.table(
        ["Check", "Where", "Embedding", "Quantity", "Smallest", "Largest", "n"],
        [
            (
                row["check"].replace("-", " ").capitalize(),
                looks.world(row["where"]),
                (looks.embedding(row["embedding"]) if row["embedding"] else "")
                + (f", trained with {looks.agent(row['trained'])}" if row["trained"] else ""),
                row["quantity"],
                "" if row["low"] is None else number(row["low"], 2),
                number(row["high"], 2),
                f"{row['rows']} × {row['n']:,}" if row["rows"] > 1 else f"{row['n']:,}",
            )
            for row in ranges(study.checks, papers).rows(named=True)
        ],
        "Every check, with the embeddings that the paper compares: the range of the quantity over problems or seeds. "
        "Injective φ: no two states share an embedding. "
        "Ablations and transfers count for the verdicts too; theory.json has them. n: problems, or seeds × states.",
        numbers=["Smallest", "Largest", "n"],
        name="theory-checks",
    )


def ranges(checks: pl.DataFrame, papers: Collection[str]) -> pl.DataFrame:
    """The range of each checked quantity over problems or seeds, of what the paper has.

    papers: the embeddings that the paper compares.
    checks: one row for each problem or seed, or one row with the range of many, or with the largest of many alone.
    Returns `low` (null where only the largest was kept), `high`, `rows` and `n` of the first row.
    """
    keys = ["check", "where", "embedding", "trained", "quantity"]
    only_the_largest = pl.col("low").is_null().all() & (pl.len() == 1)
    of_paper = checks.filter(pl.col("embedding").is_null() | pl.col("embedding").is_in(papers))
    return of_paper.group_by(keys, maintain_order=True).agg(
        pl.when(only_the_largest).then(None).otherwise(pl.min_horizontal("value", "low").min()).alias("low"),
        pl.max_horizontal("value", "high").max().alias("high"),
        pl.len().alias("rows"),
        pl.col("n").first(),
    )
