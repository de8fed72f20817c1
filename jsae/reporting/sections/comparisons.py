"""All comparisons and all final returns."""

from collections.abc import Iterator

import polars as pl

from jsae.analysis import tables
from jsae.reporting import document, wording
from jsae.reporting.context import Context
from jsae.reporting.document import number
from jsae.training.columns import KEYS


def tested(study: Context) -> Iterator[document.Block]:
    """Every tested comparison, as it was judged."""
    claims = study.compared
    if not (study.judged and claims):
        yield document.empty("no comparison has two cells with runs" if study.judged else wording.SHORT)
        return
    yield document.table(
        ["Panel", "Claim", "Measure", "Effect", "Margin", "n", "p for", "p against", "p perm.", "Verdict", "To settle"],
        [
            (
                claim["figure"],
                claim["aspect"],
                wording.MEASURES[claim["measure"]],
                wording.effect(claim),
                wording.amount(claim["margin"], claim["unit"]) + wording.UNITS[claim["unit"]],
                wording.seeds(claim),
                number(claim["p"], 2),
                number(claim["p_against"], 2),
                number(claim["p_permutation"], 2),
                claim["verdict"],
                wording.settling(claim),
            )
            for claim in claims
        ],
        f"Every tested comparison. {wording.NORMALIZED} p for, p against: p-values of the one-sided tests that would "
        "support or contradict the claim, adjusted (Holm). p perm.: a two-sided permutation test, not adjusted, for "
        "comparison only. To settle: seeds a cell that would settle an inconclusive claim with a power of {{power}}, "
        "and the verdict then, if the observed effect and standard deviations are the true ones.",
        numbers=["Effect", "Margin", "n", "p for", "p against", "p perm.", "To settle"],
        name="comparisons-table",
    )


def over_environments(study: Context) -> Iterator[document.Block]:
    """The interquartile mean of the normalized return over all environments of the paper."""
    if study.aggregates.is_empty() or not study.judged:
        return
    looks = study.looks
    counted = tables.counted(study.final, looks.cells)
    yield document.figure(
        study.figure("figure_aggregates"),
        "Interquartile mean of the normalized return: "
        + "; ".join(
            f"{looks.agent(row['agent'])} with {looks.embedding(row['embedding'])} "
            f"{number(row['estimate'])} [{number(row['low'])}, {number(row['high'])}]"
            for row in study.aggregates.rows(named=True)
        )
        + ".",
        "**Over the paper's environments:** interquartile mean of the normalized final return with its {{usual}} "
        "interval (stratified bootstrap, too narrow for so few seeds), and performance profiles. Better embeddings lie "
        "further right in both. The plan has no such figure: it shows the end alone, and no verdict rests on it. As "
        "many seeds count in each environment. "
        + " ".join(
            f"{looks.agent(str(agent))}: {rows[0, 'seeds']} seeds in each environment "
            f"({'; '.join(looks.environment(name) for name in counted[str(agent)])})."
            for (agent,), rows in study.aggregates.group_by("agent", maintain_order=True)
        )
        + "".join(
            f" {looks.environment(name)} does not count: its optimal return is not known."
            for name in study.environments
            if (rows := study.primary.filter(environment=name)).height
            and not rows["normalized_return"].is_finite().any()
        ),
    )


def final_returns(study: Context) -> Iterator[document.Block]:
    """A table with a row for each cell: what its seeds end at."""
    steps = {tuple(row[:4]): row[4] for row in study.curves.group_by(KEYS).agg(pl.col("pi_iters").mean()).rows()}
    columns = ["n", "Final return", "Seeds", "Mean over training", "Normalized", "Policy steps"]
    yield document.table(
        ["Environment", "Agent", "Embedding", *columns],
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
        "Mean ± standard deviation over seeds; a reading other than the primary one is named after the environment. "
        "Final return: mean over the last tenth of the epochs, in the recommender system in the currency of the data "
        "set. Seeds: the lowest and the highest final return. Normalized: the final return, where the random policy is "
        "zero and the optimal one is one. Policy steps: mean number of the actor's gradient steps in an epoch. They "
        "end early once the policy is too far from that of the epoch's start (KL early stopping).",
        numbers=columns,
        name="final-returns-table",
    )
