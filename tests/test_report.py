"""The report: one page that needs nothing from outside, is the same bytes each time, and shows what the tables hold."""

import ast
import fnmatch
import html.parser
import json
import re
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from jsae.analysis import claims
from jsae.config import labels as names
from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.reporting import document, formulas, pages
from stages import _published, aggregate, code, figures, paths, publish, readme, render, report
from tests import made_parameters, made_runs

ROOT = Path(__file__).parent.parent
LOST = made_runs.Cell("gridworld-discrete", "vpg", "ra")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A folder with a whole study made of seeded runs, one cell missing, and its report."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT))
        text = made_parameters.text()
        assert "recommender-synthetic: {environments: []" in text
        text = text.replace("{environments: []", "{environments: [recommender-synthetic]")
        Path("params.yaml").write_text(text.replace("environments: [recommender-literal]", "environments: []"))
        shutil.copytree(ROOT / "requirements", folder / "requirements")
        shutil.copytree(ROOT / "report", folder / "report", ignore=shutil.ignore_patterns("preview", "paper"))
        settings = parameters.load(Path("params.yaml"))
        made_runs.write_study(settings, leave_out=[LOST])
        made_runs.write_bounds()
        made_runs.write_theory()
        made_runs.write_quality()
        made_runs.write_maps()
        made_runs.write_search(18)
        made_runs.write_data()
        for stage in (aggregate, figures, report):
            stage.main(["--scale", "preview"])
    return folder


@pytest.fixture(scope="module")
def page(study: Path) -> str:
    return (study / paths.report("preview")).read_text()


@pytest.fixture(scope="module")
def paper(study: Path) -> bytes:
    return (study / paths.paper("preview")).read_bytes()


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
        assert tag not in {"script", "iframe", "base"}
        if tag == "link":
            assert attributes["href"].startswith("data:")
        for name in ("src", "href", "data", "srcset", "poster", "action", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(allowed), (tag, name, value)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_every_image_has_words_and_every_anchor_a_target(page):
    found = Elements(page).found
    names = {attributes.get("id") for _, attributes in found}
    images = [attributes for tag, attributes in found if tag == "img"]
    assert len(images) >= 4
    assert all(len(image["alt"]) > 40 for image in images)
    for tag, attributes in found:
        if tag == "a" and attributes["href"].startswith("#"):
            assert attributes["href"][1:] in names


def test_the_preview_is_stamped_and_the_missing_cell_is_listed(page):
    assert "PREVIEW" in page
    assert "Cells that params.yaml lists and that have no run." in page
    listed = page[page.index('id="missing-runs"') :]
    assert listed.index(LOST.environment) < listed.index('id="deviations-from-the-paper"')


def section(page: str, name: str) -> str:
    """The part of the page under a heading of the second level."""
    return page[page.index(f'<h2 id="{name}"') :].split("<h2 ", 2)[1]


def test_the_preview_is_stamped_on_every_plot_of_every_figure(study, monkeypatch):
    monkeypatch.chdir(study)
    drawn = dict(figures.drawn("preview", parameters.load(Path("params.yaml")), "PREVIEW"))
    assert {f"{name}.svg" for name in drawn} == {path.name for path in paths.figures("preview").glob("*.svg")}
    for name, figure in drawn.items():
        plots_of = [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and (axes.axison or axes.texts)]
        assert all(any(text.get_text() == "PREVIEW" for text in axes.texts) for axes in plots_of), name


def test_verdicts_are_counted_by_figure(study, page):
    records = json.loads((study / paths.claims("preview")).read_text())
    first = re.search(r'<table id="verdicts">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    counts = [re.findall(r'<td class="number">([^<]*)</td>', row) for row in first.split("</tr>")]
    assert sum(int(count) for row in counts for count in row if count != "–") == len(records)


def test_a_variant_of_an_environment_is_shown_and_an_absent_one_named(study, page):
    variants = section(page, "variants-that-the-paper-does-not-have")
    assert "Recommender system, synthetic store</h3>" in variants
    assert "JSAE ends at" in re.search(r'alt="([^"]*)"', variants)[1]
    assert "<td>PPO, final performance above RA</td>" in variants
    assert "lists no cell of them: Recommender system, the text to the letter." in variants
    records = json.loads((study / paths.tables("preview") / "variants.json").read_text())
    assert {record["first"][0] for record in records} == {"recommender-synthetic"}
    assert len(records) == sum(
        record["figure"] == "2e" for record in json.loads((study / paths.claims("preview")).read_text())
    )


def test_maps_search_and_data_stand_in_the_page(page):
    maps = section(page, "what-agents-make-of-the-gridworld")
    assert "bins visited" in re.search(r'alt="([^"]*)"', maps)[1]
    search = section(page, "search-over-hyper-parameters")
    assert "Missing" not in search
    assert search.count("<tr><td>Slot machine</td>") == 2
    data = section(page, "data")
    assert "<td>purchases in each hour of the day (2)</td>" in data
    assert "0.900 to 1.10" in data
    assert data.count('<td>mixture</td><td>10 ahead</td><td>yes</td><td class="number">30.0</td>') == 2
    assert data.index("The store completejourney") < data.index("The store synthetic") < data.index("0.900 to 1.10")


def test_effects_of_deviations_are_read_from_files(page):
    text = re.sub(r"\s+", " ", section(page, "deviations-from-the-paper"))
    assert "that of the random policy 13.30" in text
    assert "JSAE&#x27;s loss on fresh transitions is 1.60 ± 0.141 nats" in html.escape(html.unescape(text), quote=True)
    assert "where 1.25 is the least possible" in text
    assert "990 purchases of 50 items by 300 users are left" in text
    assert "{{" not in text


def test_a_bare_study_says_what_is_missing(study, monkeypatch, tmp_path):
    """Without search, maps, measures of embeddings and data, and with no run beyond the paper's, it still renders."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shutil.copytree(study, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data", "quality", "runs"))
    for gone in [paths.maps("preview"), *paths.figures("preview").glob("figure_maps_*")]:
        gone.unlink()
    made_runs.write_search()
    final = paths.tables("preview") / "final.parquet"
    table = pl.read_parquet(final)
    table.filter(pl.col("embedding").is_in((*names.PAPER, *names.TRANSFER))).write_parquet(final)
    lost = [{"environment": "slot-machine", "agent": "vpg", "embedding": "separate", "cohort": "0-4", "seeds": [0]}]
    (paths.tables("preview") / "missing.json").write_text(json.dumps(lost))
    notebook = report.run_notebook(Path("report/notebook.py"), report.notebook_inputs("preview", {}))
    page = pages.to_html(notebook, Path("report"))
    assert "search/settings.csv</code> is empty" in section(page, "search-over-hyper-parameters")
    assert "No agent of the gridworlds has been mapped" in section(page, "what-agents-make-of-the-gridworld")
    assert "have not been measured" in section(page, "what-the-embeddings-hold")
    ablations = section(page, "ablations")
    assert "No ablation has run" in ablations
    assert "Slot machine, VPG, states and actions embedded separately" in ablations
    assert section(page, "data").count("the stage filter has not run") == 2


def test_every_parameter_is_in_the_table(study, page):
    settings = parameters.load(study / "params.yaml")
    shown = re.search(r'<table id="parameters-table">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    prefix, found = "", []
    for heading, name in re.findall(r"<th [^>]*>([^<]*)</th>|<tr><td>([^<]*)</td>", shown):
        prefix = f"{heading}." if heading else prefix
        found += [prefix + name] if name else []
    assert found == [name for name, value, *_ in parameters.table(settings) if value != "{}"]


def test_no_placeholder_and_no_code_is_left(page):
    text = re.sub(r'<style>.*?</style>|src="data:[^"]*"', "", page, flags=re.DOTALL)
    assert "{{" not in text
    assert "import polars" not in text
    assert "NaN" not in text


def test_rendered_again_it_is_the_same_bytes_and_holds_no_machine_fact(study, page, paper, monkeypatch):
    monkeypatch.chdir(study)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    report.main(["--scale", "preview"])
    assert paths.report("preview").read_text() == page
    assert paths.paper("preview").read_bytes() == paper
    assert str(ROOT) not in paths.run_browser("preview").read_text()
    assert str(study) not in page
    assert str(ROOT) not in page


def test_the_printed_paper_has_no_date_and_is_tagged_for_screen_readers(paper):
    assert paper.startswith(b"%PDF")
    assert b"/CreationDate" not in paper
    assert b"/StructTreeRoot" in paper


def test_every_verdict_and_its_claim_stand_in_the_page(study, page):
    for claim in json.loads((study / paths.claims("preview")).read_text()):
        assert html.escape(claim["aspect"]) in page
    assert "<strong>supported</strong>" in page


def test_the_checks_of_the_theory_are_shown_with_their_range(page):
    assert "<td>error of Eq. (2)</td>" in page
    assert '<td class="number">0.10</td><td class="number">0.70</td>' in page
    assert '<td class="number">3.0 × 10⁻¹⁵</td>' in page


def test_every_cell_has_the_command_that_makes_it(study, page):
    for environment, agent, embedding in parameters.load(study / "params.yaml").cells():
        assert re.search(rf"dvc repro train-[a-z-]+@preview-0-4-{environment}-{agent}-{embedding}</code>", page)


def test_the_provenance_page_lies_beside_it(study):
    beside = (study / paths.report_provenance("preview")).read_text()
    for stage in ("aggregate", "figures", "report"):
        assert f"<td>{stage}/run</td>" in beside


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOOK = """<script>
addEventListener("load", () => { document.title = JSON.stringify({
  broken: [...document.images].filter(image => !image.complete || image.naturalWidth === 0).length,
  images: document.images.length,
  formulas: [...document.querySelectorAll("math")].filter(math => math.getBoundingClientRect().height > 5).length,
  curves: document.querySelectorAll("svg.chart path").length,
  cells: document.querySelectorAll("button[data-cell]").length,
  overflow: document.documentElement.scrollWidth - window.innerWidth,
}); });
</script>"""


def in_a_browser(page: str, folder: Path, width: int, place: str = "") -> dict[str, int]:
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
    command += [f"--user-data-dir={folder}/profile", f"--window-size={width},900", f"--log-net-log={folder}/net.json"]
    command += ["--dump-dom", (folder / "page.html").as_uri() + place]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in shown.stderr
    hosts = set(re.findall(r'"url":"https?://([^/"]+)', (folder / "net.json").read_text()))
    # What the browser asks for by itself, clock, account and hints: no request of the page.
    own = {host for host in hosts if host.endswith(".google.com") or host == "optimizationguide-pa.googleapis.com"}
    assert hosts == own
    return json.loads(html.unescape(re.search(r"<title>(.*?)</title>", shown.stdout)[1]))


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")


@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_the_whole_report_without_sideways_scroll(study, page, tmp_path, width):
    shutil.copy(study / paths.report_provenance("preview"), tmp_path)
    seen = in_a_browser(page, tmp_path, width)
    assert seen["broken"] == 0
    assert seen["images"] == page.count("<img ")
    assert seen["formulas"] == page.count("<math")
    assert seen["overflow"] <= 0


@needs_chromium
def test_every_run_can_be_browsed(study, tmp_path):
    page = (study / paths.run_browser("preview")).read_text()
    listed = list(parameters.load(study / "params.yaml").cells())
    others = sum(cell[:2] == ("slot-machine", "vpg") for cell in listed) - 1
    seen = in_a_browser(page, tmp_path, 390, "#slot-machine/vpg/jsae")
    assert seen["cells"] == len(listed) - 1
    assert seen["curves"] == others + 5 + 1, "means of the other embeddings, five seeds, their mean"
    assert seen["overflow"] <= 0


def test_the_page_of_runs_needs_nothing_from_outside_and_names_the_missing_cell(study):
    page = (study / paths.run_browser("preview")).read_text()
    links = {value for _, attributes in Elements(page).found for value in attributes.values() if value and ":" in value}
    assert not {link for link in links if re.match(r"(https?|file|//)", link)}
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    empty = [cell["id"] for cell in data["cells"] if not cell["runs"]]
    assert empty == [str(LOST)]
    assert all(cell["commands"] for cell in data["cells"])


def test_the_readme_holds_what_the_committed_study_says(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = readme.README.read_text()
    assert text == readme.with_verdicts(text, readme.verdicts()), "run `make readme`"


def test_the_readmes_table_is_made_from_the_claims_of_the_papers_scale(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    readme.README.write_text(f"# Title\n{readme.BEGIN}\nold\n{readme.END}\nrest\n")
    readme.main([])
    assert readme.README.read_text() == f"# Title\n{readme.BEGIN}\n{readme.NOT_RUN}\n{readme.END}\nrest\n"
    curves = paths.curves("preview", "slot-machine", "vpg", "jsae", "0-4")
    for name in ("vpg-jsae", "vpg-none"):
        folder = paths.PUBLISHED / "runs" / "slot-machine" / name
        folder.mkdir(parents=True)
        shutil.copy(study / curves.parent.with_name(name) / curves.name, folder)
    readme.main([])
    final = pl.read_parquet(study / paths.tables("preview") / "final.parquet").filter(
        environment="slot-machine", agent="vpg", embedding="jsae"
    )["final_return"]
    middle, low, high = (document.number(value) for value in (final.mean(), final.min(), final.max()))
    text = readme.README.read_text()
    assert f"| slot-machine/vpg/jsae | 5 | {middle} | {low} | {high} |\n| slot-machine/vpg/none | 5 | " in text
    assert "no verdict on any claim" in text
    published = Path(shutil.copy(study / paths.claims("preview"), paths.PUBLISHED))
    shutil.copytree(study / paths.figures("preview"), paths.PUBLISHED / "figures")
    paths.CLAIMS.parent.mkdir()
    shutil.copy(ROOT / paths.CLAIMS, paths.CLAIMS)
    readme.main([])
    lines = readme.README.read_text().splitlines()
    images = re.findall(r'<img src="([^"]*)" width="(\d+)%" alt="Figure 2[a-f]: ', "\n".join(lines))
    assert [width for _, width in images] == ["48", "48", "48", "48", "98", "48"]
    assert all(Path(source).exists() for source, _ in images)
    records = json.loads(published.read_text())
    assert len(lines) == 9 + len(records) + 1 + len(images) + 4
    assert "Effects with their 95 % intervals" in readme.README.read_text()
    (line,) = (line for line in lines if line.startswith("| slot machine, better than no embedding | 2c | 0."))
    assert line.endswith("| 5 / 5 | supported | `dvc repro --glob 'train-*-slot-machine-vpg-*'` |")
    assert "| Lemma 1, where no two states share an embedding |  | digits: 14 | 20 | supported |" in "\n".join(lines)


def test_what_is_published_is_a_copy_of_the_study_or_nothing(study, monkeypatch, capfd):
    """And of its tables the present code makes the same figures and pages; of others it does not."""
    monkeypatch.chdir(study)
    with pytest.raises(JsaeError, match="published/ is missing"):
        render.main([])
    with pytest.raises(JsaeError, match="nothing was published; run `make paper` first"):
        publish.main([])
    assert not paths.PUBLISHED.exists()
    monkeypatch.setattr(_published, "SCALE", "preview")
    pages = paths.report("preview").parent
    pages.rename("elsewhere")
    publish.main([])
    assert "cells and cohorts; `make paper` goes on" in capfd.readouterr().out
    runs = sorted((paths.PUBLISHED / "runs").rglob("*.parquet"))
    originals = sorted(Path("results/preview/runs").rglob("*.parquet"))
    assert [path.read_bytes() for path in runs] == [path.read_bytes() for path in originals]
    assert runs
    (paths.PUBLISHED / "runs" / "of another machine").touch()
    publish.main([])
    assert (paths.PUBLISHED / "runs" / "of another machine").exists()
    Path("elsewhere").rename(pages)
    for _ in range(2):
        publish.main([])
    for path in (paths.claims("preview"), paths.report("preview"), paths.tables("preview") / "curves.parquet"):
        copy = paths.PUBLISHED / path.relative_to(path.parent.parent if path.suffix == ".parquet" else path.parent)
        assert copy.read_bytes() == path.read_bytes()
    assert {path.suffix for path in (paths.PUBLISHED / "figures").iterdir()} == {".svg"}
    assert not (paths.PUBLISHED / "runs").exists()
    figure = paths.PUBLISHED / "figures" / "figure_2c.svg"
    figure.write_text("another")
    render.main(["--update"])
    assert "published/: figure_2c.svg had to be made anew" in capfd.readouterr().out
    assert figure.read_bytes() == (paths.figures("preview") / "figure_2c.svg").read_bytes()
    render.main([])
    assert "byte for byte" in capfd.readouterr().out
    figure.write_text("another")
    assert render.differing(paths.PUBLISHED / "figures", paths.figures("preview")) == ["figure_2c.svg"]
    assert render.differing(paths.PUBLISHED / "report.html", paths.report("preview")) == []
    (paths.PUBLISHED / "tables" / "curves.parquet").write_bytes(b"PAR1")
    with pytest.raises(JsaeError, match="the stage figures failed on its tables"):
        render.main([])
    assert "curves.parquet" in capfd.readouterr().err
    shutil.rmtree(paths.PUBLISHED / "tables")
    with pytest.raises(JsaeError, match="published/tables is missing"):
        render.main([])
    shutil.rmtree(paths.PUBLISHED)


def test_the_command_of_every_claim_names_all_cells_of_its_panel_and_no_other(study):
    names = [f"train-family@paper-0-4-{'-'.join(cell)}" for cell in parameters.load(study / "params.yaml").cells()]
    for claim in claims.load(ROOT / "report" / "claims.yaml").claims:
        if claim.kind != "fact":
            pattern = re.search("'(.*)'", readme.command(claim.model_dump()))[1]
            environment, agent, _ = claim.first
            wanted = [name for name in names if f"-{environment}-{agent}-" in name]
            assert fnmatch.filter(names, pattern) == wanted


@pytest.mark.parametrize("text", ["none", f"{readme.END}{readme.BEGIN}", f"{readme.BEGIN}{readme.BEGIN}{readme.END}"])
def test_a_readme_without_its_marks_is_an_error(text):
    with pytest.raises(JsaeError, match=r"README\.md needs one"):
        readme.with_verdicts(text, "table")


KINDS = r"(Figures?|Eqs?\.|Equations?|Sections?|Lemmas?|Theorem|Assumptions?|Algorithm|Appendix)"


def own_digits(prose: str) -> str:
    """Prose without its {{names}}, its formulas, and the names of things of the paper, such as Figure 2b."""
    return re.sub(r"\{\{[^{}]*\}\}|\$\$[^$]*\$\$|\$[^$]*\$|" + KINDS + r" \(?[\dA-Z.]+[a-f]?\)?", "", prose)


def test_hours_are_added_up_and_drawn(tmp_path):
    record = {"commit": None, "changed": None, "packages": {}, "processor": "p", "cores": 2, "system": "s"}
    record |= {"device": "cpu", "started": "t", "lock": "0" * 64, "wall_seconds": 1800.0}
    records = {f"train/slot-machine/vpg-jsae_frozen/{cohort}": record for cohort in ("0-4", "5-9")}
    assert pages.training_hours(records) == {made_runs.Cell("slot-machine", "vpg", "jsae_frozen"): 1.0}
    (tmp_path / "hours.svg").write_text("<svg/>")
    page = pages.provenance_html(records, ROOT / "report", tmp_path / "hours.svg")
    assert 'alt="Hours of training, a bar a cell: slot-machine/vpg/jsae_frozen: 1 hours."' in page
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
    run = code.import_closure(["report/notebook.py"]) - {"report/notebook.py"}
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "jsae/reporting/sections").glob("*.py")} < run
    assert run <= code.import_closure(["stages/report.py"])


def test_the_test_of_digits_finds_one():
    assert re.search(r"\d", own_digits("It reached 0.9 in Figure 2a with {{seeds}} seeds."))
    assert not re.search(r"\d", own_digits("Eq. (5) and Figure 2a with $x_1$ and {{n5}} seeds, Lemma 1."))


def test_a_name_without_a_value_is_an_error_that_names_the_nearest():
    with pytest.raises(JsaeError, match=r"\{\{sedes\}\}.*did you mean seeds"):
        document.fill("There are {{sedes}}.", {"seeds": "5"})


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
    assert displayed.startswith('<p>as in</p>\n<div class="equation"><math ')
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


def test_the_returns_in_readmes_prose_are_those_of_the_published_runs():
    final = pl.read_parquet(ROOT / paths.PUBLISHED / "tables/final.parquet")
    cells = final.group_by("environment", "agent", "embedding").agg(pl.col("final_return").mean())
    means = {tuple(words): value for *words, value in cells.rows()}
    prose = (ROOT / "README.md").read_text().partition(readme.END)[2].partition("## Two scales")[0]
    told = [("half-cheetah", "vpg", "state_only")]
    told += [("recommender", agent, x) for agent in names.AGENTS for x in ("jsae_frozen", "jsae_by_price")]
    told += [("recommender-synthetic", agent, x) for agent in ("vpg", "ppo") for x in names.PAPER]
    for cell in told:
        assert document.number(means[cell]) in prose, cell
    lost = means["half-cheetah", "vpg", "none"] - means["half-cheetah", "vpg", "jsae"]
    assert f"ends {lost:.0f} below no embedding" in " ".join(prose.split())
