"""The parts of the report word and count what the tables hold."""

import contextlib
import dataclasses
import math
from pathlib import Path

import polars as pl
import pytest

from jsae.analysis.schema import CELLS
from jsae.analysis.search import OUTCOME
from jsae.config.study import Cell
from jsae.reporting import context, formulas, values, wording
from jsae.reporting.looks import Looks
from jsae.reporting.sections import (
    ablations,
    appendix,
    comparisons,
    data,
    embeddings,
    environments,
    gaps,
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
    difference = {"effect": 0.25, "low": 0.125, "high": 0.375}
    record = {"aspect": "better", "sentence": "It is.", "section": "5.1", "figure": "2c", "kind": "better"}
    record |= {"measure": "final_return", "first": JSAE, "second": NONE, "margin": 0.05, "n": [5, 4], **difference}
    record |= {"probability_of_improvement": 0.75, "p": 0.01, "p_against": 0.99, "seeds_needed": None}
    record |= {"over_training": None, "paired": None, "smoothed": None, "settles_as": None}
    return record | {"verdict": "supported", "reason": "", "remark": ""} | changes


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
        book=context.claims.load(ROOT / "report" / "claims.yaml"),
        curves=curves,
        final=pl.concat([names, pl.DataFrame(ends | returns)], how="horizontal"),
        aggregates=nothing,
        missing=[],
        verdicts=[claim(), claim(figure="", first=None, second=None, kind="fact", low=None, verdict="not tested")],
        readings=[],
        differences=[],
        checks=nothing,
        probes=nothing,
        pretraining=nothing,
        value_maps=nothing,
        tried=pl.DataFrame(schema=OUTCOME),
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
    assert wording.effect(claim()) == "0.250 [0.125, 0.375] final return"
    assert wording.effect(claim(low=None, measure="digits", effect=14)) == "digits: 14"
    assert wording.effect(claim(low=None, measure="share", effect=0.5)) == "share: 0.500"
    assert wording.effect(claim(low=None, effect=None)) == ""
    assert wording.difference(claim(measure="normalized_return")) == "0.250 [0.125, 0.375] normalized"
    assert wording.difference(claim(measure="mean_over_training")) == "0.250 [0.125, 0.375] return"
    assert wording.seeds(claim()) == "5 / 4"
    assert wording.seeds(claim(n=20)) == 20


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "**supported**"),
        ({"remark": "r"}, "**supported** (r)"),
        ({"verdict": "not tested", "reason": "no run"}, "**not tested** (no run)"),
        ({"verdict": "inconclusive"}, "**inconclusive** (no number of seeds is likely to settle it)"),
        (
            {"verdict": "inconclusive", "seeds_needed": 1200, "settles_as": "supported", "remark": "r"},
            "**inconclusive** (about 1,200 seeds a cell would settle it, as supported; r)",
        ),
    ],
)
def test_a_verdict_says_what_else_there_is_to_know(changes, said):
    assert wording.verdict(claim(**changes)) == said


def test_every_verdict_is_counted_those_without_a_claim_too():
    counts = wording.counted([claim(), claim(), claim(verdict="not tested")])
    assert list(counts.items()) == [("supported", 2), ("inconclusive", 0), ("contradicted", 0), ("not tested", 1)]


def test_the_verdicts_of_a_figure_stand_in_its_row(study):
    (table,) = summary.verdict_counts(study)
    assert table["columns"] == ["What", "Supported", "Inconclusive", "Contradicted", "Not tested"]
    assert table["rows"] == [["Figure 2c: Slot machine", "1", "–", "–", "–"], ["Theory", "–", "–", "–", "1"]]


def test_short_runs_have_no_count_of_verdicts(study):
    assert list(summary.verdict_counts(at(study, "smoke"))) == []
    (note,) = summary.verdict_counts(at(study, "preview"))
    assert "No comparison of Figure 2 has two cells" in note["text"]


@pytest.mark.parametrize(
    ("low", "high", "ahead"), [(0.5, 1.5, "JSAE"), (-1.5, -0.5, "no embedding"), (-0.5, 1.5, "neither, so far")]
)
def test_a_preview_has_a_row_a_comparison_and_says_who_is_ahead(study, low, high, ahead):
    over = {"measure": "normalized_mean_over_training", "effect": (low + high) / 2, "low": low, "high": high}
    twice = [claim(over_training=over, kind=kind) for kind in ("better", "faster")]
    (table,) = summary.so_far(at(study, "preview", verdicts=[*twice, claim(figure="", first=None)]))
    difference = wording.difference(over)
    row = ["Figure 2c: Slot machine (VPG)", "JSAE minus no embedding", difference, "5 / 4", ahead]
    assert table["rows"] == [row]


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


def test_a_reference_return_is_shown_only_where_it_is_known(study):
    assert environments.reference_return(study.final, "slot-machine", "optimal_return") == "480.0"
    assert environments.reference_return(study.final, "recommender", "optimal_return") == "not known"
    unknown = study.final.with_columns(optimal_return=pl.lit(NAN))
    assert environments.reference_return(unknown, "slot-machine", "optimal_return") == "not known"
    assert environments.reference_return(study.final, "slot-machine", "optimal_return", "four-steps") == "not known"


def test_an_idle_agent_stands_where_its_step_rewards_put_it(study):
    name = "gridworld-discrete"
    dynamics = study.environments[name]["dynamics"]
    idle = dynamics["episode_length"] * dynamics["step_reward"]
    ends = {"environment": pl.lit(name), "random_return": idle - 1.0, "optimal_return": idle + 3.0}
    (note,) = environments.gridworld(dataclasses.replace(study, final=study.final.with_columns(**ends)))
    assert "never meets the goal returns" in note["text"]
    assert note["text"].endswith("this is 0.250 (Gridworld, discrete state).")
    assert list(environments.gridworld(study)) == []


def test_a_panel_holds_its_sentence_its_claim_and_what_was_not_tested(study):
    (nothing,) = results.panels(study)
    assert nothing["text"] == "No panel of Figure 2 has a run in this study."
    study.figure("figure_2c").touch()
    other = claim(verdict="not tested", low=None, effect=None)
    shown = list(results.panels(dataclasses.replace(study, verdicts=[claim(), other])))
    assert [block["kind"] for block in shown] == ["prose", "figure", "note", "table", "note"]
    assert "VPG with JSAE ends at 240 ± 170; VPG with no embedding ends at 24.0 ± 33.9." in shown[1]["alt"]
    assert not shown[1]["wide"]
    assert shown[3]["rows"] == [["better", "0.250 [0.125, 0.375] final return", "5 / 4", "**supported**"]]
    assert "1 of the 2 claims on Figure 2c are not tested" in shown[4]["text"]
    short = list(results.panels(at(study, "preview", verdicts=[claim(), other])))
    assert [block["kind"] for block in short] == ["prose", "figure", "note"]


def test_how_verdicts_come_about_is_said_where_there_are_some(study):
    (prose,) = results.how_judged(study)
    assert "**Contradicted**" in prose["text"]
    assert list(results.how_judged(at(study, "smoke"))) == []


def test_a_reading_is_compared_with_the_primary_one_and_those_without_a_run_are_named(study):
    study.figure("figure_reading_four-steps").touch()
    over = {"measure": "normalized_return", "effect": 1.0, "low": 0.5, "high": 1.5}
    pair = {"first": [*JSAE, "four-steps"], "second": [*JSAE, ""], "n": [5, 5], "final": over, "over_training": over}
    other = {**pair, "first": [*JSAE, ""], "second": [*NONE, ""]}
    records = [claim(first=[*JSAE, name], second=[*NONE, name]) for name in ("four-steps", "frozen")]
    shown = list(results.readings(dataclasses.replace(study, readings=records, differences=[other, pair])))
    assert [block["kind"] for block in shown] == ["prose", "figure", "table", "table", "note"]
    assert len(shown[2]["rows"]) == 1
    words = ["Slot machine", "VPG", "JSAE", "the primary reading", "5 / 5"]
    assert shown[3]["rows"] == [[*words, *["1.00 [0.500, 1.50] normalized"] * 2]]
    assert "frozen (embeddings stay" in shown[4]["text"]
    assert "four-steps" not in shown[4]["text"]
    short = list(results.readings(at(study, "preview", readings=records, differences=[other, pair])))
    assert [block["kind"] for block in short] == ["prose", "figure", "table", "note"]
    assert "At the end" not in short[2]["columns"]


def test_ablations_are_compared_with_what_they_vary(study):
    over = {"measure": "normalized_return", "effect": 1.0, "low": 0.5, "high": 1.5}
    pair = {"n": [5, 5], "final": over, "over_training": over}
    own = {"first": ["slot-machine", "vpg", "separate", ""], "second": [*JSAE, ""], **pair}
    reading = {"first": [*JSAE, "four-steps"], "second": [*JSAE, ""], **pair}
    note, table = ablations.differences(dataclasses.replace(study, differences=[own, reading]))
    assert note["text"] == "No ablation has run in this study."
    assert [row[3] for row in table["rows"]] == ["JSAE"]


def test_the_difference_of_the_mean_over_training_has_a_column_where_a_claim_has_one():
    over = {"measure": "normalized_mean_over_training", "effect": 1.0, "low": 0.5, "high": 1.5}
    assert "Mean over training" not in results.claims_table([claim()], "")["columns"]
    table = results.claims_table([claim(over_training=over)], "")
    assert table["rows"][0][table["columns"].index("Mean over training")] == "1.00 [0.500, 1.50] normalized"


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
    assert list(comparisons.tested(untested)) == []
    assert len(list(comparisons.tested(study))) == 3
    assert list(comparisons.tested(at(study, "preview"))) == []


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
    assert search.after(runs, 5) == f"{last:.3g}"
    assert search.after(runs, 9) == ""
    assert search.after(runs.clear(), 5) == ""
    assert search.trained(study, row).is_empty(), "no cell is trained with what the search found"
    cells = [
        {**cell, "found": ["actor_learning_rate"] * (cell["embedding"] == "jsae")} for cell in study.values["cells"]
    ]
    found = dataclasses.replace(study, values={**study.values, "cells": cells})
    assert search.trained(found, row).equals(runs)
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
    shown = list(appendix.in_sections(rows))
    assert [row[0] for row in shown] == ["scale", "agents.vpg", "a", "b", "agents.sac", "a", "study", "x.y"]
    assert [row for row in shown if len(row) == 1] == [("agents.vpg",), ("agents.sac",), ("study",)]


def test_what_was_not_tested_or_has_not_run_is_listed(study):
    assert [block["kind"] for block in gaps.untested_claims(study)] == ["table"]
    (note,) = gaps.untested_claims(at(study, "preview"))
    assert "no claim is tested at this scale" in note["text"]
    (note,) = gaps.untested_claims(dataclasses.replace(study, verdicts=[claim()]))
    assert note["text"] == "Every claim was tested."
    lost = [{"environment": "slot-machine", "agent": "vpg", "embedding": "ra", "reading": "frozen", "seeds": [0, 3]}]
    study.figure("figure_2c").touch()
    table, panels = gaps.missing_runs(dataclasses.replace(study, missing=lost))
    assert table["rows"] == [["slot-machine", "vpg", "ra", "frozen", "0, 3"]]
    assert panels["text"].endswith(": 2a, 2b, 2d, 2e, 2f.")


def test_values_of_prose_are_read_from_the_study(study):
    named = values.named(study)
    assert (named["runs"], named["cells"]) == (4, 2)
    assert (named["claims"], named["expected_cells"]) == (2, len(study.looks.cells))
    said = (
        "1 of them are supported, 0 contradicted and 0 inconclusive at this budget; 1 are not tested. Of the 1 in which"
    )
    assert named["outcome"].startswith(said)
    assert named["outcome"].endswith("1 supported, 0 inconclusive, 0 contradicted, 0 not tested.")
    assert named["scale"] == "paper"
    assert named["share"] == "100 %"
    assert named["reference.slot-machine.optimal"] == "480.0"
    assert named["reference.slot-machine-four-steps.optimal"] == "not known"
    assert named["probes.slot-machine.loss"] == "not measured"
    assert named["purchases.rows"] == "not known"
    assert named["search.effect"] == "Not measured under the primary reading."
    assert named["search.used"].startswith("0 of the ")
    assert named["readings.four-steps.agents.vpg.train_pi_iters"] == 4
    assert named["paper.title"] == "T"
    assert "paper.references" not in named
    assert named["agents.common.discount"] == study.parameters["agents"]["common"]["discount"]


@pytest.mark.parametrize(("scale", "said"), [("smoke", "nothing here is a result"), ("preview", "gives no verdict")])
def test_the_abstract_of_a_short_study_counts_no_verdict(study, scale, said):
    outcome = values.named(at(study, scale))["outcome"]
    assert said in outcome
    assert "supported" not in outcome


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
