"""Keep the curves of finished runs for git: a study of many hours outlives the machine that runs it.

    python -m tools.keep              # the paper's scale, to published/runs
    python -m tools.keep --restore    # and back: what is kept and has not run here

inputs   results/SCALE/runs/*.parquet and the records of their stages; the settings files of the trainings
outputs  published/runs/ENVIRONMENT.parquet, the curves (jsae.analysis.tables.compact); published/runs/made.json: by
         stage, a digest of its settings file (values and code) and its record

A training is kept if it is up to date, as `make status` says. What is kept already stays, unless the same stage has
run again here. What other settings or other code have made is named, and not restored: run it again, or say so in the
report. What published/runs lacks comes from published/tables/curves.parquet. Only curves are restored, for
`python -m stages.aggregate results/settings/aggregate.json` and what follows it: `make paper` would train again, for
the weights.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from jsae.analysis.tables import compact, pack
from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.config.schema import SCALES
from jsae.io.files import read_json, read_table, write_json
from jsae.io.table import read, write
from jsae.training.columns import CURVES, KEYS, SEED
from workflow import bridge, status

FOLDER = layout.PUBLISHED / "runs"
MADE = "made.json"
RUN = [*KEYS, *SEED]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="paper")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--restore", action="store_true", help="write the curves and records that are kept to results/")
    given = parser.parse_args(arguments)
    settings = {path.stem: read_json(path) for path in sorted((layout.SETTINGS / "train").glob("*.json"))}
    records = {layout.record(f"train@{name}", given.scale).as_posix() for name in settings}
    if not settings or records != {one["record"] for one in settings.values()}:
        raise JsaeError(f"{layout.SETTINGS}/train is not of the scale {given.scale}: run `make {given.scale}` first")
    ends = (layout.curves, lambda scale, name: layout.record(f"train@{name}", scale))  # the second is written last
    here = [name for name in settings if all(path(given.scale, name).exists() for path in ends)]
    made = read_json(given.folder / MADE) if (given.folder / MADE).exists() else {}
    if given.restore:
        restored = [name for name in made if name not in here and made[name]["settings"] == digest(settings.get(name))]
        for name in restored:
            restore(name, settings[name]["values"], made[name]["record"], given.folder, given.scale)
        print(f"{given.folder}: {len(restored)} trainings are restored, {len(here)} had run here")
    else:
        fresh = up_to_date(settings)
        finished = [name for name in here if name in fresh]
        tables = [compact(read(CURVES, layout.curves(given.scale, name))) for name in finished]
        for name in finished:
            record = read_json(layout.record(f"train@{name}", given.scale))
            made[name] = {"settings": digest(settings[name]), "record": record}
        for (environment,), new in pl.concat(tables).group_by("environment") if tables else ():
            keep(new, given.folder / f"{environment}.parquet")
        write_json(dict(sorted(made.items())), given.folder / MADE)
        print(f"{given.folder}: {len(finished)} of {len(settings)} trainings are finished here, {len(made)} are kept")
        for name in here:
            if name not in fresh:
                print(f"{name} has run here, but is not up to date: not kept", file=sys.stderr)
    for name in made:
        if made[name]["settings"] != digest(settings.get(name)):
            print(f"{name} was made by other settings or code than it has now", file=sys.stderr)


def up_to_date(names: Collection[str]) -> set[str]:
    """Trainings whose outputs are those of the present settings; of the run that is at work, those that it has done."""
    if bridge.running():
        run = status.states_of_run()
        return {name for name in names if f"train@{name}" not in run or run[f"train@{name}"].word == "done"}
    return {name.removeprefix("train@") for name, state in status.states().items() if state.word == "fresh"}


def digest(settings: Mapping[str, Any] | None) -> str:
    """Of the values and the code of a stage; empty for one that is not there."""
    if settings is None:
        return ""
    used = json.dumps([settings["values"], settings["code"]], sort_keys=True)
    return hashlib.sha256(used.encode()).hexdigest()[:32]


def restore(name: str, values: Mapping[str, Any], record: object, folder: Path, scale: str) -> None:
    """Write the kept curves of a training, and its record, where its stage would. Raises JsaeError if some lack."""
    path = folder / f"{values['cell']['environment']}.parquet"
    if not path.exists():  # the study is published: one table has all curves
        path = folder.parent / "tables" / "curves.parquet"
    curves = read(CURVES, path).filter(**values["cell"]).filter(pl.col("seed").is_in(values["seeds"]))
    if len(curves) != len(values["seeds"]) * values["epochs"]:
        raise JsaeError(f"{path} has {len(curves)} rows of {name}, not {len(values['seeds'])} × {values['epochs']}")
    write(curves, CURVES, layout.curves(scale, name))
    write_json(record, layout.record(f"train@{name}", scale))


def keep(new: pl.DataFrame, path: Path) -> None:
    """Put runs into a file of curves, in place of runs with the same cell and seed."""
    old = read_table(path) if path.exists() else new.clear()
    kept = old.join(new.select(RUN).unique(), on=RUN, how="anti")
    pack(pl.concat([kept, new]).sort(*RUN, "epoch"), path)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (JsaeError, bridge.BridgeError) as error:
        sys.exit(f"error: {error}")
