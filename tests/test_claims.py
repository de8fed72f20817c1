"""Verdicts on the paper's claims: each kind, each verdict, and what may not be judged."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from jsae.analysis import claims, statistics, tables
from jsae.analysis.curves import CURVES, Cell
from jsae.analysis.tables import Bounds
from jsae.config import labels as names
from jsae.config.errors import JsaeError

ROOT = Path(__file__).parent.parent
FIRST, SECOND = ("slot-machine", "vpg", "jsae"), ("slot-machine", "vpg", "none")
KNOWN = {"slot-machine": Bounds(0.0, 1.0)}


def curves_of(cell, ends, epochs: int = 10, reach: int | None = None) -> pl.DataFrame:
    """Constant curves that end at `ends`, one a seed; with `reach`, 0 before that epoch."""
    rows = []
    for seed, end in enumerate(ends):
        for epoch in range(1, epochs + 1):
            value = end if reach is None or epoch >= reach else 0.0
            names = dict(zip(("environment", "agent", "embedding"), cell, strict=True))
            row = {**dict.fromkeys(CURVES, 0), **names, "seed": seed, "epoch": epoch, "mean_return": value}
            rows.append(row)
    return pl.DataFrame(rows, schema=CURVES)


def one(kind: str, measure: str | None = "fraction", name: str = "c", family: str = "f") -> claims.Claim:
    return claims.Claim(
        id=name,
        family=family,
        section="5",
        sentence="s",
        aspect="a",
        kind=kind,
        measure=measure,
        first=FIRST,
        second=SECOND,
    )


def judged(claim, first, second, bounds=KNOWN, theory=None, margin=0.05):
    curves = pl.concat([first, second])
    several = claim if isinstance(claim, list) else [claim]
    margins = dict.fromkeys(("fraction", "area", "final_return", "area_return", "epochs"), margin)
    book = claims.Claims(margins=margins, level=0.025, power=0.8, claims=several)
    records = claims.judge(book, curves, tables.final(curves, bounds), theory or {})
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


def test_beside_every_effect_stands_that_over_all_epochs_and_moves_no_verdict():
    soon, late = curves_of(FIRST, [1, 1, 1], reach=3), curves_of(SECOND, [1, 1, 1], reach=9)
    record = judged(one("better"), soon, late)
    assert record["verdict"] == "contradicted"
    assert record["over_epochs"]["measure"] == "area"
    assert record["over_epochs"]["effect"] == pytest.approx(0.6)
    unknown = judged(one("better", "final_return"), soon, late, bounds={})
    assert unknown["over_epochs"]["measure"] == "area_return"


def test_probability_of_improvement_counts_pairs():
    record = judged(one("better"), curves_of(FIRST, [1.0, 3.0]), curves_of(SECOND, [0.0, 2.0]))
    assert record["probability_of_improvement"] == 0.75


def test_faster_counts_epochs_to_the_other_cells_end_and_never_is_all_of_them():
    """First reaches at epoch 3; second reaches its own mean of 0.5 at epoch 10, or with one seed never: 10, 10, 10."""
    slow = pl.concat([curves_of(SECOND, [0.4, 0.5, 0.6], reach=10)])
    record = judged(one("faster", "epochs"), curves_of(FIRST, [0.9, 0.9, 0.9], reach=3), slow, margin=0.1)
    assert record["effect"] == pytest.approx(7.0)
    assert record["margin"] == pytest.approx(1.0)
    assert record["verdict"] == "supported"
    assert record["remark"] == "3 of 3 seeds (no embedding) never reach that level and count with all 10 epochs"


def test_a_seed_that_meets_the_level_once_and_ends_below_it_is_remarked_on_and_smoothing_takes_no_notice_of_it():
    """Seed 0 of the first cell is at the level in epoch 5 alone."""
    epochs = 3 * claims.SMOOTHING
    lucky, steady = curves_of(FIRST, [0.1, 0.9], epochs=epochs), curves_of(SECOND, [0.5, 0.5], epochs=epochs)
    once = (pl.col("seed") == 0) & (pl.col("epoch") == 5)
    lucky = lucky.with_columns(pl.when(once).then(0.6).otherwise("mean_return").alias("mean_return"))
    record = judged(one("faster", "epochs"), lucky, steady)
    assert record["remark"] == "1 of 2 seeds (JSAE) reach it and end below it"
    assert record["effect"] == pytest.approx(1 - (5 + 1) / 2)
    assert record["smoothed"]["effect"] == pytest.approx(claims.SMOOTHING - (epochs + claims.SMOOTHING) / 2)


def test_runs_with_the_same_seed_are_compared_in_pairs_and_others_not():
    same = judged(one("better"), curves_of(FIRST, [0.2, 0.5, 0.9]), curves_of(SECOND, [0.1, 0.4, 0.7]))
    differences = [0.1, 0.1, 0.2]
    half = 4.302653 * np.std(differences, ddof=1) / 3**0.5  # Student's t with two degrees of freedom
    assert same["paired"]["effect"] == pytest.approx(np.mean(differences))
    assert same["paired"]["high"] == pytest.approx(np.mean(differences) + half)
    assert judged(one("better"), curves_of(FIRST, [0.2, 0.5]), curves_of(SECOND, [0.1, 0.4, 0.7]))["paired"] is None


def test_comparable_that_no_five_seeds_could_support_is_said_to_be_so():
    wide = judged(one("comparable"), curves_of(FIRST, 0.9 + 10 * SPREAD), curves_of(SECOND, 0.5 + 10 * SPREAD))
    needed = statistics.seeds_needed(0.05, (10 * SPREAD.std(ddof=1),) * 2)
    assert wide["verdict"] == "contradicted"
    assert f"about {needed} seeds" in wide["remark"]
    assert judged(one("comparable"), curves_of(FIRST, 0.9 + SPREAD), curves_of(SECOND, 0.5 + SPREAD))["remark"] == ""


def test_cells_beside_one_another_have_effects_and_no_verdict():
    final = tables.final(pl.concat([curves_of(FIRST, [1, 1], reach=3), curves_of(SECOND, [0.4, 0.6])]), KNOWN)
    (record,) = claims.beside(final, [(Cell(*FIRST), Cell(*SECOND)), (Cell("none", "of", "it"), Cell(*SECOND))], 0.025)
    assert record["final"]["effect"] == pytest.approx(0.5)
    assert record["over_epochs"]["effect"] == pytest.approx(0.8 - 0.5)
    assert "verdict" not in record


def test_a_level_that_chance_reaches_is_remarked_on_and_the_verdict_stands():
    """The second cell ends where the random policy is, within its spread."""
    chance = {"slot-machine": Bounds(0.5, 1.0)}
    record = judged(one("faster", "epochs"), curves_of(FIRST, [0.9, 0.9]), curves_of(SECOND, [0.5, 0.6]), chance)
    assert record["remark"].startswith("its benchmark does not surely end above the random policy")
    learnt = judged(one("faster", "epochs"), curves_of(FIRST, [0.9, 0.9]), curves_of(SECOND, [0.80, 0.81]), chance)
    assert "random" not in learnt["remark"]


def test_epochs_to_reach_a_level():
    rows = curves_of(FIRST, [0.5, 0.1], epochs=4, reach=2)
    np.testing.assert_array_equal(claims.epochs_to_reach(rows, 0.3), [2.0, 5.0])


def test_area_rewards_speed():
    record = judged(one("better", "area"), curves_of(FIRST, [1, 1], reach=3), curves_of(SECOND, [1, 1], reach=9))
    assert record["effect"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("second", "bounds", "reason"),
    [
        (curves_of(("slot-machine", "ppo", "none"), [0.5, 0.6]), KNOWN, "slot-machine/vpg/none has no run"),
        (curves_of(SECOND, [0.5]), KNOWN, "slot-machine/vpg/none has one seed only"),
        (curves_of(SECOND, [0.5, 0.6]), {}, "return of slot-machine is not known"),
    ],
)
def test_what_cannot_be_compared_is_not_tested(second, bounds, reason):
    record = judged(one("better"), curves_of(FIRST, [0.5, 0.6]), second, bounds)
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


def test_a_fact_without_a_check_is_not_tested():
    assert judged(one("fact", None), curves_of(FIRST, [1, 2]), curves_of(SECOND, [1, 2]))["verdict"] == "not tested"


def test_a_variant_is_compared_as_its_environment_and_judges_no_claim():
    book = claims.load(ROOT / "report" / "claims.yaml")
    here = claims.varied(book, "recommender", "recommender-synthetic", names.AGENTS)
    own = [claim for claim in book.claims if claim.first and claim.first[0] == "recommender"]
    alone = claims.varied(book, "recommender", "recommender-literal", ["vpg"]).claims
    assert [claim.id for claim in alone] == [f"recommender-literal-{claim.id}" for claim in own if "vpg" in claim.first]
    assert [claim.first[1:] for claim in here.claims] == [claim.first[1:] for claim in own]
    assert {cell.environment for claim in here.claims for cell in claim.cells} == {"recommender-synthetic"}
    assert not {claim.id for claim in here.claims} & {claim.id for claim in book.claims}
    assert {claim.figure for claim in here.claims} == {""}


def test_the_papers_claims_can_be_read_and_cover_every_panel():
    book = claims.load(ROOT / "report" / "claims.yaml")
    assert {claim.figure for claim in book.claims} >= {"2a", "2b", "2c", "2d", "2e", "2f"}
    assert {claim.id for claim in book.claims if claim.kind == "fact"} == THEORY


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: comparable", "kind: comparible", "kind"),
        ("- id: 2a-ra", "- id: 2a-none", "stands there twice: 2a-none"),
        ("  fraction: 0.05", "  fraction: 0.0", "margins.fraction must be there and above 0"),
        ("  measure: fraction\n", "", "claim 2a-none needs measure"),
        ("claims:\n", "claims: [\n", "cannot be read"),
    ],
)
def test_a_wrong_file_of_claims_is_refused_with_its_place(tmp_path, old, new, said):
    text = (ROOT / "report" / "claims.yaml").read_text()
    assert old in text
    (tmp_path / "claims.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(JsaeError, match=said):
        claims.load(tmp_path / "claims.yaml")


def test_aggregates_stand_on_environments_of_the_paper_that_every_embedding_has_and_on_two_at_least():
    gridworld, alone = ("gridworld-discrete", "vpg"), ("half-cheetah", "vpg", "jsae")
    frames = [curves_of(FIRST, [0.2, 0.4, 0.6, 0.8]), curves_of(SECOND, [0.1, 0.1, 0.1, 0.1])]
    frames += [curves_of((*gridworld, "jsae"), [2.0, 4.0, 6.0, 8.0]), curves_of((*gridworld, "none"), [1.0] * 4)]
    frames += [curves_of(alone, [9.0] * 4), curves_of(("recommender-synthetic", "vpg", "jsae"), [9.0] * 4)]
    frames += [curves_of(("recommender", "ppo", "jsae"), [0.9] * 4)]
    bounds = {**KNOWN, "gridworld-discrete": Bounds(0.0, 10.0), "half-cheetah": Bounds(0.0, 9.0)}
    bounds |= {"recommender": Bounds(0.0, 1.0), "recommender-synthetic": Bounds(0.0, 9.0)}
    table, profile = tables.aggregates(tables.final(pl.concat(frames), bounds))
    jsae, none = table.rows(named=True)
    assert (jsae["embedding"], jsae["environments"], jsae["seeds"]) == ("jsae", 2, 4)
    assert jsae["estimate"] == pytest.approx(0.5)
    assert jsae["low"] < 0.5 < jsae["high"]
    assert (none["low"], none["estimate"], none["high"]) == pytest.approx((0.1, 0.1, 0.1))
    at = profile.filter((pl.col("embedding") == "jsae") & (pl.col("threshold").is_between(0.495, 0.505)))
    assert at["share"].to_list() == [0.5]
