"""What the runs say about each claim: effect, interval, tests, verdict (report/plan.md, sections 4 and 5)."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from jsae.analysis import statistics
from jsae.analysis.claims import Cause, Claim, Claims, Prediction
from jsae.config.study import Cell

__all__ = ["Record", "differences", "epochs_to_reach", "judge", "tested_causes"]

Record = dict[str, Any]


def judge(
    claims: Claims,
    curves: pl.DataFrame,
    final: pl.DataFrame,
    theory: Mapping[str, Mapping[str, Any]],
    lacking: Collection[Cell] = (),
) -> list[Record]:
    """One record a claim, in their order; `_record` has its fields.

    The effect is first − second in the claim's unit, for `faster` second − first: a claimed effect is positive.

    Args:
        curves, final: the tables of the study.
        theory: facts by claim id, {"holds": bool, "measure", "value", "n"}.
        lacking: cells of which some seeds have not run; what compares them is not tested.
    """
    records = [_record(claim) for claim in claims.claims]
    families: dict[str, list[tuple[Record, statistics.Difference]]] = defaultdict(list)
    for claim, record in zip(claims.claims, records, strict=True):
        if claim.kind == "fact":
            _judge_fact(record, theory.get(claim.id))
            continue
        try:
            samples, never = _samples(claim, claims, curves, final, lacking)
        except _NotTested as reason:
            record["reason"] = str(reason)
            continue
        sign, budget = (-1.0, _budget(curves, claim)) if claim.kind == "faster" else (1.0, 1.0)
        difference = statistics.welch(*(sign * sample for sample in samples))
        record |= {
            **_interval(difference, claims),
            "margin": claims.margin(claim) * budget,
            "n": [len(sample) for sample in samples],
            "means": [float(sample.mean()) for sample in samples],
            "medians": [float(np.median(sample)) for sample in samples],
            "deviations": [float(sample.std(ddof=1)) for sample in samples],
            "p_permutation": statistics.permutation_p(*samples),
            "success": _successes([final.filter(**vars(cell)) for cell in claim.cells]),
            "never": never,
        }
        families[claim.family].append((record, difference))
    sizes = Counter(claim.family for claim in claims.claims)
    for name, family in families.items():
        _decide(family, sizes[name], claims)
    return records


class _NotTested(Exception):
    """Why a claim cannot be judged from these runs."""


def _record(claim: Claim) -> Record:
    """The record of a claim that has not been judged.

    | field | what |
    |---|---|
    | effect, low, high | the difference of means and its interval, in `unit` |
    | margin | the claim's, in `unit` |
    | n, means, medians, deviations | of the two cells: seeds, mean, median and standard deviation of the measure |
    | p, p_against | of the tests that would support and contradict it, adjusted within the family |
    | p_permutation | of a two-sided permutation test, not adjusted |
    | success | where a run can succeed: of each cell runs that do, runs, and the exact interval of their share |
    | never | of `faster`: how many runs of each cell never reach the level |
    | seeds_needed, settles_as | of an inconclusive claim: seeds a cell that would settle it, and as what |
    """
    return {
        **{name: getattr(claim, name) for name in ("id", "sentence", "aspect", "section", "figure", "kind")},
        **{name: getattr(claim, name) for name in ("measure", "unit", "level", "reading")},
        "first": list(claim.first) if claim.first else None,
        "second": list(claim.second) if claim.second else None,
        **dict.fromkeys(("effect", "low", "high", "margin", "n", "means", "medians", "deviations")),
        **dict.fromkeys(("p", "p_against", "p_permutation", "success", "never", "seeds_needed", "settles_as")),
        "verdict": "not tested",
        "reason": "",
    }


def _judge_fact(record: Record, fact: Mapping[str, Any] | None) -> None:
    if fact is None or fact["holds"] is None:
        record["reason"] = "no check has run" if fact is None else "some embeddings have not been trained"
        return
    record["verdict"] = "supported" if fact["holds"] else "contradicted"
    record |= {"unit": fact["measure"], "effect": fact["value"], "n": fact["n"]}


def _samples(
    claim: Claim, claims: Claims, curves: pl.DataFrame, final: pl.DataFrame, lacking: Collection[Cell]
) -> tuple[tuple[statistics.Scores, statistics.Scores], list[int] | None]:
    """The two cells' values of the measure, one a seed; of `faster`, how many runs never reach the level.

    Raises _NotTested.
    """
    runs = _runs(final, claim.cells, claim.unit != "return", lacking)
    if claim.measure in ("end", "speed"):
        first, second = (_values(found, claim.measure, claim.unit or "normalized") for found in runs)
        return (first, second), None
    random, optimal = (runs[1][name].to_list()[0] for name in ("random_return", "optimal_return"))
    level, budget = random + (claim.level or 0.0) * (optimal - random), _budget(curves, claim)
    reached = [epochs_to_reach(curves.filter(**vars(cell)), level, claims.window) for cell in claim.cells]
    never = [int((epochs > budget).sum()) for epochs in reached]
    if never == [len(epochs) for epochs in reached]:
        raise _NotTested(f"no run of either cell reaches the level {level:.3g}")
    first, second = (np.minimum(epochs, budget) for epochs in reached)
    return (first, second), never


def _runs(
    final: pl.DataFrame, cells: Sequence[Cell], normalized: bool, lacking: Collection[Cell]
) -> list[pl.DataFrame]:
    """The runs of each cell; with a normalized return, if that is needed. Raises _NotTested."""
    found = []
    for cell in cells:
        runs = final.filter(**vars(cell)).sort("seed")
        if cell in lacking and len(runs):
            raise _NotTested(f"some seeds of {cell} have not run")
        if len(runs) < 2:
            raise _NotTested(f"{cell} has {'one seed only' if len(runs) else 'no run'}")
        if normalized and not runs["normalized_return"].is_finite().all():
            raise _NotTested(f"the optimal or the random return of {cell.environment} is not known")
        found.append(runs)
    return found


def _values(runs: pl.DataFrame, measure: str, unit: str) -> statistics.Scores:
    """A measure of each run of a table of `final`."""
    column, random = pl.col("final_return" if measure == "end" else "mean_over_training"), pl.col("random_return")
    if unit == "normalized":
        column = (column - random) / (pl.col("optimal_return") - random)
    return statistics.scores(runs.select(column).to_series().to_numpy())


def epochs_to_reach(rows: pl.DataFrame, level: float, window: int = 1) -> statistics.Scores:
    """For each seed of a cell the first epoch at which the mean of the last `window` epochs is at least `level`.

    In the order of seeds; where no epoch is, one more than all.
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
    return float(curves.filter(**vars(claim.cells[1]))["epoch"].to_numpy().max())


def _interval(difference: statistics.Difference, claims: Claims) -> dict[str, float]:
    interval = difference.interval(1 - 2 * claims.level)
    return {"effect": interval.estimate, "low": interval.low, "high": interval.high}


def _successes(runs: Sequence[pl.DataFrame]) -> list[dict[str, float]] | None:
    """Of each cell: runs that succeed, runs, and the exact 95 % interval of their share; None where none can."""
    found = []
    for cell in runs:
        if cell["success"].null_count():
            return None
        count = int(cell["success"].sum())
        interval = statistics.exact_share(count, len(cell))
        found.append({"runs": count, "of": len(cell), "low": interval.low, "high": interval.high})
    return found


def _decide(family: Sequence[tuple[Record, statistics.Difference]], size: int, claims: Claims) -> None:
    """Give the records of one family their verdicts, adjusted for its size: a claim that is not tested counts too."""
    for_claim, against = [], []
    for record, difference in family:
        margin = record["margin"]
        if record["kind"] == "comparable":
            for_claim.append(difference.p_within(margin))
            against.append(min(difference.p_above(margin), difference.p_below(-margin)))
        else:
            for_claim.append(difference.p_above(0))
            against.append(difference.p_below(margin))
    others = [1.0] * (size - len(family))
    adjusted = zip(family, statistics.holm(for_claim + others), statistics.holm(against + others), strict=False)
    level = claims.level / size  # the strictest that Holm asks of one of them
    for (record, _), supports, contradicts in adjusted:
        record |= {"p": supports, "p_against": contradicts}
        if supports <= claims.level:
            record["verdict"] = "supported"
        elif contradicts <= claims.level:
            record["verdict"] = "contradicted"
        else:
            record["verdict"] = "inconclusive"
            record |= _settling(record, level, claims.power)


def _settling(record: Record, level: float, power: float) -> Record:
    """Seeds a cell that would settle an inconclusive claim, and as what: whichever takes fewer."""
    effect, margin = record["effect"], record["margin"]
    distances: dict[str, tuple[float, ...]]
    if record["kind"] != "comparable":
        distances = {"supported": (effect,), "contradicted": (margin - effect,)}
    elif abs(effect) < margin:  # both bounds must be passed
        distances = {"supported": (margin - effect, margin + effect)}
    else:
        distances = {"contradicted": (abs(effect) - margin,)}
    spread = (record["deviations"][0], record["deviations"][1])
    needed = {turned: statistics.seeds_needed(d, spread, level, power) for turned, d in distances.items()}
    found = {turned: seeds for turned, seeds in needed.items() if seeds is not None}
    turned = min(found, key=lambda name: found[name], default=None)
    return {"seeds_needed": found.get(turned) if turned else None, "settles_as": turned}


def differences(
    final: pl.DataFrame, pairs: Sequence[tuple[Cell, Cell]], claims: Claims, lacking: Collection[Cell]
) -> list[Record]:
    """What sets the first of each pair of cells apart from the second, at the end and over all epochs, unjudged.

    Pairs are left out of which a cell has fewer than two runs, or lacks some of its seeds.
    """
    records = []
    for cells in pairs:
        try:
            runs = _runs(final, cells, False, lacking)
        except _NotTested:
            continue
        unit = "normalized" if pl.concat(runs)["normalized_return"].is_finite().all() else "return"
        record: Record = {"first": list(vars(cells[0]).values()), "second": list(vars(cells[1]).values())}
        record |= {"n": [len(cell) for cell in runs], "unit": unit}
        for measure in ("end", "speed"):
            record[measure] = _interval(statistics.welch(*(_values(cell, measure, unit) for cell in runs)), claims)
        records.append(record)
    return records


def tested_causes(claims: Claims, final: pl.DataFrame, lacking: Collection[Cell]) -> list[Record]:
    """One record a prediction of a cause (report/plan.md, section 8), each tested at `level`, unadjusted.

    | field | what |
    |---|---|
    | id, cause, planned, caveat, explains, needs, aspect, kind, measure, cells | of claims.yaml |
    | effect, low, high | difference of the measure, or of shares of runs that fail; no interval of these |
    | n | seeds of each cell |
    | p | one-sided |
    | verdict | supported, contradicted (significantly below the margin), inconclusive, not tested |
    | idle | nothing to explain: both cells fail never or always; no clear lead that could shrink; no clear premise |
    """
    return [
        _tested(claims, final, lacking, cause, prediction)
        for cause in claims.causes
        for prediction in cause.predictions
    ]


def _tested(
    claims: Claims, final: pl.DataFrame, lacking: Collection[Cell], cause: Cause, prediction: Prediction
) -> Record:
    cells = [Cell(*words) for words in prediction.cells]
    record: Record = {
        **{name: getattr(cause, name) for name in ("id", "cause", "planned", "caveat", "explains", "needs")},
        "aspect": prediction.aspect,
        "kind": prediction.kind,
        "measure": prediction.measure,
        "unit": "share" if prediction.kind == "fewer" else prediction.unit,
        "cells": [list(vars(cell).values()) for cell in cells],
        **dict.fromkeys(("effect", "low", "high", "n", "p", "p_against")),
        "verdict": "not tested",
        "reason": "",
        "idle": False,
    }
    premise = [Cell(*words) for words in cause.premise or ()]
    try:
        runs = _runs(final, [*cells, *premise], prediction.kind != "fewer" and prediction.unit == "normalized", lacking)
    except _NotTested as reason:
        return record | {"reason": str(reason)}
    record["n"] = [len(cell) for cell in runs[: len(cells)]]
    if prediction.kind == "fewer":
        if any(cell["success"].null_count() for cell in runs):
            return record | {"reason": f"the return above which a run of {cells[0].environment} succeeds is not known"}
        missed = [int((~cell["success"]).sum()) for cell in runs]
        shares = [count / len(cell) for count, cell in zip(missed, runs, strict=True)]
        p = statistics.fewer_p(missed, record["n"])
        record |= {"effect": shares[1] - shares[0], "p": p, "idle": shares[0] == shares[1] and shares[0] in (0, 1)}
        return record | {"verdict": "supported" if p <= claims.level else "inconclusive"}
    values = [_values(cell, prediction.measure, prediction.unit) for cell in runs]
    difference = statistics.welch(*values[:2])
    if values[2:]:
        to_explain = statistics.welch(*values[2:])
        record["idle"] = to_explain.p_above(0) > claims.level
        if prediction.kind == "smaller":  # (c − d) − (a − b)
            difference = to_explain.minus(difference)
    supports, contradicts = difference.p_above(0), difference.p_below(claims.margins["better"][prediction.unit])
    record |= {**_interval(difference, claims), "p": supports, "p_against": contradicts}
    for verdict, p in (("supported", supports), ("contradicted", contradicts)):
        if p <= claims.level:
            return record | {"verdict": verdict}
    return record | {"verdict": "inconclusive"}
