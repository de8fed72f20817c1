"""From the report's executed notebook to pages: collect its blocks, lay them out."""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import HTMLExporter

from jsae import document

Notebook = nbformat.NotebookNode


def blocks(notebook: Notebook) -> Iterator[document.Block]:
    """Every block that the notebook shows, in order."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if document.MIME in output.get("data", {}):
                yield output.data[document.MIME]


def known_values(notebook: Notebook) -> dict[str, str]:
    """All values that the notebook gives to its prose."""
    known: dict[str, str] = {}
    for block in blocks(notebook):
        if block["kind"] == "values":
            known.update(block["values"])
    return known


def to_html(notebook: Notebook, sources: Path, stamp: tuple[str, str] = ("", "")) -> str:
    """One self-contained page. sources: folder of style.css and template/. stamp: a word and a sentence on top."""
    known = known_values(notebook)
    shown = nbformat.v4.new_notebook()
    headings: list[tuple[str, str]] = []
    title = ""
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":
            text = document.fill(cell.source, known)
            new = nbformat.v4.new_markdown_cell(cell.source, metadata={"html": document.to_html(text)})
            headings += [
                (document.anchor(name), html.escape(name)) for name in re.findall(r"^## (.+)$", text, re.MULTILINE)
            ]
            title = title or "".join(re.findall(r"^# (.+)$", text, re.MULTILINE)[:1])
            shown.cells.append(new)
        elif cell.cell_type == "code":
            outputs = [
                nbformat.v4.new_output(
                    "display_data", {"text/html": document.block_html(output.data[document.MIME], known)}
                )
                for output in cell.outputs
                if document.MIME in output.get("data", {})
            ]
            shown.cells.append(nbformat.v4.new_code_cell("", outputs=outputs))
    exporter = HTMLExporter(template_name="template", extra_template_basedirs=[str(sources)])
    resources = {
        "title": title,
        "style": (sources / "style.css").read_text(),
        "stamp": stamp[0],
        "stamp_text": stamp[1],
        "contents": headings,
    }
    page, _ = exporter.from_notebook_node(shown, resources=resources)
    return str(page)


def to_print(notebook: Notebook, stamp: str = "") -> dict[str, Any]:
    """What report/paper.typ sets in two columns: title, abstract, body and appendices as nodes, and the stamp.

    The paths of its images are those that the notebook named.
    """
    known = known_values(notebook)
    nodes: list[document.Node] = []
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":
            nodes += document.to_nodes(document.fill(cell.source, known))
        else:
            for output in cell.outputs:
                if document.MIME in output.get("data", {}):
                    nodes += document.block_nodes(output.data[document.MIME], known)
    return {"stamp": stamp, "nodes": nodes}


def image_paths(nodes: Iterable[document.Node]) -> Iterator[str]:
    """The paths of all images of nodes."""
    for node in nodes:
        yield from (panel["path"] for panel in node.get("panels", []))


def provenance_html(records: Mapping[str, Mapping[str, Any]], sources: Path) -> str:
    """A small page with a table of the records that `jsae.provenance` wrote, by name."""
    rows = []
    for name, record in records.items():
        commit = (record["commit"] or "no git")[:12] + (" (changed)" if record["changed"] else "")
        packages = ", ".join(f"{package} {version}" for package, version in record["packages"].items())
        hours = f"{record['wall_seconds'] / 3600:.3f}"
        machine = f"{record['processor']}, {record['cores']} cores, {record['system']}, on {record['device']}"
        rows.append((name, record["started"], hours, commit, record["lock"][:12], machine, packages))
    columns = ["Stage", "Started (UTC)", "Hours", "Commit", "Lock", "Machine", "Packages"]
    body = document.block_html(document.table(columns, rows, "What this machine did.", numbers=["Hours"]), {})
    style = (sources / "style.css").read_text()
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<link rel="icon" href="data:,"><title>Provenance</title>'
        f'<style>{style}</style></head><body><main class="beside">{body}</main></body></html>\n'
    )
