"""A running study as TensorBoard sees it: the curves so far of every run, from checkpoints and finished tables.

Stages write no event files. This looks at what they leave anyway, so that a study can be watched without a change of
anything that it runs: `.checkpoints` while a training goes on (it saves its state every 20 seconds or more), the table
of curves once it has ended.
"""

import math
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from jsae.config import layout
from jsae.config.study import Cell
from jsae.io.declared import Declared
from jsae.io.table import read
from jsae.io.workers import batches
from jsae.standalone.event_file import EventFile
from jsae.training.columns import CURVES
from jsae.training.trainer import METRICS

__all__ = ["Follower", "History"]

History = dict[str, npt.NDArray[np.float64]]
"""Metrics of one run by name, [epochs]."""


class Follower:
    """Event files of the study in the current folder, brought up to date by each `look`.

        with Follower(Path("runs/study")) as follower:
            follower.look()

    Args:
        into: folder of the event files; a run has into/CELL/SEED. Event files that are there are removed.
        points: of each curve at most; long ones leave out epochs.
    """

    def __init__(self, into: Path, points: int = 500) -> None:
        self._into, self._points = into, points
        self._files: dict[Path, EventFile] = {}
        self._seen: dict[Path, int] = {}
        for old in into.rglob("events.out.tfevents.*"):
            old.unlink()

    def look(self) -> int:
        """Write what is new; how many runs had anything new, none before a study has begun.

        Raises JsaeError if a file of the study is damaged, or was removed meanwhile.
        """
        stages = sorted(layout.settings("train@x").parent.glob("*.json"))
        return sum(self._write(declared) for declared in map(Declared.read, stages))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def _write(self, declared: Declared) -> int:
        values, cell = declared.values, Cell(**declared.values["cell"])
        running = _running(declared)
        found = running or _ended(declared)
        news = 0
        for seed, history in found.items():
            folder = self._into / str(cell) / str(seed)
            epochs, seen = len(history["mean_return"]), self._seen.get(folder, 0)
            if epochs == seen:
                continue
            news += 1
            if epochs < seen or folder not in self._files:  # it began again, or goes on after its file was closed
                self._close(folder)
                seen = seen if epochs > seen else 0
                self._files[folder] = EventFile(folder, from_step=seen * values["steps_per_epoch"] + (seen > 0))
            stride = math.ceil(values["epochs"] / self._points)
            for epoch in range(seen + 1, epochs + 1):
                if epoch % stride == 0 or epoch in (1, epochs):
                    scalars = {name: float(metric[epoch - 1]) for name, metric in history.items()}
                    scalars = {name: value for name, value in scalars.items() if not math.isnan(value)}
                    self._files[folder].write(epoch * values["steps_per_epoch"], scalars, flush=epoch == epochs)
            self._seen[folder] = epochs
            if not running:
                self._close(folder)
        return news

    def _close(self, folder: Path) -> None:
        if folder in self._files:
            self._files.pop(folder).close()


def _running(declared: Declared) -> dict[int, History]:
    """What the checkpoints of a training say, by seed."""
    blocks = batches(declared.values["seeds"], declared.values["runs_per_batch"])
    found: dict[int, History] = {}
    for path in declared.scratch.glob("*/batch-*.safetensors"):
        number = path.stem.removeprefix("batch-")
        if not number.isdigit() or int(number) >= len(blocks):
            continue
        try:
            with safe_open(path, "numpy") as state:
                names = {f"history.{metric}" for metric in METRICS} & set(state.keys())
                columns = {name.removeprefix("history."): state.get_tensor(name) for name in names}
        except (OSError, SafetensorError):  # it was removed or replaced meanwhile; the next look finds what there is
            continue
        if len(columns.get("mean_return", ())) == len(blocks[int(number)]):
            for row, seed in enumerate(blocks[int(number)]):
                found[seed] = {metric: column[row] for metric, column in columns.items()}
    return found


def _ended(declared: Declared) -> dict[int, History]:
    """What the table of an ended training says, by seed; nothing where there is none."""
    path = declared.outputs["curves"]
    if not path.exists():
        return {}
    parts = read(CURVES, path).sort("epoch").partition_by("seed", as_dict=True)
    return {int(seed): {name: part[name].cast(float).to_numpy() for name in METRICS} for (seed,), part in parts.items()}
