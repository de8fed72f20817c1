"""The report as blocks: what the notebook shows, and how a block becomes HTML or a part of the printed paper.

A block is a plain dictionary, made by one of the functions below. Prose is Markdown with
formulas between dollar signs and {{names}} that stand for values: a number in prose is always such a name, so it comes
from a file. Formulas become MathML, figures become data URIs: a page needs nothing from outside.
"""

import difflib
import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mistune
from mistune.renderers.html import HTMLRenderer

from jsae.config.errors import JsaeError
from jsae.reporting import formulas

Block = dict[str, Any]
MIME = "application/vnd.jsae.block+json"
"""The media type by which a notebook's output carries a block."""


def prose(markdown: str) -> Block:
    """Paragraphs and headings, as a text cell of the notebook holds them."""
    return {"kind": "prose", "text": markdown}


def figure(path: Path, alt: str, caption: str, name: str = "", command: str = "dvc repro figures") -> Block:
    """An SVG image with words for those who do not see it and a caption below. command: what draws it again."""
    return {"kind": "figure", "path": str(path), "alt": alt, "caption": caption, "name": name, "command": command}


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    caption: str = "",
    prose: Sequence[str] = (),
    numbers: Sequence[str] = (),
    name: str = "",
    notes: Sequence[str] = (),
) -> Block:
    """A table. Cells are shown as they are, those of the columns in `prose` as Markdown; `numbers` are set right.

    A row of a single cell is a heading of the rows below it. notes: footnotes, which stand below the table; `marked`
    puts the number of one into a cell.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    for row in cells:
        if len(row) not in (1, len(columns)):
            raise JsaeError(f"a table of the report has {len(columns)} columns and a row of {len(row)} cells")
    return {
        "kind": "table",
        "columns": list(columns),
        "rows": cells,
        "caption": caption,
        "prose": list(prose),
        "numbers": list(numbers),
        "name": name,
        "notes": list(notes),
    }


def marked(word: str, note: str, notes: list[str]) -> str:
    """A word with the number of its footnote, which is added to `notes` unless it is there; no note, no number."""
    if not note:
        return word
    if note not in notes:
        notes.append(note)
    return word + raised(notes.index(note) + 1)


def raised(number: int) -> str:
    """A number as a superscript."""
    return str(number).translate(_RAISED)


def values(named: Mapping[str, object]) -> Block:
    """Values that prose anywhere in the notebook may name."""
    return {"kind": "values", "values": {name: str(value) for name, value in named.items()}}


def note(text: str, kind: str = "plain") -> Block:
    """A paragraph set apart. kind: plain, warning or references."""
    return {"kind": "note", "text": text, "style": kind}


def flush() -> Block:
    """The place in print before which all figures above have to stand."""
    return {"kind": "flush"}


def empty(reason: str) -> Block:
    """The section that this stands in has nothing to show: pages leave it out and name it with the reason, a clause."""
    return {"kind": "empty", "reason": reason}


def left_out() -> Block:
    """The place of the line that names the empty sections."""
    return {"kind": "left out"}


def frame(target: str, fallback: str, title: str) -> Block:
    """Another page next to this one, shown inside it where it exists."""
    return {"kind": "frame", "target": target, "fallback": fallback, "title": title}


def number(value: float, digits: int = 3) -> str:
    """A number with `digits` significant digits and a true minus sign; what is nearer to 0 than 0.001 is written with a
    power of ten."""
    if not math.isfinite(value):
        raise JsaeError(f"the report was to print {value}: a table holds a value that is not a number")
    rounded = float(f"{value:.{digits}g}")
    power = math.floor(math.log10(abs(rounded))) if rounded else 0
    if rounded and power < -3:
        return f"{rounded / 10.0**power:.{digits - 1}f} × 10{raised(power)}".replace("-", "−")
    places = max(0, digits - 1 - power) if rounded else 0
    return f"{rounded:,.{places}f}".replace("-", "−")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def fill(text: str, known: Mapping[str, str]) -> str:
    """`text` with every {{name}} replaced. Raises JsaeError for a name without a value."""

    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise JsaeError(
                f"report/notebook.py or report/deviations.yaml names {{{{{name}}}}}, which no file gives"
                + f" (did you mean {near[0]}?)" * bool(near)
            )
        return known[name]

    filled = re.sub(r"\{\{([^{}]+)\}\}", value, text)
    left = re.search(r"\{\{ ?[a-z][\w.-]*.{0,20}", filled)
    if left:
        raise JsaeError(f"the report has braces that are not closed: {left[0]!r}; write {{{{name}}}}")
    return filled


class _Page(HTMLRenderer):
    """Markdown to HTML: formulas as MathML, headings with anchors."""

    def inline_math(self, text: str) -> str:
        return formulas.mathml(text)

    def block_math(self, text: str) -> str:
        latex, number = formulas.numbered(text)
        shown = f'<span class="number">({number})</span>' if number else ""
        attributes = 'class="equation" tabindex="0" role="group" aria-label="formula"'  # it may scroll
        return f"<div {attributes}>{formulas.mathml(latex, display=True)}{shown}</div>\n"

    def block_code(self, code: str, info: str | None = None) -> str:
        return super().block_code(code, info).replace("<pre>", '<pre tabindex="0">', 1)

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        return f'<h{level} id="{anchor(text)}">{text}</h{level}>\n'


_markdown = mistune.create_markdown(renderer=_Page(escape=True), plugins=["math"])


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
        case "values" | "flush":
            return ""
        case "prose":
            return to_html(fill(block["text"], known))
        case "note":
            return f'<div class="note {block["style"]}">{to_html(fill(block["text"], known))}</div>\n'
        case "frame":
            title, target = html.escape(block["title"]), html.escape(block["target"])
            inside = to_html(fill(block["fallback"], known))
            return f'<object class="inset" type="text/html" data="{target}" title="{title}">{inside}</object>\n'
        case "figure":
            return _figure_html(block, known)
        case "table":
            return _table_html(block, known)
        case kind:
            raise JsaeError(f"the report has a block of the unknown kind {kind!r}")


def _figure_html(block: Block, known: Mapping[str, str]) -> str:
    """The image lies inside the page, in a button that opens it large; the letters of all figures have one size."""
    svg = Path(block["path"]).read_bytes()
    points = re.search(rb'<svg [^>]*?width="([\d.]+)pt"', svg)
    width = f' style="width: {float(points[1]) / 10:.1f}rem"' if points else ""
    alt = html.escape(fill(block["alt"], known))
    # Percent-encoded, not base64, and with quotes that need no code: a third less.
    source = "data:image/svg+xml," + quote(svg.replace(b'"', b"'"), safe=" !$'()*+,/:;=?@")
    name = f' id="{block["name"]}"' if block["name"] else ""
    command = html.escape(block["command"])
    copy = f'<p class="command"><code>{command}</code> <button type="button" class="copy">Copy</button></p>'
    return (
        f'<figure class="panel"{name}><button type="button" class="enlarge" title="Open large">'
        f'<img alt="{alt}"{width} src="{source}"></button>'
        f"<figcaption>{inline_html(fill(block['caption'], known))}{copy * bool(command)}</figcaption></figure>\n"
    )


def _table_html(block: Block, known: Mapping[str, str]) -> str:
    columns: list[str] = block["columns"]
    classes = [' class="number"' if column in block["numbers"] else "" for column in columns]
    head = "".join(
        f'<th scope="col"{kind}>{inline_html(fill(c, known))}</th>' for c, kind in zip(columns, classes, strict=True)
    )
    rows = []
    for row in block["rows"]:
        if len(row) < len(columns):
            rows.append(
                f'<tr class="group"><th scope="colgroup" colspan="{len(columns)}">{html.escape(row[0])}</th></tr>'
            )
            continue
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
    notes = "".join(
        f"<p>{raised(place)} {inline_html(fill(note, known))}</p>" for place, note in enumerate(block["notes"], 1)
    )
    label = html.escape(re.sub(r"[*_]", "", fill(block["caption"], known)).split(". ")[0] or "table")
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{label}"><table{name}>{caption}'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>\n"
        + f'<div class="footnotes">{notes}</div>\n'
        * bool(notes)
    )


Node = dict[str, Any]
"""A piece of the printed paper, as report/paper.typ reads it: {"kind": …, …}."""
PRINTED = {"block_text", "codespan", "emphasis", "heading", "link", "list", "list_item", "paragraph", "strong", "text"}
"""What report/paper.typ knows of Markdown besides formulas, by the names of mistune."""

_tree = mistune.create_markdown(renderer="ast", plugins=["math"])


def to_nodes(markdown: str) -> list[Node]:
    """Prose as nodes for print."""
    tokens: Any = _tree(markdown)
    return [_node(token) for token in tokens if token["type"] != "blank_line"]


def inline_nodes(markdown: str) -> list[Node]:
    """One paragraph of prose as nodes without the paragraph around them."""
    return [child for node in to_nodes(markdown) for child in node.get("children", [])]


def _node(token: Any) -> Node:
    kind = token["type"]
    match kind:
        case "softbreak" | "linebreak":
            return {"kind": "text", "text": " "}
        case "inline_math":
            return {"kind": "math", "text": formulas.typst(token["raw"])}
        case "block_math":
            latex, number = formulas.numbered(token["raw"])
            return {"kind": "equation", "text": formulas.typst(latex), "number": number}
        case _ if kind in PRINTED:
            inside = {"text": token["raw"]} if "raw" in token else {"children": list(map(_node, token["children"]))}
            return {"kind": kind, **token.get("attrs", {}), **inside}
        case _:
            raise JsaeError(f"the report's prose has a {kind}, which the printed paper does not know")


def block_nodes(block: Block, known: Mapping[str, str]) -> list[Node]:
    """A block as nodes for print; `known` are the values of all blocks."""

    def inline(text: str) -> list[Node]:
        return inline_nodes(fill(text, known)) if text else []

    match block["kind"]:
        case "values" | "frame":
            return []
        case "flush":
            return [block]
        case "prose":
            return to_nodes(fill(block["text"], known))
        case "note":
            return [{"kind": "note", "style": block["style"], "children": to_nodes(fill(block["text"], known))}]
        case "figure":
            alt, caption = fill(block["alt"], known), inline(block["caption"])
            return [{"kind": "figure", "path": block["path"], "alt": alt, "caption": caption}]
        case "table":
            rows = [
                [
                    inline(cell) if column in block["prose"] else [{"kind": "text", "text": cell}]
                    for column, cell in zip(block["columns"], row, strict=len(row) > 1)
                ]
                for row in block["rows"]
            ]
            numbers = [column in block["numbers"] for column in block["columns"]]
            head = [inline(column) for column in block["columns"]]
            table = {"kind": "table", "columns": head, "rows": rows, "numbers": numbers}
            notes = [inline(f"{raised(place)} {note}") for place, note in enumerate(block["notes"], 1)]
            return [{**table, "caption": inline(block["caption"]), "notes": notes}]
        case kind:
            raise JsaeError(f"the report has a block of the unknown kind {kind!r}")
