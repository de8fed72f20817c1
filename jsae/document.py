"""The report as blocks: what the notebook shows, and how a block becomes HTML.

A block is a plain dictionary, made by `figures`, `table`, `equation`, `values` or `note` below. Prose is Markdown with
formulas between dollar signs and {{names}} that stand for values: a number in prose is always such a name, so it comes
from a file. Formulas become MathML, figures become data URIs: a page needs nothing from outside.
"""

import base64
import difflib
import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import latex2mathml.converter
import mistune
from mistune.renderers.html import HTMLRenderer

from jsae.errors import JsaeError

Block = dict[str, Any]
MIME = "application/vnd.jsae.block+json"
"""The media type by which a notebook's output carries a block."""


def figures(images: Sequence[tuple[Path, str, str]], caption: str = "", name: str = "") -> Block:
    """One figure of one or more SVG images, each (path, alternative text, caption below it)."""
    panels = [{"path": str(path), "alt": alt, "caption": below} for path, alt, below in images]
    return {"kind": "figures", "panels": panels, "caption": caption, "name": name}


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    caption: str = "",
    prose: Sequence[str] = (),
    numbers: Sequence[str] = (),
    name: str = "",
) -> Block:
    """A table. Cells are shown as they are, those of the columns in `prose` as Markdown; `numbers` are set right."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    for row in cells:
        if len(row) != len(columns):
            raise JsaeError(f"a table of the report has {len(columns)} columns and a row of {len(row)} cells")
    return {
        "kind": "table",
        "columns": list(columns),
        "rows": cells,
        "caption": caption,
        "prose": list(prose),
        "numbers": list(numbers),
        "name": name,
    }


def equation(latex: str, number: str = "") -> Block:
    """A displayed formula with the number that the paper gives it."""
    return {"kind": "equation", "latex": latex, "number": number}


def values(**named: object) -> Block:
    """Values that prose anywhere in the notebook may name."""
    return {"kind": "values", "values": {name: str(value) for name, value in named.items()}}


def note(text: str, kind: str = "plain") -> Block:
    """A paragraph set apart. kind: plain, warning or verdict."""
    return {"kind": "note", "text": text, "style": kind}


def frame(target: str, fallback: str, title: str) -> Block:
    """Another page beside this one, shown inside it where it exists."""
    return {"kind": "frame", "target": target, "fallback": fallback, "title": title}


def number(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits, never in powers of ten, with a true minus sign."""
    if not math.isfinite(value):
        raise JsaeError(f"the report was to print {value}: a table holds a value that is not a number")
    rounded = float(f"{value:.{digits}g}")
    places = max(0, digits - 1 - math.floor(math.log10(abs(rounded)))) if rounded else 0
    return f"{rounded:,.{places}f}".replace("-", "−")


def fill(text: str, known: Mapping[str, str]) -> str:
    """`text` with every {{name}} replaced. Raises JsaeError for a name without a value."""

    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise JsaeError(
                f"the report names {{{{{name}}}}}, which no file gives" + f" (did you mean {near[0]}?)" * bool(near)
            )
        return known[name]

    return re.sub(r"\{\{([^{}]+)\}\}", value, text)


def mathml(latex: str, display: bool = False) -> str:
    """A formula as MathML."""
    return latex2mathml.converter.convert(latex, display="block" if display else "inline")


class _Page(HTMLRenderer):
    """Markdown to HTML: formulas as MathML, headings with anchors."""

    def inline_math(self, text: str) -> str:
        return mathml(text)

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        return f'<h{level} id="{anchor(text)}">{text}</h{level}>\n'


_markdown = mistune.create_markdown(renderer=_Page(escape=True), plugins=["math", "table"])


def anchor(heading: str) -> str:
    """The anchor of a heading: its words in lower case, joined by hyphens."""
    words = re.sub(r"<[^>]+>", "", heading).lower()
    return "-".join(re.findall(r"\w+", words))


def to_html(markdown: str) -> str:
    """Prose as HTML."""
    return str(_markdown(markdown))


def inline_html(markdown: str) -> str:
    """One paragraph of prose as HTML without the paragraph around it."""
    return re.sub(r"^<p>(.*)</p>\s*$", r"\1", to_html(markdown).strip(), flags=re.DOTALL)


def block_html(block: Block, known: Mapping[str, str]) -> str:
    """A block as HTML; `known` are the values of all blocks."""
    match block["kind"]:
        case "values":
            return ""
        case "equation":
            number = f'<span class="number">({block["number"]})</span>' if block["number"] else ""
            return f'<div class="equation">{mathml(block["latex"], display=True)}{number}</div>\n'
        case "note":
            return f'<div class="note {block["style"]}">{to_html(fill(block["text"], known))}</div>\n'
        case "frame":
            title, target = html.escape(block["title"]), html.escape(block["target"])
            inside = to_html(fill(block["fallback"], known))
            return f'<object class="beside" type="text/html" data="{target}" title="{title}">{inside}</object>\n'
        case "figures":
            return _figures_html(block, known)
        case "table":
            return _table_html(block, known)
        case kind:
            raise JsaeError(f"the report has a block of the unknown kind {kind!r}")


def _figures_html(block: Block, known: Mapping[str, str]) -> str:
    panels = []
    for panel in block["panels"]:
        image = base64.b64encode(Path(panel["path"]).read_bytes()).decode()
        alt = html.escape(fill(panel["alt"], known), quote=True)
        below = f"<figcaption>{inline_html(fill(panel['caption'], known))}</figcaption>" if panel["caption"] else ""
        picture = f'<img alt="{alt}" src="data:image/svg+xml;base64,{image}">'
        panels.append(f'<figure class="panel">{picture}{below}</figure>')
    caption = f"<figcaption>{inline_html(fill(block['caption'], known))}</figcaption>" if block["caption"] else ""
    name = f' id="{block["name"]}"' if block["name"] else ""
    inside = "\n".join(panels)
    return f'<figure class="panels"{name}><div class="grid count-{len(panels)}">{inside}</div>{caption}</figure>\n'


def _table_html(block: Block, known: Mapping[str, str]) -> str:
    columns: list[str] = block["columns"]
    classes = [' class="number"' if column in block["numbers"] else "" for column in columns]
    head = "".join(f'<th scope="col"{kind}>{inline_html(c)}</th>' for c, kind in zip(columns, classes, strict=True))
    rows = []
    for row in block["rows"]:
        shown = [
            inline_html(fill(cell, known)) if column in block["prose"] else html.escape(cell)
            for column, cell in zip(columns, row, strict=True)
        ]
        rows.append(
            "<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(shown, classes, strict=True)) + "</tr>"
        )
    caption = f"<caption>{inline_html(fill(block['caption'], known))}</caption>" if block["caption"] else ""
    name = f' id="{block["name"]}"' if block["name"] else ""
    body = "\n".join(rows)
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="table"><table{name}>{caption}'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>\n"
    )
