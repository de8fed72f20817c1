"""Settings files of stages, as the stage `settings` writes them, for tests that start one stage."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsae.config import layout, plan
from jsae.config.best import NOTHING_FOUND, Best
from jsae.config.schema import Parameters
from jsae.io import provenance
from jsae.io.code import CodeFiles
from jsae.io.declared import Declared
from stages.settings import Stage, Study, text

ROOT = Path(__file__).resolve().parent.parent


def declare(stage: Stage, path: Path | None = None, scripts: Sequence[str] = ()) -> Declared:
    """Write the settings of a stage and read them; code: all that `scripts` run, or none."""
    path = path or layout.settings(stage.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(stage, CodeFiles().of(map(Path, scripts)) if scripts else {}), encoding="utf-8")
    return Declared.read(path)


def declare_all(parameters: Parameters, scale: str = "smoke", found: Best = NOTHING_FOUND) -> dict[str, Declared]:
    """The settings of every stage of a study at a scale, by the stage's name, written in the current folder."""
    if not Path("requirements").exists():
        shutil.copytree(ROOT / "requirements", "requirements", ignore=shutil.ignore_patterns("*.sh"))
    planned = plan.plan(parameters, found, scale)
    return {stage.name: declare(stage) for stage in Study(parameters, found, planned).stages()}


def run(main: Callable[[Declared], Mapping[str, Any] | None], declared: Declared) -> None:
    """What `python -m stages.…` does with the settings: the work, and its record."""
    with provenance.recorded(declared.record, declared.stage) as facts:
        facts |= main(declared) or {}
        declared.check()
