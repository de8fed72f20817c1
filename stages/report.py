"""Make the report: run the notebook, turn what it shows into pages.

inputs   params.yaml, results/SCALE/{tables,figures,quality,maps.parquet,claims.json,theory.json}, search/settings.csv,
         search/times.csv, search/best.yaml, data/processed/STORE/{purchases,transitions}.json, report/*,
         requirements/*.lock
outputs  report/SCALE/report.html, report/SCALE/paper.pdf, report/SCALE/runs.html
beside   report/SCALE/provenance.html, which is no output of the stage

The pages hold no time, no path and no fact about this machine: the same inputs give the same bytes.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import papermill
import typst
from jsae.analysis.curves import Cell
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from jsae.analysis import search
from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io import provenance
from jsae.io.files import read_table, write_atomically
from jsae.reporting import pages, plots, sections, values  # noqa: F401 (the notebook imports these: see stages.code)
from stages import _main, paths

SOURCES = Path("report")
LOCKS = ("compute", "torch-cpu", "study")
_LOCAL = Config({"AsyncKernelManager": {"transport": "ipc"}, "KernelManager": {"transport": "ipc"}})
"""The kernel is reached by a socket file: no port of the machine is opened."""


def main(arguments: Sequence[str]) -> None:
    scale = _main.parser(__doc__, "scale").parse_args(arguments).scale
    with provenance.recorded(paths.record("report", scale=scale), "report"):
        make(scale)
    write_provenance(scale)


def make(scale: str) -> None:
    """Write the report, the printed paper and the page of runs of `scale`."""
    settings = parameters.load(paths.PARAMETERS)
    commands = {Cell(*names): cell_commands(scale, settings, Cell(*names)) for names in settings.cells()}
    notebook = run_notebook(SOURCES / "notebook.py", notebook_inputs(scale, commands))
    stamp = ("PREVIEW", "a fraction of the paper's budget: not a result") if scale == "preview" else ("", "")
    page = pages.to_html(notebook, SOURCES, stamp)
    with write_atomically(paths.report(scale)) as temporary:
        temporary.write_text(page)
    with write_atomically(paths.paper(scale)) as temporary:
        temporary.write_bytes(print_paper(pages.to_print(notebook, stamp[0]), SOURCES / "paper.typ"))

    curves, final = (read_table(paths.tables(scale) / f"{name}.parquet") for name in ("curves", "final"))
    best = search.read_best(paths.BEST)
    trained_with = {cell: hyper_parameters(settings, cell, best) for cell in commands}
    rows = parameters.table(settings)
    text = pages.runs_html(list(commands), curves, final, commands, trained_with, rows, SOURCES, " ".join(stamp))
    with write_atomically(paths.run_browser(scale)) as temporary:
        temporary.write_text(text)


def notebook_inputs(scale: str, commands: Mapping[Cell, Sequence[str]]) -> dict[str, Any]:
    """What the notebook hands to `jsae.reporting.context.read`: places, and what only a stage knows."""
    return {
        "scale": scale,
        "results": str(paths.tables(scale).parent),
        "data": str(paths.DATA),
        "search": str(paths.SEARCH.parent),
        "parameters_file": str(paths.PARAMETERS),
        "sources": str(SOURCES),
        "commands": [[str(cell), command] for cell, own in commands.items() for command in own],
        "locks": [str(lock) for lock in locks()],
    }


def hyper_parameters(settings: parameters.Parameters, cell: Cell, best: search.Best) -> list[tuple[str, str, str]]:
    """What a cell is trained with: rows (name, value, where it comes from)."""
    stated, found = search.values(settings, cell), search.found(settings, cell, best)
    return [
        (name, str(found.get(name, value)), f"the search ({value} in params.yaml)" if name in found else "params.yaml")
        for name, value in stated.items()
    ]


def cell_commands(scale: str, settings: parameters.Parameters, cell: Cell) -> list[str]:
    """The commands that make a cell's runs and all that they need, one a cohort."""
    family = next(
        name
        for name, content in settings.families()
        if cell.environment in content.environments
        and cell.agent in content.agents
        and cell.embedding in content.embeddings
    )
    names = f"{cell.environment}-{cell.agent}-{cell.embedding}"
    return [f"dvc repro train-{family}@{scale}-{cohort}-{names}" for cohort in settings.cohorts]


def print_paper(content: Mapping[str, Any], template: Path) -> bytes:
    """The printed paper as PDF. Its fonts are those that typst brings along, so it is the same on every machine."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(template, folder)
        for node in content["nodes"]:
            if node["kind"] == "figure":
                shutil.copy(node["path"], folder)
        (Path(folder) / "content.json").write_text(json.dumps(content))
        return bytes(typst.compile(str(Path(folder) / template.name), root=folder, ignore_system_fonts=True))


def run_notebook(source: Path, inputs: Mapping[str, Any]) -> nbformat.NotebookNode:
    """Execute the notebook that is kept as text in `source` with `inputs` in place of its own.

    Returns it without anything that differs between two executions: times, counters, identifiers, paths.
    """
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "notebook.ipynb"
        jupytext.write(jupytext.read(source), start)
        try:
            ran = papermill.execute_notebook(
                str(start),
                None,
                {"inputs": dict(inputs)},
                kernel_name="python3",
                progress_bar=False,
                log_output=False,
                config=_LOCAL,
            )
        except PapermillExecutionError as error:
            place = "" if error.ename == JsaeError.__name__ else f"{source}: {error.ename}: "
            raise JsaeError(f"{place}{error.evalue}") from None
    ran.metadata = nbformat.NotebookNode()
    for position, cell in enumerate(ran.cells):
        cell.metadata = nbformat.NotebookNode()
        cell.id = f"cell-{position}"
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                output.pop("execution_count", None)
    return ran


def locks() -> list[Path]:
    """The lock files that the study's numbers depend on."""
    return [path for name in LOCKS if (path := Path("requirements") / f"{name}.lock").exists()]


def write_provenance(scale: str) -> None:
    """Write the page of what this machine did, from the records beside the results.

    Its figure of wall times is no output of a stage, as what it shows differs from machine to machine.
    """
    records = provenance.read(paths.provenance("shared")) | provenance.read(paths.provenance(scale))
    hours = pages.training_hours(records)
    stamp = "PREVIEW" if scale == "preview" else ""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "hours"
        picture = plots.save(plots.figure_wall_times(hours, stamp), place)[0] if hours else None
        page = pages.provenance_html(records, SOURCES, picture)
    with write_atomically(paths.report_provenance(scale)) as temporary:
        temporary.write_text(page)


if __name__ == "__main__":
    _main.run(main)
