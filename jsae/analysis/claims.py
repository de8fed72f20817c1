"""The paper's claims as data, and what the runs say about each of them.

report/claims.yaml holds the claims with measures and margins that were fixed before the results, and explains the
verdicts. This module reads it, compares the cells and returns plain records for claims.json.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from jsae.analysis import statistics
from jsae.config.errors import JsaeError
from jsae.config.study import Cell

Measure = Literal["normalized_return", "normalized_mean_over_training", "final_return", "mean_over_training", "epochs"]
Verdict = Literal["supported", "inconclusive", "contradicted", "not tested"]
SMOOTHING = 20
"""Epochs whose mean has to reach the level where a claim on speed is read a second time."""


CellNames = Annotated[tuple[str, ...], Field(min_length=3, max_length=4)]
"""Environment, agent, embedding and, unless it is the primary one, reading."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Claim(_Strict):
    """A sentence of the paper that runs can support or contradict."""

    id: str
    family: str
    section: str
    figure: str = ""
    sentence: str
    aspect: str
    kind: Literal["better", "comparable", "faster", "fact"]
    measure: Measure | None = None
    first: CellNames | None = None
    second: CellNames | None = None

    @property
    def cells(self) -> tuple[Cell, Cell]:
        """The two cells compared, the one that the sentence is about first."""
        if self.first is None or self.second is None:
            raise JsaeError(f"claim {self.id} compares no cells")
        return Cell(*self.first), Cell(*self.second)


class Claims(_Strict):
    """The whole of claims.yaml."""

    margins: dict[Measure, float]
    level: float = Field(gt=0, lt=0.5)
    power: float = Field(gt=0.5, lt=1)
    claims: list[Claim] = Field(min_length=1)


def load(path: Path) -> Claims:
    """Read and check claims.yaml. Raises JsaeError with the place of what is wrong."""
    try:
        claims = Claims.model_validate(YAML(typ="safe").load(path))
    except (YAMLError, OSError, UnicodeDecodeError) as error:
        raise JsaeError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        issue = error.errors()[0]
        raise JsaeError(f"{path}: {'.'.join(map(str, issue['loc']))}: {issue['msg']}") from None
    ids = [claim.id for claim in claims.claims]
    if len(set(ids)) < len(ids):
        raise JsaeError(f"{path}: a claim's id stands there twice: {sorted(n for n in ids if ids.count(n) > 1)[0]}")
    for claim in claims.claims:
        if claim.kind != "fact" and None in (claim.measure, claim.first, claim.second):
            raise JsaeError(f"{path}: claim {claim.id} needs measure, first and second")
        if claim.measure is not None and not claims.margins.get(claim.measure, 0) > 0:
            raise JsaeError(f"{path}: margins.{claim.measure} must be there and above 0")
    return claims


def under(claims: Claims, reading: str, cells: Collection[Cell]) -> Claims:
    """The comparisons of the paper under a reading: those of which both cells are among `cells`."""
    found = []
    for claim in claims.claims:
        if claim.kind != "fact":
            first, second = (Cell(cell.environment, cell.agent, cell.embedding, reading) for cell in claim.cells)
            if first in cells and second in cells:
                words = {"first": tuple(vars(first).values()), "second": tuple(vars(second).values())}
                found.append(claim.model_copy(update={"id": f"{claim.id}-{reading}", "figure": "", **words}))
    return claims.model_copy(update={"claims": found})


def judge(
    claims: Claims,
    curves: pl.DataFrame,
    final: pl.DataFrame,
    theory: Mapping[str, Mapping[str, Any]],
    labels: Mapping[str, str],
) -> list[dict[str, Any]]:
    """One record a claim, in their order, with effect, interval, probability of improvement and verdict.

    curves, final: the tables of the study. theory: facts by claim id, {"holds": bool, "measure", "value", "n"}.
    labels: of embeddings.
    The effect is first − second in the measure's unit, for `faster` second − first: a claimed effect is positive.
    No verdict takes these into account: `over_training`, the same difference of the mean return over training,
    speed and level in one; `paired`, the mean difference between runs with the same seed, where both cells have the
    same seeds; `smoothed`, of a claim on speed, the effect where the mean of `SMOOTHING` epochs has to reach the level.
    `remark` says what to know before a verdict is believed.
    """
    records = [_record(claim) for claim in claims.claims]
    tested: dict[str, list[tuple[dict[str, Any], statistics.Difference, float]]] = defaultdict(list)
    for claim, record in zip(claims.claims, records, strict=True):
        if claim.kind == "fact":
            _judge_fact(record, theory.get(claim.id))
            continue
        try:
            samples = _samples(claim, curves, final)
        except _NotTested as reason:
            record["reason"] = str(reason)
            continue
        first, second = (final.filter(_is(cell)) for cell in claim.cells)
        budget = _budget(curves, claim)
        margin = claims.margins[claim.measure or "normalized_return"] * (budget if claim.kind == "faster" else 1.0)
        confidence = 1 - 2 * claims.level
        difference = statistics.welch(*samples)
        record |= {
            **_as_record(difference.interval(confidence)),
            "margin": margin,
            "n": [len(sample) for sample in samples],
            "probability_of_improvement": float(statistics.probability_of_improvement(*samples)),
            "deviations": [float(sample.std(ddof=1)) for sample in samples],
            "over_training": _difference(first, second, "normalized_mean_over_training", confidence),
        }
        if set(first["seed"]) == set(second["seed"]):
            record["paired"] = _as_record(statistics.mean_interval(samples[0] - samples[1], confidence))
        if claim.kind == "faster":
            level = _mean(second)
            smooth = (-_epochs(curves, cell, level, budget, SMOOTHING) for cell in claim.cells)
            record["smoothed"] = _as_record(statistics.welch(*smooth).interval(confidence))
            called = [labels.get(cell.embedding, cell.embedding) for cell in claim.cells]
            record["remark"] = _remark(called, samples, (first, second), budget, confidence)
        tested[claim.family].append((record, difference, margin))
    for family in tested.values():
        _decide(family, claims)
    return records


class _NotTested(Exception):
    """Why a claim cannot be judged from these runs."""


def _record(claim: Claim) -> dict[str, Any]:
    """The record of a claim that has not been judged."""
    return {
        "id": claim.id,
        "sentence": claim.sentence,
        "aspect": claim.aspect,
        "section": claim.section,
        "figure": claim.figure,
        "kind": claim.kind,
        "measure": claim.measure,
        "first": list(claim.first) if claim.first else None,
        "second": list(claim.second) if claim.second else None,
        "effect": None,
        "low": None,
        "high": None,
        "margin": None,
        "n": None,
        "probability_of_improvement": None,
        "p": None,
        "p_against": None,
        "over_training": None,
        "paired": None,
        "smoothed": None,
        "seeds_needed": None,
        "settles_as": None,
        "verdict": "not tested",
        "reason": "",
        "remark": "",
    }


def _judge_fact(record: dict[str, Any], fact: Mapping[str, Any] | None) -> None:
    if fact is None:
        record["reason"] = "no check has run"
        return
    record["verdict"] = "supported" if fact["holds"] else "contradicted"
    record |= {"measure": fact["measure"], "effect": fact["value"], "n": fact["n"]}


def _samples(claim: Claim, curves: pl.DataFrame, final: pl.DataFrame) -> tuple[statistics.Scores, statistics.Scores]:
    """The two cells' values of the measure, one a seed, the greater the better. Raises _NotTested."""
    found = []
    for cell in claim.cells:
        runs = final.filter(_is(cell)).sort("seed")
        if runs.is_empty():
            raise _NotTested(f"{cell} has no run")
        if len(runs) < 2:
            raise _NotTested(f"{cell} has one seed only")
        found.append(runs)
    if claim.measure in ("normalized_return", "normalized_mean_over_training") and not all(
        runs["normalized_return"].is_finite().all() for runs in found
    ):
        raise _NotTested(f"the optimal or the random return of {claim.cells[0].environment} is not known")
    if claim.measure != "epochs":
        first, second = (_values(claim.measure or "normalized_return", runs) for runs in found)
        return first, second
    budget = _budget(curves, claim)
    first, second = (-_epochs(curves, cell, _mean(found[1]), budget) for cell in claim.cells)
    if all((sample == -budget).all() for sample in (first, second)):
        raise _NotTested("no run of either cell reaches the level")
    return first, second


def _epochs(curves: pl.DataFrame, cell: Cell, level: float, budget: float, window: int = 1) -> statistics.Scores:
    """Epochs until each seed of a cell reaches `level`, in the order of seeds; never is all of them."""
    return np.minimum(epochs_to_reach(curves.filter(_is(cell)), level, window), budget)


def _mean(runs: pl.DataFrame) -> float:
    """What the runs of a cell end at, on average."""
    return float(runs["final_return"].to_numpy().mean())


def _as_record(interval: statistics.Interval) -> dict[str, float]:
    return {"effect": interval.estimate, "low": interval.low, "high": interval.high}


def _values(measure: Measure, runs: pl.DataFrame) -> statistics.Scores:
    """A measure of each run of a table of `final`."""
    random, optimal = pl.col("random_return"), pl.col("optimal_return")
    if measure == "normalized_mean_over_training":
        column = (pl.col("mean_over_training") - random) / (optimal - random)
    else:
        column = pl.col(measure)
    return statistics.scores(runs.select(column).to_series().to_numpy())


def _difference(first: pl.DataFrame, second: pl.DataFrame, measure: Measure, confidence: float) -> dict[str, Any]:
    """The difference of means of two cells' runs with its interval; as a fraction, or a return where none is known."""
    if not pl.concat([first, second])["normalized_return"].is_finite().all():
        measure = "mean_over_training" if measure == "normalized_mean_over_training" else "final_return"
    difference = statistics.welch(_values(measure, first), _values(measure, second))
    return {"measure": measure, **_as_record(difference.interval(confidence))}


def beside(final: pl.DataFrame, pairs: Sequence[tuple[Cell, Cell]], level: float) -> list[dict[str, Any]]:
    """What sets the first of each pair of cells apart from the second, at the end and over all epochs, unjudged.

    Pairs of which a cell has fewer than two runs are left out.
    """
    records = []
    for cells in pairs:
        first, second = (final.filter(_is(cell)) for cell in cells)
        if min(len(first), len(second)) > 1:
            records.append(
                {
                    "first": list(vars(cells[0]).values()),
                    "second": list(vars(cells[1]).values()),
                    "n": [len(first), len(second)],
                    "final": _difference(first, second, "normalized_return", 1 - 2 * level),
                    "over_training": _difference(first, second, "normalized_mean_over_training", 1 - 2 * level),
                }
            )
    return records


def _remark(
    called: Sequence[str],
    samples: tuple[statistics.Scores, statistics.Scores],
    runs: tuple[pl.DataFrame, pl.DataFrame],
    budget: float,
    confidence: float,
) -> str:
    """What makes epochs until a level hard to read: a level that chance reaches, and seeds that never or hardly do."""
    said = []
    second = runs[1]
    if statistics.mean_interval(second["final_return"].to_numpy(), confidence).low <= second["random_return"][0]:
        said.append(
            "its baseline does not end significantly above the random policy: chance reaches that level, and the "
            "verdict says nothing of learning"
        )
    never = [int((-sample >= budget).sum()) for sample in samples]
    if any(never):
        counts = " and ".join(
            f"{n} of {len(sample)} seeds ({who})" for n, sample, who in zip(never, samples, called, strict=True) if n
        )
        said.append(f"{counts} never reach that level and count with all {budget:,.0f} epochs")
    below = int(((-samples[0] < budget) & (runs[0].sort("seed")["final_return"].to_numpy() < _mean(second))).sum())
    if below:
        said.append(f"{below} of {len(samples[0])} seeds ({called[0]}) reach it and end below it")
    return "; ".join(said)


def epochs_to_reach(rows: pl.DataFrame, level: float, window: int = 1) -> statistics.Scores:
    """For each seed of a cell the first epoch whose mean_return is at least `level`; if none is, one more than all.

    window: it is the mean of so many epochs, the last of them being counted, that has to reach the level.
    """
    mean = pl.col("mean_return").rolling_mean(window).over("seed", order_by="epoch")
    reached = (
        rows.with_columns(mean)
        .group_by("seed")
        .agg(pl.col("epoch").filter(pl.col("mean_return") >= level).min().fill_null(pl.col("epoch").max() + 1))
    )
    return statistics.scores(reached.sort("seed")["epoch"].to_numpy())


def _budget(curves: pl.DataFrame, claim: Claim) -> float:
    """Epochs of a run of the claim's second cell."""
    return float(curves.filter(_is(claim.cells[1]))["epoch"].to_numpy().max())


def _is(cell: Cell) -> pl.Expr:
    return pl.all_horizontal(pl.col(name) == value for name, value in vars(cell).items())


def _decide(family: Sequence[tuple[dict[str, Any], statistics.Difference, float]], claims: Claims) -> None:
    """Give the records of one family their verdicts, adjusted for how many they are."""
    for_claim, against = [], []
    for record, difference, margin in family:
        if record["kind"] == "comparable":
            for_claim.append(difference.p_within(margin))
            against.append(min(difference.p_above(margin), difference.p_below(-margin)))
        else:
            for_claim.append(difference.p_above(0))
            against.append(difference.p_below(margin))
    adjusted = zip(family, statistics.holm(for_claim), statistics.holm(against), strict=True)
    level = claims.level / len(family)  # the strictest that Holm asks of one of them
    for (record, difference, margin), supports, contradicts in adjusted:
        record |= {"p": supports, "p_against": contradicts}
        if supports <= claims.level:
            record["verdict"] = "supported"
        elif contradicts <= claims.level:
            record["verdict"] = "contradicted"
        else:
            record["verdict"] = "inconclusive"
            record |= _settling(record, difference.estimate, margin, level, claims.power)
        if record["kind"] == "comparable" and "supported" not in (record["verdict"], record["settles_as"]):
            record["remark"] = _out_of_reach(record, margin, level, claims.power)
        del record["deviations"]


def _settling(
    record: Mapping[str, Any], effect: float, margin: float, level: float, power: float
) -> dict[str, int | str | None]:
    """Seeds a cell that would turn an inconclusive claim, and into what: whichever takes fewer."""
    spread = (record["deviations"][0], record["deviations"][1])
    if record["kind"] == "comparable":
        distances = {"supported" if abs(effect) < margin else "contradicted": abs(margin - abs(effect))}
    else:
        distances = {"supported": max(effect, 0.0), "contradicted": max(margin - effect, 0.0)}
    needed = {turned: statistics.seeds_needed(d, spread, level, power) for turned, d in distances.items()}
    found = {turned: seeds for turned, seeds in needed.items() if seeds is not None}
    turned = min(found, key=lambda name: found[name], default=None)
    return {"seeds_needed": found.get(turned) if turned else None, "settles_as": turned}


def _out_of_reach(record: Mapping[str, Any], margin: float, level: float, power: float) -> str:
    """A remark where so few seeds could not have supported "comparable", had there been no difference at all."""
    needed = statistics.seeds_needed(margin, (record["deviations"][0], record["deviations"][1]), level, power)
    if needed is None or needed <= min(record["n"]):
        return ""
    return f"with these spreads it takes about {needed:,} seeds a cell to support it, even where there is no difference"
