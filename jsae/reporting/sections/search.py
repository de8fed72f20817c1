"""The search over hyper-parameters."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jsae.analysis import tables
from jsae.reporting import document, wording
from jsae.reporting.context import Context, Record
from jsae.reporting.document import number
from jsae.reporting.looks import SEARCHED
from jsae.reporting.tried import CELL


def outcome(study: Context) -> Iterator[document.Block]:
    """What each hyper-parameter does, and the setting that each cell is trained with."""
    if study.tried.is_empty():
        yield document.note(
            "**Missing.** No cell of this study has been searched: each uses the values of the parameters below.",
            "warning",
        )
        return
    best = study.chosen
    varied = [name for name in SEARCHED if study.tried[name].drop_nulls().n_unique() > 1]
    yield document.figure(
        study.figure("figure_sensitivity"),
        "Score against each hyper-parameter. Best: "
        + "; ".join(f"{', '.join(wording.cell(study.looks, _cell(row)))} {number(row['score'])}" for row in best)
        + ".",
        "**Sensitivity.** A circle is a setting, open if it was stopped early; a line joins the best scores for "
        "each value. Where a line is flat, the hyper-parameter matters little. Where it is highest at an edge, a wider "
        "grid could hold a better value.",
    )
    ends = [ended(trained(study, row), row["epochs"]) for row in best]
    studied = [float(runs.mean()) if len(runs) else None for runs in ends]
    lower = [end < row["score"] for row, end in zip(best, studied, strict=True) if end is not None]
    plain = minutes(study.took.filter(kernels="plain"))
    plain = f", of which {plain} without compiled code" if plain else ""
    columns = ["Tried", "Minutes", "Epochs", "Score", *(["Study"] if lower else [])]
    yield document.table(
        ["Environment", "Agent", "Embedding", *(SEARCHED[name].head for name in varied), *columns],
        [
            (
                *wording.cell(study.looks, _cell(row)),
                *("–" if row[name] is None else row[name] for name in varied),
                len(of_cell(study.tried, row)),
                minutes(of_cell(study.took, row)),
                f"{row['epochs']:,}",
                number(row["score"]),
                *(["" if end is None else number(end)] if lower else []),
            )
            for row, end in zip(best, studied, strict=True)
        ],
        "The best setting of each searched cell, among those trained longest. {{search.used}} "
        + "; ".join(f"{SEARCHED[name].head}: {SEARCHED[name].label.lower()}" for name in varied)
        + ". Tried: number of settings. A softmax policy has no standard deviation, so it has fewer. Minutes: "
        f"wall time of all settings; {minutes(study.took)} in all{plain}. Sizes of embeddings "
        "are the same for all agents of an environment. "
        + (
            "Study: with that setting, the mean return of the study's runs over the last tenth before the epoch in the "
            "column “Epochs”. It is below the "
            f"score in {sum(lower)} of {len(lower)} cells."
            if lower
            else "The study's runs with these settings have fewer epochs, so their returns cannot be compared."
        ),
        numbers=columns,
    )


def short_of_score(study: Context) -> Iterator[str]:
    """Names the cells all of whose runs end below the score of their setting, on average by more than the margin."""
    found = []
    for row in study.chosen:
        runs = ended(trained(study, row), row["epochs"])
        if not len(runs):
            continue
        bounds = study.primary.filter(environment=row["environment"])
        margin = study.claims.margins["better"]["normalized"] * (
            bounds["optimal_return"][0] - bounds["random_return"][0]
        )
        if runs.max() < row["score"] and row["score"] - runs.mean() > margin:  # never where no optimum is known
            reached = f"score {number(row['score'])}, mean of the study {number(runs.mean())}"
            found.append(f"{', '.join(wording.cell(study.looks, _cell(row)))} ({reached})")
    if found:
        yield (
            "With the setting that the search found best, no run of the study reaches its score in "
            f"{'; '.join(found)}. There the search was lucky."
        )


def of_cell(table: pl.DataFrame, row: Record) -> pl.DataFrame:
    """Rows of any table that belong to the cell of `row`."""
    return table.filter(**{name: row[name] for name in CELL})


def trained(study: Context, row: Record) -> pl.DataFrame:
    """The curves of the cell of `row` under the primary reading, if it is trained with what the search found for it."""
    wanted = {**{key: row[key] for key in CELL}, "reading": ""}
    found = any(cell["found"] and wanted.items() <= cell.items() for cell in study.values["cells"])
    return study.curves.filter(**wanted) if found else study.curves.clear()


def ended(curves: pl.DataFrame, epochs: int) -> NDArray[np.float64]:
    """What each run of a cell would end at, had it so many epochs; no run if they had fewer."""
    if curves.is_empty() or curves["epoch"].to_numpy().max() < epochs:
        return np.empty(0)
    return tables.final(curves.filter(pl.col("epoch") <= epochs), {})["final_return"].to_numpy()


def minutes(searches: pl.DataFrame) -> str:
    """Minutes that searches took; empty where there is none."""
    return number(searches["seconds"].to_numpy().sum() / 60) if len(searches) else ""


def _cell(row: Record) -> tuple[str, ...]:
    return tuple(row[name] for name in CELL)
