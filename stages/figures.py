"""Draw the figures of the study from its tables.

inputs   params.yaml, results/SCALE/claims.json, results/SCALE/quality, results/SCALE/maps.parquet, search/settings.csv,
         results/SCALE/tables/{curves,final,aggregates,profiles}.parquet, results/SCALE/tables/missing.json
outputs  results/SCALE/figures/FIGURE.{svg,pdf,png}; each of the preview's is stamped PREVIEW

A panel is drawn as soon as one of its cells has run; its other cells are named as missing.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
from jsae.analysis.curves import Cell
from matplotlib.figure import Figure
from polars.exceptions import PolarsError

from jsae.config import labels as names
from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io import provenance
from jsae.io.files import read_json, read_table
from jsae.reporting import plots
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    scale = _main.parser(__doc__, "scale").parse_args(arguments).scale
    with provenance.recorded(paths.record("figures", scale=scale), "figures"):
        stamp = "PREVIEW" if scale == "preview" else ""
        shutil.rmtree(paths.figures(scale), ignore_errors=True)
        for name, figure in drawn(scale, parameters.load(paths.PARAMETERS), stamp):
            plots.save(figure, paths.figures(scale) / name)


def drawn(scale: str, settings: parameters.Parameters, stamp: str) -> Iterator[tuple[str, Figure]]:
    """Base name and figure of everything that the tables of `scale` allow."""
    tables = paths.tables(scale)
    curves, final = read_table(tables / "curves.parquet"), read_table(tables / "final.parquet")
    missing = missing_cells(tables / "missing.json", curves)
    for name, environment in names.PANELS.items():
        if environment in set(curves["environment"]):
            yield name, plots.panel(name, curves, final, missing, stamp)
    for variant in names.VARIANTS:
        if variant in set(curves["environment"]):
            yield f"figure_variant_{variant}", plots.learning_curves(variant, curves, final, missing, stamp)
    yield "figure_1", plots.figure_1(stamp)
    yield "figure_3", plots.figure_3(stamp)
    world = getattr(settings.environments.get("gridworld-discrete"), "dynamics", None)
    if isinstance(world, parameters.GridworldDynamics):
        reach = world.sub_steps * world.sub_step_length
        yield "figure_4", plots.figure_4(world.walls, world.goal, world.start, world.actuators, reach, stamp)
    yield from drawn_maps(paths.maps(scale), settings, stamp)
    search = read_search(paths.SEARCH)
    if not search.is_empty():
        yield "figure_sensitivity", plots.figure_sensitivity(search, stamp)
    verdicts = read_json(paths.claims(scale))
    if any(record["low"] is not None for record in verdicts):
        yield "figure_claims", plots.figure_claims(verdicts, stamp)
    if not set(final["embedding"]) <= {*names.PAPER, *names.TRANSFER}:
        yield "figure_ablations", plots.figure_ablations(final, missing, stamp)
    if (paths.quality(scale) / "actions.parquet").exists():
        actions, measured = (read_table(paths.quality(scale) / f"{n}.parquet") for n in ("actions", "embeddings"))
        here = actions.filter(pl.col("environment") == "gridworld-discrete")
        if not here.is_empty():
            yield "figure_embeddings", plots.figure_embeddings(here, measured, stamp)
    aggregates = read_table(tables / "aggregates.parquet")
    if not aggregates.is_empty():
        yield (
            "figure_aggregates",
            plots.figure_aggregates(aggregates, read_table(tables / "profiles.parquet"), stamp),
        )


def drawn_maps(path: Path, settings: parameters.Parameters, stamp: str) -> Iterator[tuple[str, Figure]]:
    """A figure of the maps of each gridworld and agent that has any."""
    if path.exists():
        for (environment, agent), maps in read_table(path).group_by("environment", "agent", maintain_order=True):
            world = settings.environments[str(environment)].dynamics
            if isinstance(world, parameters.GridworldDynamics):
                figure = plots.figure_maps(maps, world.walls, world.goal, world.start, stamp)
                yield f"figure_maps_{environment}-{agent}", figure


def read_search(path: Path) -> pl.DataFrame:
    """The outcome of the search, a row a setting; without rows while no search has run. Raises JsaeError."""
    try:
        search = pl.read_csv(path, infer_schema_length=None)
    except (OSError, PolarsError) as error:
        raise JsaeError(f"{path} is no readable table ({str(error).splitlines()[0]}): restore it from git") from None
    lacking = {"environment", "agent", "embedding", "epochs", "score", *names.SEARCHED} - set(search.columns)
    if lacking:
        raise JsaeError(f"{path} lacks the column {min(lacking)}: restore it from git")
    return search


def missing_cells(path: Path, curves: pl.DataFrame) -> list[Cell]:
    """Cells of missing.json none of whose cohorts has run, each once."""
    keys = ("environment", "agent", "embedding")
    ran = set(curves.select(keys).unique().iter_rows())
    lost = dict.fromkeys(tuple(row[key] for key in keys) for row in read_json(path))
    return [Cell(*names) for names in lost if names not in ran]


if __name__ == "__main__":
    _main.run(main)
