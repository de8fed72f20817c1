"""What each part of JSAE is worth."""

from collections.abc import Iterator

import polars as pl

from jsae.config import labels as names
from jsae.reporting import document, wording
from jsae.reporting.context import CELL, Context


def differences(study: Context) -> Iterator[document.Block]:
    """The ablations that have a run, what sets them apart from what they vary, and which have none."""
    no_ablations = (*names.PAPER, *names.TRANSFER)
    ablated = study.final.filter(~pl.col("embedding").is_in(no_ablations))["environment"].unique()
    if len(ablated):
        here = study.final.filter(pl.col("environment").is_in(ablated.implode()))
        yield document.figure(
            study.figure("figure_ablations"),
            "Final returns: "
            + "; ".join(
                f"{', '.join(wording.cell(map(str, cell)))} {wording.level('final_return', seeds)}"
                for cell, seeds in here.group_by(CELL, maintain_order=True)
            )
            + ".",
            "**Ablations** beside what the paper compares. A dot is a seed; the bar is the {{usual}} interval of "
            "the mean (Student's t).",
            wide=True,
        )
    else:
        yield document.note("No ablation has run in this study.")
    if study.ablations:
        yield document.table(
            ["Environment", "Agent", "Representation", "Minus", "n", "At the end", "Over all epochs"],
            [
                (
                    *wording.cell(record["first"]),
                    names.embedding(record["second"][2]),
                    wording.seeds(record),
                    wording.difference(record["final"]),
                    wording.difference(record["over_epochs"]),
                )
                for record in study.ablations
            ],
            "What sets ablations, controls and transfers apart from what they vary: differences of final return and "
            f"of mean return over all epochs with {study.confidence} intervals (Welch), not adjusted. The paper makes "
            "no claim on most of them, so there is no verdict.",
            numbers=["n"],
            name="ablations",
            wide=True,
        )
    lost = [tuple(row[name] for name in CELL) for row in study.missing if row["embedding"] not in no_ablations]
    if lost:
        cells = "; ".join(", ".join(wording.cell(cell)) for cell in dict.fromkeys(lost))
        yield document.note(f"Without a run, or without all of its seeds: {cells}.")
