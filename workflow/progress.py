"""What a run prints while it is at work: a line for each stage that ends and, on a terminal, what is running now."""

import contextlib
import json
import logging
import re
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from workflow.bridge import PLAN, log, read_plan
from workflow.status import State, remaining, runs_for, span, states_of_run

ENVIRONMENTS = "data/processed/environments/"
TAIL = 15
"""Lines of a failed stage's log that are printed."""
SILENCE = 300.0
"""Seconds after which a log file, too, gets a line about what is running."""


RESULT = "result: "
"""How a stage's line of log starts that is worth repeating."""


def reference(stage: str) -> list[str]:
    """The returns of the random and of the best policy in the environment of a training, as far as they are known."""
    environments = (Path(dep) for dep in read_plan()[stage]["deps"] if dep.startswith(ENVIRONMENTS))
    path = next(environments).with_suffix(".json")
    known = json.loads(path.read_text(encoding="utf-8"))
    words = (("random", known["random_return"]), ("best", known["optimal_return"]))
    return [f"{word} {value:.4g}" for word, value in words if value is not None]


class Errors(logging.Handler):
    """Prints Snakemake's own errors, which its option `quiet: all` hides; a failed stage is told by Progress."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if getattr(record, "event", None) == "error" and not re.search("CalledProcessError|At least one job", text):
            print(text, file=sys.stderr, flush=True)


class Progress(threading.Thread):
    """Watches the fingerprints and logs of the frozen plan, whoever runs the jobs."""

    def __init__(self, cores: int | None = None, stream: TextIO = sys.stderr) -> None:
        """cores: that run the stages; None: all of this machine."""
        super().__init__(daemon=True)
        self._cores = cores
        self._stream, self._live = stream, stream.isatty()
        self._ended = threading.Event()
        self._words: dict[str, str] = {}
        self._told = time.monotonic()

    def run(self) -> None:
        while not self._ended.wait(2.0 if self._live else 1.0):
            with contextlib.suppress(OSError):  # somebody removes logs
                self.tell()

    def close(self) -> None:
        """Print what is left to print."""
        self._ended.set()
        self.join()
        self.tell()
        if self._live:
            self._print("", end="")

    def tell(self) -> None:
        """Print what has changed since the last call."""
        found = states_of_run()
        before = self._words
        self._words = {name: state.word for name, state in found.items()}
        done = sum(word == "done" for word in before.values())
        for name, state in found.items():
            if state.word != before.get(name) and state.word in ("done", "failed"):
                lines = Path(log(name)).read_text(encoding="utf-8", errors="replace").splitlines()
                if state.word == "done":
                    done += 1
                    now = "" if self._live else f" ({self._times(found)})"
                    said = [line.removeprefix(RESULT) for line in lines if line.startswith(RESULT)]
                    words = ", ".join([*said[-1:], *(reference(name) if said else ()), *lines[-1:]])
                    self._print(f"{done}/{len(found)} {name}: {words}{now}")
                else:
                    self._print(
                        f"error: {name}: {state.reason}", *(f"    {line}" for line in lines[-TAIL - 1 : -1]), sep="\n"
                    )
        if self._live or time.monotonic() - self._told > SILENCE:
            running = [name for name, state in found.items() if state.word == "running"]
            now = f"{done}/{len(found)} done, {len(running)} running: {', '.join(running)} ({self._times(found)})"
            if self._live:
                self._print(now[: shutil.get_terminal_size().columns - 1], end="")
            else:
                self._print(now)

    def _times(self, found: dict[str, State]) -> str:
        left = {name: runs_for(name, state) for name, state in found.items() if state.word in ("running", "to do")}
        return f"elapsed {span(time.time() - PLAN.stat().st_mtime)}, remaining {remaining(left, self._cores)}"

    def _print(self, *lines: str, sep: str = " ", end: str = "\n") -> None:
        self._told = time.monotonic()
        print("\r\033[K" if self._live else "", end="", file=self._stream)
        print(*lines, sep=sep, end=end, file=self._stream, flush=True)
