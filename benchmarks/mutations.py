"""Mutations of params.yaml: each is refused in lines that name a key, before anything is written, or it runs.

    python -m benchmarks.mutations          # 1,000 seeded mutations; the stage settings runs with what is accepted
    python -m benchmarks.mutations --all    # and then the whole study at the scale smoke: hours

The tests try 300 without --all. A mutation changes one place: a type, a sign, a size, an infinity, characters
that mean something to a shell, a missing, misspelt, unknown or doubled key.
"""

import argparse
import contextlib
import copy
import io
import json
import math
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.config.yaml import read_yaml
from jsae.io.code import CodeFiles
from stages import settings
from tools import runs

SCALE = "smoke"
FOLDERS = ("jsae", "stages", "requirements", "search", "data/calibration", "report", "tools", "workflow")
FILES = ("params.yaml", "dvc.yaml", ".dvcignore")
SHELL = (
    "$(touch pwned)",
    "`touch pwned`",
    "a; touch pwned",
    "a & touch pwned",
    "'",
    '"',
    "a b",
    "../a",
    "a/b",
    "-a",
    "",
)
WORDS = (*SHELL, "${runs.scale}", "{a}", "%s", "é", "a\nb", "a" * 100, "1", "null", "~", "*", "\u2028")
NUMBERS = (0, -1, 1, 2, -0.5, 1.5, 1e-12, 1e-300, 1e300, 10**9, 10**30, math.inf, -math.inf, math.nan)
OTHERS: tuple[Any, ...] = (None, True, False, 3, 0.5, "word", [], {}, [1], ["a"], [[]], {"a": 1}, [None])
Place = tuple[str | int, ...]


class Mutation(NamedTuple):
    """place: keys and positions that lead to what was changed."""

    place: Place
    change: str
    text: str


def places(content: Any, place: Place = ()) -> Iterator[Place]:
    """Where every section, list and value is."""
    if place:
        yield place
    if isinstance(content, dict | list):
        for step, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from places(value, (*place, step))


def mutation(number: int, content: Any) -> Mutation:
    """A mutation of what a params.yaml holds, always the same for this number."""
    content = copy.deepcopy(content)
    chance = random.Random(number)
    place = chance.choice(list(places(content)))
    parent = content
    for step in place[:-1]:
        parent = parent[step]
    old, last = parent[place[-1]], place[-1]
    kinds = ["another kind", "missing", "none"]
    if isinstance(old, int | float) and not isinstance(old, bool):
        kinds += ["number"] * 6 + ["factor"] * 2
    elif isinstance(old, str):
        kinds += ["word"] * 5
    elif isinstance(old, list) and old:
        kinds += ["empty", "twice", "one less", "one more", "nested"]
    elif isinstance(old, dict):
        kinds += ["unknown key", "odd key"]
    if isinstance(last, str):
        kinds += ["misspelt", "doubled"]
    kind = chance.choice(kinds)
    new: Any = None
    match kind:
        case "another kind":
            new = chance.choice(OTHERS)
        case "number":
            new = chance.choice(NUMBERS)
        case "factor":
            new = old * chance.choice((-1, 1000, 0.001, 10**6))
        case "word":
            new = chance.choice(WORDS)
        case "empty":
            new = []
        case "twice":
            new = [*old, old[0]]
        case "one less":
            new = old[1:]
        case "one more":
            new = [*old, chance.choice((*OTHERS, *NUMBERS, *WORDS))]
        case "nested":
            new = [old]
        case "unknown key":
            new = {**old, "unknown": 1}
        case "odd key":
            new = {**old, chance.choice((*SHELL, "é", 3, None, True, 1.5)): next(iter(old.values()), 1)}
    if kind == "missing":
        del parent[last]
    elif kind == "misspelt":
        parent[f"{last}x"] = parent.pop(last)
    elif kind != "doubled":
        parent[last] = new
    shown = repr(new)
    change = f"{kind}: {shown if len(shown) < 60 else shown[:57] + '...'}"
    return Mutation(place, change, written(content, place if kind == "doubled" else None))


def written(content: Any, doubled: Place | None = None) -> str:
    """YAML, as quickly as can be; the key at the place `doubled` is there twice."""
    if isinstance(content, dict):
        lines = []
        for key, value in content.items():
            if doubled == (key,):
                lines.append(f"{written(key)}: 1")
            inside = doubled[1:] if doubled and doubled[0] == key else None
            lines.append(f"{written(key)}: {written(value, inside)}")
        return "{" + ",\n".join(lines) + "}"
    if isinstance(content, list):
        inside = [doubled[1:] if doubled and doubled[0] == i else None for i in range(len(content))]
        return "[" + ", ".join(map(written, content, inside)) + "]"
    if isinstance(content, float):
        return (
            ".nan" if math.isnan(content) else f"{'-' * (content < 0)}.inf" if math.isinf(content) else f"{content:e}"
        )
    return json.dumps(content, ensure_ascii=False)


class Wrong(Exception):
    """What should not be: another error than ours, a file that was written too early, a message without a key."""


def tried(case: Mutation, code: CodeFiles | None = None) -> str:
    """What is said of a mutation, in the current folder, a copy of the project; empty if it is accepted.

    code: the digests of the copy, which does not change. Raises Wrong.
    """
    layout.PARAMETERS.write_text(case.text, encoding="utf-8")
    before = everything()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            runs.main([SCALE])
    except JsaeError as error:
        if everything() != before:
            raise Wrong("it was refused after something had been written") from error
        for line in str(error).splitlines():
            if not re.match(r"params\.yaml|scales\.|there is no scale ", line) or len(line) > 400:
                raise Wrong(f"this line names no place: {line!r}") from error
        named = {str(step) for step in case.place} | set(re.findall(r"[\w-]+", case.change))
        if not named & set(re.findall(r"[\w-]+", str(error).replace("params.yaml", ""))):
            raise Wrong(f"no key is named: {error}") from error
        return str(error)
    except Exception as error:
        raise Wrong(f"{type(error).__name__}: {error}") from error
    if code is not None:
        with contextlib.ExitStack() as undone:
            own = settings.CodeFiles
            undone.callback(setattr, settings, "CodeFiles", own)
            settings.CodeFiles = lambda: code  # type: ignore[misc, assignment]
            try:
                settings.main()
            except Exception as error:
                raise Wrong(f"the stage settings: {type(error).__name__}: {error}") from error
    for path in layout.SETTINGS.rglob("*"):
        if not re.fullmatch(r"[\w.-]+", path.name):
            raise Wrong(f"a stage has an odd name: {path}")
    return ""


def everything() -> dict[Path, int]:
    """Every file that a refusal must leave alone."""
    names = [path for folder in ("results", "workflow", "search", "data", "report") for path in Path(folder).rglob("*")]
    return {path: path.stat().st_mtime_ns for path in [*names, *Path().iterdir()] if path.is_file()}


def copied(root: Path, folder: Path) -> None:
    """What the mutations need of the project."""
    skipped = shutil.ignore_patterns("__pycache__", "*.so", "smoke", "preview", "paper", "best")
    for name in FOLDERS:
        shutil.copytree(root / name, folder / name, ignore=skipped)
    (folder / layout.BEST.parent).mkdir()
    for name in FILES:
        shutil.copy(root / name, folder / name)


def whole(folder: Path) -> None:
    """Run the study that was accepted. Raises Wrong if it fails, unless a stage says in one line what to change."""
    for name in ("results", "data/processed", "dvc.lock"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/local", "--cores", "all"]
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=1800)
    except subprocess.TimeoutExpired as error:
        raise Wrong("the study had not ended after half an hour") from error
    if ended.returncode:
        raise Wrong(f"the study failed: {ended.stdout[-1500:]}{ended.stderr[-1500:]}")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="run the whole study of each that is accepted")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--count", type=int, default=1000, help="how many")
    given = parser.parse_args(arguments)
    root, counts = Path.cwd(), {"refused": 0, "accepted": 0, "wrong": 0}
    content = read_yaml(layout.PARAMETERS)
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        copied(root, Path(name))
        if given.all:
            subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
        code = CodeFiles()
        for number in range(given.first, given.first + given.count):
            case = mutation(number, content)
            place = ".".join(map(str, case.place))
            try:
                said = tried(case, code)
                if given.all and not said:
                    whole(Path(name))
                counts["refused" if said else "accepted"] += 1
                print(f"{number} {place}, {case.change}: {said.splitlines()[0] if said else 'accepted'}")
            except Wrong as error:
                counts["wrong"] += 1
                print(f"{number} {place}, {case.change}: WRONG: {error}")
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
