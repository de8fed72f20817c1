"""Choose what runs: write workflow/runs.yaml, which dvc.yaml repeats its stages over.

    python -m tools.runs preview              # every panel of a scale; without arguments, what was chosen before
    python -m tools.runs preview --panel 2c   # one panel of Figure 2, and what it needs
    python -m tools.runs --check              # write nothing, fail if params.yaml or report/claims.yaml is wrong

`make reproduce` does it, with SCALE and PANEL. With DVC alone: run this, then `dvc repro`.

A change of params.yaml since the last run that some cells do not take, because what the search found stands in its
place, is named in a warning; so `make status` and `make reproduce` name it.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from jsae.analysis import claims
from jsae.config import hyper_parameters, layout, plan, schema
from jsae.config.best import Best
from jsae.config.errors import JsaeError
from jsae.config.schema import Parameters
from jsae.config.study import Cell
from jsae.io.files import read_json, write_atomically
from workflow import bridge


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scale", nargs="?", default="", help="smoke, preview or paper")
    parser.add_argument(
        "--panel", default="", help="2a to 2f; left out: all panels, or with no scale the panel chosen before"
    )
    parser.add_argument("--check", action="store_true", help="only check params.yaml and report/claims.yaml")
    given = parser.parse_args(arguments)
    scale, panel = (given.scale, "") if given.scale else plan.chosen()
    panel = given.panel or panel
    parameters = schema.load(layout.PARAMETERS)
    if layout.CLAIMS.exists():  # it is read last of all, so a mistake there must be known before anything runs
        claims.load(layout.CLAIMS, parameters.names())
    text = plan.text(wanted(parameters, scale, panel))
    if given.check:
        return
    if not layout.RUNS.is_file() or layout.RUNS.read_bytes() != text.encode():
        if bridge.running():
            raise JsaeError("a run is at work in this folder: wait for it, or stop it, before you choose what runs")
        with write_atomically(layout.RUNS) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"{layout.RUNS}: scale {scale}" + (f", panel {panel}" if panel else ""))


def wanted(parameters: Parameters, scale: str, panel: str) -> dict[str, Any]:
    """What workflow/runs.yaml must hold for this params.yaml. Warns of changes that some cells do not take.

    Raises JsaeError.
    """
    found = hyper_parameters.read_found(parameters)
    planned = plan.plan(parameters, found, scale, panel)
    cells = list(parameters.runs(scale, panel))
    named = list(overruled(last_values(layout.settings("report")), parameters, found, cells))
    if named:
        print(
            f"warning: what the search found wins over a change of {layout.PARAMETERS}: {', '.join(named)}. Edit "
            f"{layout.BEST} instead, or set it in a reading (docs/changing.md)",
            file=sys.stderr,
        )
    return planned


def last_values(settings: Path) -> dict[str, str]:
    """What params.yaml had in the last run, as text by name; nothing if there was none. settings: of the report."""
    try:
        return {name: value for name, value, *_ in read_json(settings)["values"]["rows"]}
    except (JsaeError, KeyError, TypeError, ValueError):
        return {}


def overruled(before: Mapping[str, str], parameters: Parameters, found: Best, cells: Sequence[Cell]) -> Iterator[str]:
    """Each changed hyper-parameter in whose place some cells take what the search found, with how many of them do."""
    for key, value, *_ in schema.table(parameters):
        section, _, name = key.rpartition(".")
        if name not in get_args(schema.Searchable) or before.get(key, value) == value:
            continue
        users = [
            cell
            for cell in cells
            if section in sections_of(parameters, cell)
            and name not in hyper_parameters.not_applicable(parameters, cell)
        ]
        count = sum(name in hyper_parameters.chosen(parameters, cell, found) for cell in users)
        if count:
            yield f"{key} (in {f'{count} of {len(users)}' if count < len(users) else 'all'} cells)"


def sections_of(parameters: Parameters, cell: Cell) -> tuple[str, ...]:
    """The sections of params.yaml that hold the hyper-parameters of a cell."""
    return "agents.common", f"agents.{parameters.agent_of(cell)}", f"environments.{cell.environment}"


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
