"""The search over hyper-parameters."""

from collections.abc import Iterator

import polars as pl

from jsae.analysis import search, tables
from jsae.config import labels as names
from jsae.reporting import document, wording
from jsae.reporting.context import CELL, Context, Record
from jsae.reporting.document import number


def outcome(study: Context) -> Iterator[document.Block]:
    """What each hyper-parameter does, and the setting that each cell is trained with."""
    if study.tried.is_empty():
        yield document.note(
            "**Missing.** The search has not run: `search/settings.csv` is empty, and every cell uses the values that "
            "the parameters below state.",
            "warning",
        )
        return
    best = search.chosen_rows(study.tried)
    varied = [name for name in names.SEARCHED if study.tried[name].drop_nulls().n_unique() > 1]
    yield document.figure(
        study.figure("figure_sensitivity"),
        "Score against each hyper-parameter. Best: "
        + "; ".join(f"{', '.join(wording.cell(_cell(row)))} {number(row['score'])}" for row in best)
        + ".",
        "**Sensitivity.** A circle is a setting, open where it was given up early; a line joins the best settings "
        "with each value.",
        wide=True,
    )
    columns = ["Tried", "Minutes", "Epochs", "Score", "Study"]
    yield document.table(
        ["Environment", "Agent", "Embedding", *(names.SEARCHED[name] for name in varied), *columns],
        [
            (
                *wording.cell(_cell(row)),
                *("–" if row[name] is None else row[name] for name in varied),
                len(of_cell(study.tried, row)),
                minutes(of_cell(study.took, row)),
                f"{row['epochs']:,}",
                number(row["score"]),
                after(of_cell(study.curves, row), row["epochs"]),
            )
            for row in best
        ],
        "The setting that each cell is trained with: the best of those trained longest. Tried: settings; a "
        "representation with a Gaussian policy has a standard deviation to try besides. Minutes: of one worker, "
        f"all settings together; {minutes(study.took)} in all, of which "
        f"{minutes(study.took.filter(kernels='plain')) or 0} without compiled code. Steps an epoch are one value for "
        "all representations, sizes of embeddings one for all agents. Study: final return of the study's seeds, had "
        "they ended at that epoch.",
        numbers=columns,
        wide=True,
    )


def of_cell(table: pl.DataFrame, row: Record) -> pl.DataFrame:
    """Rows of any table that belong to the cell of `row`."""
    return table.filter(pl.all_horizontal(pl.col(name) == row[name] for name in CELL))


def after(curves: pl.DataFrame, epochs: int) -> str:
    """What the runs of a cell would end at, had they so many epochs; empty if they had fewer or there are none."""
    if curves.is_empty() or curves["epoch"].to_numpy().max() < epochs:
        return ""
    final = tables.final(curves.filter(pl.col("epoch") <= epochs), {})
    return number(final["final_return"].to_numpy().mean())


def minutes(searches: pl.DataFrame) -> str:
    """Minutes that searches took; empty where there is none."""
    return number(searches["seconds"].to_numpy().sum() / 60) if len(searches) else ""


def _cell(row: Record) -> tuple[str, ...]:
    return tuple(row[name] for name in CELL)
