"""Write docs/results.md from the study in published/: which claims hold, Figure 2, the table of verdicts.

inputs   published/ (`make publish`): claims, tables, figures, settings of the report; report/claims.yaml
outputs  docs/results.md

No stage of the graph: `make readme` runs it after a study. Only the paper's scale has verdicts: another study is an
error.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.io.files import write_atomically
from jsae.reporting import context, document, values, wording
from jsae.reporting.context import Context
from jsae.reporting.sections import environments, readings, results, search, summary
from tools import published, render

PAGE = Path("docs/results.md")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=layout.PUBLISHED)
    folder = parser.parse_args(arguments).folder
    text = page(folder)
    with write_atomically(PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")


def page(folder: Path) -> str:
    """The whole page. Raises JsaeError if the study is not at the paper's scale."""
    scale = published.declared(folder / "settings" / "report.json")["values"]["scale"]
    if scale != "paper":
        raise JsaeError(f"{folder} holds a study at the scale {scale}: only the paper's has verdicts")
    with tempfile.TemporaryDirectory() as elsewhere:
        render.lay_out(folder, Path(elsewhere))
        with contextlib.chdir(elsewhere):
            study = context.read(layout.settings("report").as_posix())
    place = Path(os.path.relpath(folder, PAGE.parent)).as_posix()
    lines = [
        "# Results",
        "",
        f"`make readme` writes this page from `{folder.as_posix()}/`. The [report]({place}/report.html) and the "
        f"[paper]({place}/paper.pdf) have all of it.",
        "",
        "End: final return, the mean over the last tenth of the epochs. Speed: mean return over all epochs. "
        "Convergence: epochs until a fixed level.",
        "",
        *summary.headline(study),
        "",
        f'<img src="{place}/figures/figure_2.svg" width="100%" alt="Figure 2: learning curves of every panel">',
        "",
        "Lines are means over seeds with their 95 % intervals. Where some runs of a cell succeed and some do not, thin "
        "lines are its seeds, in place of the interval. Below each title stands the paper's own ordering. RA, φ, πi: "
        "[glossary](glossary.md).",
        "",
        "## What to know first",
        "",
        *cautions(study),
        "",
        "## Other readings",
        "",
        *other_readings(study),
        "## Verdicts",
        "",
        *table(study),
        "",
    ]
    return "\n".join(lines)


def cautions(study: Context) -> list[str]:
    """What to know before a verdict is believed, a line each."""
    count = summary.missing_cells(study)
    missing = f"The study is not complete: {count} of its cells have no run yet, or not with all seeds."
    lines = [
        missing * bool(study.missing),
        summary.WEAK * summary.has_bonus(study.environments),
        "The curves do not show the transitions of pre-training. " + values.uncounted(study),
        *search.short_of_score(study),
        *(note["text"] for note in environments.idlers(study)),
        *summary.success_depends(study),
        summary.explained(study),
    ]
    return [f"- {line}" for line in filter(None, lines)]


def other_readings(study: Context) -> Iterator[str]:
    """What other readings say of the supported claims."""
    said = summary.under_readings(study) or "No supported claim was judged under another reading."
    yield from (said, "")
    for block in readings.support(study):
        yield from (*_markdown(block["columns"], block["rows"]), "", *_notes(block["notes"]), "")


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(map(str, line))} |" for line in lines]


def _notes(notes: Sequence[str]) -> list[str]:
    """The notes below a table, a line each."""
    return [f"{document.raised(place)} {note}  " for place, note in enumerate(notes, 1)]


def table(study: Context) -> list[str]:
    """The verdicts as Markdown: the claim, what was measured, the verdict, and how to train it again."""
    book = study.claims
    notes: list[str] = []
    rows: list[list[object]] = []
    for record in study.verdicts:
        verdict = document.marked(record["verdict"], results.remarks(study, record), notes)
        measure, n = wording.MEASURES.get(record["measure"], ""), wording.seeds(record)
        again = f"`{text}`" if (text := command(record, study.values["stages"])) else ""
        cells = (record["figure"], record["aspect"], measure, wording.effect(record), "" if n is None else n, verdict)
        rows.append([*cells, again])
    return [
        f"Effects are differences of means with their {100 * (1 - 2 * book.level):g} % intervals: JSAE minus the "
        f"other, with transfer minus without, no embedding minus RA. {wording.NORMALIZED} Convergence: epochs saved. "
        "n: seeds of the two cells, or problems that were checked.",
        "",
        "Supported: the effect is significantly above zero. Contradicted: it is significantly below the margin, and "
        "not significantly above zero. “Comparable” is supported if the effect is significantly inside ± margin, and "
        f"contradicted if it is significantly outside. Margins: {', '.join(wording.margins(book))}. Verdicts, unlike "
        "intervals, are adjusted for how many claims are judged together ([plan](../report/plan.md)).",
        "",
        "The commands are for an active `.venv` after `python -m tools.runs paper`. They write the runs to "
        "`results/paper/runs/`. `--force --single-item` trains again what is up to date. `make paper PANEL=2a` trains "
        "all of a panel, under every reading, and makes its figures.",
        "",
        *_markdown(["figure", "claim of the paper", "measure", "effect", "n", "verdict", "train again"], rows),
        "",
        *_notes(notes),
    ]


def command(record: Mapping[str, Any], stages: Mapping[str, Mapping[str, str]]) -> str:
    """What computes both cells of a claim, or the check of a fact; empty if the study has neither cell."""
    if not record["first"]:
        return "dvc repro theory"
    wanted = [dict(zip(("environment", "agent", "embedding"), record[end], strict=True)) for end in ("first", "second")]
    names = [name for words in wanted for name, cell in stages.items() if cell == {**words, "reading": ""}]
    return " ".join(["dvc repro", *(f"train@{name}" for name in names)]) if names else ""


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
