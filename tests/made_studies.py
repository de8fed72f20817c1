"""A toy study for the engines: the project's workflow/ on a graph of quick stages without torch."""

import os
import shutil
import sys
import time
from pathlib import Path

from tests.forking import Forking, Program

ROOT = Path(__file__).resolve().parent.parent

GRAPH = """
stages:
  settings:
    cmd: python -m stages.work settings/work stages/work.py
    deps:
      - stages/work.py
    outs:
      - settings
  collect:
    matrix:
      name: ${names}
    cmd: python -m stages.work collected/${item.name} stages/work.py
    deps:
      - settings/work
    params:
      - length
      - remark
    outs:
      - collected/${item.name}
  train:
    matrix:
      name: ${names}
    cmd: python -m stages.work trained/${item.name} collected/${item.name} ${item.name}
    deps:
      - collected/${item.name}
      - settings/work
    params:
      - rates.${item.name}
      - lists
    outs:
      - trained/${item.name}
  aggregate:
    cmd: python -m stages.work tables/all trained metrics.json
    deps:
      - settings/work
      - trained
    outs:
      - tables
    metrics:
      - metrics.json
"""
PARAMETERS = """
names: [a, b, c]
length: 2
remark: one
rates: {a: 1.0e-8, b: 2.50, c: three}
lists: {deep: [1, 2.0, x]}
"""
WORK = '''
"""Writes digests of what it reads. Files steer it: "hold" stops the output that it names until it is gone, or all but
settings, "seconds" makes it slow, "broken" names the output that fails, "jumps" makes its clock jump."""

import hashlib, os, pathlib, sys, time

out, read, *more = sys.argv[1:]
pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
with open("ran", "a") as ran:
    ran.write(out + "\\n")
files = sorted(p for p in pathlib.Path(read).rglob("*") if p.is_file()) or [pathlib.Path(read)]
length = int(pathlib.Path("params.yaml").read_text().split("length: ")[1].split()[0])
slow, hold = pathlib.Path("seconds"), pathlib.Path("hold")
with open(out, "w") as stream:
    for path in files:
        text = hashlib.sha256(b"" if path.suffix == ".py" else path.read_bytes()).hexdigest()
        stream.write(f"{path} {text[:length]}\\n")
        stream.flush()
        while out != "settings/work" and hold.exists() and hold.read_text() in ("", out):
            time.sleep(0.02)
        time.sleep(float(slow.read_text()) if slow.exists() else 0)
    stream.write(" ".join(more))
if pathlib.Path("broken").exists() and pathlib.Path("broken").read_text() == out:
    sys.exit("error: it broke")
if more and more[0].endswith(".json"):
    pathlib.Path(more[0]).write_text('{"files": %d}' % len(files))
if pathlib.Path("jumps").exists():
    needed = pathlib.Path(".snakemake/jsae/fingerprints").glob(f"*@{pathlib.Path(out).name}.json")
    for path, date in [(out, 2e9 * (len(files[0].name) % 3)), *((path, 2e9) for path in needed)]:
        os.utime(path, (date, date))
print("wrote", out)
'''
CONFIGURATION = "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
IMPORTED = ('PACKAGES = ("numpy", "pydantic", "ruamel.yaml", "torch", "safetensors.torch", "tqdm")', "PACKAGES = ()")
"""What a starter imports; stages of a toy study need nothing of it."""
SNAKEMAKE = ("snakemake", "--profile", "workflow/profiles/local", "--cores", "2")
JOBS = [*(f"collected/{name}" for name in "abc"), "tables/all", *(f"trained/{name}" for name in "abc")]
EVERY = sorted([*JOBS, "settings/work"])
"""Outputs of all stages; JOBS, without that of the eager stage."""
ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    "DVC_NO_ANALYTICS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    **{name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ},
}


class Study:
    """A toy study in a folder of its own, without git and with a DVC cache of its own."""

    def __init__(self, root: Path, engines: Forking) -> None:
        self.root, self.engines = root, engines
        shutil.copytree(ROOT / "workflow", root / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
        self.edit("workflow/starter.py", *IMPORTED)
        self.write("stages/__init__.py", (ROOT / "stages/__init__.py").read_text())
        self.write("stages/work.py", WORK)
        self.write("dvc.yaml", GRAPH)
        self.write("params.yaml", PARAMETERS)
        self.write(".dvcignore", (ROOT / ".dvcignore").read_text())
        self.write(".dvc/config", CONFIGURATION)
        self.environment = {**ENVIRONMENT, "HOME": str(root)}

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def edit(self, name: str, before: str, after: str) -> None:
        text = (self.root / name).read_text()
        assert before in text
        self.write(name, text.replace(before, after))

    def start(self, *words: str) -> Program:
        """Start `python -m WORDS`."""
        return self.engines.start(*words, folder=self.root, environment=self.environment)

    def run(self, *words: str, status: int = 0) -> str:
        """What `python -m WORDS` prints; it must end with `status`."""
        program = self.start(*words)
        assert program.wait() == status, program.text()
        return program.text()

    def snakemake(self, *words: str, status: int = 0) -> str:
        return self.run(*SNAKEMAKE, *words, status=status)

    def ran(self) -> list[str]:
        """Outputs whose stages have run since the last call."""
        path = self.root / "ran"
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(names)

    def results(self) -> dict[str, bytes]:
        """Every output and dvc.lock, by path."""
        folders = ("settings", "collected", "trained", "tables")
        files = [path for folder in folders for path in (self.root / folder).rglob("*") if path.is_file()]
        files += [self.root / "metrics.json", self.root / "dvc.lock"]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in files}


def wait_for(path: Path, seconds: float = 60) -> None:
    """Until a file is there."""
    for _ in range(round(seconds / 0.02)):
        if path.exists():
            return
        time.sleep(0.02)
    raise TimeoutError(path)
