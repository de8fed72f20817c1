"""Collect the runs of the study's cells into tables.

inputs   params.yaml, report/claims.yaml,
         results/SCALE/runs/ENVIRONMENT/AGENT-EMBEDDING/COHORT.parquet of each cell and cohort,
         data/processed/bounds/ENVIRONMENT.json and results/SCALE/theory.json where they exist
outputs  results/SCALE/tables/{curves,final,aggregates,profiles}.parquet, results/SCALE/tables/missing.json,
         results/SCALE/tables/variants.json: the paper's comparisons in environments that it does not have,
         results/SCALE/tables/ablations.json: what sets each ablation, control and transfer apart from what it varies,
         results/SCALE/claims.json, results/SCALE/metrics.json, results/SCALE/summary.csv

Files are looked up by the cells that params.yaml lists, so leftovers of removed cells never appear. A cell without a
file is written to missing.json; a file that is wrong stops the stage.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from jsae.analysis import claims, tables
from jsae.analysis.curves import Cell
from jsae.config import labels as names
from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io import provenance
from jsae.io.files import read_json, write_atomically
from stages import _main, paths


def main(arguments: Sequence[str]) -> None:
    scale = _main.parser(__doc__, "scale").parse_args(arguments).scale
    with provenance.recorded(paths.record("aggregate", scale=scale), "aggregate"):
        aggregate(scale, parameters.load(paths.PARAMETERS))


def aggregate(scale: str, settings: parameters.Parameters) -> None:
    """Write the tables of `scale`. Raises JsaeError if no cell of the study has a file."""
    frames: list[pl.DataFrame] = []
    missing: list[dict[str, object]] = []
    for cell in (Cell(*words) for words in settings.cells()):
        epochs = settings.environments[cell.environment].epochs.at(scale)
        for cohort in settings.cohorts:
            path = paths.curves(scale, cell.environment, cell.agent, cell.embedding, cohort)
            seeds = parameters.seeds_of(cohort)
            if path.exists():
                frames.append(tables.read_run(path, cell, seeds, epochs))
            else:
                missing.append({**vars(cell), "cohort": cohort, "seeds": seeds})
    if not frames:
        raise JsaeError(f"no run of the {scale} study exists yet: run `dvc repro` or the stage train first")
    curves = pl.concat(frames)
    final = tables.final(curves, bounds(settings))
    write_table(curves, paths.tables(scale) / "curves.parquet")
    write_table(final, paths.tables(scale) / "final.parquet")
    over_environments, profiles = tables.aggregates(final)
    write_table(over_environments, paths.tables(scale) / "aggregates.parquet")
    write_table(profiles, paths.tables(scale) / "profiles.parquet")
    write_json(missing, paths.tables(scale) / "missing.json")
    with write_atomically(paths.summary(scale)) as temporary:
        tables.summary(final).write_csv(temporary)
    facts = read_json(paths.theory(scale))["facts"] if paths.theory(scale).exists() else {}
    book = claims.load(paths.CLAIMS)
    verdicts = claims.judge(book, curves, final, facts)
    write_json(verdicts, paths.claims(scale))
    agents = {variant: final.filter(environment=variant)["agent"] for variant in names.VARIANTS}
    variants = [claims.varied(book, own, variant, agents[variant]) for variant, own in names.VARIANTS.items()]
    beside = [record for compared in variants for record in claims.judge(compared, curves, final, {})]
    write_json(beside, paths.tables(scale) / "variants.json")
    parts = [
        (Cell(*words), Cell(*words[:2], names.VARIED.get(words[2], "jsae")))
        for words in settings.cells()
        if words[2] not in names.PAPER
    ]
    write_json(claims.beside(final, parts, book.level), paths.tables(scale) / "ablations.json")
    write_json({**tables.metrics(final), **claims.metrics(verdicts)}, paths.metrics(scale))


def bounds(settings: parameters.Parameters) -> dict[str, tables.Bounds]:
    """Bounds of the environments that have a file of them."""
    places = {name: paths.bounds(name) for name in settings.environments}
    return {name: tables.read_bounds(path) for name, path in places.items() if path.exists()}


def write_table(frame: pl.DataFrame, path: Path) -> None:
    with write_atomically(path) as temporary:
        frame.write_parquet(temporary, compression="zstd")


def write_json(content: object, path: Path) -> None:
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


if __name__ == "__main__":
    _main.run(main)
