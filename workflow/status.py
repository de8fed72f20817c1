"""State of every stage, as a table of the runs: python -m workflow.status [--quiet]

fresh     its outputs are those of the present parameters, code and data
stale     something that it reads has changed
behind    it comes after a stage that is not fresh: it runs if that one's files change
missing   it has not run, or its outputs are gone
failed    its last run failed: its log says why
done, running, waiting   in the run that is at work now

Below it stands what the rest will cost here, or when the run that is at work will end (workflow/forecast.py).

--quiet prints nothing. The exit status is 0 if every stage is fresh, else 1; 2 if DVC cannot read the project.
"""

import datetime
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from workflow.bridge import (
    AFTER,
    FAILED,
    PLAN,
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
from workflow.forecast import Forecast, span

STEPS = ("collect", "pretrain", "train")
"""The stages of a cell: the columns of the table."""
COLOURS = {"fresh": "green", "done": "green", "running": "cyan", "waiting": "cyan", "failed": "red"}
SHOWN = 12
"""Reasons that are printed: `dvc status` has them all."""


class State(NamedTuple):
    word: str
    reason: str
    options: dict[str, str]  # of its command: "environment", "agent", ...


def states() -> dict[str, State]:
    """By stage, in DVC's order."""
    found: dict[str, State] = {}
    plan = read_plan() if running() else {}
    with opened() as repo:
        for stage in ordered(repo):
            name, reason = stage.name, why(stage)
            ahead = [up.name for up in repo.index.graph.successors(stage)]
            ahead = sorted(up for up in ahead if found[up].word not in ("fresh", "done"))
            word = "stale" if all(out.exists for out in stage.outs) else "missing"
            if not reason:
                word, reason = ("behind", f"{AFTER}{ahead[0]}") if ahead else ("fresh", "")
            elif Path(fingerprint(name)).exists():
                word = "done"
            elif (started := has_log(name, since=PLAN if name in plan else None)) and last_line(name).startswith(
                FAILED
            ):
                word, reason = "failed", f"{last_line(name).removeprefix(FAILED)}; its log is {log(name)}"
            elif name in plan:
                word = "running" if started else "waiting"
            found[name] = State(word, reason, dict(re.findall(r"--([a-z-]+) (\S+)", stage.cmd)))
    return found


def has_log(stage: str, since: Path | None) -> bool:
    """Whether a stage has a log, not older than the file `since`."""
    path = Path(log(stage))
    return path.exists() and (since is None or path.stat().st_mtime >= since.stat().st_mtime)


def last_line(stage: str) -> str:
    return Path(log(stage)).read_text(errors="replace").rstrip().rpartition("\n")[2]


def table(found: dict[str, State]) -> Table:
    """A row a cell and cohort."""
    shown = Table(box=None, pad_edge=False)
    for title in ("environment", "agent", "embedding", "cohort", *STEPS):
        shown.add_column(title)
    by_step = {
        (kind(name), *(state.options.get(key) for key in ("environment", "agent", "embedding", "cohort"))): state.word
        for name, state in found.items()
    }
    previous = ""
    for step, environment, agent, embedding, cohort in by_step:
        if step != "train" or environment is None:
            continue
        words = [
            by_step.get(("collect", environment, None, None, cohort)),
            by_step.get(("pretrain", environment, None, embedding, cohort)),
            by_step["train", environment, agent, embedding, cohort],
        ]
        cells = [environment if environment != previous else "", agent, embedding, cohort]
        shown.add_row(*(str(cell) for cell in cells), *(coloured(word) for word in words))
        previous = str(environment)
    return shown


def others(found: dict[str, State]) -> Table:
    """A row a stage that belongs to no cell."""
    shown = Table.grid(padding=(0, 2))
    for name, state in found.items():
        if kind(name) not in STEPS or "environment" not in state.options:
            shown.add_row(coloured(state.word), name)
    return shown


def outlook(found: dict[str, State]) -> list[str]:
    """What is still to be done will cost, in sentences."""
    forecast = Forecast()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    todo = {name: state for name, state in found.items() if state.word not in ("fresh", "done")}
    costs = {name: forecast.cost(name, state.options) for name, state in todo.items()}
    known = [cost for cost in costs.values() if cost]
    seconds, megabytes = sum(cost.seconds for cost in known), sum(cost.bytes for cost in known) / 1e6
    lines = []
    if any(state.word in ("running", "waiting") for state in todo.values()):
        left = sum(cost.seconds for name, cost in costs.items() if cost and todo[name].word in ("running", "waiting"))
        left -= sum(min(_running_for(name), cost.seconds) for name, cost in costs.items()
                    if cost and todo[name].word == "running")  # fmt: skip
        beside = max(sum(state.word == "running" for state in todo.values()), 1)
        end = datetime.datetime.now() + datetime.timedelta(seconds=left / beside)
        lines.append(
            f"The run at work ends at about {end:%H:%M} ({span(left / beside)} from now, {beside} stages at a time)."
        )
    elif todo:
        lines.append(
            f"To run: at most {len(todo)} stages, about {span(seconds)} of one core, {span(seconds / cores)} on "
            f"{cores} cores, and {megabytes:,.0f} MB of outputs, which DVC's cache holds a second time."
        )
    if len(known) < len(todo):
        lines.append(f"Not counted: {len(todo) - len(known)} stages that no record tells the cost of.")
    return lines


def _running_for(stage: str) -> float:
    return max(time.time() - Path(log(stage)).stat().st_mtime, 0.0) if Path(log(stage)).exists() else 0.0


def coloured(word: str | None) -> str:
    colour = COLOURS.get(word or "", "yellow")
    return f"[{colour}]{word}[/]" if word else ""


def main(arguments: Sequence[str]) -> int:
    found = states()
    open_ends = {name: state for name, state in found.items() if state.word != "fresh"}
    if "--quiet" not in arguments:
        terminal = Console(soft_wrap=True, highlight=False)
        console = terminal if terminal.is_terminal else Console(soft_wrap=True, highlight=False, width=200)
        console.print(table(found), "", others(found), "", sep="\n")
        urgent = sorted(open_ends.items(), key=lambda item: item[1].word != "failed")
        for name, state in urgent[:SHOWN]:
            console.print(f"{coloured(state.word)} {name}: {state.reason}")
        if len(urgent) > SHOWN:
            console.print(f"... and {len(urgent) - SHOWN} more")
        counts = Counter(state.word for state in open_ends.values())
        rest = ", ".join(f"{count} {word}" for word, count in counts.items())
        fresh = f"{len(found) - len(open_ends)} of {len(found)} stages are fresh" + (f", {rest}" if rest else "")
        console.print(fresh, *outlook(found), sep="\n")
    return 1 if open_ends else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BridgeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
