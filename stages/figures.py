"""Draw the figures of the study from its tables.

inputs   results/SCALE/tables/{curves.parquet,final.parquet,missing.json}
outputs  results/SCALE/figures/FIGURE.{svg,pdf,png}; each of the preview's is stamped PREVIEW

A panel is drawn as soon as one of its cells has run; its other cells are named as missing.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from jsae import plots, provenance
from jsae.curves import Cell
from jsae.errors import JsaeError
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    scale = _main.parser(__doc__, "scale").parse_args(arguments).scale
    with provenance.recorded(paths.record("figures", scale=scale), "figures"):
        draw(paths.tables(scale), paths.figures(scale), stamp="PREVIEW" if scale == "preview" else "")


def draw(tables: Path, folder: Path, stamp: str) -> None:
    """Write every figure that the tables in `tables` allow to `folder`, which is emptied first."""
    if not (tables / "curves.parquet").exists():
        raise JsaeError(f"{tables}/curves.parquet is missing: run the stage aggregate first")
    curves, final = pl.read_parquet(tables / "curves.parquet"), pl.read_parquet(tables / "final.parquet")
    missing = missing_cells(tables / "missing.json", curves)
    shutil.rmtree(folder, ignore_errors=True)
    for name, (environment, figure) in plots.PANELS.items():
        if environment in set(curves["environment"]):
            plots.save(figure(curves, final, missing, stamp), folder / name)


def missing_cells(path: Path, curves: pl.DataFrame) -> list[Cell]:
    """Cells of missing.json none of whose cohorts has run, each once."""
    keys = ("environment", "agent", "embedding")
    ran = set(curves.select(keys).unique().iter_rows())
    lost = dict.fromkeys(tuple(row[key] for key in keys) for row in json.loads(path.read_text()))
    return [Cell(*names) for names in lost if names not in ran]


if __name__ == "__main__":
    _main.run(main)
