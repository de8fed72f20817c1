"""What pre-trained embeddings hold, and what agents make of the gridworld."""

from collections.abc import Iterator

import polars as pl

from jsae.config import labels as names
from jsae.reporting import document, wording
from jsae.reporting.context import Context
from jsae.reporting.document import number

OF_ENVIRONMENT = ("least_loss", "guess")
"""Measures that belong to the environment: they are the same for each seed."""


def quality(study: Context) -> Iterator[document.Block]:
    """The drawn action embeddings, and what was measured of each pre-trained embedding."""
    if study.figure("figure_embeddings").exists():
        yield document.figure(
            study.figure("figure_embeddings"),
            "Action embeddings of the discrete gridworld in the plane, a point an action, coloured by the "
            "direction of its motion, one plot a representation.",
            "**Action embeddings** of one seed after pre-training, coloured by the direction of each action's motion.",
            wide=True,
        )
    if study.quality.is_empty():
        yield document.note("The embeddings of this study have not been measured.")
        return
    measures = ["ρ", "Loss", "Least", "Guess", "Gain", "Error of f", "Spread"]
    yield document.table(
        ["Representation", *measures],
        quality_rows(study.quality),
        "Pre-trained embeddings on fresh transitions: mean ± standard deviation over the seeds {{seeds}}; beside "
        "each environment the unit of its losses.",
        numbers=measures,
        name="quality",
        wide=True,
    )


def quality_rows(quality: pl.DataFrame) -> Iterator[tuple[str, ...]]:
    """A heading for each environment, below it a row for each representation.

    Controls are left out: what was measured are the points as learnt, not as dealt.
    """
    columns = ("rank_correlation", "loss", "least_loss", "guess", "action_gain", "action_error", "spread")
    for (environment, unit), here in quality.group_by("environment", "unit", maintain_order=True):
        yield (f"{names.environment(str(environment))} ({unit})",)
        for (embedding,), rows in here.group_by("embedding", maintain_order=True):
            if embedding not in names.CONTROLS:
                yield names.embedding(str(embedding)), *(measured(column, rows) for column in columns)


def measured(column: str, rows: pl.DataFrame) -> str:
    """What was measured of one embedding, its seeds being `rows`; empty where nothing was."""
    return wording.known(column, rows.head(1) if column in OF_ENVIRONMENT else rows)


def maps(study: Context) -> Iterator[document.Block]:
    """A figure for each gridworld and agent: values and visits in the square."""
    drawn = sorted(study.figures.glob("figure_maps_*.svg"))
    for path in drawn:
        environment, agent = path.stem.removeprefix("figure_maps_").rsplit("-", 1)
        rows = study.maps.filter((pl.col("environment") == environment) & (pl.col("agent") == agent))
        said = [
            f"{names.embedding(str(embedding))}: values from {number(bins['value'].to_numpy().min())} to "
            f"{number(bins['value'].to_numpy().max())}, {bins.filter(pl.col('visits') > 0).height:,} of {len(bins):,} "
            "bins visited"
            for (embedding,), bins in rows.group_by("embedding", maintain_order=True)
        ]
        yield document.figure(
            path,
            f"Maps of the square, {names.environment(environment)}. {'; '.join(said)}.",
            f"**{names.environment(environment)} ({names.agent(agent)}):** values and visits. Walls white, goal and "
            "start red; what was never visited is white.",
            wide=True,
        )
    if not drawn:
        yield document.note("No agent of the gridworlds has been mapped in this study.")
