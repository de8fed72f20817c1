"""Make the report: run the notebook, turn what it shows into pages.

inputs   tables, figures, probes, value maps, verdicts, checks of the theory; search/settings.csv, search/times.csv;
         summaries of the data sets; files of the folder report
outputs  the report; the printed paper and its supplement; a page to browse every run
besides  provenance.html, the page of what this machine did before this stage, which is no output

The pages hold no time, no path and no fact about this machine: the same inputs give the same bytes.
"""

import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import papermill
import pikepdf
import typst
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from jsae.config.errors import JsaeError
from jsae.io import provenance
from jsae.io.declared import Declared
from jsae.io.files import write_atomically
from jsae.reporting import context, figure_files, pages, plots, sections, values  # noqa: F401 (used by the notebook)
from jsae.reporting.style import STAMPS
from stages import _main

_LOCAL = Config({"AsyncKernelManager": {"transport": "ipc"}, "KernelManager": {"transport": "ipc"}})
"""The kernel is reached by a socket file: no port of the machine is opened."""


def main(declared: Declared) -> None:
    stamp = STAMPS[declared.values["scale"]]
    study = context.read(str(declared.path))
    notebook = run_notebook(declared.input("notebook"), declared.path)
    page = pages.to_html(
        notebook, declared.input("style"), declared.input("template"), stamp, pages.stamped(declared.values)
    )
    with write_atomically(declared.outputs["report"]) as temporary:
        temporary.write_text(page, encoding="utf-8")
    for name, content in zip(("paper", "supplement"), pages.to_print(notebook, stamp[0]), strict=True):
        with write_atomically(declared.outputs[name]) as temporary:
            temporary.write_bytes(print_paper(content, declared.input("print")))
    text = pages.runs_html(study, declared.input("browser"), declared.input("style"), ": ".join(filter(None, stamp)))
    with write_atomically(declared.outputs["runs"]) as temporary:
        temporary.write_text(text, encoding="utf-8")
    write_provenance(declared, study)


def print_paper(content: Mapping[str, Any], template: Path) -> bytes:
    """A part of the printed paper as PDF. Fonts are those that typst brings along: it is the same on every machine."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(template, folder)
        for node in content["nodes"]:
            if node["kind"] == "figure":
                shutil.copy(node["path"], folder)
        (Path(folder) / "content.json").write_text(json.dumps(content), encoding="utf-8")
        printed = bytes(typst.compile(str(Path(folder) / template.name), root=folder, ignore_system_fonts=True))
    packed = io.BytesIO()  # half as large: typst does not compress what says which text is a heading or a table
    with pikepdf.open(io.BytesIO(printed)) as document:
        document.save(packed, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return packed.getvalue()


def run_notebook(source: Path, settings: Path) -> nbformat.NotebookNode:
    """Execute the notebook that is kept as text in `source`; its one parameter is the path of the settings file.

    Returns it without anything that differs between two executions: times, counters, identifiers, paths.
    """
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "notebook.ipynb"
        jupytext.write(jupytext.read(source), start)
        try:
            ran = papermill.execute_notebook(
                str(start),
                None,
                {"settings": settings.as_posix()},
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


def write_provenance(declared: Declared, study: context.Context) -> None:
    """Write the page of what this machine did, from the records of the stages.

    Its figure of wall times is no output of a stage, as what it shows differs from machine to machine.
    """
    machine = declared.values["machine"]
    records = {name: one for folder in machine["records"] for name, one in provenance.read(Path(folder)).items()}
    hours = pages.training_hours(records, study.stages)
    with tempfile.TemporaryDirectory() as folder:
        stamp, _ = STAMPS[declared.values["scale"]]
        figure = plots.figure_wall_times(hours, study.looks, stamp) if hours else None
        picture = figure_files.save(figure, Path(folder) / "hours")[0] if figure else None
        page = pages.provenance_html(records, hours, declared.input("style"), picture)
    with write_atomically(Path(machine["page"])) as temporary:
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    _main.run(main)
