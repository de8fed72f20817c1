"""Collect the runs of the study's cells into tables, and judge the paper's claims by them.

inputs   the curves of each cell and block of seeds, reference returns, report/claims.yaml, checks of the theory
outputs  tables/{cells,curves,final,aggregates,profiles}.parquet; tables/missing.json, cells without a file;
         tables/readings.json, the paper's comparisons under other readings; tables/causes.json, what could
         explain a contradicted claim; tables/differences.json, what sets each ablation, control and transfer apart from
         what it varies; claims.json, summary.csv; metrics/CELL.json

A cell without a file is written to missing.json; a file that is wrong stops the stage.
"""

from pathlib import Path

import polars as pl

from jsae.analysis import claims, tables, verdicts
from jsae.analysis.schema import AGGREGATES, CELLS, FINAL, PROFILES
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.io.declared import Declared
from jsae.io.files import read_json, write_atomically, write_json
from jsae.io.table import write
from jsae.training.columns import CURVES, KEYS
from stages import _main


def main(declared: Declared) -> None:
    values, outputs, scale = declared.values, declared.outputs, declared.values["scale"]
    frames: list[pl.DataFrame] = []
    missing: list[dict[str, object]] = []
    for name, run in values["runs"].items():
        path = Path(declared.inputs["runs"][name])
        if path.exists():
            frames.append(tables.read_run(path, Cell(**run["cell"]), run["seeds"], run["epochs"]))
        else:
            missing.append({**run["cell"], "seeds": run["seeds"]})
    if not frames:
        raise JsaeError(f"no run of the {scale} study exists yet: `dvc repro` makes them")
    curves = tables.compact(pl.concat(frames))
    cells = CELLS.frame({name: [cell[name] for cell in values["cells"]] for name in CELLS.columns})
    book = claims.load(declared.input("claims"))
    final = tables.final(curves, reference_returns(declared, cells), book.success)
    aggregates, profiles = tables.aggregates(final, cells)
    for frame, table in (
        (cells, CELLS),
        (final, FINAL),
        (aggregates, AGGREGATES),
        (profiles, PROFILES),
    ):
        write(frame, table, outputs["tables"] / f"{table.name}.parquet")
    tables.pack(curves, outputs["tables"] / f"{CURVES.name}.parquet")
    write_json(missing, outputs["tables"] / "missing.json")
    with write_atomically(outputs["summary"]) as temporary:
        tables.summary(final).write_csv(temporary)
    lacking = {Cell(*(str(run[name]) for name in KEYS)) for run in missing}
    facts = read_json(declared.input("theory"))["facts"]
    write_json(verdicts.judge(book, curves, final, facts, lacking), outputs["verdicts"])
    keys = [Cell(*words) for words in cells.select(KEYS).iter_rows()]
    worlds = dict(zip(keys, cells["world"], strict=True))
    instead = [claims.under(book, reading, worlds) for reading in dict.fromkeys(c.reading for c in keys) if reading]
    compared = [record for one in instead for record in verdicts.judge(one, curves, final, {}, lacking)]
    write_json(compared, outputs["tables"] / "readings.json")
    write_json(verdicts.tested_causes(book, final, lacking), outputs["tables"] / "causes.json")
    pairs = [
        (cell, Cell(cell.environment, cell.agent, other, cell.reading))
        for cell, other in zip(keys, cells["compared_with"], strict=True)
        if other
    ]
    pairs += [(cell, cell.primary) for cell in keys if cell.reading and cell.primary in keys]
    write_json(verdicts.differences(final, pairs, book, lacking), outputs["tables"] / "differences.json")
    for name, numbers in tables.metrics(final).items():
        write_json(numbers, outputs["metrics"] / f"{name}.json")


def reference_returns(declared: Declared, cells: pl.DataFrame) -> dict[Cell, tables.ReferenceReturns]:
    """Of each cell's environment, where they are there."""
    paths = {world: Path(path) for world, path in declared.inputs["reference_returns"].items()}
    known = {world: tables.read_reference_returns(path) for world, path in paths.items() if path.exists()}
    return {
        Cell(row["environment"], row["agent"], row["embedding"], row["reading"]): known[row["world"]]
        for row in cells.rows(named=True)
        if row["world"] in known
    }


if __name__ == "__main__":
    _main.run(main)
