"""Run a stage and write down what it read: python -m tests.recorded_stage REPORT MODULE SETTINGS.

REPORT gets {"read": values of the settings file that were used, "modules": files of the project that were imported}.
Jobs run in this process, one after the other, so that what they read is seen.
"""

import json
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsae.io import declared

READ: set[str] = set()


class Recorded(dict[str, Any]):
    """A dictionary that writes down which of its values are asked for."""

    def __init__(self, content: dict[str, Any], place: str):
        super().__init__(content)
        self.place = place

    def __getitem__(self, key: str) -> Any:
        return recorded(super().__getitem__(key), f"{self.place}.{key}" if self.place else key)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401

    def pop(self, key: str, *default: Any) -> Any:  # type: ignore[override]
        value = self.get(key)
        super().pop(key, *default)
        return value

    def items(self) -> Any:
        return [(key, self[key]) for key in self.keys()]

    def values(self) -> Any:
        return [self[key] for key in self.keys()]

    def __iter__(self) -> Iterator[str]:  # with it, dict(...) and ** ask for each value
        return super().__iter__()


def recorded(value: Any, place: str) -> Any:
    if isinstance(value, dict) and value:
        return Recorded(value, place)
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [recorded(item, f"{place}[{number}]") for number, item in enumerate(value)]
    READ.add(place)
    return value


def leaves(value: Any, place: str = "") -> Iterator[str]:
    """The places of all values, as `Recorded` names them."""
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from leaves(part, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, part in enumerate(value):
            yield from leaves(part, f"{place}[{number}]")
    else:
        yield place


if __name__ == "__main__":
    report, module, settings = sys.argv[1:]
    read = declared.Declared.read
    if "jsae/io/workers.py" in read(Path(settings)).code:
        from jsae.io import workers

        workers.runner = lambda device: workers.run_batches_in_turn
        workers.run_batches = workers.run_batches_in_turn

    def read_recorded(path: Path) -> declared.Declared:
        found = read(path)
        object.__setattr__(found, "values", Recorded(found.values, ""))
        return found

    declared.Declared.read = read_recorded  # type: ignore[method-assign, assignment]
    sys.argv = [module, settings]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    modules = [path.as_posix() for path in declared.imported(Path.cwd())]
    Path(report).write_text(json.dumps({"read": sorted(READ), "modules": modules}), encoding="utf-8")
