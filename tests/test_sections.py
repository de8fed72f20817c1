"""The parts of the report word and count what the tables hold."""

import contextlib
import dataclasses
import math
from pathlib import Path

import polars as pl
import pytest

from jsae.analysis import tables
from jsae.analysis.claims import load as load_claims
from jsae.analysis.schema import CELLS
from jsae.analysis.search import OUTCOME
from jsae.config import schema
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.reporting import context, document, formulas, values, wording
from jsae.reporting.document import number
from jsae.reporting.looks import Looks
from jsae.reporting.sections import (
    ablations,
    appendix,
    comparisons,
    data,
    embeddings,
    environments,
    gaps,
    readings,
    results,
    search,
    summary,
    theory,
)
from jsae.training.columns import KEYS
from tests import made_runs

NAN = float("nan")
ROOT = Path(__file__).resolve().parent.parent
JSAE, NONE = ["slot-machine", "vpg", "jsae"], ["slot-machine", "vpg", "none"]


def claim(**changes: object) -> context.Record:
    """A claim on the slot machine that was tested, with changes."""
    record = {"id": "2c", "aspect": "better", "sentence": "It is.", "section": "5.1", "figure": "2c", "kind": "better"}
    record |= {"measure": "end", "unit": "normalized", "first": [*JSAE, ""], "second": [*NONE, ""], "reading": ""}
    record |= {"effect": 0.25, "low": 0.125, "high": 0.375, "margin": 0.05, "n": [5, 4], "means": [0.5, 0.25]}
    record["medians"] = [0.75, 0.5]
    record |= {"p": 0.01, "p_against": 0.99, "p_permutation": 0.02, "success": None, "never": None}
    return record | {"seeds_needed": None, "settles_as": None, "verdict": "supported", "reason": ""} | changes


def fact(**changes: object) -> context.Record:
    """A statement of the theory that holds."""
    empty = dict.fromkeys(("first", "second", "measure", "low", "high", "seeds_needed"))
    record = claim(id="lemma-1", aspect="Lemma", figure="", kind="fact", effect=14, unit="digits", n=20)
    return record | empty | changes


@pytest.fixture(scope="module")
def given() -> dict:
    """The values of the report's settings file at the paper's scale."""
    with contextlib.chdir(ROOT):
        return made_runs.planned("paper").report().values


@pytest.fixture(scope="module")
def looks() -> Looks:
    """Names and looks of all cells of the paper's scale."""
    return Looks.of(pl.DataFrame(made_runs.planned("paper").aggregate().values["cells"], CELLS.schema))


@pytest.fixture
def study(given, looks, tmp_path) -> context.Context:
    """Two seeds of the slot machine, one claim on them, and nothing else; its optimum is 480."""
    cells = [Cell(*JSAE), Cell(*NONE)]
    curves = pl.concat([made_runs.run(cell, (0, 1), 8, 200) for cell in cells])
    ends = {"random_return": 0.0, "optimal_return": 480.0, "mean_over_training": [50.0, 70.0, 5.0, 7.0]}
    ends |= {"seed": [0, 1, 0, 1]}
    returns = {"final_return": [120.0, 360.0, 0.0, 48.0], "normalized_return": [0.25, 0.75, 0.0, 0.1]}
    names = pl.DataFrame([[*JSAE, ""], [*JSAE, ""], [*NONE, ""], [*NONE, ""]], KEYS, orient="row")
    nothing = pl.DataFrame()
    return context.Context(
        values=given,
        figures=tmp_path,
        looks=looks,
        paper={"references": ["A.", "B."], "title": "T"},
        deviations=[],
        claims=load_claims(ROOT / "report" / "claims.yaml"),
        plan="0123456789ab",
        curves=curves,
        final=pl.concat(
            [names, pl.DataFrame(ends | returns | {"success": [True, True, False, False]})], how="horizontal"
        ),
        aggregates=nothing,
        missing=[],
        verdicts=[claim(), fact(verdict="not tested", effect=None)],
        readings=[],
        causes=[],
        differences=[],
        checks=nothing,
        probes=nothing,
        pretraining=nothing,
        value_maps=nothing,
        tried=pl.DataFrame(schema=OUTCOME),
        chosen=[],
        took=nothing,
        purchases={},
        models={},
    )


def at(study: context.Context, scale: str, **changes: object) -> context.Context:
    """The study at another scale."""
    return dataclasses.replace(study, values={**study.values, "scale": scale}, **changes)


def test_a_level_is_mean_and_sample_standard_deviation_of_what_is_known():
    rows = pl.DataFrame({"x": [1.0, 3.0], "y": [NAN, 2.5], "z": [NAN, NAN]})
    assert wording.level("x", rows) == f"2.00 ± {math.sqrt(2):.2f}"
    assert wording.level("x", rows.head(1)) == "1.00"
    assert wording.known("y", rows) == "2.50"
    assert wording.known("z", rows) == ""


def test_an_effect_has_its_unit_and_its_interval_where_there_is_one():
    assert wording.effect(claim()) == "0.25 [0.12, 0.38]"
    assert wording.effect(claim(low=-0.001)) == "0.25 [0.00, 0.38]"
    assert wording.effect(claim(unit="return")) == "0.250 [0.125, 0.375] return"
    assert wording.effect(claim(unit="epochs")) == "0.250 [0.125, 0.375] epochs"
    assert wording.effect(claim(low=None, unit="share", effect=0.5)) == "50.0 % of the runs"
    assert wording.effect(fact()) == "digits: 14"
    assert wording.effect(fact(effect=None)) == ""
    assert wording.seeds(claim()) == "5 / 4"
    assert wording.seeds(fact()) == 20


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"verdict": "inconclusive"}, ""),
        ({"verdict": "not tested", "reason": "no run"}, "Not tested: no run."),
        (
            {"never": [0, 3]},
            "The level is never reached in 3 of 4 runs with no embedding; they count with all their epochs.",
        ),
        (
            {"never": [1, 0]},
            "The level is never reached in 1 of 5 runs with JSAE; they count with all their epochs. Medians of epochs: "
            "0.750 with JSAE, 0.500 with no embedding.",
        ),
        (
            {"never": [1, 3]},
            "The level is never reached in 1 of 5 runs with JSAE and 3 of 4 runs with no embedding; they count with "
            "all their epochs.",
        ),
    ],
)
def test_the_condition_of_a_verdict_is_a_sentence(looks, changes, said):
    assert wording.condition(looks, claim(**changes)) == said


def test_an_inconclusive_claim_says_how_many_seeds_would_settle_it():
    assert wording.settling(claim()) == ""
    assert wording.settling(claim(verdict="inconclusive")) == "no number"
    open_claim = claim(verdict="inconclusive", seeds_needed=1200, settles_as="supported")
    assert wording.settling(open_claim) == "1,200, supported"


def test_words_are_listed_and_numbers_drawn_together():
    assert wording.listed([]) == ""
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.spans([1, 5, 6, 7, 9]) == "1, 5 to 7, 9"


def test_a_footnote_is_numbered_once():
    notes: list[str] = []
    marked = [document.marked("open", note, notes) for note in ("why", "", "because", "why")]
    assert marked == ["open¹", "open", "open²", "open¹"]
    table = document.table(["a"], [("open¹",)], notes=notes)
    assert '<div class="footnotes"><p>¹ why</p><p>² because</p></div>' in document.block_html(table, {})
    (node,) = document.block_nodes(table, {})
    assert [note[0]["text"] for note in node["notes"]] == ["¹ why", "² because"]


def test_verdicts_are_counted_those_not_tested_last():
    assert wording.counted([claim(verdict="not tested"), claim(), claim()]) == "2 supported and 1 not tested"


def test_a_comparison_is_a_row_with_a_verdict_of_one_word_for_each_measure(study):
    speed = claim(measure="speed", verdict="contradicted")
    late = claim(measure="epochs", unit="epochs", verdict="inconclusive", never=[0, 4])
    (table,) = results.verdicts(dataclasses.replace(study, verdicts=[claim(), speed, late, fact()]))
    assert table["columns"] == ["Panel", "Claim", "Effect, end", "End", "Effect, speed", "Speed", "Convergence", "n"]
    effect = "0.25 [0.12, 0.38]"
    assert table["rows"][0] == ["2c", "better", effect, "supported", effect, "contradicted", "inconclusive¹", "5 / 4"]
    assert len(table["rows"][1]) == 1, "the heading of the theory"
    assert table["rows"][2] == ["", "Lemma", "", "supported", "", "", "", "20"]
    assert table["notes"] == [
        "The level is never reached in 4 of 4 runs with no embedding; they count with all their epochs."
    ]
    assert list(results.verdicts(at(study, "preview"))) == []


def test_runs_that_succeed_are_counted_once_a_cell(study):
    success = [{"runs": 3, "of": 5, "low": 0.147, "high": 0.947}, {"runs": 0, "of": 4, "low": 0.0, "high": 0.602}]
    twice = [claim(success=success), claim(success=success, measure="speed")]
    (table,) = results.successes(dataclasses.replace(study, verdicts=twice))
    assert table["rows"] == [
        ["Slot machine", "JSAE", "3 of 5", "15 to 95 %"],
        ["Slot machine", "no embedding", "0 of 4", "0 to 60 %"],
    ]
    assert list(results.successes(study)) == []


def test_the_headline_counts_verdicts_and_says_for_each_pair_where_they_are(study):
    other = {"second": ["slot-machine", "vpg", "ra", ""]}
    records = [claim(), claim(**other), claim(measure="speed"), claim(measure="speed", verdict="inconclusive", **other)]
    records += [claim(figure="2d", verdict="contradicted")]
    records += [claim(figure="2d", measure="speed", verdict="not tested", low=None)]
    records += [claim(figure="2a", kind="comparable", verdict="contradicted", measure="speed")]
    records += [claim(figure="2e", measure="epochs"), claim(figure="2e", measure="epochs", verdict="contradicted")]
    records[-1]["first"] = ["slot-machine", "ppo", "jsae", ""]
    records.append(claim(figure="2e", first=[*NONE, ""], verdict="contradicted"))  # not on JSAE
    uninformed = {"environment": "slot-machine", "reading": "", "embedding": "ra"}
    guessing = pl.DataFrame([{**uninformed, "held_out_loss": 2.0, "chance_loss": 2.0}])
    assert summary.headline(dataclasses.replace(study, verdicts=[*records, fact()], pretraining=guessing)) == [
        "**In short.** Against no embedding, JSAE has a higher mean return over training in 2c and 2a and a higher "
        "final return in 2c and 2d. Against RA, JSAE has a higher final return in 2c, where the model of RA hardly "
        "knows what actions do. Every other difference in these two measures is small (within the margin) or "
        "uncertain. 1 is not tested.",
        "",
        "**9 claims on JSAE: 4 supported, 1 inconclusive, 3 contradicted and 1 not tested.** Contradicted does not "
        "mean worse: “better” is contradicted where neither is clearly ahead, and “comparable” where JSAE is ahead. Of "
        "these 3, JSAE is ahead in 3, behind in 0, and neither in 0 (the interval of the difference contains zero).",
        "",
        "- **JSAE better than no embedding**: supported on the end and the speed in Figure 2c and convergence in "
        "Figure 2e (VPG); contradicted on the end in Figure 2d and convergence in Figure 2e (PPO).",
        "- **JSAE better than RA**: supported on the end in Figure 2c; inconclusive on the speed in Figure 2c. In 2c "
        "the model of RA hardly knows what actions do.",
        "- **JSAE comparable with no embedding**: contradicted on the speed in Figure 2a (JSAE is ahead).",
    ]
    assert len(summary.headline(dataclasses.replace(study, verdicts=[claim(verdict="not tested")]))) == 4


def test_an_interval_wider_than_the_margin_can_show_no_equality(study):
    wide = claim(kind="comparable", verdict="inconclusive", margin=0.1, low=-0.1, high=0.12)
    assert "even equal means are inconclusive" in wording.condition(study.looks, wide)
    assert wording.condition(study.looks, wide | {"low": -0.05}) == ""
    assert wording.condition(study.looks, wide | {"kind": "better"}) == ""


def test_pretraining_counted_takes_as_many_epochs_from_the_end(study):
    """Returns rise by one an epoch, from the epoch number times ten a seed; half of the epochs go to pre-training."""
    environments = study.parameters["environments"]
    half = environments["slot-machine"] | {"pretraining_samples": 4, "steps_per_epoch": 1}
    parameters = {**study.parameters, "environments": {**environments, "slot-machine": half}}
    level = study.curves.with_columns(mean_return=pl.lit(240.0) + pl.col("seed") * 48)
    equal = dataclasses.replace(
        study, curves=level, values={**study.values, "parameters": parameters}, verdicts=[claim(measure="speed")]
    )
    # the same curves at 0.5 and 0.6 of the optimum, so half of JSAE's mean is lost: -0.275
    assert "would be −0.28 [" in values.uncounted(equal)
    faster = claim(figure="2e", measure="epochs", unit="epochs")
    assert "reach the level of convergence 4 epochs later in 2e." in values.uncounted(
        dataclasses.replace(equal, verdicts=[claim(measure="speed"), faster])
    )
    assert values.uncounted(dataclasses.replace(equal, verdicts=[])) == ""


def test_in_short_names_what_is_beyond_the_margin_and_its_agents(study):
    below = {"effect": -0.25, "low": -0.375, "high": -0.125}
    ppo = {"first": ["slot-machine", "ppo", "jsae", ""], "second": ["slot-machine", "ppo", "none", ""]}
    small = {"effect": 0.04, "low": 0.01, "high": 0.07}
    records = [claim(**below), claim(**small, **ppo), claim(measure="speed", **small)]
    records.append(claim(figure="2e", low=None, verdict="not tested"))
    assert summary.in_short(study.looks, records, ()) == (
        "**In short.** Against no embedding, JSAE has a lower final return in 2c (VPG). Every other difference in "
        "these two measures is small (within the margin) or uncertain. 1 is not tested."
    )
    assert "JSAE has no lead." in summary.in_short(study.looks, [claim(**small)], ())
    assert "JSAE has no lead." in summary.in_short(study.looks, [claim(verdict="inconclusive")], ())
    assert (
        summary.in_short(study.looks, [claim(low=None, verdict="not tested")], ())
        == "**In short.** No claim has been tested."
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"means": [0.5, 0.96]}, "No embedding comes within the margin of the optimal policy"),
        ({"means": [0.04, 0.01]}, ""),
        ({"means": [0.5, 0.96], "kind": "comparable"}, ""),
        ({"means": [500.0, 700.0], "unit": "return"}, ""),
        ({"means": [75.5, 44.4], "unit": "epochs", "kind": "faster", "margin": 70.0}, "No embedding needs 44.4 epochs"),
        ({"means": [75.5, 244.4], "unit": "epochs", "kind": "faster", "margin": 70.0}, ""),
    ],
)
def test_a_claim_that_leaves_no_room_says_so(looks, changes, said):
    found = wording.cramped(looks, claim(**changes))
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_no_room_is_a_remark_on_contradicted_claims_and_counted(study):
    near = claim(means=[0.5, 0.96], verdict="contradicted", low=-0.1)
    (table,) = results.verdicts(dataclasses.replace(study, verdicts=[near, fact()]))
    assert table["notes"] == [
        "No embedding comes within the margin of the optimal policy, so nothing can be better by more."
    ]
    assert "In 1 nothing could be better by more than the margin: notes" in summary.counts(study.looks, [near])
    random = claim(means=[0.04, -0.01], verdict="contradicted", low=-0.1)
    (table,) = results.verdicts(dataclasses.replace(study, verdicts=[random, fact()]))
    assert table["notes"] == ["Both stay at the random policy."]
    said = summary.counts(study.looks, [near, random])
    assert "In 1 nothing could be better by more than the margin and in 1 both stay at the random policy: " in said
    assert not wording.at_random(claim(means=[-0.9, -0.4])), "far below the random policy is not at it"


def test_the_summary_says_how_many_readings_support_a_supported_claim(study):
    other = {"first": [*JSAE, "four-steps"], "reading": "four-steps"}
    kept, lost = claim(measure="speed"), claim(verdict="contradicted", **other)
    studied = dataclasses.replace(study, verdicts=[claim(), kept], readings=[lost, kept | other])
    assert summary.under_readings(studied) == (
        "**Other readings**: of 2 supported claims, 1 is supported under each reading that was run, and 1 contradicted "
        "under at least one (most of them under four-steps: 1)."
    )
    control = {"first": [*JSAE, "untrained-ra"], "reading": "untrained-ra", "verdict": "contradicted"}
    only = dataclasses.replace(study, readings=[claim(**control)])
    assert summary.under_readings(only) == "", "a control is no reading of the paper"
    assert summary.under_readings(study) == ""


def test_the_summary_names_the_ablations_that_end_above_or_below_what_they_vary(study):
    end = {"effect": 0.39, "low": 0.22, "high": 0.55}
    above = {"first": ["slot-machine", "vpg", "state_only", ""], "second": [*JSAE, ""], "n": [10, 20]}
    above |= {"unit": "normalized", "end": end, "speed": end}
    level = above | {"first": ["slot-machine", "vpg", "separate", ""], "end": end | {"low": -0.1}}
    control = above | {"first": ["recommender", "vpg", "jsae_by_price", ""]}
    reading = above | {"first": [*above["first"][:3], "ppo"]}
    said = summary.ablated(dataclasses.replace(study, differences=[above, level, control, reading]))
    assert said == (
        "**Ablations** that end above or below what they vary, not adjusted for their number: Slot machine, VPG, "
        "states embedded only minus JSAE 0.39 [0.22, 0.55]."
    )
    assert summary.ablated(study) == ""


def under(study, reading, embedding, returns, success):
    """Rows of the table `final` of a cell of the slot machine under a reading, as those of the primary one."""
    rows = study.final.filter(embedding=embedding)
    return rows.with_columns(reading=pl.lit(reading), final_return=pl.Series(returns), success=pl.Series(success))


def test_a_table_names_the_readings_that_support_a_claim_but_not_one_that_changes_nothing(study):
    same = under(study, "largest-rate", "jsae", [120.0, 360.0], [True, True])
    lost = under(study, "thick-walls", "jsae", [120.0, 48.0], [True, False])
    final = pl.concat([study.final, same, lost, under(study, "thick-walls", "none", [0.0, 48.0], [False, False])])
    judged = {name: {"first": [*JSAE, name], "reading": name} for name in ("thick-walls", "largest-rate", "four-steps")}
    none = {"success": [{"runs": 0, "of": 2, "low": 0.0, "high": 0.8}] * 2}
    readings_of = [claim(**judged["thick-walls"], verdict="inconclusive", **none), claim(**judged["largest-rate"])]
    readings_of += [claim(**judged["four-steps"]), claim(**judged["four-steps"], measure="speed", low=None)]
    studied = dataclasses.replace(study, final=final, readings=readings_of)
    (table,) = readings.support(dataclasses.replace(studied, verdicts=[claim(), claim(measure="speed"), fact()]))
    assert table["rows"] == [["2c", "better", "end", "four-steps", "thick-walls¹", "–"]]
    assert table["notes"] == ["No run of either succeeds."]
    said = summary.under_readings(dataclasses.replace(studied, verdicts=[claim()]))
    assert said.endswith("0 are supported under each reading that was run, and 0 contradicted under at least one.")
    against = [claim(**judged["four-steps"], verdict="contradicted")]
    said = summary.under_readings(dataclasses.replace(studied, verdicts=[claim()], readings=against))
    assert said.endswith("and 1 contradicted under at least one (most of them under four-steps: 1).")
    assert "Left out: largest-rate, as the primary reading has the same runs." in table["caption"]
    assert list(readings.support(study)) == []
    assert readings.lost_success(studied) == [
        "Slot machine under thick-walls: JSAE 1 of 2, no embedding 0 of 2",
    ]
    (table,) = readings.successes(studied)
    assert table["rows"][1] == ["Slot machine (thick-walls)", "VPG", "JSAE", "1 of 2"]
    assert list(readings.successes(study)) == []
    (prose,) = readings.meanings(studied)
    assert prose["text"].startswith("**thick-walls**: ")


def test_a_prediction_on_runs_that_all_do_the_same_is_said_to_explain_nothing(study):
    record = cause("C4", "inconclusive", kind="fewer", unit="share", effect=0.0, low=None, high=None, p=1.0, idle=True)
    studied = dataclasses.replace(study, causes=[record])
    (table,) = readings.predictions(studied)
    assert table["notes"] == ["All runs of both cells do the same, so there is nothing to explain."]
    assert summary.explained(studied).endswith("The runs support none. Nothing to explain: C4.")
    missed = dataclasses.replace(study, causes=[record | {"idle": False}])
    assert summary.explained(missed).endswith("Not settled: C4 (0 of 1 predictions came true).")


def test_each_contradicted_claim_has_what_causes_say_of_it_or_why_there_is_none(study):
    records = [
        claim(id="a", verdict="contradicted", aspect="a claim"),
        claim(id="b", verdict="contradicted", aspect="a claim", measure="speed"),
        claim(id="c", verdict="contradicted", aspect="another"),
        claim(id="d", verdict="contradicted", aspect="cramped", means=[0.9, 0.99], margin=0.05),
        claim(id="e", verdict="contradicted", aspect="at chance", means=[0.01, 0.0], margin=0.05),
        claim(id="f"),
    ]
    causes = [cause("C1", "supported", explains=["a", "b"]), cause("C2", "contradicted", explains=["a", "b", "f"])]
    causes += [cause("C3", "inconclusive", explains=["b"]), cause("C4", "not tested", explains=["c"])]
    (table,) = readings.explanations(dataclasses.replace(study, verdicts=records, causes=causes))
    assert [row[1:] for row in table["rows"]] == [
        ["a claim", "end", "C1 supported; C2 contradicted."],
        ["a claim", "speed", "C1 supported; C3 not settled; C2 contradicted."],
        ["another", "end", "no cause was tested."],
        ["cramped", "end¹", "no cause was tested."],
        ["at chance", "end²", "no cause was tested."],
    ]
    assert table["notes"] == [
        "No embedding comes within the margin of the optimal policy, so nothing can be better by more.",
        "Both stay at the random policy.",
    ]
    assert list(readings.explanations(study)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  ours: ", "  our: ", "deviations.yaml: Search over hyper-parameters: our: Extra inputs"),
        ("  effect: ", "  effekt: ", "deviations.yaml: Search over hyper-parameters: effekt: Extra inputs"),
        (
            "  section: A.4.2",
            "  section: [A]",
            "deviations.yaml: Search over hyper-parameters: section",
        ),
    ],
)
def test_a_deviation_that_lacks_a_field_is_named(tmp_path, old, new, said):
    text = (ROOT / "report" / "deviations.yaml").read_text(encoding="utf-8")
    path = tmp_path / "deviations.yaml"
    path.write_text(text, encoding="utf-8")
    assert len(context.read_deviations(path)) == text.count("- topic: ")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(JsaeError, match=said):
        context.read_deviations(path)


def test_a_sentence_with_most_claims_is_counted(study):
    records = [claim(verdict="inconclusive"), claim(verdict="inconclusive", figure="2e"), claim(sentence="Another.")]
    assert "2 of them come from one sentence, on Figure 2c and 2e." in summary.counts(study.looks, records)


def test_the_summary_has_a_line_a_panel_with_means_and_successes(study):
    success = [{"runs": 3, "of": 5, "low": 0.0, "high": 1.0}, {"runs": 0, "of": 4, "low": 0.0, "high": 1.0}]
    records = [claim(success=success), claim(measure="speed", means=[0.126, -0.001]), claim(measure="epochs")]
    records.append(claim(figure="2d", unit="return", means=[630.4, 891.2]))
    slots, cheetah = summary.panel_lines(dataclasses.replace(study, verdicts=records))
    assert slots == (
        "**2c Slot machine**: at the end JSAE 0.50, no embedding 0.25; over training JSAE 0.13, no embedding 0.00; "
        "runs that succeed JSAE 3 of 5, no embedding 0 of 4."
    )
    assert cheetah == "**2d Half-Cheetah**, return: at the end JSAE 630, no embedding 891."
    (prose,) = summary.found(dataclasses.replace(study, verdicts=[*records, fact()]))
    assert "\n\n**4 claims on JSAE: 4 supported.**\n\n- **JSAE better than no embedding**" in prose["text"]
    assert "1 of 1 statements hold" in prose["text"]


def test_a_short_study_says_what_is_there_and_what_is_not(study):
    (smoke,) = summary.found(at(study, "smoke"))
    assert "There are no verdicts" in smoke["text"]
    (preview,) = summary.found(at(study, "preview"))
    assert "[so far](#so-far)" in preview["text"]
    assert "Verdicts, other readings and causes need the paper's scale" in preview["text"]
    assert [block["kind"] for block in summary.no_verdicts(at(study, "preview"))] == ["empty"]
    assert list(summary.no_verdicts(study)) == []


def test_the_caption_says_where_jsae_is_ahead_and_behind(study):
    behind = claim(figure="2d", effect=-0.3, low=-0.5, high=-0.1, verdict="contradicted")
    level, small = claim(figure="2b", low=-0.5), claim(figure="2a", effect=-0.02, low=-0.03, high=-0.01)
    records = [claim(), behind, level, small, claim(measure="speed"), claim(figure="2e", verdict="inconclusive")]
    assert summary.leads(dataclasses.replace(study, verdicts=records)) == (
        "At the end, JSAE's mean is above no embedding (2c); it is below no embedding (2d); every other difference "
        "that was tested is small (within the margin) or uncertain."
    )
    assert summary.leads(dataclasses.replace(study, verdicts=[claim(low=None)])) == ""
    nowhere = summary.leads(at(study, "preview", verdicts=[claim(low=-1.0, measure="speed")]))
    assert nowhere == (
        "Over the epochs so far, the 95 % interval of every difference from JSAE's mean that was tested contains zero."
    )


def cause(name: str, verdict: str, **changes: object) -> context.Record:
    """A tested prediction."""
    own = {"cause": f"Why {name}.", "planned": True, "caveat": "", "explains": [], "needs": "all", "idle": False}
    return claim(verdict=verdict, id=name, aspect="it rises", **{**own, **changes})


def test_causes_are_headings_of_their_predictions(study):
    records = [cause("C1", "supported"), cause("C1", "inconclusive")]
    records.append(cause("C2", "not tested", reason="no run", effect=None, low=None, n=None, p=None))
    (table,) = readings.predictions(dataclasses.replace(study, causes=records))
    assert [row[0] for row in table["rows"] if len(row) == 1] == ["C1. Why C1.", "C2. Why C2."]
    assert table["rows"][1] == ["it rises", "0.25 [0.12, 0.38]", "5 / 4", "0.010", "supported"]
    assert table["rows"][-1] == ["it rises", "", "", "", "not tested¹"]
    assert table["notes"] == ["Not tested: no run."]
    assert "in speed" not in table["caption"]
    (table,) = readings.predictions(
        dataclasses.replace(study, causes=[*records, cause("C3", "supported", measure="speed")])
    )
    assert "predicted direction; of C3, in speed." in table["caption"]
    assert [block["kind"] for block in readings.predictions(study)] == ["empty"]
    (nothing,) = readings.predictions(at(study, "preview", causes=records))
    assert nothing["kind"] == "empty"


def test_a_cause_has_a_row_with_what_it_cannot_show(study):
    records = [cause("C1", "supported", planned=False, caveat="But."), cause("C1", "inconclusive", planned=False)]
    records += [
        cause("C2", "not tested"),
        cause("C3", "supported", needs="any"),
        cause("C3", "not tested", needs="any"),
    ]
    (table,) = readings.causes(dataclasses.replace(study, causes=records))
    assert table["rows"] == [
        ["C1¹. Why C1.", "1 of 2", "not settled"],
        ["C3. Why C3.", "1 of 1", "supported"],
    ]
    assert table["notes"] == ["Not in the plan. But."]
    assert "A cause needs all of them; one is enough for C3." in table["caption"]
    (note,) = readings.causes(study)
    assert "No cause has been tested" in note["text"]
    (nothing,) = readings.causes(at(study, "preview", causes=records))
    assert nothing["kind"] == "empty"


def test_the_summary_says_which_causes_the_runs_support(study):
    records = [cause("C1", "supported"), cause("C2", "supported"), cause("C2", "inconclusive")]
    records += [cause("C3", "contradicted"), cause("C4", "not tested")]
    said = summary.explained(dataclasses.replace(study, causes=records))
    tail = " Not settled: C2 (1 of 2 predictions came true)."
    assert said == "**Causes**: 3 were tested. The runs support C1 (Why C1). They contradict C3." + tail
    unfinished = [cause("C6", "inconclusive"), cause("C6", "not tested")]
    said = summary.explained(dataclasses.replace(study, causes=unfinished))
    tail = " Not settled: C6 (0 of 2 predictions came true; 1 not tested)."
    assert said == "**Causes**: 1 was tested. The runs support none." + tail
    any_of_two = [cause("C5", "supported", needs="any", planned=False), cause("C5", "contradicted", needs="any")]
    said = summary.explained(dataclasses.replace(study, causes=any_of_two))
    assert said == "**Causes**: 1 was tested. The runs support C5 (Why C5; not in the plan)."
    with_caveat = [cause("C7", "supported", caveat="This shows little: nothing else. No more.")]
    said = summary.explained(dataclasses.replace(study, causes=with_caveat))
    assert said.endswith("The runs support C7 (Why C7; this shows little).")
    open_of_two = [cause("C5", "inconclusive", needs="any"), cause("C5", "contradicted", needs="any")]
    assert "They contradict" not in summary.explained(dataclasses.replace(study, causes=open_of_two))
    assert summary.explained(study) == "**Causes**: none was tested."


@pytest.mark.parametrize(
    ("low", "high", "ahead"), [(0.5, 1.5, "JSAE"), (-1.5, -0.5, "no embedding"), (-0.5, 1.5, "neither, so far")]
)
def test_a_preview_has_a_row_a_comparison_and_says_who_is_ahead(study, low, high, ahead):
    over = {"effect": (low + high) / 2, "low": low, "high": high}
    success = [{"runs": 4, "of": 5, "low": 0.3, "high": 1.0}, {"runs": 0, "of": 4, "low": 0.0, "high": 0.6}]
    records = [claim(measure="speed", success=success, **over), claim(**over), fact()]
    records.append(claim(figure="2d", kind="comparable", measure="speed", **over))
    (table,) = results.so_far(at(study, "preview", verdicts=records))
    row = ["JSAE minus no embedding", "VPG", "better", wording.effect(records[0]), "5 / 4", ahead]
    assert table["rows"][:2] == [["2c Slot machine"], [*row, "4 of 5 / 0 of 4"]]
    assert table["rows"][2] == ["2d Half-Cheetah"]
    assert table["rows"][3][2::4] == ["comparable", ""], "there a run neither succeeds nor fails"
    assert list(results.so_far(study)) == []
    (note,) = results.so_far(at(study, "preview"))
    assert "No comparison of Figure 2 has two cells" in note["text"]


def test_sizes_of_environments_are_counted(given):
    worlds = given["parameters"]["environments"]
    grid, reels = worlds["gridworld-discrete"]["dynamics"], worlds["slot-machine"]["dynamics"]
    states = math.prod(len(reel) for reel in reels["reels"])
    assert environments.sizes(worlds["gridworld-discrete"], None, 2)[1] == f"{2**11:,}"
    assert environments.sizes(worlds["gridworld-discrete"], None, 2)[0] == f"{grid['bins'] ** 2:,} bins"
    assert environments.sizes(worlds["gridworld-continuous"], None, 2)[0] == "coordinates"
    assert environments.sizes(worlds["slot-machine"], None, 2) == (
        f"{states:,}",
        f"{reels['moves'] ** len(reels['reels']):,}",
    )
    assert environments.sizes(worlds["recommender"], 1000, 2) == ("1,000,000", "1,000")
    assert environments.sizes(worlds["recommender"], None, 2) == ("not known", "not known")
    assert environments.sizes(worlds["half-cheetah"], None, 2) == ("continuous", "continuous")
    assert environments.sizes({"module": "corridor", "dynamics": {}}, None, 2) == ("not known", "not known")


def test_a_reference_return_is_shown_only_where_it_is_known(study):
    assert environments.reference_return(study.final, "slot-machine", "optimal_return") == "480"
    assert environments.reference_return(study.final, "recommender", "optimal_return") == "not known"
    unknown = study.final.with_columns(optimal_return=pl.lit(NAN))
    assert environments.reference_return(unknown, "slot-machine", "optimal_return") == "not known"
    assert environments.reference_return(study.final, "slot-machine", "optimal_return", "four-steps") == "not known"


def test_an_idle_agent_stands_where_its_step_rewards_put_it(study):
    name = "gridworld-discrete"
    dynamics = study.environments[name]["dynamics"]
    idle = dynamics["episode_length"] * dynamics["step_reward"]
    ends = {"environment": pl.lit(name), "random_return": idle - 1.0, "optimal_return": idle + 3.0}
    (note,) = environments.idlers(dataclasses.replace(study, final=study.final.with_columns(**ends)))
    assert "never finds the goal has a return of" in note["text"]
    assert note["text"].endswith("this is 0.250 (Gridworld, discrete state).")
    assert list(environments.idlers(study)) == []
    assert list(environments.pictures(study)) == []


def test_figure_2_says_in_words_what_it_shows_and_which_cells_are_divided(study):
    (figure,) = results.figure_2(study)
    ends = ("VPG with JSAE ends at 240 ± 170", "VPG with no embedding ends at 24.0 ± 33.9")
    assert figure["alt"] == f"Learning curves. Slot machine: {'; '.join(ends)}."
    assert "thin lines" not in figure["caption"], "every run of JSAE succeeds, none without embedding"
    assert figure["command"] == "make paper"
    returns = pl.when(pl.col("seed") == 0).then(0.0).otherwise(pl.col("final_return"))
    (figure,) = results.figure_2(
        dataclasses.replace(study, final=study.final.with_columns(final_return=returns, success=returns > 60))
    )
    assert "thin lines are its seeds" in figure["caption"]
    assert figure["alt"].endswith("With single seeds: JSAE (Slot machine).")
    (preview,) = results.figure_2(at(study, "preview"))
    assert "The table compares another measure" in preview["caption"]
    assert "RA embeds discrete actions only" not in preview["caption"], "there is no panel without it"
    assert "φ transferred" not in preview["caption"]
    (nothing,) = results.figure_2(dataclasses.replace(study, final=study.final.clear()))
    assert nothing["text"] == "No panel of Figure 2 has a run in this study."


def test_how_verdicts_come_about_is_said_where_there_are_some(study):
    (prose,) = results.how_judged(study)
    assert "**Contradicted**" in prose["text"]
    assert list(results.how_judged(at(study, "smoke"))) == []


def test_a_specification_curve_is_shown_where_it_is_drawn_with_its_tally(study):
    study.figure("figure_specification_2c").touch()
    other = claim(first=[*JSAE, "four-steps"], reading="four-steps", verdict="contradicted")
    before, figure, after = readings.specification(
        dataclasses.replace(study, readings=[other, claim(measure="epochs")])
    )
    assert before["kind"] == after["kind"] == "flush"
    assert figure["caption"].endswith("verdicts against no embedding: end 1 supported and 1 contradicted.")
    assert "four-steps, better, end: 0.25 [0.12, 0.38], contradicted." in figure["alt"]
    study.figure("figure_specification_2c").unlink()
    (note,) = readings.specification(study)
    assert note["text"] == "No other reading has verdicts in this study."


def test_comparisons_stand_under_their_reading(study):
    names = ("four-steps", "frozen")
    records = [claim(first=[*JSAE, name], second=[*NONE, name], reading=name) for name in names]
    (table,) = readings.compared(dataclasses.replace(study, readings=records))
    assert [row[0].split(":")[0] for row in table["rows"] if len(row) == 1] == list(names)
    assert table["rows"][1] == ["2c", "better", "end", "0.25 [0.12, 0.38]", "5 / 4", "supported"]
    assert [block["kind"] for block in readings.compared(at(study, "preview", readings=records))] == ["empty"]


def test_a_reading_is_compared_with_the_primary_one_and_those_without_a_run_are_named(study):
    study.figure("figure_reading_four-steps").touch()
    over = {"effect": 1.0, "low": 0.5, "high": 1.5}
    pair = {"first": [*JSAE, "four-steps"], "second": [*JSAE, ""], "n": [5, 5], "unit": "normalized"}
    pair |= {"end": over, "speed": {**over, "effect": 1.25}}
    other = {**pair, "first": [*JSAE, ""], "second": [*NONE, ""]}
    shown = list(readings.curves(dataclasses.replace(study, differences=[other, pair])))
    assert [block["kind"] for block in shown] == ["figure", "table", "note"]
    words = ["Slot machine", "VPG", "JSAE", "5 / 5"]
    assert shown[1]["rows"] == [["four-steps"], [*words, "1.00 [0.50, 1.50]", "1.25 [0.50, 1.50]"]]
    assert "frozen" in shown[2]["text"]
    assert "four-steps" not in shown[2]["text"]
    assert [block["kind"] for block in readings.specification(at(study, "preview"))] == ["empty"]
    short = list(readings.curves(at(study, "preview", differences=[other, pair])))
    assert "At the end" not in short[1]["columns"]
    study.figure("figure_reading_four-steps").unlink()
    assert [block["kind"] for block in readings.curves(study)] == ["empty"]


def test_ablations_are_compared_with_what_they_vary(study):
    over = {"effect": 1.0, "low": 0.5, "high": 1.5}
    pair = {"n": [5, 5], "unit": "normalized", "end": over, "speed": over}
    own = {"first": ["slot-machine", "vpg", "separate", ""], "second": [*JSAE, ""], **pair}
    reading = {"first": [*JSAE, "four-steps"], "second": [*JSAE, ""], **pair}
    note, table = ablations.differences(dataclasses.replace(study, differences=[own, reading]))
    assert note["text"] == "No ablation has run in this study."
    assert [row[3] for row in table["rows"]] == ["JSAE"]


def test_final_returns_are_shown_by_cell(study):
    (table,) = comparisons.final_returns(study)
    steps = study.curves["pi_iters"].to_numpy().mean()
    row = [
        "Slot machine",
        "VPG",
        "JSAE",
        "2",
        "240 ± 170",
        "120 to 360",
        "60.0 ± 14.1",
        "0.500 ± 0.354",
        f"{steps:.2f}",
    ]
    assert table["rows"][0] == row
    unknown = study.final.with_columns(normalized_return=NAN)
    (table,) = comparisons.final_returns(dataclasses.replace(study, final=unknown))
    assert table["rows"][0][7] == "not known"


def test_nothing_is_compared_without_a_tested_claim(study):
    untested = dataclasses.replace(study, verdicts=[claim(low=None)])
    assert [block["kind"] for block in comparisons.tested(untested)] == ["empty"]
    late = claim(verdict="inconclusive", seeds_needed=30, settles_as="contradicted")
    (table,) = comparisons.tested(dataclasses.replace(study, verdicts=[claim(), late]))
    row = ["2c", "better", "end", "0.25 [0.12, 0.38]", "0.05", "5 / 4", "0.010", "0.99", "0.020"]
    assert table["rows"] == [[*row, "supported", ""], [*row, "inconclusive", "30, contradicted"]]
    assert [block["kind"] for block in comparisons.tested(at(study, "preview"))] == ["empty"]


def test_the_range_of_a_check_spans_its_rows_and_has_no_low_end_where_only_the_largest_was_kept():
    columns = ("check", "where", "embedding", "trained", "quantity", "value", "low", "high", "n")
    rows = [
        ("a", "w", None, None, "q", 3.0, None, None, 20),
        ("b", "w", "jsae", "vpg", "q", 3.0, 1.0, 5.0, 7),
        ("b", "w", "jsae", "vpg", "q", 4.0, 2.0, 9.0, 8),
        ("c", "w", "ra", None, "q", 3.0, None, None, 1),
        ("c", "w", "ra", None, "q", 2.0, None, None, 1),
        ("d", "w", "separate", None, "q", 1.0, 1.0, 1.0, 1),
    ]
    ranges = theory.ranges(pl.DataFrame(rows, columns, orient="row", infer_schema_length=None), ["jsae", "ra"])
    found = ranges.select("check", "low", "high", "rows", "n").rows()
    assert found == [("a", None, 3.0, 1, 20), ("b", 1.0, 9.0, 2, 7), ("c", 2.0, 3.0, 2, 1)]


def test_measures_of_an_environment_are_those_of_one_seed_and_controls_are_left_out(looks):
    columns = ("rank_correlation", "loss", "least_loss", "chance_loss", "action_gain", "action_error", "spread")
    rows = [
        ("slot-machine", reading, "nats", name, *([seed] * 2), *([seed] * 2), NAN, NAN, seed)
        for reading, name in (("", "jsae"), ("", "jsae_by_price"), ("frozen", "ra"))
        for seed in (1.0, 3.0)
    ]
    probes = pl.DataFrame(rows, ["environment", "reading", "unit", "embedding", *columns], orient="row")
    assert list(embeddings.probe_rows(probes, looks)) == [
        ("Slot machine (nats)",),
        ("JSAE", "2.00 ± 1.41", "2.00 ± 1.41", "1.00", "1.00", "", "", "2.00 ± 1.41"),
        ("Slot machine, reading frozen (nats)",),
        ("RA", "2.00 ± 1.41", "2.00 ± 1.41", "1.00", "1.00", "", "", "2.00 ± 1.41"),
    ]


def test_a_search_is_compared_with_the_study_after_as_many_epochs(study):
    row = dict(zip(search.CELL, JSAE, strict=True))
    runs = search.of_cell(study.curves, row)
    assert set(runs["embedding"]) == {"jsae"}
    last = runs.filter(pl.col("epoch") == 5)["mean_return"].to_numpy().mean()
    assert search.ended(runs, 5).mean() == pytest.approx(last)
    assert not len(search.ended(runs, 9))
    assert not len(search.ended(runs.clear(), 5))
    assert search.trained(study, row).is_empty(), "no cell is trained with what the search found"
    cells = [
        {**cell, "found": ["actor_learning_rate"] * (cell["embedding"] == "jsae")} for cell in study.values["cells"]
    ]
    found = dataclasses.replace(study, values={**study.values, "cells": cells})
    assert search.trained(found, row).equals(runs)
    best = search.ended(runs, 8).max()
    row |= {"epochs": 8, "score": best + 480}
    (line,) = search.short_of_score(dataclasses.replace(found, chosen=[row]))
    assert f"in Slot machine, VPG, JSAE (score {number(best + 480)}, mean of the study " in line
    reached = dataclasses.replace(found, chosen=[row | {"score": best}])
    assert list(search.short_of_score(reached)) == [], "one run reaches the score"
    took = pl.DataFrame({"seconds": [30, 60]})
    assert search.minutes(took) == "1.50"
    assert search.minutes(took.clear()) == ""


def test_measures_of_which_there_are_many_are_one_row_with_their_range():
    rows = [
        {"measure": "purchases", "published": 200.0, "synthetic": 100.0, "ratio": 0.5},
        {"measure": "views at 1", "published": 1.0, "synthetic": 2.0, "ratio": 2.0},
        {"measure": "views at 2", "published": 4.0, "synthetic": 1.0, "ratio": 0.25},
        {"measure": "successive purchases: same item", "published": 0.25, "synthetic": None, "ratio": None},
    ]
    assert list(data.calibration_rows(rows)) == [
        ("purchases", "200.0", "100.0", "0.500"),
        ("views in each hour of the day (2)", "", "", "0.250 to 2.00"),
        ("successive purchases: same item", "0.2500", "not known", "not known"),
    ]


def test_successive_purchases_of_a_real_log_have_a_table(study):
    log = {"rows": 9, "rules": [], "successive_purchases": {"same item": 0.5, "slope of phones": None}}
    shown = list(data.data_sets(dataclasses.replace(study, purchases={"kechinov": log}, models={"kechinov": {}})))
    assert [block["kind"] for block in shown] == ["prose", "table", "table", "note"]
    assert shown[2]["rows"] == [["same item", "0.500"], ["slope of phones", "not known"]]
    (nothing,) = data.data_sets(study)
    assert nothing["text"] == "No environment of this study draws from a data set."


def test_parameters_stand_under_the_headings_of_their_sections():
    names = ("scale", "agents.vpg.a", "agents.vpg.b", "agents.sac.a", "search.grid", "study.x.y")
    rows = [(name, "{}" if name == "search.grid" else "1", "m", "s") for name in names]
    rows.insert(3, ("agents.vpg.c", "2", "other", "s"))
    shown = list(appendix.in_sections(rows))
    assert [row[0] for row in shown] == ["scale", "agents.vpg", "a", "b", "c", "agents.sac", "a", "study", "x.y"]
    assert [row for row in shown if len(row) == 1] == [("agents.vpg",), ("agents.sac",), ("study",)]
    assert shown[2:5] == [("a", "1", "m", "s"), ("b", "1", "", ""), ("c", "2", "other", "s")]
    said = [("readings.x.meaning", "more steps", "what it changes", "s"), ("readings.x.agents.vpg", "4", "m", "s")]
    assert list(appendix.in_sections(said)) == [("readings.x: more steps",), ("agents.vpg", "4", "m", "s")]


def test_what_was_not_tested_or_has_not_run_is_listed(study):
    assert [block["kind"] for block in gaps.untested_claims(study)] == ["table"]
    (nothing,) = gaps.untested_claims(at(study, "preview"))
    assert nothing["kind"] == "empty"
    (note,) = gaps.untested_claims(dataclasses.replace(study, verdicts=[claim()]))
    assert note["text"] == "Every claim was tested."
    lost = [{"environment": "slot-machine", "agent": "vpg", "embedding": "ra", "reading": "frozen", "seeds": [0, 3]}]
    study.figure("figure_2c").touch()
    assert gaps.PANELS == schema.PANELS
    table, panels = gaps.missing_runs(dataclasses.replace(study, missing=lost))
    assert table["rows"] == [["slot-machine", "vpg", "ra", "frozen", "0, 3"]]
    assert panels["text"].endswith(": 2a, 2b, 2d, 2e, 2f.")


def test_values_of_prose_are_read_from_the_study(study, given):
    named = values.named(study)
    assert (named["runs"], named["cells"]) == (4, 2)
    assert (named["claims"], named["expected_cells"]) == (2, len(study.looks.cells))
    assert (named["of_jsae"], named["of_others"], named["facts"]) == (1, 0, 1)
    assert named["standing"].endswith("before the first run that counts.")
    assert "exploratory and count for nothing" in str(values.named(at(study, "preview"))["standing"])
    assert named["found"] == summary.leads(study)
    assert named["plan"] == "0123456789ab"
    assert named["margins"].startswith("0.05 normalized or a return of 25 (better), 0.1 normalized or")
    assert named["margins"].endswith("0.1 of the epochs (faster)")
    assert named["scale"] == "paper"
    assert named["share"] == "100 %"
    assert named["reference.slot-machine.optimal"] == "480"
    assert named["reference.slot-machine-four-steps.optimal"] == "not known"
    assert named["probes.slot-machine.loss"] == "not measured"
    assert named["purchases.rows"] == "not known"
    assert named["search.effect"] == "Not measured under the primary reading."
    assert named["search.used"].startswith("0 of the ")
    cells = [{**cell, "found": ["actor_learning_rate"] * (not number)} for number, cell in enumerate(given["cells"])]
    some = values.named(dataclasses.replace(study, values={**given, "cells": cells}))
    assert some["search.same"] == (
        "Hyper-parameters come from a search in which each embedding got the same number of runs; "
        f"{len(cells) - 1} cells were not searched and have those of `params.yaml`."
    )
    assert named["readings.four-steps.agents.vpg.train_pi_iters"] == 4
    assert named["paper.title"] == "T"
    assert "paper.references" not in named
    assert named["agents.common.discount"] == study.parameters["agents"]["common"]["discount"]


def test_the_tag_of_a_formula_is_its_number():
    assert formulas.numbered("\n\\pi , \\tag{3}\n") == ("\\pi ,", "3")
    assert formulas.numbered("\\pi") == ("\\pi", "")


def test_pretraining_says_which_embeddings_learnt_nothing(looks: Looks) -> None:
    rows = [
        ("slot-machine", "", "ra", 0, 1, 8.33, math.log(4096)),
        ("slot-machine", "", "ra", 1, 3, 8.35, math.log(4096)),
        ("slot-machine", "", "jsae", 0, 90, 4.25, math.log(1296)),
        ("half-cheetah", "frozen", "jsae", 0, 50, 0.5, NAN),
    ]
    columns = ["environment", "reading", "embedding", "seed", "epochs", "held_out_loss", "chance_loss"]
    losses = pl.DataFrame(rows, columns, orient="row")
    assert [row[2:] for row in embeddings.pretraining_rows(losses, looks)] == [
        ("1 to 3", "8.34", "8.32", "no"),
        ("90", "4.25", "7.17", "yes"),
        ("50", "0.500", "", ""),
    ]


def test_limits_name_embeddings_that_learnt_nothing_and_what_the_search_left(study):
    chance = math.log(4096)
    learnt = (("", "ra", 0.1), ("", "ra", -0.05), ("", "jsae", -1), ("frozen", "jsae", 0))
    rows = [("slot-machine", reading, name, chance + above, chance) for reading, name, above in learnt]
    losses = pl.DataFrame(rows, ["environment", "reading", "embedding", "held_out_loss", "chance_loss"], orient="row")
    (prose,) = summary.limits(dataclasses.replace(study, pretraining=losses))
    assert "RA's model predicts no better than chance after pre-training (Slot machine)" in prose["text"]
    records = [claim(), claim(second=["slot-machine", "vpg", "ra", ""]), fact()]
    (table,) = results.verdicts(dataclasses.replace(study, pretraining=losses, verdicts=records))
    assert table["notes"] == ["After pre-training, the model of RA hardly knows what actions do here."]
    gains = pl.DataFrame(
        [{"environment": "slot-machine", "reading": "", "embedding": "jsae", "unit": "nats", "action_gain": 0.01}]
    )
    both = dataclasses.replace(study, pretraining=losses, probes=gains, verdicts=records)
    assert results.remarks(both, records[1]) == (
        "After pre-training, the models of JSAE and RA hardly know what actions do here."
    )
    assert (
        results.remarks(both, records[0]) == "After pre-training, the model of JSAE hardly knows what actions do here."
    )
    assert [row[3] for row in table["rows"][:2]] == ["supported", "supported¹"]
    assert "JSAE's model predicts" not in prose["text"]
    assert "{{search.share}} have hyper-parameters that the search found" in prose["text"]
    assert "come from our search" not in prose["text"], "no cell has any from there"
    assert "no agent without embeddings left the random policy" in prose["text"]
    assert "how many seeds would settle a claim" in prose["text"]
    cells = [{**cell, "found": ["actor_learning_rate"]} for cell in study.values["cells"]]
    (prose,) = summary.limits(at(dataclasses.replace(study, values={**study.values, "cells": cells}), "preview"))
    for said in ("predicts no better", "search", "no agent left the random policy", "would settle"):
        assert said not in prose["text"]


def test_aggregates_name_the_environments_that_count_and_why_one_does_not(study):
    worlds = ("gridworld-discrete", "slot-machine", "half-cheetah")
    cells = [Cell(world, "vpg", name) for world in worlds for name in ("none", "jsae")]
    curves = pl.concat([made_runs.run(cell, (0, 1, 2), 8, 200) for cell in cells])
    known = {cell: tables.ReferenceReturns(-2.0, 1.0 if cell.environment != "half-cheetah" else None) for cell in cells}
    final = tables.final(curves, known)
    named = dataclasses.replace(study, final=final, aggregates=tables.aggregates(final, study.looks.cells)[0])
    (figure,) = comparisons.over_environments(named)
    assert "VPG: 3 seeds in each environment (Gridworld, discrete state; Slot machine)." in figure["caption"]
    assert figure["caption"].endswith("Half-Cheetah does not count: its optimal return is not known.")
