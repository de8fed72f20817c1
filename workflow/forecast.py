"""What the stages that have to run will cost: seconds and bytes, before they run and while they do.

A stage's cost is, in this order: what its last run took here, at the same scale; what its run took here at the other
scale, times the ratio of their epochs or passes; the same two of COSTS, the records of another machine, times the ratio
of the two machines' speeds, which a matrix product of a tenth of a second measures; and where there is none of these,
what the same takes for another cohort, or for the environment whose search it shares. The bytes of its outputs are
those that COSTS has, in the same order.

    python -m workflow.forecast        # rewrites COSTS from the records of this machine and the sizes in dvc.lock
"""

import csv
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from workflow.bridge import PARAMETERS, kind

COSTS = Path("workflow/costs.csv")
"""Seconds and bytes of the stages on one machine: its speed in GFLOP/s, then a row a record."""
SCALES = ("preview", "paper")
START = 3.0
"""Seconds from the start of a stage's process to the start of its record, imports for the most part; and of DVC's own
work for a stage. On the machine of COSTS."""
SETTING_UP = 0.5
"""Seconds of a training's or pre-training's record that do not grow with epochs or passes."""


class Cost(NamedTuple):
    """Seconds of one worker, and bytes of the outputs."""

    seconds: float
    bytes: float


class Forecast:
    """Costs of stages from the records beside the results in the current folder."""

    def __init__(self) -> None:
        from ruamel.yaml import YAML

        self._parameters: Mapping[str, Any] = YAML(typ="safe").load(Path(PARAMETERS))
        with COSTS.open() as stream:
            first, *rows = csv.reader(line for line in stream if not line.startswith("#"))
        self._elsewhere = {name: float(seconds) for name, seconds, _ in rows}
        self._sizes = {name: float(size) for name, _, size in rows if size}
        self._slower = float(first[1]) / gflops()
        self._start = START * self._slower

    def cost(self, stage: str, options: Mapping[str, str]) -> Cost | None:
        """Of a stage, whose command has these options; None if nothing like it has ever been recorded."""
        for like in self._alike(options):
            seconds = self._seconds(stage, like)
            if seconds is not None:
                longer = self._units(stage, options) / self._units(stage, like)
                larger = longer if kind(stage) == "train" else 1.0
                return Cost(seconds * longer + self._start, self._bytes(stage, like) * larger)
        return None

    def _alike(self, options: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        """`options`, then those of stages that take as long."""
        environment, cohorts = options.get("environment", ""), self._parameters.get("cohorts", [])
        shared = self._parameters.get("search", {}).get("same_as", {})  # a graph that is not this study's has neither
        for world in (environment, shared.get(environment)):
            for cohort in dict.fromkeys([options.get("cohort", ""), *cohorts]):
                if world is not None:
                    changed = {"environment": world, "cohort": cohort}
                    yield {name: changed.get(name, value) for name, value in options.items()}

    def _seconds(self, stage: str, options: Mapping[str, str]) -> float | None:
        """Of the command alone, from a record with just these options, at either scale, here or elsewhere."""
        scale = options.get("scale", "shared")
        name = record(stage, options)
        own = _wall_seconds(Path("results") / scale / "provenance" / name)
        seconds = own if own is not None else self._at_other_scale(stage, name, options, here=True)
        if seconds is None:
            there = self._elsewhere.get(f"{scale}/{name}") or self._at_other_scale(stage, name, options, here=False)
            seconds = None if there is None else there * self._slower
        return seconds

    def _bytes(self, stage: str, options: Mapping[str, str]) -> float:
        """Of the outputs of just these options; from the other scale for want of better, 0 if that is not known."""
        name = record(stage, options)
        for scale in dict.fromkeys([options.get("scale", "shared"), *SCALES]):
            if f"{scale}/{name}" in self._sizes:
                same = kind(stage) != "train" or scale == options.get("scale")
                ratio = 1 if same else self._units(stage, options) / self._units(stage, {**options, "scale": scale})
                return self._sizes[f"{scale}/{name}"] * ratio
        return 0.0

    def _at_other_scale(self, stage: str, name: str, options: Mapping[str, str], *, here: bool) -> float | None:
        for scale in SCALES:
            found = (
                _wall_seconds(Path("results") / scale / "provenance" / name)
                if here
                else self._elsewhere.get(f"{scale}/{name}")
            )
            if found is not None:
                ratio = self._units(stage, options) / self._units(stage, {**options, "scale": scale})
                return SETTING_UP + max(found - SETTING_UP, 0.0) * ratio
        return None

    def _units(self, stage: str, options: Mapping[str, str]) -> int:
        """Epochs of a training, passes of a pre-training, 1 of anything else."""
        budget = {"train": "epochs", "pretrain": "pretraining_passes"}.get(kind(stage))
        if budget is None or "environment" not in options:
            return 1
        return int(self._parameters["environments"][options["environment"]][budget][options["scale"]])


def record(stage: str, options: Mapping[str, str]) -> str:
    """The record of a stage, below results/SCALE/provenance."""
    given = dict(options)
    given.pop("scale", None)
    if "agent" in given:
        given["agent"] = f"{given['agent']}-{given.pop('embedding')}"
    order = ("store", "environment", "agent", "embedding", "cohort")
    names = [given[name] for name in order if name in given] or ["run"]
    return f"{kind(stage)}/{'/'.join(names)}.json"


def gflops() -> float:
    """Billions of operations a second of one core in a large float32 matrix product: the best of a few."""
    import numpy as np

    a = np.ones((512, 512), np.float32)
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * 512**3 / best / 1e9


def span(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _wall_seconds(path: Path) -> float | None:
    try:
        return float(json.loads(path.read_text())["wall_seconds"])
    except (OSError, ValueError, KeyError):
        return None


def sizes(lock: Path) -> dict[str, int]:
    """Bytes of the outputs of each stage in a dvc.lock, by SCALE/RECORD."""
    from ruamel.yaml import YAML

    found = {}
    for name, stage in YAML(typ="safe").load(lock)["stages"].items():
        options = dict(re.findall(r"--([a-z-]+)\s+(\S+)", stage["cmd"]))
        place = f"{options.get('scale', 'shared')}/{record(name, options)}"
        found[place] = sum(out.get("size", 0) for out in stage.get("outs", []))
    return found


def write_costs() -> None:
    """Rewrite COSTS from the records of this machine and its dvc.lock."""
    found = sorted(Path("results").glob("*/provenance/**/*.json"))
    size = sizes(Path("dvc.lock"))
    with COSTS.open("w", newline="") as stream:
        print(
            "# Stages on one machine: seconds, bytes of outputs. python -m workflow.forecast writes them.", file=stream
        )
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["gflops", f"{gflops():.0f}", ""])
        for path in found:
            _, scale, _, *words = path.parts
            name = "/".join([scale, *words])
            table.writerow([name, f"{_wall_seconds(path):.1f}", size.get(name, "")])
    print(f"{COSTS}: {len(found)} records")


if __name__ == "__main__":
    write_costs()
