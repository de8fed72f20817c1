"""What the engines cost on one graph: wall time from scratch and with nothing left to do, and overhead per stage.

    python -m benchmarks.engines                      # the study of params.yaml, once with each engine
    python -m benchmarks.engines --parameters FILE    # another study, a tiny one for a trial

Each engine gets a fresh clone of the last commit and an empty cache. Their dvc.lock, which holds the digest of every
output, must be the same. Slurm runs on two nodes that are made for it on this machine, with half of its cores each; its
client looks every 3 seconds, not 40, whether a job has ended.

The overhead is user and system time of the whole process tree of the first run, minus the time inside the stages' main
functions (their worker processes included), divided by the number of stages. It consists of the engine itself, the
start of each stage's process with its imports, and that process's end. The clones' stages/_main.py measures main. The
jobs of Slurm are not in the tree: they have no figure.

Prints a table and writes benchmarks/results/engines.csv; the exit status is 1 if an output differs.
"""

import argparse
import contextlib
import hashlib
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

from tests.slurm import two_nodes

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/engines.csv"
CORES = os.cpu_count() or 1
LOCAL = ("snakemake", "--profile", "workflow/profiles/local", "--cores", str(CORES))
SLURM = (*two_nodes.SNAKEMAKE, "--cores", str(max(CORES // 2, 1)))
ENGINES = {"dvc repro": ("dvc", "repro"), f"Snakemake, {CORES} cores": LOCAL, "Slurm, 2 nodes": SLURM}
MAIN = "            facts |= main(declared) or {}\n"
MEASURED = f"""
            import resource, time
            start = time.process_time()
{MAIN}
            with open(".seconds", "a") as stream:
                print(time.process_time() - start + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]), file=stream)
"""
"""What stages/_main.py does, and what it does here."""


class Row(NamedTuple):
    """What an engine took, in seconds: wall, wall, of a core per stage; its dvc.lock."""

    engine: str
    from_scratch: float
    nothing_to_do: float
    overhead: float
    dvc_lock: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", type=Path, default=ROOT / "params.yaml", help="the study, a params.yaml")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="engines-") as scratch:
        for number, engine in enumerate(chosen.engines):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            rows.append(measure(engine, folder, chosen.parameters))
            print(*rows[-1], flush=True)
    table = Table(*(name.replace("_", " ") for name in Row._fields))
    for row in rows:
        table.add_row(*(f"{value:,.2f} s" if isinstance(value, float) else value for value in row))
    Console().print(table)
    pl.DataFrame(rows, schema=list(Row._fields), orient="row").write_csv(RESULTS, float_precision=3)
    same = len({row.dvc_lock for row in rows}) == 1
    print("Every output is the same." if same else "OUTPUTS DIFFER: compare the dvc.lock of the clones.")
    return 0 if same else 1


def measure(engine: str, folder: Path, parameters: Path) -> Row:
    """Run an engine in clones in `folder`, an empty one."""
    with slurm(folder / "slurm") if engine.startswith("Slurm") else contextlib.nullcontext({}) as environment:
        study = clone(folder / "study")
        shutil.copy(parameters, study / "params.yaml")
        text = (study / "stages/_main.py").read_text(encoding="utf-8")
        assert MAIN in text
        (study / "stages/_main.py").write_text(text.replace(MAIN, MEASURED), encoding="utf-8")
        before = core_seconds()
        first = run(ENGINES[engine], study, environment)
        spent = core_seconds() - before
        second = run(ENGINES[engine], study, environment)
    inside = [float(line) for line in (study / ".seconds").read_text(encoding="utf-8").split()]
    overhead = math.nan if environment else (spent - sum(inside)) / len(inside)
    recorded = json.dumps(YAML(typ="safe").load(study / "dvc.lock"), sort_keys=True)  # whatever the order of stages
    return Row(engine, first, second, overhead, hashlib.sha256(recorded.encode()).hexdigest())


def core_seconds() -> float:
    """User and system time of all processes that this one has started and that have ended."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


@contextlib.contextmanager
def slurm(base: Path) -> Iterator[dict[str, str]]:
    """What users of a Slurm of two nodes need in their environment, while it runs."""
    if lacks := two_nodes.lacks():
        sys.exit(f"error: {lacks}; or name the other engines")
    base.mkdir()
    cluster = two_nodes.TwoNodes(base, cores=max(CORES // 2, 1))
    try:
        yield cluster.environment
    finally:
        cluster.close()


def clone(folder: Path) -> Path:
    """A fresh clone of the last commit; the packages are this one's."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> float:
    """Wall time of a command in seconds; its output goes to a file. Ends the program if it fails."""
    given = {**os.environ, **environment, "DVC_NO_ANALYTICS": "1"}
    given["PATH"] = f"{folder}/.venv/bin{os.pathsep}{given['PATH']}"
    printed = folder.with_suffix(".log")
    start = time.perf_counter()
    with printed.open("w", encoding="utf-8") as stream:
        ended = subprocess.run(command, cwd=folder, env=given, stdout=stream, stderr=stream, check=False)
    if ended.returncode:
        said = printed.read_text(encoding="utf-8", errors="replace")
        sys.exit(f"{said}\nerror: {' '.join(command)}: exit status {ended.returncode}")
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
