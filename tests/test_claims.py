"""Verdicts on the paper's claims: each kind, each verdict, and what may not be judged."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from jsae.analysis import claims, statistics, tables
from jsae.analysis.schema import CELLS
from jsae.analysis.tables import ReferenceReturns
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.training.columns import CURVES

ROOT = Path(__file__).parent.parent
FIRST, SECOND = Cell("slot-machine", "vpg", "jsae"), Cell("slot-machine", "vpg", "none")
LABELS = {"jsae": "JSAE", "none": "no embedding"}


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


def one(kind: str, measure: str | None = "normalized_return", name: str = "c", family: str = "f") -> claims.Claim:
    return claims.Claim(
        id=name,
        family=family,
        section="5",
        sentence="s",
        aspect="a",
        kind=kind,
        measure=measure,
        first=tuple(vars(FIRST).values())[:3],
        second=tuple(vars(SECOND).values())[:3],
    )


def judged(claim, first, second, reference=None, theory=None, margin=0.05):
    curves = pl.concat([first, second])
    several = claim if isinstance(claim, list) else [claim]
    measures = ("normalized_return", "normalized_mean_over_training", "final_return", "mean_over_training", "epochs")
    margins = dict.fromkeys(measures, margin)
    book = claims.Claims(margins=margins, level=0.025, power=0.8, claims=several)
    final = tables.final(curves, known() if reference is None else reference)
    records = claims.judge(book, curves, final, theory or {}, LABELS)
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


def test_every_effect_has_that_of_the_mean_over_training_beside_it_which_moves_no_verdict():
    soon, late = curves_of(FIRST, [1, 1, 1], reach=3), curves_of(SECOND, [1, 1, 1], reach=9)
    record = judged(one("better"), soon, late)
    assert record["verdict"] == "contradicted"
    assert record["over_training"]["measure"] == "normalized_mean_over_training"
    assert record["over_training"]["effect"] == pytest.approx(0.6)
    unknown = judged(one("better", "final_return"), soon, late, reference={})
    assert unknown["over_training"]["measure"] == "mean_over_training"


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
    final = tables.final(pl.concat([curves_of(FIRST, [1, 1], reach=3), curves_of(SECOND, [0.4, 0.6])]), known())
    (record,) = claims.beside(final, [(FIRST, SECOND), (Cell("none", "of", "it"), SECOND)], 0.025)
    assert record["final"]["effect"] == pytest.approx(0.5)
    assert record["over_training"]["effect"] == pytest.approx(0.8 - 0.5)
    assert "verdict" not in record


def test_a_level_that_chance_reaches_is_remarked_on_and_the_verdict_stands():
    """The second cell ends where the random policy is, within its spread."""
    chance = known(random=0.5)
    record = judged(one("faster", "epochs"), curves_of(FIRST, [0.9, 0.9]), curves_of(SECOND, [0.5, 0.6]), chance)
    assert record["remark"].startswith("its baseline does not end significantly above the random policy")
    learnt = judged(one("faster", "epochs"), curves_of(FIRST, [0.9, 0.9]), curves_of(SECOND, [0.80, 0.81]), chance)
    assert "random" not in learnt["remark"]


def test_epochs_to_reach_a_level():
    rows = curves_of(FIRST, [0.5, 0.1], epochs=4, reach=2)
    np.testing.assert_array_equal(claims.epochs_to_reach(rows, 0.3), [2.0, 5.0])


def test_the_mean_over_training_rewards_speed():
    record = judged(
        one("better", "normalized_mean_over_training"),
        curves_of(FIRST, [1, 1], reach=3),
        curves_of(SECOND, [1, 1], reach=9),
    )
    assert record["effect"] == pytest.approx(0.6)


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


def test_a_fact_without_a_check_is_not_tested():
    assert judged(one("fact", None), curves_of(FIRST, [1, 2]), curves_of(SECOND, [1, 2]))["verdict"] == "not tested"


def test_a_comparison_under_a_reading_takes_the_cells_of_that_reading_and_judges_no_claim():
    book = claims.load(ROOT / "report" / "claims.yaml")
    own = [claim for claim in book.claims if claim.first and claim.first[0] == "recommender"]
    cells = {Cell(*vars(cell).values()) for claim in own for cell in claim.cells}
    under = {Cell(cell.environment, cell.agent, cell.embedding, "no-bonus") for cell in cells}
    here = claims.under(book, "no-bonus", under)
    assert [claim.id for claim in here.claims] == [f"{claim.id}-no-bonus" for claim in own]
    assert [claim.first[:3] for claim in here.claims] == [claim.first for claim in own]
    assert {cell for claim in here.claims for cell in claim.cells} == under
    assert not {claim.id for claim in here.claims} & {claim.id for claim in book.claims}
    assert {claim.figure for claim in here.claims} == {""}
    alone = claims.under(book, "no-bonus", {cell for cell in under if cell.agent == "vpg"}).claims
    assert [claim.id for claim in alone] == [f"{claim.id}-no-bonus" for claim in own if "vpg" in claim.first]
    assert claims.under(book, "other", under).claims == []


def test_runs_under_a_reading_are_other_runs():
    reading = Cell(*list(vars(FIRST).values())[:3], "four-steps")
    curves = pl.concat([curves_of(FIRST, [0.5, 0.6]), curves_of(SECOND, [0.1, 0.2]), curves_of(reading, [0.9, 0.8])])
    book = claims.Claims(margins={"final_return": 0.05}, level=0.025, power=0.8, claims=[one("better", "final_return")])
    final = tables.final(curves, {})
    (primary,) = claims.judge(book, curves, final, {}, LABELS)
    assert primary["effect"] == pytest.approx(0.55 - 0.15)
    second = Cell(*list(vars(SECOND).values())[:3], "four-steps")
    curves = pl.concat([curves, curves_of(second, [0.2, 0.3])])
    (other,) = claims.judge(
        claims.under(book, "four-steps", {reading, second}), curves, tables.final(curves, {}), {}, LABELS
    )
    assert other["effect"] == pytest.approx(0.85 - 0.25)
    assert other["first"][3] == "four-steps"


def test_the_papers_claims_can_be_read_and_cover_every_panel():
    book = claims.load(ROOT / "report" / "claims.yaml")
    assert {claim.figure for claim in book.claims} >= {"2a", "2b", "2c", "2d", "2e", "2f"}
    assert {claim.id for claim in book.claims if claim.kind == "fact"} == THEORY


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: comparable", "kind: comparible", "kind"),
        ("- id: 2a-ra", "- id: 2a-none", "stands there twice: 2a-none"),
        (
            "  normalized_return: 0.05",
            "  normalized_return: 0.0",
            "margins.normalized_return must be there and above 0",
        ),
        ("  measure: normalized_return\n", "", "claim 2a-none needs measure"),
        ("claims:\n", "claims: [\n", "cannot be read"),
        (
            "first: [gridworld-continuous, vpg, jsae]",
            "first: [gridworld-continuous, jsae]",
            r"claims\.0\.first: .* at least 3",
        ),
    ],
)
def test_a_wrong_file_of_claims_is_refused_with_its_place(tmp_path, old, new, said):
    text = (ROOT / "report" / "claims.yaml").read_text()
    assert old in text
    (tmp_path / "claims.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(JsaeError, match=said):
        claims.load(tmp_path / "claims.yaml")


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b"three"])
def test_a_file_that_holds_no_claims_is_named(tmp_path, content):
    path = tmp_path / "claims.yaml"
    path.write_bytes(content)
    with pytest.raises(JsaeError, match=r"claims\.yaml"):
        claims.load(path)
    with pytest.raises(JsaeError, match=r"none\.yaml cannot be read"):
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
