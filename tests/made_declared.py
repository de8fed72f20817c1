"""Settings files of stages, as the stage `settings` writes them, for tests that start one stage."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsae.config import layout
from jsae.io.code import CodeFiles
from jsae.io.declared import Declared


def declare(
    stage: str,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Path],
    values: Mapping[str, Any],
    *,
    path: Path | None = None,
    scripts: Sequence[str] = (),
    scale: str = "smoke",
) -> Declared:
    """Write the settings of a stage and read them; code: all that `scripts` run, or none."""
    path = path or layout.settings(stage)
    content = {
        "stage": stage,
        "inputs": inputs,
        "outputs": outputs,
        "record": layout.record(stage, scale),
        "scratch": layout.scratch(stage, scale),
        "values": values,
        "code": CodeFiles().of(map(Path, scripts)) if scripts else {},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, default=lambda found: found.as_posix()), encoding="utf-8")
    return Declared.read(path)
