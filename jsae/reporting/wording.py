"""How the report words what was measured: a level over seeds, an effect, a verdict."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from jsae.analysis.claims import Claims
from jsae.config.study import Cell
from jsae.reporting.context import Record
from jsae.reporting.document import number
from jsae.reporting.looks import Looks

SHORT = "the runs are shorter than the paper's, so no claim is judged"
"""Why a study of short runs lacks sections."""
VERDICTS = ("supported", "inconclusive", "contradicted")
"""Verdicts of a claim that was tested."""
MEASURES = {"end": "end", "speed": "speed", "epochs": "convergence"}
"""What tables call a claim's measure."""
UNITS = {"normalized": "", "return": " return", "epochs": " epochs", "share": " % of the runs"}
"""What stands behind an effect; captions say what a number without a unit is."""
NORMALIZED = "Numbers without a unit are normalized: random policy 0, optimal policy 1."


def cell(looks: Looks, row: Iterable[str]) -> tuple[str, str, str]:
    """Environment, agent and embedding of a cell as prose calls them; a reading stands by the environment."""
    one = Cell(*row)
    reading = f" ({one.reading})" * bool(one.reading)
    return looks.environment(one.environment) + reading, looks.agent_of(one), looks.embedding(one.embedding)


def level(column: str, rows: pl.DataFrame) -> str:
    """Mean ± standard deviation of a column over its rows, the seeds; of a single seed its value."""
    seeds = rows[column].to_numpy()
    spread = f" ± {number(seeds.std(ddof=1))}" if len(seeds) > 1 else ""
    return number(seeds.mean()) + spread


def known(column: str, rows: pl.DataFrame) -> str:
    """The level of what was measured, of rows with a number; empty where no row has one."""
    values = rows.filter(pl.col(column).is_finite())
    return level(column, values) if len(values) else ""


def amount(value: float, unit: str) -> str:
    """A number of a comparison: a normalized one has two decimals, a share is in percent."""
    if unit == "normalized":
        return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
    return number(100 * value if unit == "share" else value)


def effect(record: Mapping[str, Any]) -> str:
    """An effect with its interval and unit; of a fact, what was measured and its value; empty where there is none."""
    if record["effect"] is None:
        return ""
    if record["low"] is not None:
        middle, low, high = (amount(record[name], record["unit"]) for name in ("effect", "low", "high"))
        return f"{middle} [{low}, {high}]{UNITS[record['unit']]}"
    if record["unit"] in UNITS:
        return amount(record["effect"], record["unit"]) + UNITS[record["unit"]]
    shown = str(record["effect"]) if isinstance(record["effect"], int) else number(record["effect"])
    return f"{record['unit']}: {shown}"


def ahead(looks: Looks, claim: Record) -> str:
    """Which of a claim's two embeddings is ahead, if the interval leaves out zero."""
    if claim["low"] > 0:
        return looks.embedding(claim["first"][2])
    return looks.embedding(claim["second"][2]) if claim["high"] < 0 else "neither, so far"


def seeds(record: Record) -> object:
    """Seeds of the cells of a comparison, or how many things a fact was checked on."""
    return " / ".join(map(str, record["n"])) if isinstance(record["n"], list) else record["n"]


def condition(looks: Looks, claim: Record) -> str:
    """What else there is to know about a verdict; empty where there is nothing."""
    said = []
    if claim["verdict"] == "not tested":
        said.append(f"Not tested: {claim['reason']}.")
    if any(claim["never"] or []):
        late = (
            f"{count} of {n} runs with {looks.embedding(end[2])}"
            for count, n, end in zip(claim["never"], claim["n"], (claim["first"], claim["second"]), strict=True)
            if count
        )
        said.append(f"The level is never reached in {' and '.join(late)}; they count with all their epochs.")
    if any(claim["never"] or []) and all(2 * count < n for count, n in zip(claim["never"], claim["n"], strict=True)):
        first, second = (
            f"{number(median)} with {looks.embedding(end[2])}"
            for median, end in zip(claim["medians"], (claim["first"], claim["second"]), strict=True)
        )
        said.append(f"Medians of epochs: {first}, {second}.")
    if (claim["verdict"], claim["kind"]) == ("inconclusive", "comparable") and claim["high"] - claim[
        "low"
    ] >= 2 * claim["margin"]:
        said.append(
            "The interval is wider than the margin allows: with so few seeds even equal means are inconclusive."
        )
    return " ".join(said)


def cramped(looks: Looks, claim: Record) -> str:
    """Why one cell could not be better than the other by more than the margin; empty where it could."""
    room = {"better": 1.0, "faster": 0.0}.get(claim["kind"])
    if room is None or claim["unit"] == "return" or abs(room - claim["means"][1]) >= claim["margin"]:
        return ""
    label, mean = looks.embedding(claim["second"][2]), claim["means"][1]
    second = label[0].upper() + label[1:]
    if claim["unit"] == "epochs":
        return f"{second} needs {number(mean)} epochs on average, so no more than the margin can be saved."
    return f"{second} comes within the margin of the optimal policy, so nothing can be better by more."


def at_random(claim: Record) -> bool:
    """Whether both cells of a claim stay within the margin of the random policy."""
    return claim["unit"] == "normalized" and max(map(abs, claim["means"])) < claim["margin"]


def margins(book: Claims) -> Iterator[str]:
    """Each margin in words."""
    units = {"normalized": "{:g} normalized", "return": "a return of {:g}", "epochs": "{:g} of the epochs"}
    for kind, of in book.margins.items():
        yield f"{' or '.join(units[unit].format(margin) for unit, margin in of.items())} ({kind})"


def settling(claim: Record) -> str:
    """How many seeds a cell would settle an inconclusive claim, and as what; empty for another one."""
    if claim["verdict"] != "inconclusive":
        return ""
    return f"{claim['seeds_needed']:,}, {claim['settles_as']}" if claim["seeds_needed"] else "no number"


def counted(claims: Sequence[Mapping[str, Any]]) -> str:
    """How many of some claims got each verdict: "3 supported and 1 not tested"."""
    found = [claim["verdict"] for claim in claims]
    return listed([f"{found.count(one)} {one}" for one in (*VERDICTS, "not tested") if one in found])


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def spans(numbers: Sequence[int]) -> str:
    """Ascending numbers with those that follow one another drawn together: "1, 5 to 9"."""
    found: list[list[int]] = []
    for one in numbers:
        if found and one == found[-1][1] + 1:
            found[-1][1] = one
        else:
            found.append([one, one])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in found)
