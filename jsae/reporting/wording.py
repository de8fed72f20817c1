"""How the report words what was measured: a level over seeds, an effect, a verdict."""

from collections.abc import Iterable, Sequence

import polars as pl

from jsae.reporting.context import Record
from jsae.reporting.document import interval, number
from jsae.reporting.looks import Looks

VERDICTS = ("supported", "inconclusive", "contradicted")
"""Verdicts of a claim that was tested."""
UNITS = {
    "normalized_return": "normalized",
    "normalized_mean_over_training": "normalized",
    "final_return": "return",
    "mean_over_training": "return",
}
"""In what a difference of a measure is counted, epochs apart."""


def cell(looks: Looks, row: Iterable[str]) -> tuple[str, str, str]:
    """Environment, agent and embedding of a cell as prose calls them; a reading stands by the environment."""
    environment, agent, embedding, *rest = row
    reading = f" ({rest[0]})" if rest and rest[0] else ""
    return looks.environment(environment) + reading, looks.agent(agent), looks.embedding(embedding)


def level(column: str, rows: pl.DataFrame) -> str:
    """Mean ± standard deviation of a column over its rows, the seeds; of a single seed its value."""
    seeds = rows[column].to_numpy()
    spread = f" ± {number(seeds.std(ddof=1))}" if len(seeds) > 1 else ""
    return number(seeds.mean()) + spread


def known(column: str, rows: pl.DataFrame) -> str:
    """The level of what was measured, of rows with a number; empty where no row has one."""
    values = rows.filter(pl.col(column).is_finite())
    return level(column, values) if len(values) else ""


def effect(claim: Record) -> str:
    """Effect of a claim in the unit of its measure, with its interval where there is one."""
    if claim["low"] is not None:
        return f"{interval(claim)} {claim['measure'].replace('_', ' ')}"
    if claim["effect"] is None:
        return ""
    whole = isinstance(claim["effect"], int)
    return f"{claim['measure']}: {claim['effect'] if whole else number(claim['effect'])}"


def difference(record: Record) -> str:
    """A difference of means with its interval and unit."""
    return f"{interval(record)} {UNITS[record['measure']]}"


def ahead(looks: Looks, claim: Record) -> str:
    """Which of a claim's two embeddings has the higher mean return over training, if the interval leaves out zero."""
    over = claim["over_training"]
    if over["low"] > 0:
        return looks.embedding(claim["first"][2])
    return looks.embedding(claim["second"][2]) if over["high"] < 0 else "neither, so far"


def seeds(claim: Record) -> object:
    """Seeds of the two cells of a claim, or how many things a fact was checked on."""
    return " / ".join(map(str, claim["n"])) if isinstance(claim["n"], list) else claim["n"]


def verdict(claim: Record) -> str:
    """The verdict of a claim with what else there is to say about it, as Markdown."""
    more = claim["reason"]
    if claim["verdict"] == "inconclusive":
        more = "no number of seeds is likely to settle it"
        if claim["seeds_needed"]:
            more = f"about {claim['seeds_needed']:,} seeds a cell would settle it, as {claim['settles_as']}"
    more = "; ".join(part for part in (more, claim["remark"]) if part)
    return f"**{claim['verdict']}**" + (f" ({more})" if more else "")


def counted(verdicts: Sequence[Record]) -> dict[str, int]:
    """How many of some claims got each verdict, those that were not tested last."""
    found = [claim["verdict"] for claim in verdicts]
    return {verdict: found.count(verdict) for verdict in (*VERDICTS, "not tested")}
