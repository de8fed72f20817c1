"""All comparisons and all final returns."""

from collections.abc import Iterator

import polars as pl

from jsae.config import labels as names
from jsae.reporting import document, wording
from jsae.reporting.context import CELL, Context
from jsae.reporting.document import number


def tested(study: Context) -> Iterator[document.Block]:
    """Every tested comparison: drawn, as it was judged, and with two choices made otherwise."""
    claims = study.compared
    if not claims:
        return
    yield document.figure(
        study.figure("figure_claims"),
        "Every tested comparison with its interval: "
        + "; ".join(f"{claim['aspect']}: {claim['verdict']}" for claim in claims)
        + ".",
        "**Every tested comparison** in units of its margin, intervals not adjusted, colours after the adjustment. "
        "Better and faster are supported right of zero; comparable is supported inside the grey band.",
        wide=True,
    )
    yield document.table(
        ["Figure", "Claim", "Effect", "Margin", "n", "P", "p for", "p against", "Verdict"],
        [
            (
                claim["figure"],
                claim["aspect"],
                wording.effect(claim),
                f"{claim['margin']:g}",
                wording.seeds(claim),
                number(claim["probability_of_improvement"], 2),
                number(claim["p"], 2),
                number(claim["p_against"], 2),
                claim["verdict"],
            )
            for claim in claims
        ],
        "Every tested comparison. P: how likely a random seed of the first cell is ahead of one of the second. p: "
        "of the one-sided tests that would support and that would contradict the claim, adjusted for those judged "
        "together.",
        numbers=["Margin", "n", "P", "p for", "p against"],
        wide=True,
    )
    yield document.table(
        ["Figure", "Claim", "As judged", "Paired by seed", "Smoothed", "Verdict"],
        [
            (
                claim["figure"],
                claim["aspect"],
                wording.effect(claim),
                *(document.interval(claim[other]) if claim[other] else "" for other in ("paired", "smoothed")),
                claim["verdict"],
            )
            for claim in claims
        ],
        "The same effects otherwise, with intervals that are not adjusted. Paired by seed: the mean difference "
        "between the runs with the same seed. Smoothed: where not one epoch but the mean of {{smoothing}} has to "
        "reach the level. Added when the results were known; no verdict takes it into account.",
        name="readings",
        wide=True,
    )


def over_environments(study: Context) -> Iterator[document.Block]:
    """The interquartile mean of the fraction over all environments of the paper."""
    if study.aggregates.is_empty():
        return
    yield document.figure(
        study.figure("figure_aggregates"),
        "Interquartile mean of the fraction: "
        + "; ".join(
            f"{names.agent(row['agent'])} with {names.embedding(row['embedding'])} "
            f"{number(row['estimate'])} [{number(row['low'])}, {number(row['high'])}]"
            for row in study.aggregates.rows(named=True)
        )
        + ".",
        "**Over environments of the paper:** interquartile mean of the fraction with its {{usual}} interval "
        "(stratified bootstrap, narrow for so few seeds), and performance profiles. "
        + "; ".join(
            f"{names.agent(str(agent))}: {rows[0, 'environments']} environments, {rows[0, 'seeds']} seeds"
            for (agent,), rows in study.aggregates.group_by("agent", maintain_order=True)
        )
        + ".",
        wide=True,
    )


def final_returns(study: Context) -> Iterator[document.Block]:
    """A table with a row for each cell: what its seeds end at."""
    steps = {tuple(row[:3]): row[3] for row in study.curves.group_by(CELL).agg(pl.col("policy_steps").mean()).rows()}
    columns = ["n", "Final return", "Seeds", "Mean over epochs", "Fraction", "Policy steps"]
    yield document.table(
        ["Environment", "Agent", "Representation", *columns],
        [
            (
                *wording.cell(map(str, cell)),
                len(seeds),
                wording.level("final_return", seeds),
                f"{number(seeds['final_return'].to_numpy().min())} to {number(seeds['final_return'].to_numpy().max())}",
                wording.level("area", seeds),
                wording.level("fraction", seeds) if seeds["fraction"].is_finite().all() else "not known",
                number(steps[cell]),
            )
            for cell, seeds in study.final.group_by(CELL, maintain_order=True)
        ],
        "Mean ± standard deviation over seeds. Final return: mean over the last tenth of the epochs, in the "
        "recommender systems in the currency of the store. Seeds: the lowest and the highest of them. Fraction: of the "
        "way from the random to the optimal return. Policy steps: gradient steps of the actor an epoch, on average; "
        "where an epoch may have several, the divergence ends them.",
        numbers=columns,
        name="final-returns",
        wide=True,
    )
