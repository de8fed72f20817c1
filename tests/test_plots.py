"""Figures come from tables alone, say what they show, and are the same bytes each time."""

import base64
import io
import re
import xml.etree.ElementTree
from pathlib import Path

import matplotlib.colors
import matplotlib.figure
import numpy as np
import PIL.Image
import polars as pl
import pytest

from jsae.analysis import claims, search, statistics, tables
from jsae.analysis.schema import CELLS
from jsae.analysis.tables import ReferenceReturns
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.io.files import sha256
from jsae.reporting import drawings, figure_files, plots, tried
from jsae.reporting.looks import DASHES, SEARCHED, Looks
from jsae.training.columns import KEYS
from tests import made_runs

EMBEDDINGS = ("none", "ra", "jsae")
LABELS = {"vpg": "VPG", "ppo": "PPO", "sac": "SAC"}
KINDS = {
    "jsae": ("JSAE", "#0072B2", 0, "paper", ""),
    "ra": ("RA", "#D55E00", 1, "paper", ""),
    "none": ("no embedding", "#3f3f3f", 2, "paper", ""),
    "separate": ("states and actions embedded separately", "#009E73", 3, "ablation", "jsae"),
    "state_only": ("states embedded only", "#882255", 4, "ablation", "jsae"),
    "jsae_by_price": ("control", "#6A7FB5", 6, "control", "jsae"),
    "jsae_transfer": ("JSAE, φ transferred", "#AA4499", 7, "transfer", "jsae"),
    "jsae_transfer_tuned": ("JSAE, φ transferred and tuned", "#A0761C", 8, "transfer", "jsae"),
}
"""Label, colour, order, role and what it varies, of each embedding."""
PLACES = {
    "gridworld-continuous": ("Gridworld, continuous state", "2a"),
    "gridworld-discrete": ("Gridworld, discrete state", "2b"),
    "slot-machine": ("Slot machine", "2c"),
    "half-cheetah": ("Half-Cheetah", "2d"),
    "recommender": ("Recommender system", "2e"),
}
"""Label and panel of each environment."""


def looks_of(*cells: Cell) -> Looks:
    """The looks of some cells."""
    rows = []
    for cell in cells:
        (label, color, order, role, other), (place, panel) = KINDS[cell.embedding], PLACES[cell.environment]
        panel = "2f" if role == "transfer" else panel
        agents = LABELS[cell.agent], LABELS["ppo" if cell.reading == "ppo" else cell.agent]
        words = (place, *agents, label, color, order, role, other, "" if cell.reading else panel)
        rows.append((*vars(cell).values(), *words, 12, 100, cell.environment, ""))
    return Looks.of(pl.DataFrame(rows, CELLS.schema, orient="row"))


LOOKS = looks_of(*(Cell(place, agent, kind) for place in PLACES for agent in LABELS for kind in KINDS))


def study(environment: str, agents=("vpg",), embeddings=EMBEDDINGS, epochs: int = 12, seeds=(0, 1, 2)) -> pl.DataFrame:
    cells = [Cell(environment, agent, embedding) for agent in agents for embedding in embeddings]
    return pl.concat([made_runs.run(cell, seeds, epochs, 200) for cell in cells])


def cells_in(curves: pl.DataFrame) -> list[Cell]:
    return [Cell(*words) for words in curves.select(KEYS).unique(maintain_order=True).iter_rows()]


def ends(curves: pl.DataFrame, success=None) -> pl.DataFrame:
    """The table `final`, with the reference returns of the slot machine."""
    return tables.final(curves, dict.fromkeys(cells_in(curves), ReferenceReturns(13.3, 480.0)), success)


BOOK = claims.load(Path(__file__).parent.parent / "report" / "claims.yaml")


def drawn(curves: pl.DataFrame, missing=(), stamp: str = "", success=None, behind=None):
    """The curves in one row, a plot an environment and agent."""
    cells = [*cells_in(curves), *missing]
    places = dict.fromkeys((cell.environment, cell.agent) for cell in cells)
    row = [plots.Plot([c for c in cells if (c.environment, c.agent) == place], f"{place}") for place in places]
    return plots.learning_curves([row], curves, ends(curves, success), LOOKS, missing, stamp, behind)


def words(figure) -> str:
    return " | ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_figure_2_has_every_panel_in_order_and_a_plot_for_each_agent_of_2e():
    cells = [Cell(place, "vpg", name) for place in PLACES for name in (*EMBEDDINGS, "jsae_transfer")]
    looks = looks_of(*cells, *(Cell("recommender", agent, name) for agent in ("ppo", "sac") for name in EMBEDDINGS))
    rows = plots.plots_of_figure_2(looks, BOOK, list(looks.panels))
    assert looks.panels_with([Cell("recommender", "ppo", "ra"), Cell("slot-machine", "vpg", "jsae", "ppo")]) == ["2e"]
    titles = [[plot.title.split("  ")[0] for plot in row] for row in rows]
    assert titles == [["2a", "2b", "2c"], ["2d", "2e", "2e"], ["2e", "2f"]]
    shop = [*rows[1][1:], rows[2][0]]
    assert [plot.title for plot in shop] == [f"2e  Recommender system ({agent})" for agent in ("VPG", "PPO", "SAC")]
    assert {cell.embedding for cell in rows[0][1].cells} == {"none", "ra", "jsae"}
    assert {cell.embedding for cell in rows[2][1].cells} == {"jsae", "jsae_transfer"}
    curves = pl.concat([made_runs.run(cell, (0, 1), 12, 200) for row in rows for plot in row for cell in plot.cells])
    figure = plots.learning_curves(rows, curves.unique(maintain_order=True), ends(curves), looks)
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    assert len(legends) + len(figure.legends) == 1, "one legend, in the free place"
    assert len([axes for axes in figure.axes if axes.axison]) == 8
    ranges = [axes.get_ylim() for axes in figure.axes]
    assert len(set(ranges[4:7])) == 1, "the agents of 2e have one range"


@pytest.mark.parametrize(
    ("panel", "agent", "said"),
    [
        ("2a", "vpg", "JSAE ≈ RA, no embedding"),
        ("2b", "vpg", "JSAE > RA, no embedding"),
        ("2d", "vpg", "JSAE ≈ no embedding"),
        ("2e", "ppo", "JSAE > no embedding > RA"),
        ("2e", "sac", "JSAE > RA, no embedding"),
        ("2f", "vpg", "JSAE, φ transferred > JSAE"),
        ("2f", "sac", ""),
    ],
)
def test_the_papers_ordering_is_read_from_its_claims(panel, agent, said):
    assert plots.ordering(panel, agent, BOOK, LOOKS) == said


def test_a_cell_whose_runs_agree_is_a_mean_with_its_interval_and_a_divided_one_its_seeds():
    curves = study("slot-machine", embeddings=("jsae", "none"))
    finals = ends(curves).filter(embedding="none")["final_return"].sort()
    between = (finals[0] + finals[1]) / 2
    jsae = ends(curves).filter(embedding="jsae")["final_return"].to_numpy()
    assert (jsae > between).all(), "every run of JSAE succeeds, some without embedding do not"
    axes = drawn(curves, success={"slot-machine": between}).axes[0]
    thick, thin = ([line for line in axes.lines if line.get_linewidth() == width] for width in (1.4, 0.5))
    assert len(thick) == 2
    returns = (
        curves.filter(embedding="jsae").pivot("seed", index="epoch", values="mean_return").drop("epoch").to_numpy()
    )
    np.testing.assert_allclose(thick[0].get_ydata(), returns.mean(axis=1))
    (band,) = axes.collections
    intervals = [statistics.mean_interval(epoch) for epoch in returns]
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(max(one.high for one in intervals))
    assert band.get_paths()[0].vertices[:, 1].min() == pytest.approx(min(one.low for one in intervals))
    of_seeds = [line for line in thin if len(line.get_xdata()) == 12]
    assert len(of_seeds) == 3
    for seed, line in enumerate(of_seeds):
        np.testing.assert_allclose(line.get_ydata(), curves.filter(embedding="none", seed=seed)["mean_return"])


def test_a_published_study_lies_light_behind_as_far_as_this_one_goes():
    curves = study("slot-machine", embeddings=("jsae",), epochs=6)
    behind = study("slot-machine", embeddings=("jsae",), epochs=40)
    axes = drawn(curves, behind=behind).axes[0]
    (light,) = [line for line in axes.lines if line.get_alpha() == 0.25]
    assert light.get_xdata().max() == 6
    mean = behind.filter(pl.col("epoch") <= 6).group_by("epoch").agg(pl.col("mean_return").mean()).sort("epoch")
    np.testing.assert_allclose(light.get_ydata(), mean["mean_return"].to_numpy())
    assert axes.get_xlim() == (0, 6)
    said = "light: means of the published study"
    for figure, known in ((drawn(curves, behind=behind), True), (drawn(curves, behind=behind.clear()), False)):
        (legend,) = figure.legends
        assert (said in [text.get_text() for text in legend.get_texts()]) == known


def test_a_panel_of_transfers_compares_them_with_what_they_vary_and_no_other():
    looks = looks_of(
        *(Cell("gridworld-discrete", "vpg", name) for name in ("none", "jsae_transfer", "separate", "jsae"))
    )
    assert looks.compared("2f") == ["jsae", "jsae_transfer"]
    assert looks.cells_of("2f") == [Cell("gridworld-discrete", "vpg", name) for name in ("jsae_transfer", "jsae")]


def test_a_cell_under_another_reading_is_in_no_panel():
    cell = Cell("slot-machine", "vpg", "jsae", "four-steps")
    looks = looks_of(Cell("slot-machine", "vpg", "none"), cell)
    assert looks.compared("2c") == ["none"]
    assert looks.readings == ["four-steps"]
    assert looks.cells_under("four-steps") == [cell]
    assert looks.cell(vars(cell).values()) == "Slot machine, VPG, JSAE, reading four-steps"
    assert looks.world("slot-machine-four-steps") == "Slot machine (four-steps)"
    assert looks.world("slot-machine") == "Slot machine"
    assert looks_of(cell).panels == {}


def test_a_figure_of_a_reading_has_a_plot_an_environment_and_agent():
    cells = [Cell(place, "vpg", name, "four-steps") for place in PLACES for name in ("jsae", "none")]
    rows = plots.plots_of_reading(looks_of(*cells), "four-steps")
    assert [plot.title for row in rows for plot in row] == [f"{label} (VPG)" for label, _ in PLACES.values()]
    instead = plots.plots_of_reading(looks_of(Cell("slot-machine", "vpg", "jsae", "ppo")), "ppo")
    assert [plot.title for row in instead for plot in row] == ["Slot machine (PPO in place of VPG)"]
    assert [len(row) for row in rows] == [3, 2]
    assert {plot.points for row in rows for plot in row} == {50}


def test_names_that_are_in_no_table_are_shown_as_they_are():
    assert [LOOKS.environment("x"), LOOKS.agent("y"), LOOKS.embedding("z")] == ["x", "y", "z"]
    assert LOOKS.in_order(["z", "none", "jsae"]) == ["jsae", "none", "z"]
    assert LOOKS.style("z")["linestyle"] not in DASHES


def test_a_single_seed_has_no_band():
    assert not drawn(study("slot-machine", embeddings=("jsae",), seeds=(4,))).axes[0].collections


def test_missing_cells_are_named():
    figure = drawn(study("slot-machine", embeddings=("none",)), [Cell("slot-machine", "vpg", "ra")])
    assert "missing:\nRA" in words(figure)


@pytest.mark.parametrize("stamp", ["PREVIEW", "SMOKE TEST"])
def test_a_short_study_is_stamped_on_every_plot(stamp):
    figure = drawn(study("recommender", agents=("vpg", "ppo", "sac")), stamp=stamp)
    assert words(figure).count(stamp) == 3 * 2
    assert stamp not in words(drawn(study("recommender")))


def test_embeddings_can_be_told_apart_in_grey():
    looks = made_runs.planned("paper").aggregate().values["cells"]
    kinds = Looks.of(pl.DataFrame(looks, CELLS.schema)).styles
    assert len(kinds) > 8
    assert len({str(look["linestyle"]) for look in kinds.values()}) == len(kinds)
    for look in kinds.values():
        red, green, blue = matplotlib.colors.to_rgb(look["color"])
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.6, "too light on white"


def test_the_same_tables_give_the_same_bytes_without_a_date(tmp_path):
    curves = study("slot-machine")
    first = figure_files.save(drawn(curves, stamp="PREVIEW"), tmp_path / "a" / "figure_2c")
    again = figure_files.save(drawn(curves, stamp="PREVIEW"), tmp_path / "b" / "figure_2c")
    assert [path.name for path in first] == ["figure_2c.svg", "figure_2c.pdf", "figure_2c.png"]
    for one, other in zip(first, again, strict=True):
        assert sha256(one) == sha256(other)
        assert b"Date" not in one.read_bytes()
    assert b"<svg" in first[0].read_bytes()


def test_a_smaller_svg_has_short_coordinates_and_pictures_of_few_colours_and_looks_the_same(tmp_path):
    rng = np.random.default_rng(0)
    figure = matplotlib.figure.Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot(np.arange(80), rng.standard_normal(80))
    axes.scatter(rng.uniform(0, 80, 2000), rng.standard_normal(2000), c=rng.uniform(size=2000), s=3, rasterized=True)
    figure.savefig(tmp_path / "whole.svg")
    whole = (tmp_path / "whole.svg").read_text()
    small = figure_files.smaller(whole.encode()).decode()
    assert len(small) < 0.7 * len(whole)
    assert "'" not in small, "its quotes can be turned into these"
    number = re.compile(r"-?\d+\.\d+")
    shapes = [
        "\n".join(
            f"{element.tag} {name}={value}"
            for element in xml.etree.ElementTree.fromstring(text).iter()
            if "svg" in element.tag
            for name, value in element.attrib.items()
            if not value.startswith("data:")
        )
        for text in (small, re.sub("STIXGeneral-Regular-", "r", whole))
    ]
    numbers = [[float(one) for one in number.findall(text)] for text in shapes]
    np.testing.assert_allclose(*numbers, rtol=0, atol=0.0051)
    words = [re.sub(r"\s+", " ", number.sub("", text)) for text in shapes]
    assert words[0] == words[1], "nothing but numbers and the names of letters differs"
    pictures = [
        np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGBA"), float)
        for found in (re.search(r"base64,([^\"]*)", text) for text in (small, whole))
    ]
    alpha = [picture[..., 3:] / 255 for picture in pictures]
    shown = [picture[..., :3] * a + 255 * (1 - a) for picture, a in zip(pictures, alpha, strict=True)]
    assert np.abs(shown[0] - shown[1]).mean() < 3, "of 255"


def test_nothing_is_cut_off_at_the_edge_of_a_figure_of_square_plots(tmp_path):
    angle = np.linspace(-np.pi, np.pi, 32)
    places = {"e1": 0.4 * np.cos(angle), "e2": 0.7 * np.sin(angle), "direction": angle, "length": 1.0}
    names = ("jsae", "ra", "jsae_transfer", "jsae_transfer_tuned")
    actions = pl.concat(
        [pl.DataFrame({"environment": "gridworld-discrete", "embedding": name, **places}) for name in names]
    )
    ranks = actions.group_by("environment", "embedding").agg(rank_correlation=pl.lit(0.5))
    figure = plots.figure_embeddings(actions, ranks, LOOKS, "PREVIEW")
    figure_files.save(figure, tmp_path / "embeddings")
    box = figure.bbox.extents
    for axes in figure.axes:
        inside = axes.get_tightbbox().extents
        assert (inside[:2] > box[:2] - 1).all()  # a pixel
        assert (inside[2:] < box[2:] + 1).all()


WALLS, GOAL, START = [[0.0, 0.375, 0.5, 0.4], [0.5, 0.375, 0.525, 0.75]], [0.125, 0.625, 0.175, 0.675], [0.3, 0.1]


def test_the_gridworld_is_drawn_to_its_coordinates():
    world = {"walls": WALLS, "goal": GOAL, "start": START, "actuators": 11, "sub_steps": 4, "sub_step_length": 0.045}
    (axes,) = drawings.figure_environments({"gridworld": world}, {"gridworld": "Grid"}).axes
    assert axes.get_title() == "Grid"
    boxes = [
        (*patch.get_xy(), patch.get_x() + patch.get_width(), patch.get_y() + patch.get_height())
        for patch in axes.patches
    ]
    np.testing.assert_allclose(boxes, [[0, 0, 1, 1], *WALLS, GOAL])
    assert [tuple(line.get_xydata()[0]) for line in axes.lines] == [tuple(START)]
    arrows = [text for text in axes.texts if text.arrowprops]
    tips = np.array([arrow.xy for arrow in arrows]) - START
    np.testing.assert_allclose(np.linalg.norm(tips, axis=1), 0.09)
    np.testing.assert_allclose(tips.sum(axis=0), 0, atol=1e-12)
    assert len(arrows) == 11


def test_every_environment_that_has_a_picture_is_drawn_and_no_other():
    worlds = {"recommender": {}, "half_cheetah": {}, "slot_machine": {"reels": [[1, 2, 3], [4, 5, 6]]}, "mine": {}}
    labels = {name: name for name in worlds}
    figure = drawings.figure_environments(worlds, labels)
    assert [axes.get_title() for axes in figure.axes] == ["slot_machine", "half_cheetah", "recommender"]
    assert [text.get_text() for text in figure.axes[0].texts] == list("123456")


@pytest.mark.parametrize(
    ("figure", "names"), [(drawings.figure_1, "ϕ π_i f X_t E_t A_t S_t g T"), (drawings.figure_3, "π_i S_t E_t f")]
)
def test_drawings_name_every_part_of_the_papers(figure, names):
    written = " ".join(text.get_text() for axes in figure().axes for text in axes.texts)
    for name in names.replace("ϕ", "\\phi").replace("π", "\\pi").split():
        assert f"${name}$" in written


def comparison(
    reading: str, effect: float, agent: str = "vpg", other: str = "none", measure: str = "end", **more
) -> dict:
    """A record of claims.json or readings.json."""
    record = {
        "figure": "2e",
        "reading": reading,
        "measure": measure,
        "unit": "normalized",
        "kind": "better",
        "margin": 0.05,
    }
    record |= {"first": ["recommender", agent, "jsae", reading], "second": ["recommender", agent, other, reading]}
    return record | {"effect": effect, "low": effect - 0.1, "high": effect + 0.1, "verdict": "supported"} | more


def test_a_specification_curve_has_the_primary_reading_first_and_the_others_by_effect():
    records = [comparison("", 0.1), comparison("low", -0.5), comparison("high", 0.9), comparison("mid", 0.3)]
    records += [comparison("", 0.2, agent="sac"), comparison("high", 0.4, measure="speed")]
    records += [comparison("mid", 0.3, other="ra", low=None), comparison("mid", 9.0, measure="epochs")]
    records.append({**comparison("", 5.0), "first": ["recommender", "vpg", "none", ""]})  # on another embedding
    records += [comparison("", 5.0, figure="2c"), comparison("", 5.0, measure=None, first=None, kind="fact")]
    records = plots.specified(records, "2e")
    columns, rows = plots.specification_rows(records, LOOKS)
    assert columns == [("none", "end"), ("none", "speed")], "against RA nothing was tested"
    assert [(row.agent, row.reading) for row in rows] == [
        ("vpg", ""), ("vpg", "high"), ("vpg", "mid"), ("vpg", "low"), ("sac", ""),
    ]  # fmt: skip
    _, rows = plots.specification_rows([*records, comparison("longer-ra", 0.7, other="ra")], LOOKS)
    assert [row.reading for row in rows if row.agent == "vpg"] == ["", "high", "mid", "low", "longer-ra"]


def test_a_specification_curve_draws_effects_intervals_margins_and_verdicts():
    records = [comparison("", 0.1), comparison("four-steps", -0.5, verdict="contradicted")]
    records.append(comparison("", 0.3, measure="speed", verdict="inconclusive"))
    records.append(comparison("four-steps", 0.3, measure="speed", low=None))
    records.append(comparison("frozen", 0.1, measure="speed"))
    figure = plots.figure_specification(records, LOOKS, "PREVIEW")
    end, speed = figure.axes
    labels = [label.get_text() for label in end.get_yticklabels()]
    assert labels == ["primary reading", "four-steps", "frozen"]
    assert [axes.get_title() for axes in figure.axes] == [f"against no embedding: {name}" for name in ("end", "speed")]
    intervals = {tuple(line.get_xdata()): line.get_color() for line in end.lines if line.get_linewidth() == 1.3}
    looks = plots.VERDICT_LOOKS
    assert [np.round(ends, 9).tolist() for ends in intervals] == [[0.0, 0.2], [-0.6, -0.4]]
    assert list(intervals.values()) == [looks["supported"]["color"], looks["contradicted"]["color"]]
    (margin,) = end.patches
    assert (margin.get_x(), margin.get_width()) == (0, 0.05)
    assert [text.get_text() for text in speed.texts if text.get_text() != "PREVIEW"] == ["not tested"]
    assert [text.get_text() for text in end.texts if text.get_text() != "PREVIEW"] == ["unchanged"]
    assert "PREVIEW" in words(figure)
    comparable = [comparison("", 0.1, kind="comparable", margin=0.25)]
    (margin,) = plots.figure_specification(comparable, LOOKS).axes[0].patches
    assert (margin.get_x(), margin.get_width()) == (-0.25, 0.5)


def test_agents_have_headings_where_a_panel_has_several():
    figure = plots.figure_specification([comparison("", 0.1), comparison("", 0.1, agent="sac")], LOOKS)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["VPG", "primary reading", "SAC", "primary reading"]


def test_aggregates_draw_one_interval_and_one_profile_an_embedding():
    curves = pl.concat([study(name) for name in ("slot-machine", "gridworld-discrete")])
    left, right = plots.figure_aggregates(*tables.aggregates(ends(curves), LOOKS.cells), LOOKS).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["JSAE (VPG)", "RA (VPG)", "no embedding (VPG)"]
    assert len(right.lines) == 3
    for line in right.lines:
        assert (np.diff(line.get_ydata()) <= 0).all()


def test_ablations_draw_every_seed_and_the_student_interval():
    curves = pl.concat([study("slot-machine", embeddings=("jsae", "separate")), study("recommender")])
    final = tables.final(curves, {})
    (axes,) = plots.figure_ablations(final, LOOKS).axes
    assert axes.title.get_text() == "Slot machine (VPG)"
    assert len(axes.get_yticklabels()) == 2
    returns = final.filter(pl.col("embedding") == "separate")["final_return"].to_numpy()
    dots, bar, mean = axes.lines[3:]
    np.testing.assert_array_equal(dots.get_xdata(), returns)
    interval = statistics.mean_interval(returns)
    assert tuple(bar.get_xdata()) == (interval.low, interval.high)
    assert mean.get_xdata()[0] == interval.estimate


def test_a_missing_ablation_has_a_row_that_says_so():
    final = tables.final(study("slot-machine", embeddings=("jsae", "separate")), {})
    missing = [Cell("slot-machine", "vpg", "state_only"), Cell("recommender", "vpg", "jsae_by_price")]
    missing.append(Cell("half-cheetah", "vpg", "state_only", "four-steps"))
    first, second = plots.figure_ablations(final, LOOKS, missing).axes
    labels = [label.get_text() for label in first.get_yticklabels()]
    assert labels[-1] == "states embedded only (missing)"
    assert [label.get_text() for label in second.get_yticklabels()] == ["control (missing)"]


def test_maps_share_their_scales_and_leave_unvisited_places_white():
    corner = {"x_bin": [0, 0, 1, 1], "y_bin": [0, 1, 0, 1]}
    frames = [
        pl.DataFrame({"embedding": embedding, "seeds": 2, **corner, "value": values, "visits": visits})
        for embedding, values, visits in (
            ("none", [1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 0.0]),
            ("jsae", [0.5, 1.0, 1.5, 9.0], [0.25, 0.5, 0.25, 0.0]),
        )
    ]
    figure = plots.figure_maps(pl.concat(frames), WALLS, GOAL, START, LOOKS)
    jsae, none, jsae_visits, none_visits = (axes.images[0] for axes in figure.axes if axes.get_label() != "<colorbar>")
    np.testing.assert_array_equal(none.get_array(), [[1.0, 3.0], [2.0, 4.0]])
    assert jsae.get_clim() == none.get_clim() == (0.5, 9.0)
    assert jsae_visits.get_clim() == none_visits.get_clim() == (0.25, 1.0)
    np.testing.assert_array_equal(none_visits.get_array().mask, [[False, True], [True, True]])
    assert figure.axes[0].get_title() == "JSAE (n = 2)"


def test_sensitivity_joins_the_best_setting_with_each_value():
    settings = {name: [None] * 4 for name in SEARCHED} | {"actor_learning_rate": [0.001, 0.001, 0.0001, 0.0001]}
    cell = {"environment": ["slot-machine"] * 4, "agent": ["vpg"] * 4, "embedding": ["jsae"] * 4}
    search = pl.DataFrame({**cell, **settings, "epochs": [10, 20, 20, 20], "score": [5.0, 3.0, 1.0, 2.0]})
    (axes,) = plots.figure_sensitivity(search, LOOKS).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.0001", "0.001"]
    assert axes.get_xlabel() == "Actor's learning rate"
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0, 2.0], [1, 5.0]])
    open_circles = [dots for dots in axes.collections if len(dots.get_offsets()) and not len(dots.get_facecolors())]
    np.testing.assert_array_equal(open_circles[0].get_offsets(), [[1, 5.0]])
    other = search.with_columns(agent=pl.lit("sac"), actor_learning_rate=None, entropy_weight=pl.Series([0.1, 0.3] * 2))
    grid = plots.figure_sensitivity(pl.concat([search, other], how="vertical_relaxed"), LOOKS).axes
    assert [axes.axison for axes in grid] == [True, False, False, True], "an agent has no plot of what it does not have"
    assert [bool(axes.get_ylabel()) for axes in grid] == [True, False, False, True], "its first plot names it"


@pytest.mark.parametrize(
    ("text", "said"), [(None, "no readable table"), ("epochs,score\n", "has other columns than e")]
)
def test_an_outcome_of_the_search_that_is_none_is_refused(tmp_path, text, said):
    path = tmp_path / "settings.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(JsaeError, match=said):
        tried.read(path, search.OUTCOME)


def test_only_searched_cells_of_the_study_are_shown(tmp_path):
    path = tmp_path / "times.csv"
    path.write_text(",".join(tried.TIMES) + "\nslot-machine,vpg,jsae,1,plain\nslot-machine,vpg,ra,2,plain\n")
    shown = tried.of_study(tried.read(path, tried.TIMES), looks_of(Cell("slot-machine", "vpg", "ra")).cells)
    assert shown["seconds"].to_list() == [2]


def test_wall_times_have_a_bar_a_cell():
    hours = {Cell("slot-machine", "vpg", "jsae"): 0.5, Cell("slot-machine", "ppo", "ra"): 0.25}
    hours[Cell("gridworld-discrete", "vpg", "none")] = 2.0
    hours[Cell("gridworld-discrete", "vpg", "none", "four-steps")] = 1.0
    first, second = plots.figure_wall_times(hours, LOOKS).axes
    assert first.get_title() == "Gridworld, discrete state"
    labels = [label.get_text() for label in first.get_yticklabels()]
    assert labels == ["no embedding (VPG)", "no embedding (VPG, four-steps)"]
    assert [bar.get_width() for bar in second.patches] == [0.5, 0.25]
    assert [label.get_text() for label in second.get_yticklabels()] == ["JSAE (VPG)", "RA (PPO)"]


def test_action_embeddings_are_coloured_by_direction_and_those_that_stand_still_are_grey():
    actions = pl.DataFrame(
        {
            "environment": ["gridworld-discrete"] * 4,
            "embedding": ["ra", "ra", "jsae", "jsae"],
            "e1": [0.1, 0.2, 0.3, 0.4],
            "e2": [0.5, 0.6, 0.7, 0.8],
            "direction": [0.0, 0.0, 1.5, 0.0],
            "length": [1.0, 0.0, 0.7, 0.0],
        }
    )
    measured = pl.DataFrame(
        {"environment": ["gridworld-discrete"] * 2, "embedding": ["jsae"] * 2, "rank_correlation": [0.4, 0.6]}
    )
    jsae, ra, _ = plots.figure_embeddings(actions, measured, LOOKS).axes
    assert jsae.get_title() == "JSAE\nρ = 0.50 (n = 2)"
    assert ra.get_title() == "RA"
    still, moving = jsae.collections
    np.testing.assert_array_equal(still.get_offsets(), [[0.4, 0.8]])
    np.testing.assert_array_equal(moving.get_offsets(), [[0.3, 0.7]])
    np.testing.assert_array_equal(moving.get_array(), [1.5])


def test_long_curves_are_drawn_by_means_of_blocks_and_short_ones_as_they_are():
    def run(epochs: int) -> pl.DataFrame:
        epoch = np.arange(1, epochs + 1)
        return pl.DataFrame({"seed": [3] * epochs, "epoch": epoch, "mean_return": epoch - 1.0})

    assert plots.block_width(250) == 3
    long = plots.blocks(run(250))
    assert long["epoch"].to_list() == [*range(3, 250, 3), 250]
    assert long["mean_return"].to_list() == [*np.arange(1.0, 248, 3), 249.0]
    assert plots.blocks(run(100)).equals(run(100))
