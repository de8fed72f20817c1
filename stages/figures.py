"""Draw the figures of the study from its tables.

inputs   tables of the study, verdicts, report/claims.yaml, probes, value maps, search/settings.csv; for a smoke test or
         a preview the published curves, where there are some
outputs  FIGURE.{svg,pdf,png}; results of the smoke test and of the preview are stamped

A panel is drawn as soon as one of its cells has run; its other cells are named as missing.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from jsae.analysis import claims
from jsae.analysis.schema import AGGREGATES, CELLS, FINAL, PROFILES
from jsae.analysis.search import OUTCOME
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.io.declared import Declared
from jsae.io.files import read_json, read_table
from jsae.io.table import read
from jsae.reporting import drawings, figure_files, plots, tried
from jsae.reporting.looks import Looks
from jsae.reporting.style import STAMPS
from jsae.training.columns import CURVES, KEYS
from stages import _main


def main(declared: Declared) -> None:
    folder = declared.outputs["folder"]
    made = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(made, ignore_errors=True)
    try:
        for name, figure in drawn(declared):
            figure_files.save(figure, made / name)
        put(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def put(made: Path, folder: Path) -> None:
    """Put a new folder in the place of an old one. Raises JsaeError."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        made.replace(folder)
    except OSError as error:
        raise JsaeError(f"{folder} was not written: {error.strerror}; remove it, then run again") from error


def drawn(declared: Declared) -> Iterator[tuple[str, Figure]]:
    """Base name and figure of everything that the tables allow."""
    values, tables = declared.values, declared.input("tables")
    stamp, _ = STAMPS[values["scale"]]
    curves, final = read(CURVES, tables / "curves.parquet"), read(FINAL, tables / "final.parquet")
    looks = Looks.of(read(CELLS, tables / "cells.parquet"))
    book = claims.load(declared.input("claims"))
    missing = missing_cells(tables / "missing.json", curves)
    ran = [Cell(*words) for words in curves.select(KEYS).unique(maintain_order=True).iter_rows()]
    panels = looks.panels_with(ran)
    if panels:
        rows = plots.plots_of_figure_2(looks, book, panels)
        published = declared.optional("published")
        behind = read(CURVES, published).filter(reading="") if published else None
        yield "figure_2", plots.learning_curves(rows, curves, final, looks, missing, stamp, behind)
    for reading in looks.readings:
        if any(cell in ran for cell in looks.cells_under(reading)):
            rows = plots.plots_of_reading(looks, reading)
            drawing = plots.learning_curves(rows, curves, final, looks, missing, stamp)
            yield f"figure_reading_{reading}", drawing
    yield "figure_1", drawings.figure_1()
    yield "figure_3", drawings.figure_3()
    if drawings.PICTURES.keys() & values["pictured"].keys():
        yield "figure_environments", drawings.figure_environments(values["pictured"], values["labels"])
    yield from drawn_maps(read_table(declared.input("value_maps")), values["mapped"], looks, stamp)
    search = tried.of_study(tried.read(declared.input("search"), OUTCOME), looks.cells)
    if not search.is_empty():
        yield "figure_sensitivity", plots.figure_sensitivity(search, looks, stamp)
    if values["scale"] == "paper":
        judged = [*read_json(declared.input("verdicts")), *read_json(tables / "readings.json")]
        for panel in panels:
            records = plots.specified(judged, panel)
            if any(record["reading"] and record["low"] is not None for record in records):
                yield f"figure_specification_{panel}", plots.figure_specification(records, looks, stamp)
    if any(looks.roles[cell.embedding] in ("ablation", "control") and not cell.reading for cell in ran):
        yield "figure_ablations", plots.figure_ablations(final, looks, missing, stamp)
    actions, measured = (read_table(declared.input("probes") / f"{name}.parquet") for name in ("actions", "embeddings"))
    for environment in [name for name in values["actions_of"] if name in set(actions["environment"])][:1]:
        here = actions.filter(environment=environment)
        yield "figure_embeddings", plots.figure_embeddings(here, measured.filter(reading=""), looks, stamp)
    aggregates = read(AGGREGATES, tables / "aggregates.parquet")
    if not aggregates.is_empty():
        profiles = read(PROFILES, tables / "profiles.parquet")
        yield "figure_aggregates", plots.figure_aggregates(aggregates, profiles, looks, stamp)


def drawn_maps(
    table: pl.DataFrame, mapped: Mapping[str, Any], looks: Looks, stamp: str
) -> Iterator[tuple[str, Figure]]:
    """A figure of the maps of each gridworld and agent that has any."""
    for (environment, agent), maps in table.group_by("environment", "agent", maintain_order=True):
        world = mapped[str(environment)]
        figure = plots.figure_maps(maps, world["walls"], world["goal"], world["start"], looks, stamp)
        yield f"figure_maps_{environment}-{agent}", figure


def missing_cells(path: Path, curves: pl.DataFrame) -> list[Cell]:
    """Cells of missing.json none of whose blocks of seeds has run, each once."""
    ran = {Cell(*words) for words in curves.select(KEYS).unique().iter_rows()}
    lost = dict.fromkeys(Cell(*(row[key] for key in KEYS)) for row in read_json(path))
    return [cell for cell in lost if cell not in ran]


if __name__ == "__main__":
    _main.run(main)
