"""Write docs/results.md, the table of verdicts and the panels of Figure 2, from the study in published/.

inputs   published/ (`make publish`): claims, tables, figures, settings of the report; report/claims.yaml
outputs  docs/results.md

No stage of the graph: `make readme` runs it after a study. Only the paper's scale has verdicts: another study is an
error.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsae.analysis import claims
from jsae.analysis.schema import CELLS
from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.io.files import read_json, write_atomically
from jsae.io.table import read
from jsae.reporting import wording
from jsae.reporting.looks import Looks
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
    intro = [
        "# Results",
        "",
        "`make readme` writes this page from `published/`. The [report](../published/report.html) has all of it.",
        "",
    ]
    return "\n".join(
        [*intro, *panels(folder, looks), "", *table(read_json(folder / "claims.json"), values["stages"]), ""]
    )


def panels(folder: Path, looks: Looks) -> list[str]:
    """The published panels of Figure 2 as HTML, two in a row; one with a plot for each agent has its own row."""
    lines = []
    for panel, environment in looks.panels.items():
        path = folder / "figures" / f"figure_{panel}.svg"
        if path.exists():
            several = len({cell.agent for cell in looks.cells_of(panel)}) > 1
            source = Path(os.path.relpath(path, PAGE.parent)).as_posix()
            alt = f"Figure {panel}: {looks.environment(environment)}: learning curves"
            lines.append(f'<img src="{source}" width="{98 if several else 48}%" alt="{alt}">')
    return lines


def table(records: Sequence[dict[str, Any]], stages: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The records of claims.json as Markdown: the claim, what was measured, the verdict, and how to run it again.

    stages: the cell of each stage `train`, by name.
    """
    book = claims.load(layout.CLAIMS)
    margins = book.margins
    lines = [
        f"Effects with their {100 * (1 - 2 * book.level):g} % intervals, positive where the claim points. Their unit "
        "is that of the measure: normalized",
        "return (random policy 0, optimal policy 1), final return, or epochs saved until the other's final level. n: "
        "seeds of",
        "the two cells, or what was checked. A claim is contradicted where its effect is significantly below a margin",
        f"({margins['normalized_return']:g} of normalized return, {margins['final_return']:g} of final return, "
        f"{margins['epochs']:g} of the epochs) or, of “comparable”, significantly beyond",
        "it. Verdicts, unlike intervals, are adjusted for how many claims are judged together. The commands are for an",
        "active `.venv` after `python -m tools.runs paper`; `--force` trains again what is up to date.",
        "",
        "| claim of the paper | figure | effect | n | verdict | run it again |",
        "|---|---|---|---|---|---|",
    ]
    for record in records:
        more = "; ".join(said for said in (record["reason"], record["remark"]) if said)
        verdict = record["verdict"] + (f" ({more})" if more else "")
        n = wording.seeds(record)
        again = f"`{command(record, stages)}`"
        cells = (record["aspect"], record["figure"], wording.effect(record), "" if n is None else n, verdict, again)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def command(record: Mapping[str, Any], stages: Mapping[str, Mapping[str, str]]) -> str:
    """What computes both cells of a claim, or the check of a fact, at the paper's scale."""
    if not record["first"]:
        return "dvc repro theory"
    wanted = [dict(zip(("environment", "agent", "embedding"), record[end], strict=True)) for end in ("first", "second")]
    names = [name for words in wanted for name, cell in stages.items() if cell == {**words, "reading": ""}]
    return " ".join(["dvc repro", *(f"train@{name}" for name in names)])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
