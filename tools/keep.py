"""Keep the curves of finished runs for git: a study of many hours outlives the machine that runs it.

    python -m tools.keep            # the paper's scale, to published/runs

inputs   results/SCALE/runs/*.parquet and the records of their stages; the settings files of the trainings
outputs  published/runs/ENVIRONMENT.parquet, the curves (`compact`); published/runs/made.json: by stage, the code that
         made them (a digest), seconds, machine and versions

What is kept already stays, unless the same stage has run again here. A line says what was made by other code than the
present settings name: run it again, or say so in the report.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.config.schema import SCALES
from jsae.io.files import read_json, read_table, write_atomically, write_json
from jsae.io.table import read
from jsae.training.columns import CURVES, KEYS, SEED

FOLDER = layout.PUBLISHED / "runs"
MADE = "made.json"
FACTS = (
    "commit",
    "changed",
    "python",
    "packages",
    "system",
    "processor",
    "device",
    "kernels",
    "started",
    "wall_seconds",
)
"""What is kept of a stage's record."""
RUN = [*KEYS, *SEED]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="paper")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(arguments)
    stages = {path.stem: path for path in sorted((layout.SETTINGS / "train").glob("*.json"))}
    if not stages:
        raise JsaeError(f"{layout.SETTINGS}/train has no settings files: run `make {given.scale}` first")
    finished = {name: layout.curves(given.scale, name) for name in stages if layout.curves(given.scale, name).exists()}
    made = read_json(given.folder / MADE) if (given.folder / MADE).exists() else {}
    code = {name: digest_of(read_json(path)["code"]) for name, path in stages.items()}
    tables = [compact(read(CURVES, path)) for path in finished.values()]
    for name in finished:
        record = read_json(layout.record(f"train@{name}", given.scale))
        made[name] = {"code": code[name], **{fact: record[fact] for fact in FACTS if fact in record}}
    for (environment,), new in pl.concat(tables).group_by("environment") if tables else ():
        keep(new, given.folder / f"{environment}.parquet")
    write_json(dict(sorted(made.items())), given.folder / MADE)
    print(f"{given.folder}: {len(finished)} of {len(stages)} trainings are finished here, {len(made)} are kept")
    for name in made:
        if made[name]["code"] != code.get(name):
            print(f"{name} was made by other code than its settings name now", file=sys.stderr)


def digest_of(code: Mapping[str, Any]) -> str:
    """One digest of the digests of a stage's code."""
    return hashlib.sha256(json.dumps(code, sort_keys=True).encode()).hexdigest()[:32]


def compact(curves: pl.DataFrame) -> pl.DataFrame:
    """Curves for git, in the order of cells, seeds and epochs.

    Returns are float32. So are the other metrics, under the primary reading only: null elsewhere.
    """
    small = {name: pl.Float32 if column.dtype == pl.Float64 else pl.UInt32 for name, column in CURVES.columns.items()}
    numbers = [name for name in CURVES.columns if name not in KEYS]
    others = [name for name in numbers if name not in ("seed", "epoch", "env_steps", "mean_return", "pi_iters")]
    return curves.with_columns(
        *(pl.col(name).cast(small[name]) for name in numbers if name not in others),
        *(pl.when(pl.col("reading") == "").then(pl.col(name).cast(small[name])).alias(name) for name in others),
    ).sort(*RUN, "epoch")


def keep(new: pl.DataFrame, path: Path) -> None:
    """Put runs into a file of curves, in place of runs with the same cell and seed."""
    old = read_table(path) if path.exists() else new.clear()
    kept = old.join(new.select(RUN).unique(), on=RUN, how="anti")
    with write_atomically(path) as temporary:
        pl.concat([kept, new]).sort(*RUN, "epoch").write_parquet(temporary, compression="zstd", compression_level=19)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
