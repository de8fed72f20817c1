"""What a folder such as published/ holds of a study, and where the study has it.

Its files have the names that they have below results/SCALE and report/SCALE. Settings files of `figures` and `report`
lie in settings/: they name everything else, and hold all that the two stages read besides data.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jsae.config import layout
from jsae.config.errors import JsaeError

SHOWN = "figure_2.svg"
"""The one figure that is published as a file, for pages to show. The report holds all of them."""
STAGES = ("figures", "report")
"""The stages that can be run again on what is published."""


def declared(path: Path) -> dict[str, Any]:
    """The content of a settings file. Raises JsaeError if it is missing or damaged."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content["inputs"], content["outputs"], content["values"]["scale"]
    except FileNotFoundError:
        raise JsaeError(f"{path} is missing: run `dvc repro`, then `make publish`") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JsaeError(f"{path} is no settings file of this version ({error}): run `make publish`") from None
    return content


def of_scale(scale: str) -> dict[str, Any]:
    """The values of the report's settings file. Raises JsaeError if the study that ran last has another scale."""
    values: dict[str, Any] = declared(layout.settings("report"))["values"]
    if (ran := values["scale"]) != scale:
        raise JsaeError(f"the study that ran last is at the scale {ran}: run `make {scale}` first, or --scale {ran}")
    return values


def contents(settings: Path) -> dict[Path, Path]:
    """Everything that is published: its place in the folder, and in the study.

    settings: folder of the settings files of `figures` and `report`. The report's own files stay where they are: pages
    are made again with the present ones.
    """
    found = [declared(settings / f"{stage}.json") for stage in STAGES]
    scale = found[0]["values"]["scale"]
    used = [path for one in found for path in paths(one["inputs"]) if path.parts[0] != layout.CLAIMS.parts[0]]
    used += [path for one in found for path in paths(one["outputs"])]
    used += [layout.metrics(scale), layout.summary(scale), layout.report_provenance(scale)]
    used += [layout.settings(stage) for stage in STAGES]
    return {place(path, scale): path for path in used}


def paths(content: Any) -> Iterator[Path]:
    """The paths of a section `inputs` or `outputs`."""
    if isinstance(content, dict):
        for value in content.values():
            yield from paths(value)
    elif content is not None:
        yield Path(content)


def place(path: Path, scale: str) -> Path:
    """Where a file of the study lies in the folder."""
    for root in (layout.claims(scale).parent, layout.report(scale).parent, layout.RESULTS):
        if path.is_relative_to(root):
            return path.relative_to(root)
    return path


def copy(path: Path, to: Path) -> None:
    """Copy a file, or a folder without the figures that the report holds."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, to, ignore=left_out)
    else:
        shutil.copy(path, to)


def left_out(folder: object, names: Iterable[str]) -> set[str]:
    """Those of the names of files that are figures in the report."""
    return {name for name in names if Path(name).suffix in {".pdf", ".png", ".svg"} and Path(name).name != SHOWN}


def replace(old: Path, made: Path) -> None:
    """Put a file or folder in place of what is there."""
    if old.is_dir():
        shutil.rmtree(old)
    copy(made, old)
