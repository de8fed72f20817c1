"""Writes that fail, in every stage: one line names the file and says what to do, what was there before is untouched.

The disk is full, the disk is read-only (a real one, where this process may mount it), or a file cannot take its name.
"""

import contextlib
import errno
import importlib
import random
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.io.code import CodeFiles
from jsae.io.declared import Declared
from stages import figures, settings
from tests import made_parameters
from tests.conftest import system, unmount
from tests.made_declared import declare_all, run
from tools import runs

ROOT = Path(__file__).resolve().parent.parent
CHANGES = {
    "environments.shop.purchases": "synthetic",
    "cells.main": [{"environments": ["grid", "slots", "shop"], "agents": ["vpg"], "embeddings": ["jsae"]}],
    "cells.others": [
        {"environments": ["slots"], "agents": ["vpg"], "embeddings": ["none"], "readings": ["", "four-steps"]}
    ],
    "search.cells": ["others"],
    "search.combined": ["actor_learning_rate"],
    "search.settings": 3,
}  # fmt: skip
"""As few cells as have every kind of stage."""
STAGES = (
    "download@synthetic", "filter@synthetic", "transitions@synthetic", "environment@shop", "collect@slots-0-1",
    "pretrain@slots-jsae-0-1", "train@slots-vpg-jsae-0-1", "samples@slots-1000-1001", "search@slots-vpg-none",
    "probes", "value_maps", "theory", "aggregate", "figures",
)  # fmt: skip
"""One of each kind; the report is in test_report.py."""
SLOW = ("download@synthetic", "theory", "figures")
"""Two faults are enough for them."""
MAIN = {"samples": "collect"}


def main_of(name: str) -> Callable[[Declared], Mapping[str, object] | None]:
    kind = name.partition("@")[0]
    main: Callable[[Declared], Mapping[str, object] | None] = importlib.import_module(
        f"stages.{MAIN.get(kind, kind)}"
    ).main
    return main


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Declared], bool]]:
    """A small study, every stage of which has run, on a disk of its own; whether it is one."""
    folder = tmp_path_factory.mktemp("disk")
    mounted = system("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)) == 0
    try:
        with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
            patch.setenv("JSAE_WORKERS", "1")
            for name in ("report", "search", "data/calibration"):
                shutil.copytree(ROOT / name, name, ignore=shutil.ignore_patterns("smoke", "preview", "paper", "best"))
            for name in ("jsae", "stages"):
                shutil.copytree(ROOT / name, name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
            layout.BEST.parent.mkdir()
            made_parameters.written(folder, CHANGES)
            declared = declare_all(made_parameters.loaded(CHANGES))
            for name, one in declared.items():
                if name != "report":
                    run(main_of(name), one)
        yield folder, declared, mounted
    finally:
        if mounted:
            unmount(folder)


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while stream.write(b"0" * 4096) == 4096:
            pass
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    assert system("mount", "-o", "remount,ro", str(folder)) == 0
    try:
        yield
    finally:
        assert system("mount", "-o", "remount,rw", str(folder)) == 0


@contextlib.contextmanager
def unnamed(number: int) -> Iterator[list[Path]]:
    """Let the rename of this number fail, from 0. Yields what was to be renamed."""
    own, seen = Path.replace, []

    def replace(path: Path, target: Path) -> Path:
        seen.append(path)
        if len(seen) - 1 == number:
            raise OSError(errno.EACCES, "Permission denied")
        return own(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        yield seen


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file but records, which differ from run to run, and checkpoints."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in files if layout.CHECKPOINTS.name not in path.parts and "provenance" not in path.parts]
    return {path: (folder / path).read_bytes() for path in kept}


def fails(name: str, main: Callable[[], object], folder: Path, words: str) -> None:
    """The stage fails with one line, and leaves each file as it was."""
    before = contents(folder)
    before.pop(Path("filler"), None)
    with pytest.raises(JsaeError) as caught:
        main()
    said = str(caught.value)
    assert len(said.splitlines()) == 1, said
    assert re.search(f" was not written: {words} [^\n]*, then run again$", said), said
    after = contents(folder)
    after.pop(Path("filler"), None)
    assert after == before


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_cannot_write_says_so_and_loses_nothing(
    name: str, study: tuple[Path, dict[str, Declared], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, declared, mounted = study
    monkeypatch.chdir(folder)
    monkeypatch.setenv("JSAE_WORKERS", "1")
    main = main_of(name)
    number = 0
    if name not in SLOW:
        with unnamed(-1) as renamed:
            main(declared[name])
        number = random.Random(name).randrange(len(renamed))
    with unnamed(number):
        fails(name, lambda: main(declared[name]), folder, "(it or its folder may not be written;|Permission denied;)")
    if mounted:
        with full(folder):
            fails(name, lambda: main(declared[name]), folder, "the disk is full;")
        if name not in SLOW:
            with read_only(folder):
                fails(name, lambda: main(declared[name]), folder, "it is on a read-only disk;")


def test_figures_that_cannot_take_their_name_leave_nothing(
    study: tuple[Path, dict[str, Declared], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, _ = study
    monkeypatch.chdir(folder)
    made, place = Path("made"), Path("place")
    for path in (made, place):
        path.mkdir()
    with (
        unnamed(0),
        pytest.raises(JsaeError, match="place was not written: Permission denied; remove it, then run again"),
    ):
        figures.put(made, place)
    made.rmdir()


def test_settings_and_the_plan_that_cannot_be_written_say_so(
    study: tuple[Path, dict[str, Declared], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage settings makes room for itself: it removes what it has written before."""
    folder, _, mounted = study
    monkeypatch.chdir(folder)
    if not mounted:
        pytest.skip("a disk of its own needs Linux and root")
    runs.main(["smoke"])
    code = CodeFiles()
    monkeypatch.setattr(settings, "CodeFiles", lambda: code)
    before = layout.RUNS.read_bytes()
    for fault, main in ((read_only, settings.main), (read_only, other_scale), (full, other_scale)):
        with fault(folder), pytest.raises(JsaeError, match=r"was not written: [^\n]*, then run again$"):
            main()
    assert layout.RUNS.read_bytes() == before


def other_scale() -> None:
    runs.main(["preview"])
