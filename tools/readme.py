"""Write docs/results.md from the study in published/: which claims hold, Figure 2, the table of verdicts.

inputs   published/ (`make publish`): claims, tables, figures, settings of the report; report/claims.yaml
outputs  docs/results.md

No stage of the graph: `make readme` runs it after a study. Only the paper's scale has verdicts: another study is an
error.
"""

import argparse
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsae.analysis import claims
from jsae.analysis.schema import CELLS
from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.io.files import read_json, read_table, write_atomically
from jsae.io.table import read
from jsae.reporting import document, wording
from jsae.reporting.looks import Looks
from jsae.reporting.sections import embeddings, results, summary
from tools import published

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
    values = published.declared(folder / "settings" / "report.json")["values"]
    if values["scale"] != "paper":
        raise JsaeError(f"{folder} holds a study at the scale {values['scale']}: only the paper's has verdicts")
    looks = Looks.of(read(CELLS, folder / "tables" / "cells.parquet"))
    records = read_json(folder / "claims.json")
    nothing = embeddings.at_chance(read_table(folder / "probes" / "pretraining.parquet"))
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
        *summary.headline(looks, records, nothing),
        "",
        *([summary.WEAK, ""] if summary.has_bonus(values["parameters"]["environments"]) else []),
        f'<img src="{place}/figures/figure_2.svg" width="100%" alt="Figure 2: learning curves of every panel">',
        "",
        "Lines are means over seeds with their 95 % intervals. Where some runs of a cell succeed and some do not, thin "
        "lines are its seeds, in place of the interval. Below each title stands the paper's own ordering. RA, φ, πi: "
        "[glossary](glossary.md).",
        "",
        *table(records, looks, values["stages"], nothing),
        "",
    ]
    return "\n".join(lines)


def table(
    records: Sequence[dict[str, Any]],
    looks: Looks,
    stages: Mapping[str, Mapping[str, str]],
    nothing: Collection[tuple[str, str]],
) -> list[str]:
    """The records of claims.json as Markdown: the claim, what was measured, the verdict, and how to train it again.

    Args:
        stages: the cell of each stage `train`, by name.
        nothing: environments and embeddings whose model predicts no better than chance.
    """
    book = claims.load(layout.CLAIMS)
    lines = [
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
        "| figure | claim of the paper | measure | effect | n | verdict | train again |",
        "|---|---|---|---|---|---|---|",
    ]
    notes: list[str] = []
    for record in records:
        verdict = document.marked(record["verdict"], results.remarks(looks, record, nothing), notes)
        measure, n = wording.MEASURES.get(record["measure"], ""), wording.seeds(record)
        again = f"`{text}`" if (text := command(record, stages)) else ""
        cells = (record["figure"], record["aspect"], measure, wording.effect(record), "" if n is None else n, verdict)
        lines.append("| " + " | ".join(map(str, (*cells, again))) + " |")
    return [*lines, "", *(f"{document.raised(place)} {note}  " for place, note in enumerate(notes, 1))]


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
