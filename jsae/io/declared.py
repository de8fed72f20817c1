"""What a stage reads: one file of settings, which names everything else.

    {"stage": "train@…", "inputs": {name: path}, "outputs": {name: path}, "record": path, "scratch": path,
     "values": {name: value}, "code": {path: digest}}

The stage `settings` writes it, the engine watches it, and the stage opens nothing else but its inputs. What is edited
while a stage runs makes it fail: its result would be recorded as that of the new text.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsae.config.errors import JsaeError
from jsae.io.code import digest
from jsae.io.files import DAMAGED, MISSING

PACKAGES = ("jsae", "stages")
"""Folders of the project whose modules count as code of a stage."""


@dataclass(frozen=True)
class Declared:
    """The settings of a stage, read from `path`; record: where its provenance goes.

    scratch: a folder apart from the outputs, for what a killed stage resumes from.
    """

    path: Path
    stage: str
    inputs: dict[str, Any]
    outputs: dict[str, Path]
    record: Path
    scratch: Path
    values: dict[str, Any]
    code: dict[str, str]
    content: bytes

    @classmethod
    def read(cls, path: Path) -> "Declared":
        """Raises JsaeError if the file is missing or damaged."""
        try:
            content = path.read_bytes()
            found = json.loads(content)
            outputs = {name: Path(place) for name, place in found["outputs"].items()}
            record, scratch = Path(found["record"]), Path(found["scratch"])
            inputs, values, code = ({**found[name]} for name in ("inputs", "values", "code"))
            return cls(path, found["stage"], inputs, outputs, record, scratch, values, code, content)
        except FileNotFoundError:
            raise JsaeError(MISSING.format(path)) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise JsaeError(DAMAGED.format(path, error)) from None

    def input(self, name: str) -> Path:
        """The path of an input."""
        return Path(self.inputs[name])

    def optional(self, name: str) -> Path | None:
        """The path of an input that some stages of this kind do without."""
        return None if self.inputs[name] is None else Path(self.inputs[name])

    def check(self) -> None:
        """Raise JsaeError if the settings, or code that this process runs, are not what they were declared to be."""
        if not self.path.is_file() or self.path.read_bytes() != self.content:
            raise JsaeError(f"{self.path} changed while {self.stage} ran: the result is not recorded, run again")
        for path in imported(Path.cwd()):
            if path.as_posix() not in self.code:
                raise JsaeError(f"{self.stage} runs {path}, which {self.path} does not declare: run again")
        for name, recorded in self.code.items():
            if digest(Path(name)) != recorded:  # whatever its date says
                raise JsaeError(f"{name} changed while {self.stage} ran: the result is not recorded, run again")


def imported(root: Path) -> list[Path]:
    """Files of the project that this process has imported, relative to `root`."""
    found = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(root):
            path = Path(file).relative_to(root)
            if path.parts[0] in PACKAGES:
                found.append(path)
    return sorted(set(found))
