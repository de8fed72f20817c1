"""The parts of the report word and count what the tables hold."""

import dataclasses
import math
from pathlib import Path

import polars as pl
import pytest

from jsae.analysis.curves import Cell
from jsae.analysis.search import OUTCOME
from jsae.config import parameters
from jsae.reporting import context, formulas, values, wording
from jsae.reporting.sections import (
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
from tests import made_parameters, made_runs

NAN = float("nan")
JSAE, NONE = ["slot-machine", "vpg", "jsae"], ["slot-machine", "vpg", "none"]


def claim(**changes: object) -> context.Record:
    """A claim on the slot machine that was tested, with changes."""
    difference = {"effect": 0.25, "low": 0.125, "high": 0.375}
    record = {"aspect": "better", "sentence": "It is.", "section": "5.1", "figure": "2c", "kind": "better"}
    record |= {"measure": "final_return", "first": JSAE, "second": NONE, "margin": 0.05, "n": [5, 4], **difference}
    record |= {"probability_of_improvement": 0.75, "p": 0.01, "p_against": 0.99, "seeds_needed": None}
    record |= {"over_epochs": None, "paired": None, "smoothed": None, "settles_as": None}
    return record | {"verdict": "supported", "reason": "", "remark": ""} | changes


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> parameters.Parameters:
    return parameters.load(made_parameters.written(tmp_path_factory.mktemp("parameters")))


@pytest.fixture
def study(settings, tmp_path) -> context.Context:
    """Two seeds of the slot machine, one claim on them, and nothing else; its optimum is 480."""
    cells = [Cell(*JSAE), Cell(*NONE)]
    curves = pl.concat([made_runs.run(cell, (0, 1), 8, 200) for cell in cells])
    ends = {"random_return": 0.0, "optimal_return": 480.0, "area": [50.0, 70.0, 5.0, 7.0], "seed": [0, 1, 0, 1]}
    returns = {"final_return": [120.0, 360.0, 0.0, 48.0], "fraction": [0.25, 0.75, 0.0, 0.1]}
    names = pl.DataFrame([JSAE, JSAE, NONE, NONE], list(context.CELL), orient="row")
    nothing = pl.DataFrame()
    return context.Context(
        scale="paper",
        figures=tmp_path,
        settings=settings,
        paper={"references": ["A.", "B."], "title": "T"},
        deviations=[],
        book=context.claims.load(Path(__file__).parent.parent / "report" / "claims.yaml"),
        curves=curves,
        final=pl.concat([names, pl.DataFrame(ends | returns)], how="horizontal"),
        aggregates=nothing,
        missing=[],
        verdicts=[claim(), claim(figure="", first=None, second=None, kind="fact", low=None, verdict="not tested")],
        variants=[],
        ablations=[],
        checks=nothing,
        quality=nothing,
        maps=nothing,
        tried=pl.DataFrame(schema=OUTCOME),
        took=nothing,
        purchases={},
        models={},
        commands=[],
        locks=[],
    )


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
    assert wording.difference(claim(measure="area")) == "0.250 [0.125, 0.375] fraction"
    assert wording.difference(claim(measure="area_return")) == "0.250 [0.125, 0.375] return"
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


def test_sizes_of_environments_are_counted(settings):
    worlds = settings.environments
    grid, reels = worlds["gridworld-2048"].dynamics, worlds["slot-machine"].dynamics
    states = math.prod(len(reel) for reel in reels.reels)
    assert environments.sizes(worlds["gridworld-2048"], None, 2)[1] == f"{2**11:,}"
    assert environments.sizes(worlds["gridworld-discrete"], None, 2)[0] == f"{grid.bins**2:,} bins"
    assert environments.sizes(worlds["gridworld-continuous"], None, 2)[0] == "coordinates"
    assert environments.sizes(worlds["slot-machine"], None, 2) == (
        f"{states:,}",
        f"{reels.moves ** len(reels.reels):,}",
    )
    assert environments.sizes(worlds["recommender"], 1000, 2) == ("1,000,000", "1,000")
    assert environments.sizes(worlds["recommender"], None, 2) == ("not known", "not known")
    assert environments.sizes(worlds["half-cheetah"], None, 2) == ("continuous", "continuous")


def test_a_reference_return_is_shown_only_where_it_is_known(study):
    assert environments.reference_return(study.final, "slot-machine", "optimal_return") == "480.0"
    assert environments.reference_return(study.final, "recommender", "optimal_return") == "not known"
    unknown = study.final.with_columns(optimal_return=pl.lit(NAN))
    assert environments.reference_return(unknown, "slot-machine", "optimal_return") == "not known"


def test_an_idle_agent_stands_where_its_step_rewards_put_it(study):
    name = "gridworld-discrete"
    dynamics = study.settings.environments[name].dynamics
    idle = dynamics.episode_length * dynamics.step_reward
    ends = {"environment": pl.lit(name), "random_return": idle - 1.0, "optimal_return": idle + 3.0}
    (note,) = environments.gridworld(dataclasses.replace(study, final=study.final.with_columns(**ends)))
    assert "never meets the goal returns" in note["text"]
    assert note["text"].endswith("this is 0.250 (Gridworld, discrete state).")
    assert list(environments.gridworld(study)) == []


def test_a_panel_holds_its_sentence_its_claim_and_what_was_not_tested(study):
    assert list(results.panels(study)) == []
    study.figure("figure_2c").touch()
    other = claim(verdict="not tested", low=None, effect=None)
    shown = list(results.panels(dataclasses.replace(study, verdicts=[claim(), other])))
    assert [block["kind"] for block in shown] == ["prose", "figure", "note", "table", "note"]
    assert "VPG with JSAE ends at 240 ± 170; VPG with no embedding ends at 24.0 ± 33.9." in shown[1]["alt"]
    assert not shown[1]["wide"]
    assert shown[3]["rows"] == [["better", "0.250 [0.125, 0.375] final return", "5 / 4", "**supported**"]]
    assert "1 of the 2 claims on Figure 2c are not tested" in shown[4]["text"]


def test_the_difference_over_all_epochs_has_a_column_where_a_claim_has_one():
    over = {"measure": "area", "effect": 1.0, "low": 0.5, "high": 1.5}
    assert "Over all epochs" not in results.claims_table([claim()], "")["columns"]
    table = results.claims_table([claim(over_epochs=over)], "")
    assert table["rows"][0][table["columns"].index("Over all epochs")] == "1.00 [0.500, 1.50] fraction"


def test_final_returns_are_shown_by_cell(study):
    (table,) = comparisons.final_returns(study)
    steps = study.curves["policy_steps"].to_numpy().mean()
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
    (table,) = comparisons.final_returns(dataclasses.replace(study, final=study.final.with_columns(fraction=NAN)))
    assert table["rows"][0][7] == "not known"


def test_nothing_is_compared_without_a_tested_claim(study):
    untested = dataclasses.replace(study, verdicts=[claim(low=None)])
    assert list(comparisons.tested(untested)) == []
    assert len(list(comparisons.tested(study))) == 3


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
    ranges = theory.ranges(pl.DataFrame(rows, columns, orient="row", infer_schema_length=None))
    found = ranges.select("check", "low", "high", "rows", "n").rows()
    assert found == [("a", None, 3.0, 1, 20), ("b", 1.0, 9.0, 2, 7), ("c", 2.0, 3.0, 2, 1)]


def test_measures_of_an_environment_are_those_of_one_seed_and_controls_are_left_out():
    columns = ("rank_correlation", "loss", "least_loss", "guess", "action_gain", "action_error", "spread")
    rows = [
        ("slot-machine", "nats", name, *([seed] * 2), *([seed] * 2), NAN, NAN, seed)
        for name in ("jsae", "jsae_by_price")
        for seed in (1.0, 3.0)
    ]
    quality = pl.DataFrame(rows, ["environment", "unit", "embedding", *columns], orient="row")
    assert list(embeddings.quality_rows(quality)) == [
        ("Slot machine (nats)",),
        ("JSAE", "2.00 ± 1.41", "2.00 ± 1.41", "1.00", "1.00", "", "", "2.00 ± 1.41"),
    ]


def test_a_search_is_compared_with_the_study_after_as_many_epochs(study):
    row = dict(zip(context.CELL, JSAE, strict=True))
    runs = search.of_cell(study.curves, row)
    assert set(runs["embedding"]) == {"jsae"}
    last = runs.filter(pl.col("epoch") == 5)["mean_return"].to_numpy().mean()
    assert search.after(runs, 5) == f"{last:.3g}"
    assert search.after(runs, 9) == ""
    assert search.after(runs.clear(), 5) == ""
    took = pl.DataFrame({"seconds": [30, 60]})
    assert search.minutes(took) == "1.50"
    assert search.minutes(took.clear()) == ""


def test_measures_of_which_there_are_many_are_one_row_with_their_range():
    rows = [
        {"measure": "purchases", "published": 200.0, "synthetic": 100.0, "ratio": 0.5},
        {"measure": "views at 1", "published": 1.0, "synthetic": 2.0, "ratio": 2.0},
        {"measure": "views at 2", "published": 4.0, "synthetic": 1.0, "ratio": 0.25},
    ]
    assert list(data.calibration_rows(rows)) == [
        ("purchases", "200.0", "100.0", "0.500"),
        ("views in each hour of the day (2)", "", "", "0.250 to 2.00"),
    ]


def test_parameters_stand_under_the_headings_of_their_sections():
    names = ("scale", "agents.vpg.a", "agents.vpg.b", "agents.sac.a", "search.grid", "study.x.y")
    rows = [(name, "{}" if name == "search.grid" else "1", "m", "s") for name in names]
    shown = list(appendix.in_sections(rows))
    assert [row[0] for row in shown] == ["scale", "agents.vpg", "a", "b", "agents.sac", "a", "study", "x.y"]
    assert [row for row in shown if len(row) == 1] == [("agents.vpg",), ("agents.sac",), ("study",)]


def test_what_was_not_tested_or_has_not_run_is_listed(study):
    assert [block["kind"] for block in gaps.untested_claims(study)] == ["table"]
    (note,) = gaps.untested_claims(dataclasses.replace(study, verdicts=[claim()]))
    assert note["text"] == "Every claim was tested."
    lost = [{"environment": "slot-machine", "agent": "vpg", "embedding": "ra", "seeds": [0, 3]}]
    study.figure("figure_2c").touch()
    table, panels = gaps.missing_runs(dataclasses.replace(study, missing=lost))
    assert table["rows"] == [["slot-machine", "vpg", "ra", "0, 3"]]
    assert panels["text"].endswith(": 2a, 2b, 2d, 2e, 2f.")


def test_values_of_prose_are_read_from_the_study(study):
    bare = dataclasses.replace(study, purchases={"completejourney": None})
    named = values.named(bare)
    assert (named["runs"], named["cells"]) == (4, 2)
    assert (named["claims"], named["supported"], named["untested"], named["on_jsae"]) == (2, 1, 1, 1)
    assert named["on_jsae_said"] == "1 supported, 0 inconclusive, 0 contradicted, 0 not tested"
    assert named["scale"] == "paper"
    assert named["share"] == "100 %"
    assert named["bound.slot-machine.optimal"] == "480.0"
    assert named["quality.slot-machine.loss"] == "not measured"
    assert named["purchases.rows"] == "unknown"
    assert named["search.effect"] == "Not measured: the search has not run."
    assert named["paper.title"] == "T"
    assert "paper.references" not in named
    own = study.settings.agents.common.discount
    assert named["agents.common.discount"] == str(own)


def test_the_tag_of_a_formula_is_its_number():
    assert formulas.numbered("\n\\pi , \\tag{3}\n") == ("\\pi ,", "3")
    assert formulas.numbered("\\pi") == ("\\pi", "")
