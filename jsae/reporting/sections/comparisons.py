"""All comparisons and all final returns."""

from collections.abc import Iterator

import polars as pl

from jsae.reporting import document, wording
from jsae.reporting.context import Context
from jsae.reporting.document import number
from jsae.training.columns import KEYS


def tested(study: Context) -> Iterator[document.Block]:
    """Every tested comparison: drawn, as it was judged, and with two choices made otherwise."""
    claims = study.compared
    if not (study.judged and claims):
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
        "The same effects with one choice made otherwise, with intervals that are not adjusted. Paired by seed: the "
        "mean difference between the runs with the same seed. Smoothed: the mean of {{smoothing}} epochs has to reach "
        "the level, instead of one epoch. Added when the results were known; no verdict takes it into account.",
        name="other-choices",
        wide=True,
    )


def over_environments(study: Context) -> Iterator[document.Block]:
    """The interquartile mean of the normalized return over all environments of the paper."""
    if study.aggregates.is_empty():
        return
    looks = study.looks
    yield document.figure(
        study.figure("figure_aggregates"),
        "Interquartile mean of the normalized return: "
        + "; ".join(
            f"{looks.agent(row['agent'])} with {looks.embedding(row['embedding'])} "
            f"{number(row['estimate'])} [{number(row['low'])}, {number(row['high'])}]"
            for row in study.aggregates.rows(named=True)
        )
        + ".",
        "**Over environments of the paper:** interquartile mean of the normalized return with its {{usual}} interval "
        "(stratified bootstrap, narrow for so few seeds), and performance profiles. "
        + "; ".join(
            f"{looks.agent(str(agent))}: {rows[0, 'environments']} environments, {rows[0, 'seeds']} seeds"
            for (agent,), rows in study.aggregates.group_by("agent", maintain_order=True)
        )
        + ".",
        wide=True,
    )


def final_returns(study: Context) -> Iterator[document.Block]:
    """A table with a row for each cell: what its seeds end at."""
    steps = {tuple(row[:4]): row[4] for row in study.curves.group_by(KEYS).agg(pl.col("pi_iters").mean()).rows()}
    columns = ["n", "Final return", "Seeds", "Mean over training", "Normalized", "Policy steps"]
    yield document.table(
        ["Environment", "Agent", "Representation", *columns],
        [
            (
                *wording.cell(study.looks, map(str, cell)),
                len(seeds),
                wording.level("final_return", seeds),
                f"{number(seeds['final_return'].to_numpy().min())} to {number(seeds['final_return'].to_numpy().max())}",
                wording.level("mean_over_training", seeds),
                wording.level("normalized_return", seeds)
                if seeds["normalized_return"].is_finite().all()
                else "not known",
                number(steps[cell]),
            )
            for cell, seeds in study.final.group_by(KEYS, maintain_order=True)
        ],
        "Mean ± standard deviation over seeds; a reading other than the primary one stands by its environment. Final "
        "return: mean over the last tenth of the epochs, in the recommender system in the currency of the data set. "
        "Seeds: the lowest and the highest of them. Normalized: the share of the way from the random to the optimal "
        "return. Policy steps: gradient steps of the actor an epoch, on average; where an epoch may have several, the "
        "divergence ends them.",
        numbers=columns,
        name="final-returns",
        wide=True,
    )
