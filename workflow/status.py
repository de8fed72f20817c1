"""The state of every stage, as a table of the runs: python -m workflow.status [--quiet]

fresh     its outputs are those of the present parameters, code and data
stale     something that it reads has changed
behind    it comes after a stage that is not fresh: it runs if that one's files change
missing   it has not run, or its outputs are gone
failed    its last run failed: its log says why
done, running, to do   in the run that is at work now

The last lines say how long the rest takes, by the wall times of earlier runs under results/*/provenance. Nothing in the
project changes. While a run is at work, its frozen plan is shown, not what has been edited since.

The exit status is 0; with --quiet, which prints nothing, 1 if a stage is not fresh; 2 if DVC cannot read the project.
"""

import argparse
import json
import os
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workflow.bridge import (
    AFTER,
    FAILED,
    PLAN,
    SHOWN,
    BridgeError,
    fingerprint,
    kind,
    log,
    opened,
    ordered,
    read_plan,
    running,
    why,
)

STEPS = ("collect", "pretrain", "train")
"""The columns of the table: stages that a run goes through."""
RUNS = Path("workflow/runs.yaml")
"""Names the scale, by which records of earlier runs are kept apart."""
COLOURS = {"fresh": "green", "done": "green", "running": "cyan", "to do": "cyan", "failed": "red"}


class State(NamedTuple):
    word: str
    reason: str
    needs: list[str]  # the stages just before it


def states() -> dict[str, State]:
    """By stage, in DVC's order, when no run is at work. Raises BridgeError if DVC cannot read the project."""
    found: dict[str, State] = {}
    with opened(locked=False) as repo:
        for stage in ordered(repo):
            reason = why(stage)
            needs = sorted(up.name for up in repo.index.graph.successors(stage))
            ahead = [name for name in needs if found[name].word != "fresh"]
            word = "stale" if all(out.exists for out in stage.outs) else "missing"
            if not reason:
                word, reason = ("behind", f"{AFTER}{ahead[0]}") if ahead else ("fresh", "")
            elif (failure := failed(stage.name)) and not made_since(stage):
                word, reason = "failed", failure
            found[stage.name] = State(word, reason, needs)
    return found


def states_of_run() -> dict[str, State]:
    """By stage of the run that is at work. Raises BridgeError if it has no plan yet."""
    try:
        plan, start = read_plan(), PLAN.stat().st_mtime
    except FileNotFoundError:
        raise BridgeError("a run is at work and has not made its plan yet: wait a moment") from None
    found = {}
    for name, entry in plan.items():
        word, reason = "to do", entry["why"]
        if Path(fingerprint(name)).exists():
            word = "done"
        elif Path(log(name)).exists() and Path(log(name)).stat().st_mtime >= start:
            failure = failed(name)
            word, reason = ("failed", failure) if failure else ("running", f"its log is {log(name)}")
        found[name] = State(word, reason, entry["needs"])
    return found


def failed(stage: str) -> str:
    """How the last run of a stage failed; empty if it did not."""
    path = Path(log(stage))
    last = path.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2] if path.exists() else ""
    return f"{last.removeprefix(FAILED)}; its log is {log(stage)}" if last.startswith(FAILED) else ""


def made_since(stage: Any) -> bool:
    """Whether outputs of a stage are younger than its log, which `dvc repro` does not write."""
    made = [Path(out.fs_path).stat().st_mtime for out in stage.outs if out.exists]
    return bool(made) and max(made) > Path(log(stage.name)).stat().st_mtime


def table(found: Mapping[str, State]) -> Table:
    """A row for each training, with the stages before it."""
    shown = Table("run", *STEPS, box=None, pad_edge=False)
    for name in found:
        if kind(name) == STEPS[-1]:
            words: dict[str, str] = {}
            line = [name]
            for one in line:  # it grows: the stages before, the nearest first
                if one in found:
                    words.setdefault(kind(one), found[one].word)
                    line += found[one].needs
            shown.add_row(escape(name.partition("@")[2] or name), *(coloured(words.get(step, "")) for step in STEPS))
    return shown


def others(found: Mapping[str, State]) -> Table:
    """A row for each other stage."""
    shown = Table.grid(padding=(0, 2))
    for name, state in found.items():
        if kind(name) not in STEPS:
            shown.add_row(coloured(state.word), escape(name))
    return shown


def runs_for(stage: str, state: State) -> float:
    """Seconds since a stage that is running has started; its log is created then and not appended to before it ends."""
    return max(time.time() - Path(log(stage)).stat().st_mtime, 0.0) if state.word == "running" else 0.0


def remaining(stages: Mapping[str, float], cores: int | None = None) -> str:
    """How long these stages take, in words; each with the seconds that it has run already.

    cores: that run them; None: all of this machine.
    """
    seconds = defaultdict(list)
    scale = re.search(r"^ *scale: *(\w+)", RUNS.read_text(encoding="utf-8") if RUNS.exists() else "", re.MULTILINE)
    for folder in ("shared", scale[1] if scale else "*"):
        for record in Path("results").glob(f"{folder}/provenance/**/*.json"):
            step, *item = record.with_suffix("").parts[3:]
            try:
                took = float(json.loads(record.read_text(encoding="utf-8"))["wall_seconds"])
            except (OSError, ValueError, KeyError):
                continue
            seconds[step].append(took)
            seconds[f"{step}@{'-'.join(item)}"].append(took)
    known = {name: seconds.get(name) or seconds.get(kind(name), []) for name in stages}
    left = sum(max(statistics.mean(took) - stages[name], 0) for name, took in known.items() if took)
    unknown = sum(not took for took in known.values())
    if unknown == len(stages):
        return "unknown (no earlier run)" if stages else "0 s"
    if cores is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    more = f", without {unknown} of unknown length" if unknown else ""
    return f"about {span(left / cores)} on {cores} core{'s' * (cores > 1)}{more}"


def span(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def coloured(word: str) -> str:
    return f"[{COLOURS.get(word, 'yellow')}]{word}[/]" if word else ""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quiet", action="store_true", help="print nothing; the exit status says it")
    given = parser.parse_args(arguments)
    at_work = running()
    found = states_of_run() if at_work else states()
    todo = {name: state for name, state in found.items() if state.word not in ("fresh", "done")}
    if given.quiet:
        return 1 if todo or at_work else 0
    terminal = Console(soft_wrap=True, highlight=False)
    console = terminal if terminal.is_terminal else Console(soft_wrap=True, highlight=False, width=200)
    console.print(table(found), "", others(found), "", sep="\n")
    order = ("failed", "running")
    urgent = sorted(todo, key=lambda name: order.index(todo[name].word) if todo[name].word in order else len(order))
    for name in urgent[:SHOWN]:
        console.print(f"{coloured(todo[name].word)} {escape(name)}: {escape(todo[name].reason)}")
    if len(urgent) > SHOWN:
        console.print(f"... and {len(urgent) - SHOWN} more")
    counts = Counter(todo[name].word for name in urgent)
    rest = "".join(f", {count} {word}" for word, count in counts.items())
    good = "done" if at_work else "fresh"
    console.print(f"{len(found) - len(todo)} of {len(found)} stages are {good}{rest}")
    if at_work:
        console.print(f"Elapsed: {span(time.time() - PLAN.stat().st_mtime)}")
    if found.get("settings", State("fresh", "", [])).word not in ("fresh", "done") and not at_work:
        console.print("Once `dvc repro settings` has run (seconds), this says which of the others are stale")
    if left := [name for name, state in todo.items() if state.word != "failed" or not at_work]:
        console.print(f"Remaining: {remaining({name: runs_for(name, todo[name]) for name in left})}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BridgeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
