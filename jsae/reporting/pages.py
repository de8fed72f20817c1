"""From the report's executed notebook to pages: collect its blocks, lay them out."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import Template

from jsae.config.study import Cell
from jsae.reporting import document, plots, wording
from jsae.reporting.context import Context
from jsae.training.columns import KEYS

Notebook = nbformat.NotebookNode


def blocks(notebook: Notebook) -> Iterator[document.Block]:
    """What the notebook says and shows, in order: its text and the blocks that its code hands to the report.

    The first cell speaks to those who edit the notebook and is left out.
    """
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":
            yield document.prose(cell.source)
        for output in cell.get("outputs", []):
            if document.MIME in output.get("data", {}):
                yield output.data[document.MIME]


def known_values(notebook: Notebook) -> dict[str, str]:
    """All values that the notebook gives to its prose."""
    given = [block["values"] for block in blocks(notebook) if block["kind"] == "values"]
    return {name: value for values in given for name, value in values.items()}


SUPPLEMENT = "# Supplement"
"""The heading at which the supplement begins."""


def parts(notebook: Notebook) -> tuple[list[document.Block], list[document.Block]]:
    """The blocks of the report, and those of its supplement, which begins with its heading; values are left out."""
    shown = [block for block in blocks(notebook) if block["kind"] != "values"]
    place = next((i for i, block in enumerate(shown) if block.get("text", "").startswith(SUPPLEMENT)), len(shown))
    return filled(shown[:place]), filled(shown[place:])


def filled(shown: Sequence[document.Block]) -> list[document.Block]:
    """A part without its empty sections, which one line names, each with the reason."""
    sections: list[list[document.Block]] = [[]]
    for block in shown:
        if block["kind"] == "prose" and block["text"].startswith("## "):
            sections.append([])
        sections[-1].append(block)
    kept: list[document.Block] = []
    names: dict[str, list[str]] = {}
    for section in sections:
        reason = next((block["reason"] for block in section if block["kind"] == "empty"), None)
        if reason is None:
            kept += section
        else:
            names.setdefault(reason, []).append(section[0]["text"].splitlines()[0].removeprefix("## "))
    said = "; ".join(f"{wording.listed(of)} ({reason})" for reason, of in names.items())
    line = [document.note(f"Left out at this scale: {said}.")] if said else []
    return [one for block in kept for one in (line if block["kind"] == "left out" else [block])]


def to_html(
    notebook: Notebook, style: Path, template: Path, stamp: tuple[str, str] = ("", ""), settings: str = ""
) -> str:
    """One self-contained page. Each section of the supplement is folded.

    Args:
        template: of Jinja.
        stamp: a word and a sentence on top.
        settings: what the page says in its head of the settings that it was made with.
    """
    known = known_values(notebook)
    main, supplement = parts(notebook)
    shown = {
        "title": headings(main, 1, known)[0][1],
        "style": style.read_text(encoding="utf-8"),
        "stamp": stamp,
        "settings": settings,
        "contents": headings(main, 2, known),
        "supplement": headings(supplement, 2, known),
        "content": "".join(document.block_html(block, known) for block in main) + folded(supplement, known),
    }
    return Template(template.read_text(encoding="utf-8"), keep_trailing_newline=True).render(shown)


def stamped(values: Mapping[str, Any]) -> str:
    """A digest of the values that the report was made with, which its page has in its head."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def headings(shown: Sequence[document.Block], level: int, known: Mapping[str, str]) -> list[tuple[str, str]]:
    """Anchor and words of the headings of a level."""
    prose = "\n".join(document.fill(block["text"], known) for block in shown if block["kind"] == "prose")
    return [(document.anchor(words), words) for words in re.findall(rf"^{'#' * level} (.+)$", prose, re.MULTILINE)]


def folded(supplement: Sequence[document.Block], known: Mapping[str, str]) -> str:
    """The supplement as HTML: a section that opens for each heading of the second level."""
    made, is_open = [], False
    for block in supplement:
        shown = document.block_html(block, known)
        heading = re.match(r"<h2 [^>]*>.*?</h2>", shown)
        if heading:
            made.append("</details>\n" * is_open)
            made.append(f'<details class="section"><summary>{heading[0]}</summary>\n{shown[heading.end() :]}')
            is_open = True
        else:
            made.append(shown)
    return "".join([*made, "</details>\n" * is_open])


def to_print(notebook: Notebook, stamp: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """What report/paper.typ sets: the paper and its supplement, each as title, nodes and stamp.

    The paths of its images are those that the notebook named.
    """
    known = known_values(notebook)
    main, supplement = parts(notebook)
    title = headings(main, 1, known)[0][1]
    return tuple(  # type: ignore[return-value]
        {
            "title": title if shown is main else f"{title}. Supplement",
            "supplement": shown is supplement,
            "stamp": stamp,
            "nodes": [node for block in shown for node in document.block_nodes(block, known)][1:],
        }
        for shown in (main, supplement)
    )


def runs_html(study: Context, browser: Path, style: Path, stamp: str = "") -> str:
    """A page to browse every run: the matrix of cells, a table of runs, each seed's curve, parameters and command.

    browser, style: report/runs.html and report/style.css.
    """
    looks, stages, listed = study.looks, study.stages, []
    trained_with = {Cell(*(entry[key] for key in KEYS)): entry for entry in study.values["cells"]}
    for cell in dict.fromkeys(stages.values()):
        runs = study.final.filter(**vars(cell)).sort("seed").rows(named=True)
        points = plots.blocks(study.curves.filter(**vars(cell)).sort("epoch"), plots.POINTS // 2)
        lines = dict(points.group_by("seed").agg("mean_return").iter_rows())
        listed.append(
            {
                "id": str(cell),
                **vars(cell),
                "trained_by": looks.agent_of(cell),
                "random": _known(runs[0]["random_return"]) if runs else None,
                "optimal": _known(runs[0]["optimal_return"]) if runs else None,
                "epochs": points["epoch"].unique().sort().to_list(),
                "commands": [f"dvc repro train@{name}" for name, trained in stages.items() if trained == cell],
                "settings": list(settings(trained_with[cell])),
                "prefixes": [
                    f"environments.{cell.environment}.",
                    f"agents.{trained_with[cell]['trained_by']}.",
                    "agents.common.",
                    "embeddings.",
                    *([f"readings.{cell.reading}."] if cell.reading else []),
                ],
                "runs": [
                    {
                        "seed": run["seed"],
                        "final": run["final_return"],
                        "over_training": run["mean_over_training"],
                        "normalized": _known(run["normalized_return"]),
                        "curve": [float(f"{value:.3g}") for value in lines[run["seed"]]],
                    }
                    for run in runs
                ],
            }
        )
    data = {
        "cells": listed,
        "parameters": study.values["rows"],
        "names": {**looks.agents, **looks.embeddings, **looks.environments},
        "embeddings": list(looks.embeddings),
        "colors": {name: style["color"] for name, style in looks.styles.items()},
        "stamp": stamp,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    return (
        browser.read_text(encoding="utf-8")
        .replace("/*STYLE*/", style.read_text(encoding="utf-8"))
        .replace("/*DATA*/", text)
    )


def settings(entry: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a cell is trained with: name, value, and where it comes from. entry: of the settings file."""
    for name, value in entry["hyper_parameters"].items():
        found = "the search" if name in entry["found"] else "params.yaml"
        yield name, str(value), f"the reading {entry['reading']}" if name in entry["set_by_reading"] else found


def _known(value: float) -> float | None:
    """None where a table holds NaN: not known."""
    return None if math.isnan(value) else value


def training_hours(records: Mapping[str, Mapping[str, Any]], stages: Mapping[str, Cell]) -> dict[Cell, float]:
    """Hours that each cell's training took, all its blocks of seeds together, from provenance records by name.

    stages: the cell of each stage `train`, by name.
    """
    hours: dict[Cell, float] = {}
    for name, cell in stages.items():
        record = records.get(f"train/{name}")
        if record is not None:
            hours[cell] = hours.get(cell, 0.0) + record["wall_seconds"] / 3600
    return hours


def provenance_html(
    records: Mapping[str, Mapping[str, Any]], hours: Mapping[Cell, float], style: Path, picture: Path | None = None
) -> str:
    """A small page with the provenance records, by name. picture: drawing of the hours of each cell."""
    rows = []
    for name, record in records.items():
        commit = (record["commit"] or "no git")[:12] + (" (changed)" if record["changed"] else "")
        packages = ", ".join(f"{package} {version}" for package, version in record["packages"].items())
        took = f"{record['wall_seconds'] / 3600:.3f}"
        machine = f"{record['processor']}, {record['cores']} cores, {record['system']}, on {record['device']}"
        rows.append((name, record["started"], took, commit, record["lock"][:12], machine, packages))
    total = sum(record["wall_seconds"] for record in records.values()) / 3600
    rows.append(("all of them", "", f"{total:.3f}", "", "", "", ""))
    columns = ["Stage", "Started (UTC)", "Hours", "Commit", "Lock", "Machine", "Packages"]
    caption = "What each stage did. A stage that was stopped and went on counts from where it went on."
    body = document.block_html(document.table(columns, rows, caption, numbers=["Hours"]), {})
    if picture is not None:
        said = "; ".join(f"{cell}: {took:.3g} hours" for cell, took in hours.items())
        alt = f"Hours of training, a bar a cell: {said}."
        caption = "**Hours of training** of each cell, all its seeds together."
        body = document.block_html(document.figure(picture, alt, caption, command=""), {}) + body
    rules = style.read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,"><title>Provenance</title>'
        f'<style>{rules}</style></head><body><main class="inset"><h1 class="away">Provenance</h1>{body}</main>'
        "</body></html>\n"
    )
