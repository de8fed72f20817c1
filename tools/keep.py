"""Keep the curves of finished runs for git: a study of many hours outlives the machine that runs it.

    python -m tools.keep              # the paper's scale, to published/runs
    python -m tools.keep --restore    # and back: what is kept and has not run here

inputs   results/SCALE/runs/*.parquet and the records of their stages; the settings files of the trainings
outputs  published/runs/ENVIRONMENT.parquet, the curves (jsae.analysis.tables.compact); published/runs/made.json: by
         stage, the code that made them (a digest), seconds, machine and versions

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

from jsae.analysis.tables import compact
from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.config.schema import SCALES
from jsae.io.files import read_json, read_table, write_atomically, write_json
from jsae.io.table import read, write
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
    parser.add_argument("--restore", action="store_true", help="write the curves and records that are kept to results/")
    given = parser.parse_args(arguments)
    stages = {path.stem: path for path in sorted((layout.SETTINGS / "train").glob("*.json"))}
    if not stages:
        raise JsaeError(f"{layout.SETTINGS}/train has no settings files: run `make {given.scale}` first")
    finished = {name: layout.curves(given.scale, name) for name in stages if layout.curves(given.scale, name).exists()}
    made = read_json(given.folder / MADE) if (given.folder / MADE).exists() else {}
    code = {name: digest_of(read_json(path)["code"]) for name, path in stages.items()}
    if given.restore:
        restored = [name for name in made if name in stages and name not in finished]
        for name in restored:
            restore(name, read_json(stages[name])["values"], made[name], given.folder, given.scale)
        print(f"{len(restored)} trainings are restored from {given.folder}, {len(finished)} had run here")
        return
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


def restore(name: str, values: Mapping[str, Any], made: Mapping[str, Any], folder: Path, scale: str) -> None:
    """Write the kept curves of a training, and its record, where its stage would. Raises JsaeError if some lack."""
    path = folder / f"{values['cell']['environment']}.parquet"
    curves = read(CURVES, path).filter(**values["cell"]).filter(pl.col("seed").is_in(values["seeds"]))
    if len(curves) != len(values["seeds"]) * values["epochs"]:
        raise JsaeError(f"{path} has {len(curves)} rows of {name}, not {len(values['seeds'])} × {values['epochs']}")
    write(curves, CURVES, layout.curves(scale, name))
    write_json(dict(made), layout.record(f"train@{name}", scale))


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
