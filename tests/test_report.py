"""The report: one page that needs nothing from outside, is the same bytes each time, and shows what the tables hold."""

import ast
import errno
import html.parser
import io
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import nbformat
import pikepdf
import polars as pl
import pytest

from jsae.analysis import claims, search
from jsae.config import layout
from jsae.config.best import Best
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.config.yaml import read_yaml
from jsae.io.code import CodeFiles
from jsae.io.declared import Declared
from jsae.io.files import sha256
from jsae.reporting import context, document, formulas, pages, tried, values, wording
from jsae.reporting.looks import Looks
from jsae.reporting.sections import summary
from stages import _main, aggregate, figures, report
from tests import made_runs
from tools import publish, published, readme, render

ROOT = Path(__file__).parent.parent
LOST = Cell("gridworld-discrete", "vpg", "ra")
FOUND = Best({}, {Cell("slot-machine", "vpg", "jsae"): {"actor_learning_rate": 0.0003}})
STAGES = {"aggregate": aggregate.main, "figures": figures.main, "report": report.main}


def make(folder: Path, scale: str, panel: str = "", leave_out: tuple[Cell, ...] = ()) -> Path:
    """A folder with a study made of seeded runs, and its figures and report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT))
        shutil.copytree(ROOT / "report", folder / "report", ignore=shutil.ignore_patterns("smoke", "preview", "paper"))
        made_runs.write_all(made_runs.planned(scale, panel, found=FOUND), leave_out)
        for stage, main in STAGES.items():
            patch.setattr(sys, "argv", [stage, str(layout.settings(stage))])
            _main.run(main)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A whole study at the paper's scale, one cell missing."""
    return make(tmp_path_factory.mktemp("study"), "paper", leave_out=(LOST,))


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("smoke"), "smoke")


@pytest.fixture(scope="module")
def panel(tmp_path_factory) -> Path:
    """A preview of the slot machine alone."""
    return make(tmp_path_factory.mktemp("panel"), "preview", "2c")


@pytest.fixture(scope="module")
def page(study: Path) -> str:
    return (study / layout.report("paper")).read_text()


@pytest.fixture(scope="module")
def paper(study: Path) -> bytes:
    return (study / layout.paper("paper")).read_bytes()


@pytest.fixture(scope="module")
def supplement(study: Path) -> bytes:
    return (study / layout.supplement("paper")).read_bytes()


def verdicts(study: Path) -> list[dict]:
    return json.loads((study / layout.claims("paper")).read_text())


class Elements(html.parser.HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_page_needs_nothing_from_outside(page):
    allowed = ("data:", "#", "provenance.html", "runs.html")
    for tag, attributes in Elements(page).found:
        assert tag not in {"iframe", "base"}
        if tag == "link":
            assert attributes["href"].startswith("data:")
        for name in ("src", "href", "data", "srcset", "poster", "action", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(allowed), (tag, name, value)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("made", ["study", "smoke", "panel"])
def test_a_name_stands_for_one_thing_and_what_scrolls_can_be_reached_by_keyboard(made, request):
    folder = request.getfixturevalue(made)
    style = (ROOT / "report/style.css").read_text(encoding="utf-8")
    scrolling = set(re.findall(r"^([\w.]+) \{[^}]*overflow-x: auto", style, re.MULTILINE))
    assert scrolling == {"pre", ".table", ".equation"}  # nav holds links, which can be reached
    for path in (folder / "report").glob("*/*.html"):
        found = Elements(path.read_text(encoding="utf-8")).found
        names = [attributes["id"] for _, attributes in found if "id" in attributes]
        assert [name for name in names if names.count(name) > 1] == []
        for tag, attributes in found:
            classes = {f".{word}" for word in (attributes.get("class") or "").split()}
            if (classes | {tag}) & scrolling:
                assert attributes.get("tabindex") == "0", (path.name, tag, attributes)
                assert tag == "pre" or (attributes["role"] and attributes["aria-label"])


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_a_report_that_cannot_be_written_says_so_and_leaves_the_old_one(panel, monkeypatch, number):
    """The other stages are in test_writes.py."""
    monkeypatch.chdir(panel)
    declared = Declared.read(layout.settings("report"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in ("", "# Title")])
    monkeypatch.setattr(report, "run_notebook", lambda *_: notebook)
    before = {path: path.read_bytes() for path in (panel / "report").rglob("*") if path.is_file()}

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(JsaeError, match=r"report.html was not written: [^\n]*, then run again$"):
        report.main(declared)
    assert {path: path.read_bytes() for path in (panel / "report").rglob("*") if path.is_file()} == before


def test_every_image_has_words_and_every_anchor_a_target(page):
    found = Elements(page).found
    names = [attributes["id"] for _, attributes in found if attributes.get("id")]
    assert len(names) == len(set(names))
    images = [attributes for tag, attributes in found if tag == "img" and "src" in attributes]
    assert len(images) >= 4
    assert all(len(image["alt"]) > 40 for image in images)
    for tag, attributes in found:
        if tag == "a" and attributes["href"].startswith("#"):
            assert attributes["href"][1:] in names


def test_the_missing_cell_is_listed_and_the_papers_scale_has_no_stamp(page):
    assert "Blocks of seeds that this study plans and that have not run." in page
    listed = page[page.index('id="missing-runs"') :]
    assert listed.index(LOST.environment) < listed.index('id="deviations-from-the-paper"')
    assert 'class="stamp"' not in page
    assert "nothing here is a result" not in page.lower()


def section(page: str, name: str) -> str:
    """The part of the page under a heading of the second level."""
    return page[page.index(f'<h2 id="{name}"') :].split("<h2 ", 2)[1]


MAIN = ["summary", "method", "environments", "learning-curves", "verdicts", "other-readings", "causes", "limits"]


def test_the_report_has_its_sections_and_the_supplement_is_folded(page):
    main, supplement = page.split('<h1 id="supplement">')
    assert re.findall(r'<h2 id="([^"]*)"', main) == [*MAIN, "references"]
    folded = re.findall(r'<details class="section"><summary><h2 id="([^"]*)"', supplement)
    assert folded == re.findall(r'<h2 id="([^"]*)"', supplement)
    assert len(folded) > 12
    assert supplement.count("</details>") == len(folded)
    contents = re.search(r"<nav.*?</nav>", page, re.DOTALL)[0]
    assert re.findall(r'href="#([^"]*)"', contents) == [*MAIN, "references", *folded]


def test_the_summary_prints_the_digest_of_the_plan(study, page):
    digest = sha256(study / "report" / "plan.md")[:12]
    assert f"<code>{digest}</code>" in section(page, "summary")
    assert re.search(r"\d+ claims on JSAE: \d+ ", html.unescape(section(page, "summary")))


def test_every_figure_opens_large_and_has_a_command_to_copy(page):
    figures = re.findall(r'<figure class="panel".*?</figure>', page, re.DOTALL)
    assert len(figures) > 10
    for figure in figures:
        buttons = [attributes["class"] for tag, attributes in Elements(figure).found if tag == "button"]
        assert buttons == ["enlarge", "copy"]
        assert re.search(r"<code>(dvc repro figures|make paper[^<]*)</code> <button", figure)
        drawing = urllib.parse.unquote(re.search(r'src="data:image/svg\+xml,([^"]*)"', figure)[1])
        assert xml.etree.ElementTree.fromstring(drawing).tag.endswith("svg")


def test_all_panels_are_one_figure(study, page):
    curves = section(page, "learning-curves")
    assert curves.count("<figure ") == 1
    assert 'id="figure-2"' in curves
    assert [path.name for path in (study / layout.figures("paper")).glob("figure_2*.svg")] == ["figure_2.svg"]


def test_each_panel_with_readings_has_a_specification_curve(study, page):
    drawn = {path.stem for path in (study / layout.figures("paper")).glob("figure_specification_*.svg")}
    assert drawn == {f"figure_specification_{panel}" for panel in ("2a", "2b", "2c", "2d", "2e")}
    shown = re.findall(r'id="figure-specification-(2.)"', section(page, "other-readings"))
    assert shown == ["2a", "2b", "2c", "2d", "2e"]


def test_the_paper_has_at_most_ten_pages_and_the_tables_are_in_the_supplement(paper, supplement):
    counts = [len(pikepdf.open(io.BytesIO(content)).pages) for content in (paper, supplement)]
    assert 5 < counts[0] <= 10
    assert counts[1] > counts[0]


@pytest.mark.parametrize(
    ("name", "scale", "stamp"), [("smoke", "smoke", "SMOKE TEST"), ("panel", "preview", "PREVIEW")]
)
def test_a_short_study_is_stamped_on_every_page_and_on_every_plot_of_results(name, scale, stamp, request, monkeypatch):
    monkeypatch.chdir(request.getfixturevalue(name))
    for path in (layout.report(scale), layout.run_browser(scale)):
        assert stamp in path.read_text()
    drawn = dict(figures.drawn(made_runs.declared("figures")))
    assert {f"{name}.svg" for name in drawn} == {path.name for path in layout.figures(scale).glob("*.svg")}
    for name, figure in drawn.items():
        if name in ("figure_1", "figure_3", "figure_environments"):  # drawings, which show no result
            assert not any(text.get_text() == stamp for axes in figure.axes for text in axes.texts)
            continue
        plots_of = [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and (axes.axison or axes.texts)]
        assert plots_of
        assert all(any(text.get_text() == stamp for text in axes.texts) for axes in plots_of), name


@pytest.mark.parametrize(("name", "scale"), [("smoke", "smoke"), ("panel", "preview")])
def test_a_short_study_gives_no_verdict(name, scale, request):
    page = (request.getfixturevalue(name) / layout.report(scale)).read_text()
    text = re.sub(r"<style>.*?</style>|<script>.*?</script>|src=\"data:[^\"]*\"", "", page, flags=re.DOTALL)
    for word in ("supported", "contradicted", 'id="verdicts-table"'):
        assert word not in re.sub(r'id="deviations.*', "", text, flags=re.DOTALL)
    left = section(page, "learning-curves")
    assert "Left out at this scale: Verdicts, Other readings and Causes (the runs are shorter" in left
    main, supplement = page.split('<h1 id="supplement">')
    assert re.findall(r'<h2 id="([^"]*)"', main) == [*MAIN[:4], "limits", "references"]
    named = re.search(r"Left out at this scale: ([^<]*)", supplement)[1]
    first = "All comparisons, Comparisons under each reading, Predictions of the causes and Claims that were not tested"
    assert named.startswith(first)
    assert ("Curves under each reading (no reading other than the primary one has run)" in named) == (scale != "smoke")
    assert not list((request.getfixturevalue(name) / layout.figures(scale)).glob("figure_specification*"))


def test_empty_sections_are_named_in_one_line_with_their_reasons():
    texts = ["# Title", "## One\n\nIt is.", "", "## Two\n\nEmpty.", "", "## Three", "", "## Four", "", "## Five"]
    blocks = [document.prose(text) if text else document.empty("no runs") for text in texts]
    blocks[2] = document.left_out()
    blocks[8] = document.empty("too short")
    shown = pages.filled(blocks)
    assert [block["text"] for block in shown] == [
        "# Title",
        "## One\n\nIt is.",
        "Left out at this scale: Two and Three (no runs); Four (too short).",
        "## Five",
    ]
    full = [block for block in blocks if block["kind"] != "empty"]
    assert pages.filled(full) == [block for block in full if block["kind"] == "prose"]


def test_a_smoke_test_says_first_that_nothing_is_a_result(smoke):
    page = (smoke / layout.report("smoke")).read_text()
    first = section(page, "summary")
    assert "Nothing here is a result.</strong> Everything ran, nothing was learnt" in first
    assert "There is no result" in first
    assert 'id="so-far"' not in page


def test_a_preview_says_who_has_learnt_more_so_far(panel):
    curves = section((panel / layout.report("preview")).read_text(), "learning-curves")
    (table,) = re.findall(r'<table id="so-far">.*?<tbody>(.*?)</tbody>', curves, re.DOTALL)
    assert ">2c Slot machine</th>" in table
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.split("</tr>")][1:-1]
    assert [row[:3] for row in rows] == [
        ["JSAE minus no embedding", "VPG", "better"],
        ["JSAE minus RA", "VPG", "better"],
    ]
    records = json.loads((panel / layout.claims("preview")).read_text())
    (over,) = (record for record in records if record["id"] == "2c-none-speed")
    assert rows[0][3] == wording.effect(over)
    assert rows[0][5] == "JSAE"
    assert rows[0][6].endswith(" of 5")
    assert over["low"] > 0


def test_a_study_of_one_panel_shows_nothing_of_the_others(panel):
    """Sections without data say so in a sentence or vanish."""
    page = (panel / layout.report("preview")).read_text()
    environments = section(page, "environments")
    assert environments.count("<td>Slot machine</td>") == 1
    assert "Gridworld" not in environments
    assert "No environment of this study draws from a data set." in section(page, "data")
    assert "Panels of the paper's Figure 2 that have no run here: 2a, 2b, 2d, 2e, 2f." in html.unescape(page)
    assert "No ablation has run in this study." in page
    assert "Figure 2e: our recommender" not in page
    assert "{{" not in re.sub(r'<style>.*?</style>|src="data:[^"]*"', "", page, flags=re.DOTALL)


def test_every_claim_stands_in_the_table_of_verdicts(study, page):
    table = re.search(r'<table id="verdicts-table">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.split("</tr>")]
    shown = [
        (row[1], re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+$", "", word))
        for row in rows
        if row
        for word in (row[3], row[5], row[6])
        if word
    ]
    judged = [(html.escape(record["aspect"]), record["verdict"]) for record in verdicts(study)]
    of_faster = {record["aspect"] for record in verdicts(study) if record["measure"] == "epochs"}
    assert sorted(word for _, word in shown if word != "–") == sorted(word for _, word in judged)
    for aspect, word in judged:
        assert html.unescape(aspect) in of_faster or (aspect, word) in shown


def test_a_reading_is_shown_with_the_papers_comparisons_and_what_it_changes(study, page):
    compared, curves = section(page, "comparisons-under-each-reading"), section(page, "curves-under-each-reading")
    records = json.loads((study / layout.tables("paper") / "readings.json").read_text())
    names = list(dict.fromkeys(record["reading"] for record in records))
    assert [name for name in names if f">{name}: " in compared] == names
    table, _, succeed = compared.partition('id="successes-of-readings"')
    assert table.count("<tr><td>") == len(records)
    assert "(four-steps)</td>" in succeed
    store = curves[curves.index('id="figure-reading-synthetic-store"') :]
    assert "JSAE ends at" in re.search(r'alt="([^"]*)"', store)[1]
    assert "the recommender on a synthetic data set like the paper's" in html.unescape(store)
    assert re.search(r'<th [^>]*colspan="6"[^>]*>synthetic-store</th></tr>\s*<tr><td>Recommender', curves)
    assert "have no run at the scale" not in curves


def test_maps_search_and_data_stand_in_the_page(page):
    maps = section(page, "what-agents-make-of-the-gridworld")
    assert "bins visited" in re.search(r'alt="([^"]*)"', maps)[1]
    search = section(page, "search-over-hyper-parameters")
    assert "Missing" not in search
    assert search.count("<tr><td>Slot machine</td>") == 2
    data = section(page, "data")
    assert "<td>purchases in each hour of the day (2)</td>" in data
    assert "<td>successive purchases: of the same product</td>" in data
    assert "0.900 to 1.10" in data
    assert data.count('<td>mixture</td><td>10 ahead</td><td>yes</td><td class="number">30.0</td>') == 2
    assert (
        data.index("The data set completejourney") < data.index("The data set synthetic") < data.index("0.900 to 1.10")
    )


def test_effects_of_deviations_are_read_from_files(page):
    text = re.sub(r"\s+", " ", section(page, "deviations-from-the-paper"))
    assert "that of the random policy 13.3" in text
    assert "JSAE&#x27;s loss on fresh transitions is 1.60 ± 0.141 nats" in html.escape(html.unescape(text), quote=True)
    assert "where 1.25 is the least possible" in text
    assert "990 purchases of 50 items by 300 users are left" in text
    assert "{{" not in text


def test_a_bare_study_says_what_is_missing(study, monkeypatch, tmp_path):
    """Without search, maps and measures of embeddings, and with no run beyond the paper's, it still renders."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shutil.copytree(study, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("runs"))
    for empty in (layout.value_maps("paper"), layout.probes("paper") / "embeddings.parquet"):
        pl.read_parquet(empty).clear().write_parquet(empty)
    made_runs.write_search()
    tables = layout.tables("paper")
    looks = Looks.of(pl.read_parquet(tables / "cells.parquet"))
    of_paper = [name for name, role in looks.roles.items() if role in ("paper", "transfer")]
    final = pl.read_parquet(tables / "final.parquet")
    final.filter(pl.col("embedding").is_in(of_paper)).write_parquet(tables / "final.parquet")
    lost = {"environment": "slot-machine", "agent": "vpg", "embedding": "separate", "reading": "", "seeds": [0]}
    (tables / "missing.json").write_text(json.dumps([lost]))
    notebook = report.run_notebook(Path("report/notebook.py"), layout.settings("report"))
    page = pages.to_html(notebook, Path("report/style.css"), Path("report/page.html.j2"))
    assert "No cell of this study has been searched" in section(page, "search-over-hyper-parameters")
    assert "No agent of the gridworlds has been mapped" in section(page, "what-agents-make-of-the-gridworld")
    assert "have not been measured" in section(page, "what-the-embeddings-hold")
    ablations = section(page, "ablations")
    assert "No ablation has run" in ablations
    assert "Slot machine, VPG, states and actions embedded separately" in ablations


def test_a_file_of_the_report_that_is_missing_is_an_error_that_names_it(study, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shutil.copytree(study, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("runs"))
    (layout.tables("paper") / "missing.json").unlink()
    with pytest.raises(JsaeError, match=r"^results/paper/tables/missing\.json is missing: run the stage"):
        report.run_notebook(Path("report/notebook.py"), layout.settings("report"))


def test_both_stages_open_what_is_declared_and_all_of_it(study, monkeypatch):
    """No input is declared for nothing; `make render` shows that they are enough."""
    used = {stage: (ROOT / f"stages/{stage}.py").read_text() for stage in ("figures", "report")}
    used["report"] += (ROOT / "jsae/reporting/context.py").read_text()
    monkeypatch.chdir(study)
    for stage, text in used.items():
        for name in made_runs.declared(stage).inputs:
            ways = f'input("{name}")', f'optional("{name}")', f'inputs["{name}"]'
            assert any(way in text for way in ways), f"{stage} declares {name}"


@pytest.mark.parametrize(("scale", "panel"), [("paper", ""), ("preview", "2c")])
def test_dvc_declares_what_both_stages_read_and_no_more(scale, panel, monkeypatch):
    monkeypatch.chdir(ROOT)
    planned = made_runs.planned(scale, panel)
    graph = read_yaml(Path("dvc.yaml"))["stages"]
    for stage in (planned.figures(), planned.report()):
        paths = {path.as_posix() for path in published.paths(stage.inputs)} | {str(layout.settings(stage.name))}
        assert {resolved(dep, planned.plan) for dep in graph[stage.name]["deps"]} == paths
        outputs = {path.as_posix() for path in published.paths(stage.outputs)}
        assert {resolved(out, planned.plan) for out in graph[stage.name]["outs"]} == outputs


def resolved(text: str, plan: dict) -> str:
    """A path of dvc.yaml with what workflow/runs.yaml puts into it."""

    def value(match: re.Match[str]) -> str:
        found = plan
        for key in match[1].split("."):
            found = found[key]
        return found

    return re.sub(r"\$\{runs\.([a-z.]+)\}", value, text)


def test_the_value_maps_are_those_of_the_papers_cells_in_both_gridworlds_of_figure_2():
    cells = [Cell(**entry["cell"]) for entry in made_runs.planned("paper").value_maps().values["cells"]]
    environments = ("gridworld-continuous", "gridworld-discrete")
    assert cells == [Cell(place, "vpg", name) for place in environments for name in ("none", "ra", "jsae")]


def test_every_parameter_is_in_the_table(study, page):
    rows = Declared.read(study / layout.settings("report")).values["rows"]
    shown = re.search(r'<table id="parameters-table">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    prefix, found = "", []
    for heading, name in re.findall(r"<th [^>]*>([^<]*)</th>|<tr><td>([^<]*)</td>", shown):
        section, _, meaning = heading.partition(": ")  # of a reading, it says what that changes
        prefix = f"{section}." if heading else prefix
        found += [prefix + name] if name else [f"{prefix}meaning"] if meaning else []
    elsewhere = ("scales.", "cells.")
    assert found == [name for name, value, *_ in rows if value != "{}" and not name.startswith(elsewhere)]
    cells = re.search(r'<table id="cells-table">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    assert "figure-2 (preview: 0-4; paper: 0-4)" in cells
    assert cells.count("<tr><td>") == sum(name.startswith("cells.") for name, *_ in rows)


def test_no_placeholder_and_no_code_is_left(page):
    text = re.sub(r'<style>.*?</style>|src="data:[^"]*"', "", page, flags=re.DOTALL)
    assert "{{" not in text
    assert "import polars" not in text
    assert "NaN" not in text


def test_rendered_again_it_is_the_same_bytes_and_holds_no_machine_fact(study, page, paper, supplement, monkeypatch):
    monkeypatch.chdir(study)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    report.main(made_runs.declared("report"))
    assert layout.report("paper").read_text() == page
    assert layout.paper("paper").read_bytes() == paper
    assert layout.supplement("paper").read_bytes() == supplement
    assert str(ROOT) not in layout.run_browser("paper").read_text()
    assert str(study) not in page
    assert str(ROOT) not in page


def test_the_printed_paper_has_no_date_and_is_tagged_for_screen_readers(paper, supplement):
    for content in (paper, supplement):
        document = pikepdf.open(io.BytesIO(content))
        assert "/CreationDate" not in document.docinfo
        assert "/StructTreeRoot" in document.Root
        figures = [
            one for one in document.objects if isinstance(one, pikepdf.Dictionary) and one.get("/S") == "/Figure"
        ]
        assert figures
        assert all(str(one["/Alt"]) for one in figures)


def test_every_verdict_and_its_claim_stand_in_the_page(study, page):
    for claim in verdicts(study):
        if claim["measure"] != "epochs":
            assert html.escape(claim["aspect"]) in section(page, "verdicts")
        elif claim["low"] is not None:
            assert html.escape(claim["aspect"]) in section(page, "all-comparisons")


def test_the_checks_of_the_theory_are_shown_with_their_range(page):
    assert "<td>error of Eq. (2)</td>" in page
    assert '<td class="number">0.10</td><td class="number">0.70</td>' in page
    assert '<td class="number">3.0 × 10⁻¹⁵</td>' in page
    assert "<td>Recommender system (no-bonus)</td><td>JSAE, trained with VPG</td>" in page


def test_every_cell_has_the_command_that_makes_it(study, page):
    for cell in made_runs.planned("paper").cells:
        assert f"dvc repro train@{cell}-0-4</code>" in page


def test_the_provenance_page_lies_beside_it(study):
    beside = (study / layout.report_provenance("paper")).read_text()
    for stage in ("aggregate", "figures"):
        assert f"<td>{stage}</td>" in beside


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOOK = """<script>
addEventListener("load", () => {
const target = location.hash && document.querySelector(location.hash)?.closest("details.section");
const revealed = target?.open;
for (const one of document.querySelectorAll("details.section")) one.open = true;
document.querySelector("button.enlarge")?.click();
[...document.querySelectorAll("#list th button")].find(one => one.textContent === "Final return")?.click();
const lines = [...document.querySelectorAll("#list tbody tr")];
const ends = lines.map(row => Number(row.cells[5].textContent.replace("−", "-")));
const choice = document.querySelector("#filters select");
if (choice) { choice.value = "Slot machine"; choice.dispatchEvent(new Event("change")); }
document.title = JSON.stringify({
  broken: [...document.images].filter(image => image.src && (!image.complete || image.naturalWidth === 0)).length,
  images: document.images.length,
  large: document.querySelector("dialog")?.open && document.querySelector("dialog img").naturalWidth > 100,
  revealed,
  rows: ends.length,
  sorted: ends.every((end, i) => !i || ends[i - 1] <= end),
  chosen: [...document.querySelectorAll("#list tbody tr")].map(row => row.cells[0].textContent),
  formulas: [...document.querySelectorAll("math")].filter(math => math.getBoundingClientRect().height > 5).length,
  curves: document.querySelectorAll("svg.chart path").length,
  cells: document.querySelectorAll("button[data-cell]").length,
  overflow: document.documentElement.scrollWidth - window.innerWidth,
  requests: performance.getEntriesByType("resource").map(one => one.name).filter(name => name.startsWith("http")),
}); });
</script>"""


def in_a_browser(page: str, folder: Path, width: int, place: str = "") -> dict[str, Any]:
    """What a headless Chromium of that width sees; fails at a console message or a request of the page."""
    (folder / "page.html").write_text(page.replace("</body>", LOOK + "</body>"))
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--no-first-run",
    ]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={folder}/profile", f"--window-size={width},900"]
    command += ["--dump-dom", (folder / "page.html").as_uri() + place]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in shown.stderr
    seen = json.loads(html.unescape(re.search(r"<title>(.*?)</title>", shown.stdout)[1]))
    assert seen["requests"] == [], "a page needs nothing from outside"
    return seen


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")


@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_the_whole_report_without_sideways_scroll(study, page, tmp_path, width):
    shutil.copy(study / layout.report_provenance("paper"), tmp_path)
    seen = in_a_browser(page, tmp_path, width, "#parameters-table")
    assert seen["broken"] == 0
    assert seen["images"] == page.count("<img ")
    assert seen["revealed"], "a link into the supplement opens its section"
    assert seen["large"], "a click on a figure opens it large"
    assert seen["formulas"] == page.count("<math")
    assert seen["overflow"] <= 0


@needs_chromium
def test_every_run_can_be_browsed(study, tmp_path):
    page = (study / layout.run_browser("paper")).read_text()
    listed = made_runs.planned("paper").cells
    others = sum((cell.environment, cell.agent, cell.reading) == ("slot-machine", "vpg", "") for cell in listed) - 1
    seen = in_a_browser(page, tmp_path, 390, "#slot-machine-vpg-jsae")
    assert seen["cells"] == len(listed) - 1
    assert seen["curves"] == others + 5 + 1, "means of the other embeddings, five seeds, their mean"
    assert seen["rows"] == 5 * seen["cells"], "the table of all runs"
    assert seen["sorted"], "a click on a heading sorts"
    assert set(seen["chosen"]) == {"Slot machine"}, "a choice filters"
    assert seen["overflow"] <= 0


def test_the_page_of_runs_needs_nothing_from_outside_and_names_the_missing_cell(study):
    page = (study / layout.run_browser("paper")).read_text()
    links = {value for _, attributes in Elements(page).found for value in attributes.values() if value and ":" in value}
    assert not {link for link in links if re.match(r"(https?|file|//)", link)}
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    empty = [cell["id"] for cell in data["cells"] if not cell["runs"]]
    assert empty == [str(LOST)]
    assert all(cell["commands"] for cell in data["cells"])
    (jsae,) = (cell for cell in data["cells"] if cell["id"] == "slot-machine-vpg-jsae")
    assert ["actor_learning_rate", "0.0003", "the search"] in jsae["settings"]
    (steps,) = (cell for cell in data["cells"] if cell["id"] == "slot-machine-vpg-jsae-four-steps")
    assert ["train_pi_iters", "4", "the reading four-steps"] in steps["settings"]
    (rate,) = (cell for cell in data["cells"] if cell["id"] == "slot-machine-vpg-jsae-tenfold-rate")
    assert "the reading tenfold-rate" in {where for name, _, where in rate["settings"] if name == "actor_learning_rate"}
    (ppo,) = (cell for cell in data["cells"] if cell["id"] == "slot-machine-vpg-jsae-ppo")
    assert {"agents.ppo.", "agents.common."} <= set(ppo["prefixes"])


def test_the_page_of_results_is_made_from_a_published_study(study, tmp_path, monkeypatch):
    monkeypatch.chdir(study)
    folder = tmp_path / "published"
    publish.main(["--folder", str(folder)])
    shown = context.read(layout.settings("report").as_posix())
    monkeypatch.chdir(tmp_path)
    shutil.copytree(study / layout.CLAIMS.parent, layout.CLAIMS.parent)
    readme.main(["--folder", "published"])
    lines = readme.PAGE.read_text().splitlines()
    text = "\n".join(lines)
    assert "\n".join(summary.headline(shown)) in text
    assert values.uncounted(shown) in text
    assert f"- {summary.explained(shown)}" in lines
    assert "- The study is not complete: 1 of its cells have no run yet, or not with all seeds." in lines
    (image,) = re.findall(r'<img src="([^"]*)" width="100%" alt="Figure 2: ', text)
    assert (readme.PAGE.parent / image).exists()
    assert all((readme.PAGE.parent / link).exists() for link in re.findall(r"\]\((\.\./published[^)]*)\)", text))
    rows = [line for line in lines if re.match(r"\| (\d\w| ) \|.*\| `dvc repro", line) or "`dvc repro theory`" in line]
    assert len(rows) == len(verdicts(study))
    assert f"with their {95} % intervals" in text
    (line,) = (line for line in rows if line.startswith("| 2c | slot machine, better than no embedding | end | 0."))
    again = "`dvc repro train@slot-machine-vpg-jsae-0-4 train@slot-machine-vpg-none-0-4`"
    assert line.endswith(f"| 5 / 5 | supported | {again} |")
    fact = (
        "|  | Lemma 1, where no two states share an embedding |  | digits: 14 | 20 | supported | `dvc repro theory` |"
    )
    assert fact in rows
    assert f"- {summary.WEAK}" in lines
    settings = json.loads((folder / "settings" / "report.json").read_text())
    settings["values"]["parameters"]["environments"]["recommender"]["dynamics"]["bonus"] = 0
    (folder / "settings" / "report.json").write_text(json.dumps(settings))
    readme.main(["--folder", "published"])
    assert summary.WEAK not in readme.PAGE.read_text(), "without the bonus it is not so"


def test_a_page_of_results_needs_the_papers_scale(smoke, tmp_path, monkeypatch):
    monkeypatch.chdir(smoke)
    publish.main(["--scale", "smoke", "--folder", str(tmp_path / "published")])
    with pytest.raises(JsaeError, match="at the scale smoke: only the paper's has verdicts"):
        readme.main(["--folder", str(tmp_path / "published")])


def test_one_panel_has_its_own_command_and_is_not_published(panel, tmp_path, monkeypatch):
    monkeypatch.chdir(panel)
    assert "<code>make preview PANEL=2c</code>" in layout.report("preview").read_text()
    with pytest.raises(JsaeError, match="is panel 2c alone: run `make preview` first"):
        publish.main(["--scale", "preview", "--folder", str(tmp_path / "published")])
    assert not (tmp_path / "published").exists()


def test_part_of_the_cells_has_the_settings_that_were_chosen_among_all_and_a_true_reason_for_a_lack(smoke, monkeypatch):
    """The cells that share sizes of embeddings are not all in a smoke test, nor is RA in every panel."""
    monkeypatch.chdir(smoke)
    before = layout.SEARCH.read_bytes()
    try:
        layout.SEARCH.write_bytes((ROOT / layout.SEARCH).read_bytes())
        shown = context.read(str(layout.settings("report")))
    finally:
        layout.SEARCH.write_bytes(before)
    whole = search.chosen_rows(tried.read(ROOT / layout.SEARCH, search.OUTCOME))
    assert len(shown.chosen) < len(whole)
    assert all(row in whole for row in shown.chosen)
    assert search.chosen_rows(shown.tried) != shown.chosen, "chosen again among fewer cells, it would be another one"
    assert "RA embeds discrete actions only: 2d has none." in layout.report("smoke").read_text()


def test_what_is_published_is_a_copy_of_the_study_and_renders_to_the_same_bytes(smoke, tmp_path, monkeypatch, capfd):
    """At any scale, without params.yaml; a changed table is noticed."""
    monkeypatch.chdir(smoke)
    folder = tmp_path / "published"
    with pytest.raises(JsaeError, match="settings is missing"):
        render.main(["--folder", str(folder)])
    with pytest.raises(JsaeError, match="ran last is at the scale smoke: run `make paper` first, or --scale smoke"):
        publish.main(["--folder", str(folder)])
    layout.theory("smoke").rename("elsewhere")
    with pytest.raises(JsaeError, match=r"theory\.json: missing, so nothing was published; run `make smoke` first"):
        publish.main(["--scale", "smoke", "--folder", str(folder)])
    assert not folder.exists()
    Path("elsewhere").rename(layout.theory("smoke"))
    for _ in range(2):
        publish.main(["--scale", "smoke", "--folder", str(folder)])
        for place in ("figures/left-over.svg", "left-over.csv", "runs/grid.parquet"):
            (folder / place).parent.mkdir(exist_ok=True)
            (folder / place).write_text("another")
    publish.main(["--scale", "smoke", "--folder", str(folder)])
    assert not list(folder.rglob("left-over.*"))
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    declared = layout.settings("report").read_bytes()
    changed = json.loads(declared)
    changed["values"]["parameters"]["agents"]["common"]["discount"] = 0.5
    layout.settings("report").write_text(json.dumps(changed))
    with pytest.raises(
        JsaeError, match=r"report\.html was made with other parameters than the present ones: run `make"
    ):
        publish.main(["--scale", "smoke", "--folder", str(folder)])
    layout.settings("report").write_bytes(declared)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == kept
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "thesis.tex").touch()
    with pytest.raises(JsaeError, match="notes holds something else than a published study: name another folder"):
        publish.main(["--scale", "smoke", "--folder", str(notes)])
    assert (notes / "thesis.tex").exists()
    assert (folder / "runs/grid.parquet").read_text() == "another", "curves of other machines stay"
    for path in (
        layout.claims("smoke"),
        layout.report("smoke"),
        layout.metrics("smoke") / "slot-machine-vpg-jsae.json",
    ):
        copy = folder / published.place(path, "smoke")
        assert copy.read_bytes() == path.read_bytes()
    assert (folder / "settings/report.json").read_bytes() == layout.settings("report").read_bytes()
    assert (folder / "tables/curves.parquet").read_bytes() == (layout.tables("smoke") / "curves.parquet").read_bytes()
    assert [path.name for path in (folder / "figures").iterdir()] == ["figure_2.svg"]
    monkeypatch.chdir(ROOT)  # whose report/ is what the study was made with, and whose params.yaml nobody reads
    figure = folder / "figures" / "figure_2.svg"
    drawn = figure.read_bytes()
    figure.write_text("another")
    render.main(["--update", "--folder", str(folder)])
    assert f"{folder}: figure_2.svg had to be made again\n" in capfd.readouterr().out, "and nothing else"
    assert figure.read_bytes() == drawn


def test_a_changed_or_damaged_table_of_a_published_study_is_noticed(smoke, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(smoke)
    folder = tmp_path / "published"
    publish.main(["--scale", "smoke", "--folder", str(folder)])
    monkeypatch.chdir(ROOT)
    curves = folder / "tables" / "curves.parquet"
    table = pl.read_parquet(curves)
    slots = pl.when(pl.col("environment") == "slot-machine").then(2 * pl.col("mean_return"))
    table.with_columns(slots.otherwise(pl.col("mean_return")).alias("mean_return")).write_parquet(curves)
    with pytest.raises(
        JsaeError, match=r"figure_2\.svg, .*report\.html, .*runs\.html differ from what the present code"
    ):
        render.main(["--folder", str(folder)])
    curves.write_bytes(b"PAR1")
    with pytest.raises(JsaeError, match="the stage figures failed on its tables"):
        render.main(["--folder", str(folder)])
    assert "curves.parquet" in capfd.readouterr().err
    shutil.rmtree(folder / "tables")
    with pytest.raises(JsaeError, match="published/tables is missing"):
        render.main(["--folder", str(folder)])
    (folder / "settings" / "figures.json").write_text("{}")
    with pytest.raises(JsaeError, match=r"figures\.json is no settings file of this version"):
        render.main(["--folder", str(folder)])


def test_files_that_differ_or_lack_are_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same").write_text("1")
        (tmp_path / name / "other").write_text(name)
    (tmp_path / "a" / "more").touch()
    (tmp_path / "b" / "new").touch()
    (tmp_path / "b" / "new.pdf").touch()  # in the report only
    assert render.differing(tmp_path / "a", tmp_path / "b") == ["more", "new", "other"]
    assert render.differing(tmp_path / "a" / "same", tmp_path / "b" / "same") == []


def test_the_command_of_every_claim_names_its_two_cells_and_no_other(monkeypatch):
    monkeypatch.chdir(ROOT)
    stages = made_runs.planned("paper").report().values["stages"]
    for claim in claims.load(ROOT / layout.CLAIMS).claims:
        if claim.kind != "fact":
            named = readme.command(claim.model_dump(), stages).removeprefix("dvc repro ").split()
            assert named == [f"train@{cell}-0-4" for cell in claim.cells]


KINDS = r"(Figures?|Eqs?\.|Equations?|Sections?|Lemmas?|Theorem|Assumptions?|Claims?|Algorithm|Appendix)"


def own_digits(prose: str) -> str:
    """Prose without its {{names}}, its formulas, and the names of things of the paper, such as Figure 2b."""
    return re.sub(r"\{\{[^{}]*\}\}|\$\$[^$]*\$\$|\$[^$]*\$|" + KINDS + r" \(?[\dA-Z.]+[a-f]?\)?", "", prose)


def test_hours_are_added_up_and_drawn(tmp_path):
    record = {"commit": None, "changed": None, "packages": {}, "processor": "p", "cores": 2, "system": "s"}
    record |= {"device": "cpu", "started": "t", "lock": "0" * 64, "wall_seconds": 1800.0}
    cell = Cell("slot-machine", "vpg", "jsae", "frozen")
    stages = {f"{cell}-{seeds}": cell for seeds in ("0-4", "5-9", "10-14")}
    records = {f"train/{cell}-{seeds}": record for seeds in ("0-4", "5-9")}
    hours = pages.training_hours(records, stages)
    assert hours == {cell: 1.0}
    (tmp_path / "hours.svg").write_text("<svg/>")
    page = pages.provenance_html(records, hours, ROOT / "report/style.css", tmp_path / "hours.svg")
    assert 'alt="Hours of training, a bar a cell: slot-machine-vpg-jsae-frozen: 1 hours."' in page
    assert page.count('<td class="number">0.500</td>') == 2
    assert '<td>all of them</td><td></td><td class="number">1.000</td>' in page
    assert "no git" in page


def test_prose_holds_no_digit_of_its_own():
    """A number in prose must be a {{name}} or a value put into a string: then it comes from a file."""
    notebook = (ROOT / "report" / "notebook.py").read_text()
    cells = re.findall(r"^# %% \[markdown\]\n((?:^#.*\n?)*)", notebook, re.MULTILINE)
    assert len(cells) > 10
    strings = []
    for path in (ROOT / "jsae" / "reporting" / "sections").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        strings += [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings]
    sentences = [text for text in strings if isinstance(text, str) and " " in text.strip() and "\\" not in text]
    assert len(sentences) > 40
    for prose in cells + sentences:
        assert not re.search(r"\d", own_digits(prose)), prose


def test_the_notebook_holds_prose_and_calls_only():
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    assert all(isinstance(node, allowed) for node in ast.parse((ROOT / "report" / "notebook.py").read_text()).body)


def test_an_edit_of_what_the_notebook_runs_reruns_the_report(monkeypatch):
    monkeypatch.chdir(ROOT)
    run = set(CodeFiles().of([Path("report/notebook.py")])) - {"report/notebook.py"}
    assert {path.as_posix() for path in Path("jsae/reporting/sections").glob("*.py")} < run
    assert run <= set(CodeFiles().of([Path("stages/report.py")]))


def test_the_test_of_digits_finds_one():
    assert re.search(r"\d", own_digits("It reached 0.9 in Figure 2a with {{seeds}} seeds."))
    assert not re.search(r"\d", own_digits("Eq. (5) and Figure 2a with $x_1$ and {{n5}} seeds, Lemma 1."))


def test_a_name_without_a_value_is_an_error_that_names_the_nearest():
    with pytest.raises(JsaeError, match=r"\{\{sedes\}\}.*did you mean seeds"):
        document.fill("There are {{sedes}}.", {"seeds": "5"})
    with pytest.raises(JsaeError, match=r"braces that are not closed: '\{\{seeds\}\.'; write"):
        document.fill("There are {{seeds}.", {"seeds": "5"})


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 3, "0"),
        (-2.70, 3, "−2.70"),
        (480.0, 3, "480"),
        (13.3, 2, "13"),
        (1234567.0, 3, "1,230,000"),
        (0.00123, 3, "0.00123"),
        (-0.00099, 2, "−9.9 × 10⁻⁴"),
        (2.2e-16, 2, "2.2 × 10⁻¹⁶"),
        (9.996, 3, "10.0"),
    ],
)
def test_numbers_are_printed_with_significant_digits(value, digits, text):
    assert document.number(value, digits) == text


def test_a_number_that_is_none_is_not_printed():
    with pytest.raises(JsaeError, match="not a number"):
        document.number(float("nan"))


def test_cells_of_a_table_are_literal_unless_they_are_prose():
    block = document.table(["a", "b"], [("<b> *x* {{y}}", "*x* {{y}}")], prose=["b"])
    shown = document.block_html(block, {"y": "7"})
    assert "<td>&lt;b&gt; *x* {{y}}</td>" in shown
    assert "<td><em>x</em> 7</td>" in shown


def test_formulas_become_mathml():
    assert "<math" in document.to_html(r"the policy $\pi_i(e \mid x)$")
    displayed = document.to_html("as in\n$$\n\\pi_i , \\tag{5}\n$$\nwith it")
    assert displayed.startswith(
        '<p>as in</p>\n<div class="equation" tabindex="0" role="group" aria-label="formula"><math '
    )
    assert displayed.endswith('</math><span class="number">(5)</span></div>\n<p>with it</p>\n')
    assert "tag" not in displayed


@pytest.mark.parametrize(
    ("latex", "typst"),
    [
        (r"\pi_i(e \mid x)", "pi_(i) ( e bar.v x )"),
        (r"\frac{a}{b^2}", "frac(a, b^(2))"),
        (r"\hat{\phi}_t", "hat(phi)_(t)"),
        (r"f^{-1}(a)", "f^(- 1) ( a )"),
        (r"\{e\} / \sqrt{2 x}", "brace.l e brace.r \\/ sqrt(2 x)"),
    ],
)
def test_formulas_become_typst(latex, typst):
    assert formulas.typst(latex) == typst


@pytest.mark.parametrize("latex", [r"\frac{a}", r"{a", "a}", r"\unknown{x}"])
def test_a_formula_that_cannot_be_set_is_an_error(latex):
    with pytest.raises(JsaeError, match="the formula"):
        formulas.typst(latex)


def test_prose_that_print_does_not_know_is_an_error():
    with pytest.raises(JsaeError, match="thematic_break"):
        document.to_nodes("one\n\n---\n\ntwo")
