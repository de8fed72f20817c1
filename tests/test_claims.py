"""Verdicts on the paper's claims: each kind, each verdict, and what may not be judged."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.stats as st

from jsae.analysis import claims, tables, verdicts
from jsae.analysis.schema import CELLS
from jsae.analysis.tables import ReferenceReturns
from jsae.config import schema
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.training.columns import CURVES

ROOT = Path(__file__).parent.parent
FIRST, SECOND = Cell("slot-machine", "vpg", "jsae"), Cell("slot-machine", "vpg", "none")


def known(random: float = 0.0, optimal: float = 1.0) -> dict[Cell, ReferenceReturns]:
    """The same reference returns for both cells."""
    return dict.fromkeys((FIRST, SECOND), ReferenceReturns(random, optimal))


def curves_of(cell, ends, epochs: int = 10, reach: int | None = None) -> pl.DataFrame:
    """Constant curves that end at `ends`, one a seed; with `reach`, 0 before that epoch."""
    rows = []
    for seed, end in enumerate(ends):
        for epoch in range(1, epochs + 1):
            value = end if reach is None or epoch >= reach else 0.0
            row = {**dict.fromkeys(CURVES.columns, 0), **vars(cell), "seed": seed, "epoch": epoch, "mean_return": value}
            rows.append(row)
    return pl.DataFrame(rows, schema=CURVES.schema)


def one(kind: str, measure: str | None = "end", name: str = "c", family: str = "f", **more) -> claims.Claim:
    return claims.Claim(
        id=name,
        family=family,
        section="5",
        sentence="s",
        aspect="a",
        kind=kind,
        **{"measure": measure, "unit": "epochs" if measure == "epochs" else "normalized", **more},
        first=tuple(vars(FIRST).values())[:3],
        second=tuple(vars(SECOND).values())[:3],
    )


def book_of(*several: claims.Claim, margin: float = 0.05, window: int = 1, **more) -> claims.Claims:
    margins = {
        kind: dict.fromkeys(("normalized", "return", "epochs"), margin) for kind in ("better", "comparable", "faster")
    }
    known = {"success": {}, "claims": [*several], **more}
    return claims.Claims(margins=margins, level=0.025, power=0.8, window=window, **known)


def judged(claim, first, second, reference=None, theory=None, lacking=(), **more):
    curves = pl.concat([first, second])
    book = book_of(*(claim if isinstance(claim, list) else [claim]), **more)
    final = tables.final(curves, known() if reference is None else reference, book.success)
    records = verdicts.judge(book, curves, final, theory or {}, lacking)
    return records if isinstance(claim, list) else records[0]


THEORY = {"assumption-3", "lemma-1", "lemma-1-any-embedding", "theorem-1", "lemma-2"}
SPREAD = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])


@pytest.mark.parametrize(
    ("kind", "gap", "verdict"),
    [
        ("better", 0.3, "supported"),
        ("better", 0.001, "contradicted"),
        ("better", -0.3, "contradicted"),
        ("comparable", 0.0, "supported"),
        ("comparable", 0.3, "contradicted"),
        ("comparable", -0.3, "contradicted"),
        ("comparable", 0.045, "inconclusive"),
    ],
)
def test_the_verdict_of_a_difference(kind, gap, verdict):
    record = judged(one(kind), curves_of(FIRST, 0.5 + gap + SPREAD), curves_of(SECOND, 0.5 + SPREAD))
    assert record["verdict"] == verdict
    assert record["effect"] == pytest.approx(gap)
    assert record["low"] < record["effect"] < record["high"]
    assert record["n"] == [5, 5]


def test_wide_spread_is_inconclusive_and_says_how_many_seeds_would_settle_it():
    record = judged(one("better"), curves_of(FIRST, 0.6 + 10 * SPREAD), curves_of(SECOND, 0.5 + 10 * SPREAD))
    assert record["verdict"] == "inconclusive"
    assert record["seeds_needed"] == pytest.approx(17 * (SPREAD.std(ddof=1) * 10 / 0.1) ** 2, rel=0.1)
    assert record["settles_as"] == "supported"


def test_seeds_that_would_settle_a_claim_of_many_are_more_and_say_what_they_would_settle_it_as():
    first, second = curves_of(FIRST, 0.51 + 10 * SPREAD), curves_of(SECOND, 0.5 + 10 * SPREAD)
    alone = judged(one("better"), first, second)
    among = judged([one("better", name=str(i)) for i in range(10)], first, second)[0]
    assert alone["settles_as"] == among["settles_as"] == "contradicted"
    assert among["seeds_needed"] > 1.4 * alone["seeds_needed"]


def test_seeds_that_would_show_equality_must_pass_both_bounds():
    """With no difference, each of the two tests must pass with 0.9 for both to pass with 0.8."""
    record = judged(one("comparable"), curves_of(FIRST, 0.5 + 10 * SPREAD), curves_of(SECOND, 0.5 + 10 * SPREAD))
    assert (record["verdict"], record["settles_as"]) == ("inconclusive", "supported")
    reach = st.norm.ppf(0.975) + st.norm.ppf(0.9)
    assert record["seeds_needed"] == pytest.approx(2 * (reach * SPREAD.std(ddof=1) * 10 / 0.05) ** 2, rel=0.02)


def test_a_cell_that_lacks_seeds_is_not_judged_and_counts_in_its_family():
    first, second = curves_of(FIRST, 0.6 + 4 * SPREAD), curves_of(SECOND, 0.5 + 4 * SPREAD)
    other = one("better", name="d").model_copy(update={"first": ("w", "vpg", "jsae"), "second": ("w", "vpg", "ra")})
    whole = judged([one("better")], first, second)[0]
    beside, absent = judged([one("better"), other], first, second)
    assert absent["reason"] == "w-vpg-jsae has no run"
    assert beside["p"] == pytest.approx(2 * whole["p"])  # one of two, though the other cannot be tested
    lacking = judged(one("better"), first, second, lacking=[SECOND])
    assert (lacking["verdict"], lacking["reason"]) == ("not tested", f"some seeds of {SECOND} have not run")
    assert lacking["n"] is None


def test_a_run_that_reaches_the_level_in_its_last_epoch_has_reached_it():
    late, never = curves_of(FIRST, [1.0, 1.0], reach=10), curves_of(SECOND, [1.0, 0.0], reach=9)
    record = judged(one("faster", "epochs", level=0.5), late, never)
    assert record["never"] == [0, 1]
    assert record["means"] == [10.0, 9.5]


def test_success_lies_the_same_share_of_the_way_where_a_reading_changes_returns():
    """Primary: success above 0.5 of 0 to 1. Under the reading returns go from 10 to 30: above 20."""
    rich = Cell(FIRST.environment, FIRST.agent, FIRST.embedding, "rich")
    curves = pl.concat([curves_of(FIRST, [0.4, 0.6]), curves_of(rich, [19.0, 21.0]), curves_of(SECOND, [0.5, 0.6])])
    reference = {**known(), rich: ReferenceReturns(10.0, 30.0)}
    found = tables.final(curves, reference, {FIRST.environment: 0.5})
    assert found["success"].to_list() == [False, True, False, True, False, True]
    assert tables.final(curves, reference)["success"].null_count() == 6
    unknown = tables.final(curves, reference | {rich: ReferenceReturns(10.0, None)}, {FIRST.environment: 0.5})
    assert unknown.filter(reading="rich")["success"].null_count() == 2


def test_a_claim_is_judged_at_the_end_and_over_training():
    """Both cells end at 1; one gets there at epoch 3 of 10, the other at epoch 9."""
    soon, late = curves_of(FIRST, [1, 1, 1], reach=3), curves_of(SECOND, [1, 1, 1], reach=9)
    end, speed = judged([one("better", name="c"), one("better", "speed", "d", "g")], soon, late)
    assert (end["verdict"], end["effect"]) == ("contradicted", 0.0)
    assert speed["verdict"] == "supported"
    assert speed["effect"] == pytest.approx(0.6)
    assert speed["means"] == pytest.approx([0.8, 0.2])


def test_returns_are_counted_as_they_are_where_the_claim_says_so():
    first, second = curves_of(FIRST, [5.0, 5.2]), curves_of(SECOND, [3.0, 3.2])
    record = judged(one("better", unit="return"), first, second, reference={})
    assert (record["unit"], record["verdict"]) == ("return", "supported")
    assert record["effect"] == pytest.approx(2.0)
    assert judged(one("better"), first, second, known(1.0, 9.0))["effect"] == pytest.approx(0.25)


def test_faster_counts_epochs_until_the_mean_of_a_window_reaches_a_level_and_never_is_all_of_them():
    """Level 0.25 × 1: in the mean of two epochs, one of which may still be 0."""
    fast, slow = curves_of(FIRST, [0.9, 0.9, 0.9], reach=3), curves_of(SECOND, [0.2, 0.5, 0.6], reach=9)
    record = judged(one("faster", "epochs", level=0.25), fast, slow, margin=0.1, window=2)
    assert record["means"] == pytest.approx([3, 28 / 3])  # the second cell: never, 9, 9
    assert record["medians"][1] == 9
    assert record["never"] == [0, 1]
    assert record["margin"] == pytest.approx(1.0)
    assert record["verdict"] == "supported"


def test_a_level_that_nobody_reaches_is_not_tested():
    record = judged(one("faster", "epochs", level=0.5), curves_of(FIRST, [0.3, 0.4]), curves_of(SECOND, [0.1, 0.2]))
    assert record["verdict"] == "not tested"
    assert record["reason"] == "no run of either cell reaches the level 0.5"


def test_the_level_lies_between_random_and_optimal():
    """A quarter of the way from 2 to 6 is 3."""
    first, second = curves_of(FIRST, [3.1, 3.0, 2.9], reach=5), curves_of(SECOND, [2.0, 2.0, 2.0])
    record = judged(one("faster", "epochs", level=0.25), first, second, known(2.0, 6.0), margin=0.1)
    assert record["never"] == [1, 3]


def test_runs_that_succeed_are_counted_with_exact_intervals():
    """Clopper and Pearson: of 3 runs 0 to 3 × 0.025^(1/3); of n, all: (0.025)^(1/n) to 1."""
    first, second = curves_of(FIRST, [0.5, 0.6, 0.7]), curves_of(SECOND, [0.1, 0.2, 0.3])
    of_first, of_second = judged(one("better"), first, second, success={"slot-machine": 0.4})["success"]
    assert (of_first["runs"], of_first["of"], of_first["high"]) == (3, 3, 1.0)
    assert of_first["low"] == pytest.approx(0.025 ** (1 / 3))
    assert (of_second["runs"], of_second["low"]) == (0, 0.0)
    assert of_second["high"] == pytest.approx(1 - 0.025 ** (1 / 3))
    assert judged(one("better"), first, second)["success"] is None


def test_a_permutation_test_stands_beside_each_verdict():
    """Of the 20 ways to deal six different values to two cells of three, 2 are as far apart."""
    record = judged(one("better"), curves_of(FIRST, [0.4, 0.5, 0.7]), curves_of(SECOND, [0.1, 0.2, 0.3]))
    assert record["p_permutation"] == pytest.approx(0.1)


def test_cells_beside_one_another_have_effects_and_no_verdict():
    final = tables.final(pl.concat([curves_of(FIRST, [1, 1], reach=3), curves_of(SECOND, [0.4, 0.6])]), known())
    pairs = [(FIRST, SECOND), (Cell("none", "of", "it"), SECOND)]
    (record,) = verdicts.differences(final, pairs, book_of(one("better")), [])
    assert record["end"]["effect"] == pytest.approx(0.5)
    assert record["speed"]["effect"] == pytest.approx(0.8 - 0.5)
    assert record["unit"] == "normalized"
    assert "verdict" not in record
    assert verdicts.differences(final, pairs, book_of(one("better")), [FIRST]) == [], "some of its seeds have not run"


def test_epochs_to_reach_a_level():
    rows = curves_of(FIRST, [0.5, 0.1], epochs=4, reach=2)
    np.testing.assert_array_equal(verdicts.epochs_to_reach(rows, 0.3), [2.0, 5.0])


@pytest.mark.parametrize(
    ("second", "reference", "reason"),
    [
        (curves_of(Cell("slot-machine", "ppo", "none"), [0.5, 0.6]), None, "slot-machine-vpg-none has no run"),
        (curves_of(SECOND, [0.5]), None, "slot-machine-vpg-none has one seed only"),
        (curves_of(SECOND, [0.5, 0.6]), {}, "return of slot-machine is not known"),
    ],
)
def test_what_cannot_be_compared_is_not_tested(second, reference, reason):
    record = judged(one("better"), curves_of(FIRST, [0.5, 0.6]), second, reference)
    assert record["verdict"] == "not tested"
    assert reason in record["reason"]
    assert record["effect"] is None


def test_a_family_is_judged_together():
    """A p-value of 0.02 is enough alone and not among two of its kind."""
    first, second = curves_of(FIRST, 0.5245 + SPREAD), curves_of(SECOND, 0.5 + SPREAD)
    alone = judged(one("better"), first, second)
    assert 0.0125 < alone["p"] <= 0.025
    assert alone["verdict"] == "supported"
    pair = judged([one("better", name="c"), one("better", name="d")], first, second)
    assert [record["verdict"] for record in pair] == ["inconclusive", "inconclusive"]
    apart = judged([one("better", name="c"), one("better", name="d", family="g")], first, second)
    assert [record["verdict"] for record in apart] == ["supported", "supported"]


@pytest.mark.parametrize(("holds", "verdict"), [(True, "supported"), (False, "contradicted")])
def test_a_fact_has_the_verdict_of_its_check(holds, verdict):
    fact = {"holds": holds, "measure": "smallest distance", "value": 0.25, "n": 1600}
    record = judged(one("fact", None), curves_of(FIRST, [1, 2]), curves_of(SECOND, [1, 2]), theory={"c": fact})
    assert (record["verdict"], record["effect"], record["n"]) == (verdict, 0.25, 1600)


@pytest.mark.parametrize("theory", [None, {"c": {"holds": None, "measure": "distance", "value": 0.25, "n": 1600}}])
def test_a_fact_without_a_check_or_with_a_part_of_it_is_not_tested(theory):
    record = judged(one("fact", None), curves_of(FIRST, [1, 2]), curves_of(SECOND, [1, 2]), theory=theory)
    assert record["verdict"] == "not tested"


def cell(*words: str) -> Cell:
    return Cell(*words)


WORLDS = {
    **{cell("w", "vpg", name): "w" for name in ("jsae", "ra", "none")},
    cell("w", "vpg", "jsae", "deep"): "w",
    **{cell("w", "vpg", name, "thick"): "w-thick" for name in ("jsae", "none")},
}
AGAINST = [
    one("better", name=f"c-{name}").model_copy(update={"first": ("w", "vpg", "jsae"), "second": ("w", "vpg", name)})
    for name in ("none", "ra")
]


def test_under_a_reading_a_cell_that_it_does_not_train_is_the_primary_one_of_the_same_environment():
    book = book_of(*AGAINST)
    deep = claims.under(book, "deep", WORLDS).claims
    assert [claim.cells for claim in deep] == [
        (cell("w", "vpg", "jsae", "deep"), cell("w", "vpg", name)) for name in ("none", "ra")
    ]
    thick = claims.under(book, "thick", WORLDS).claims  # RA has not run behind thick walls
    assert [claim.cells for claim in thick] == [(cell("w", "vpg", "jsae", "thick"), cell("w", "vpg", "none", "thick"))]
    assert [(claim.id, claim.reading) for claim in thick] == [("c-none-thick", "thick")]
    assert claims.under(book, "other", WORLDS).claims == []


def test_a_claim_can_be_one_of_the_primary_reading_only():
    (first, second) = (claim.model_copy(update={"under_readings": claim is AGAINST[0]}) for claim in AGAINST)
    assert [claim.id for claim in claims.under(book_of(first, second), "deep", WORLDS).claims] == ["c-none-deep"]
    whole = claims.load(ROOT / "report" / "claims.yaml")
    assert {claim.figure for claim in whole.claims if not claim.under_readings} == {"2f"}


def test_runs_under_a_reading_are_other_runs():
    reading, second = (Cell(*list(vars(cell).values())[:3], "four-steps") for cell in (FIRST, SECOND))
    ends = {FIRST: [0.5, 0.6], SECOND: [0.1, 0.2], reading: [0.9, 0.8], second: [0.2, 0.3]}
    curves = pl.concat([curves_of(cell, values) for cell, values in ends.items()])
    final, book = tables.final(curves, {}), book_of(one("better", unit="return"))
    (primary,) = verdicts.judge(book, curves, final, {})
    (other,) = verdicts.judge(claims.under(book, "four-steps", dict.fromkeys(ends, "w")), curves, final, {})
    assert primary["effect"] == pytest.approx(0.55 - 0.15)
    assert other["effect"] == pytest.approx(0.85 - 0.25)
    assert other["first"][3] == "four-steps"


def caused(
    kind: str, *ends: list[float], unknown: str = "-", measure: str = "end", reach: int | None = None, **more: Any
) -> dict:
    """The record of a prediction about cells that end so; no reference returns under the reading `unknown`."""
    cells = [Cell("slot-machine", "vpg", "jsae", reading) for reading in ("", "a", "b", "c")][: len(ends)]
    curves = pl.concat([curves_of(one, values, reach=reach) for one, values in zip(cells, ends, strict=True)])
    words = [tuple(vars(one).values()) for one in cells]
    prediction = claims.Prediction(aspect="a", kind=kind, measure=measure, cells=words)
    cause = claims.Cause(id="C1", cause="x", explains=["c"], predictions=[prediction], **more)
    book = book_of(one("better"), success={"slot-machine": 0.5}, causes=[cause])
    known = [one for one in cells if one.reading != unknown]
    final = tables.final(curves, dict.fromkeys(known, ReferenceReturns(0.0, 1.0)), book.success)
    (record,) = verdicts.tested_causes(book, final, [])
    return record


def test_a_cause_is_supported_contradicted_or_left_open_by_what_it_predicts():
    assert caused("better", [0.5, 0.51, 0.52], [0.1, 0.11, 0.12])["verdict"] == "supported"
    assert caused("better", [0.1, 0.101, 0.102], [0.1, 0.101, 0.102])["verdict"] == "contradicted"
    assert caused("better", [0.1, 0.9], [0.2, 0.7])["verdict"] == "inconclusive"


def test_a_smaller_difference_is_a_difference_of_differences():
    """a − b = 0.1, c − d = 0.5."""
    record = caused("smaller", [0.30, 0.32], [0.20, 0.22], [0.70, 0.72], [0.20, 0.22])
    assert record["effect"] == pytest.approx(0.4)
    assert record["verdict"] == "supported"
    assert caused("smaller", [0.70, 0.72], [0.20, 0.22], [0.30, 0.32], [0.20, 0.22])["verdict"] == "contradicted"


def test_there_is_nothing_to_explain_without_a_lead_a_miss_or_a_loss():
    low, high = [0.20, 0.22], [0.70, 0.72]
    assert not caused("smaller", low, low, high, low)["idle"]
    assert caused("smaller", low, low, low, high)["idle"], "the lead that would shrink is none"
    assert not caused("fewer", [0.9] * 5, [0.1] * 5)["idle"]
    assert caused("fewer", [0.9] * 5, [0.9] * 5)["idle"], "no run misses"
    assert caused("fewer", [0.1] * 5, [0.1] * 5)["idle"], "all miss"
    assert not caused("fewer", [0.9, 0.1], [0.9, 0.1])["idle"]
    premise = (("slot-machine", "vpg", "jsae", "a"), ("slot-machine", "vpg", "jsae"))
    assert not caused("better", low, high, premise=premise)["idle"]
    record = caused("better", high, low, premise=premise)
    assert record["idle"], "the first of the premise does not end above the second"
    assert (record["verdict"], record["n"]) == ("supported", [2, 2])


def test_a_prediction_is_about_the_end_unless_it_is_about_speed():
    """Curves at 0 for half of their epochs."""
    ends = ([0.70, 0.72], [0.30, 0.32])
    assert caused("better", *ends, reach=6)["effect"] == pytest.approx(0.4)
    assert caused("better", *ends, reach=6, measure="speed")["effect"] == pytest.approx(0.2)


def test_fewer_misses_by_fishers_exact_test():
    """0 of 5 against 5 of 5: one of the 252 ways to deal five misses to ten runs."""
    record = caused("fewer", [0.9] * 5, [0.1] * 5)
    assert record["p"] == pytest.approx(1 / 252)
    assert (record["effect"], record["unit"], record["verdict"]) == (1.0, "share", "supported")
    assert caused("fewer", [0.9, 0.1], [0.1, 0.1])["verdict"] == "inconclusive"


@pytest.mark.parametrize("unknown", ["", "a"])
def test_misses_are_not_counted_where_the_limit_of_success_is_not_known(unknown):
    record = caused("fewer", [0.9] * 5, [0.1] * 5, unknown=unknown)
    assert (record["verdict"], record["p"]) == ("not tested", None)
    assert "slot-machine succeeds is not known" in record["reason"]


def test_a_cause_is_not_tested_where_a_reference_return_is_not_known():
    record = caused("better", [0.5, 0.6], [0.1, 0.2], unknown="a")
    assert (record["verdict"], record["effect"]) == ("not tested", None)
    assert record["reason"] == "the optimal or the random return of slot-machine is not known"


def test_a_cause_whose_cells_have_not_run_is_not_tested():
    book = claims.load(ROOT / "report" / "claims.yaml")
    records = verdicts.tested_causes(book, tables.final(curves_of(FIRST, [1.0, 2.0]), {}), [])
    assert {record["verdict"] for record in records} == {"not tested"}
    assert all("has no run" in record["reason"] for record in records)
    assert [record["id"] for record in records] == [cause.id for cause in book.causes for _ in cause.predictions]


def test_every_cell_of_a_claim_or_a_cause_is_in_the_study():
    whole = schema.load(ROOT / "params.yaml")
    book, cells = claims.load(ROOT / "report" / "claims.yaml"), set(whole.runs("paper"))
    assert {cell for claim in book.claims if claim.kind != "fact" for cell in claim.cells} <= cells
    assert {Cell(*words) for cause in book.causes for one in cause.predictions for words in one.cells} <= cells
    assert set(book.success) <= set(whole.environments)


def test_the_papers_claims_can_be_read_and_cover_every_panel():
    book = claims.load(ROOT / "report" / "claims.yaml")
    assert {claim.figure for claim in book.claims} >= {"2a", "2b", "2c", "2d", "2e", "2f"}
    assert {claim.id for claim in book.claims if claim.kind == "fact"} == THEORY


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: comparable", "kind: comparible", "claim 2a-none-end.kind: "),
        ("- id: 2a-ra", "- id: 2a-none", "stands there twice: 2a-none-end"),
        ("better: {normalized: 0.05", "better: {normalized: 0.0", "margins.better.normalized: .* greater than 0"),
        ("better: {normalized: 0.05, return: 25.0}", "better: {return: 25.0}", "margins.better.normalized is missing"),
        ("  measures: [end, speed]\n", "", "claim 2a-none-None needs measures"),
        ("  level: 0.25\n", "", "claim 2e-vpg-none-faster needs a level"),
        ("kind: smaller", "kind: fewer", "cells: the kind fewer compares 2"),
        ("  figure: 2a\n", "  figur: 2a\n", "claim 2a-none-end.figur: Extra inputs"),
        (
            "first: [gridworld-continuous",
            "first: [gridworld-continous",
            "claim 2a-none-end: there is no 'gridworld-cont.*mean",
        ),
        ("vpg, jsae, slow-rate", "vpg, jsae, slow-rat", "cause C4: there is no 'slow-rat' .did you mean slow-rate"),
        ("  slot-machine: 60.0", "  slot-machin: 60.0", "success: there is no 'slot-machin'"),
        ("explains: [2b-none-end", "explains: [2b-none", "cause C4 explains 2b-none, which is no claim: 2a-none-end, "),
        ("  gridworld-discrete: 0.0\n", "", "success.gridworld-discrete is missing: cause C4 needs it"),
        ("claims:\n", "claims: [\n", "is not YAML, line "),
        (
            "first: [gridworld-continuous, vpg, jsae]",
            "first: [gridworld-continuous, jsae]",
            r"claim 2a-none-end\.first: .* at least 3",
        ),
    ],
)
def test_a_wrong_file_of_claims_is_refused_with_its_place(tmp_path, old, new, said):
    text = (ROOT / "report" / "claims.yaml").read_text()
    assert old in text
    (tmp_path / "claims.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(JsaeError, match=said):
        claims.load(tmp_path / "claims.yaml", schema.load(ROOT / "params.yaml").names())


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b"three"])
def test_a_file_that_holds_no_claims_is_named(tmp_path, content):
    path = tmp_path / "claims.yaml"
    path.write_bytes(content)
    with pytest.raises(JsaeError, match=r"claims\.yaml"):
        claims.load(path)
    with pytest.raises(JsaeError, match=r"none\.yaml is missing"):
        claims.load(tmp_path / "none.yaml")


def test_aggregates_stand_on_panels_of_the_paper_that_every_embedding_has_and_on_two_at_least():
    world = {name: ("gridworld-discrete", "vpg", name) for name in ("jsae", "none")}
    ends = {
        FIRST: [0.2, 0.4, 0.6, 0.8],
        SECOND: [0.1] * 4,
        Cell(*world["jsae"]): [2.0, 4.0, 6.0, 8.0],
        Cell(*world["none"]): [1.0] * 4,
        Cell("half-cheetah", "vpg", "jsae"): [9.0] * 4,  # without its baseline
        Cell("recommender", "vpg", "jsae", "no-bonus"): [9.0] * 4,  # a reading
        Cell("slot-machine", "vpg", "separate"): [1.0] * 4,  # an ablation
        Cell("gridworld-512", "vpg", "jsae"): [9.0] * 4,  # no panel
        Cell("recommender", "ppo", "jsae"): [0.9] * 4,  # one environment of its agent
    }
    best = {cell: ReferenceReturns(0.0, 10.0 if "gridworld" in cell.environment else 1.0) for cell in ends}
    texts = dict.fromkeys(CELLS.columns, "")
    described = [
        {
            **texts,
            **vars(cell),
            **dict.fromkeys(("order", "epochs", "paper_epochs"), 1),
            "role": "ablation" if cell.embedding == "separate" else "paper",
            "panel": "" if cell.reading or cell.environment == "gridworld-512" else "2a",
        }
        for cell in ends
    ]
    runs = tables.final(pl.concat([curves_of(cell, values) for cell, values in ends.items()]), best)
    table, profile = tables.aggregates(runs, pl.DataFrame(described, CELLS.schema))
    jsae, none = table.rows(named=True)
    assert (jsae["embedding"], jsae["environments"], jsae["seeds"]) == ("jsae", 2, 4)
    assert jsae["estimate"] == pytest.approx(0.5)
    assert jsae["low"] < 0.5 < jsae["high"]
    assert (none["low"], none["estimate"], none["high"]) == pytest.approx((0.1, 0.1, 0.1))
    at = profile.filter((pl.col("embedding") == "jsae") & (pl.col("threshold").is_between(0.495, 0.505)))
    assert at["share"].to_list() == [0.5]
