"""Kill a study at random moments, all its processes at once, and go on to its end: its bytes are those of a calm run.

    python -m benchmarks.kills --kills 200

The study is the smallest that has every kind of stage but those of purchases: the slot machine at the scale smoke, with
one block of seeds. After a run that ends, everything that it has made is deleted, DVC's cache too, and the next starts.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.mutations import SCALE, copied
from tools import runs

CELLS = "  smoke:                         # every environment"
SMALLEST = "  smoke:\n    - {environments: [slot-machine], agents: [vpg], embeddings: [none, jsae]}\n"
MADE = ("results", "data/processed", f"report/{SCALE}", "dvc.lock", ".dvc/cache", ".dvc/tmp", ".snakemake", "logs",
        ".checkpoints")  # fmt: skip
COMMAND = ("-m", "snakemake", "--profile", "workflow/profiles/local", "--cores", "2")


def laid_out(folder: Path) -> None:
    """The smallest study, in the current folder."""
    copied(Path(__file__).resolve().parent.parent, folder)
    path = folder / "params.yaml"
    before, _, after = path.read_text(encoding="utf-8").partition(CELLS)
    path.write_text(f"{before}{SMALLEST}\n# Readings{after.partition('# Readings')[2]}", encoding="utf-8")
    runs.main([SCALE])
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)


def contents() -> dict[str, bytes]:
    """What must be the same: every output, and dvc.lock."""
    roots = [Path(name) for name in ("results", "data/processed", f"report/{SCALE}", "dvc.lock")]
    files = [path for root in roots for path in (root.rglob("*") if root.is_dir() else [root]) if path.is_file()]
    beside = ("provenance", "provenance.html")
    return {str(path): path.read_bytes() for path in files if not {*path.parts} & {*beside}}


def clear() -> None:
    for name in MADE:
        path = Path(name)
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def started(log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, *COMMAND], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
        )


def kill(process: subprocess.Popen[bytes]) -> int:
    """Kill a process and all that come from it; how many there were."""
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for one in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                os.kill(one.pid, signal.SIGKILL)
        process.wait()
        return len(tree)
    return 0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    chance, kills, ended = random.Random(given.seed), 0, 0
    status: int | None
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        laid_out(Path(name))
        log = Path(name) / "printed"
        start = time.monotonic()
        if started(log).wait():
            sys.exit(f"the calm run failed:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
        longest, calm = time.monotonic() - start, contents()
        print(f"a calm run takes {longest:.0f} s and makes {len(calm)} files", flush=True)
        while kills < given.kills:
            clear()
            before, status = kills, None
            while status is None:
                process = started(log)
                try:
                    status = process.wait(chance.uniform(0, longest / 2) if kills < given.kills else None)
                except subprocess.TimeoutExpired:
                    kills += kill(process) > 0
            if status:
                sys.exit(f"after {kills} kills:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
            found = contents()
            other = sorted(path for path in calm.keys() | found.keys() if calm.get(path) != found.get(path))
            if other:
                sys.exit(f"after {kills} kills these differ: {', '.join(other)}")
            ended += 1
            longest *= 0.6 if kills == before else 1.0  # the machine was busier then
            print(f"{kills} kills, {ended} studies ended, all with the bytes of the calm run", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
