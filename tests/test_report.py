"""The report: one page that needs nothing from outside, is the same bytes each time, and shows what the tables hold."""

import html.parser
import re
import shutil
from pathlib import Path

import pytest

from jsae import document, parameters
from jsae.errors import JsaeError
from stages import aggregate, figures, paths, report
from tests import made_runs

ROOT = Path(__file__).parent.parent
LOST = made_runs.Cell("gridworld-discrete", "vpg", "ra")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A folder with a whole study made of seeded runs, one cell missing, and its report."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT))
        shutil.copy(ROOT / "params.yaml", folder)
        shutil.copytree(ROOT / "requirements", folder / "requirements")
        shutil.copytree(ROOT / "report", folder / "report", ignore=shutil.ignore_patterns("preview", "paper"))
        settings = parameters.load(Path("params.yaml"))
        made_runs.write_study(settings, leave_out=[LOST])
        made_runs.write_bounds()
        for stage in (aggregate, figures, report):
            stage.main(["--scale", "preview"])
    return folder


@pytest.fixture(scope="module")
def page(study: Path) -> str:
    return (study / paths.report("preview")).read_text()


class Elements(html.parser.HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_page_needs_nothing_from_outside(page):
    allowed = ("data:", "#", "provenance.html")
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


def test_every_parameter_is_in_the_table(page):
    settings = parameters.load(ROOT / "params.yaml")
    for name, *_ in parameters.table(settings):
        assert f"<td>{name}</td>" in page


def test_no_placeholder_and_no_code_is_left(page):
    text = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert "{{" not in text
    assert "import polars" not in text
    assert "NaN" not in text


def test_rendered_again_it_is_the_same_bytes_and_holds_no_machine_fact(study, page, monkeypatch):
    monkeypatch.chdir(study)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    report.main(["--scale", "preview"])
    assert paths.report("preview").read_text() == page
    assert str(study) not in page
    assert str(ROOT) not in page


def test_the_provenance_page_lies_beside_it(study):
    beside = (study / paths.report_provenance("preview")).read_text()
    for stage in ("aggregate", "figures", "report"):
        assert f"<td>{stage}/run</td>" in beside


def test_prose_holds_no_digit_of_its_own():
    """A number in prose must be a {{name}}; what names a thing of the paper (Figure 2, Eq. (5)) may have its digit."""
    source = (ROOT / "report" / "notebook.py").read_text()
    cells = re.findall(r"^# %% \[markdown\]\n((?:^#.*\n?)*)", source, re.MULTILINE)
    assert len(cells) > 5
    kinds = r"(Figures?|Eqs?\.|Equations?|Sections?|Lemmas?|Theorem|Assumptions?|Algorithm|Appendix)"
    names = kinds + r" \(?[\dA-Z.]+[a-f]?\)?"
    for cell in cells:
        prose = re.sub(r"\{\{[^{}]*\}\}|\$[^$]*\$|" + names, "", cell)
        assert not re.search(r"\d", prose), prose


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
    assert "<msub>" in document.block_html(document.equation(r"\pi_i", "5"), {})
