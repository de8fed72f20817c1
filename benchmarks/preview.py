"""Run the preview from a fresh clone and check that a newcomer sees the effect: python -m benchmarks.preview [RESULTS].

In the gridworlds and the slot machine (Figures 2a, 2b, 2c) JSAE's mean return over training must be above that of no
embedding, seed by seed, in at least four of five seeds. Prints wall time, the share of each kind of stage, and the
returns of every cell. Exit status 1 if the check fails: do not tune then, find out why. RESULTS, as results/preview,
checks a finished run.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from jsae.analysis.schema import FINAL
from jsae.io.table import read
from jsae.training.columns import KEYS

PANELS = {"2a": "gridworld-continuous", "2b": "gridworld-discrete", "2c": "slot-machine"}
ENOUGH = 4
"""Seeds of five in which JSAE must be ahead."""


def main(arguments: Sequence[str]) -> int:
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    if arguments:
        return check(Path(arguments[0]))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", ".", folder], check=True)
        subprocess.run(["make", "--no-print-directory", "setup"], cwd=folder, check=True)
        start = time.monotonic()
        subprocess.run(["make", "--no-print-directory", "preview"], cwd=folder, check=True)
        print(f"\nwall time after the set-up: {time.monotonic() - start:.0f} s")
        return check(Path(folder) / "results/preview")


def check(results: Path) -> int:
    """Print what a finished run took and gave; 1 if the effect is not there."""
    shares(results)
    final = read(FINAL, results / "tables/final.parquet").filter(pl.col("reading") == "")
    measures = [pl.col(name).mean().round(2) for name in ("mean_over_training", "final_return")]
    cells = final.group_by(KEYS[:3], maintain_order=True).agg(pl.len().alias("seeds"), *measures)
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_width_chars=120):
        print(cells)
    failed = False
    for panel, environment in PANELS.items():
        seeds = final.filter(environment=environment).pivot("embedding", index="seed", values="mean_over_training")
        ahead = int((seeds["jsae"] > seeds["none"]).sum())
        failed |= ahead < ENOUGH
        print(f"{panel} {environment}: JSAE above no embedding in {ahead} of {len(seeds)} seeds")
    return int(failed)


def shares(results: Path) -> None:
    """Print the seconds of each kind of stage, from the records next to the results."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for folder in (results / "provenance", results.parent / "shared/provenance"):
        for path in folder.rglob("*.json"):
            kind = path.relative_to(folder).with_suffix("").parts[0]
            seconds[kind].append(json.loads(path.read_text(encoding="utf-8"))["wall_seconds"])
    total = sum(map(sum, seconds.values()))
    for kind, took in sorted(seconds.items(), key=lambda item: -sum(item[1])):
        print(f"{kind:12} {len(took):3} stages {sum(took):7.1f} s {sum(took) / total:6.1%}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
