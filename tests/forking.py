"""Starts Python programs quickly and many times: a process that has imported them forks for each.

Starting Snakemake takes seconds, most of them imports; tests kill it by the dozen.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SERVER = """
import importlib, json, os, runpy, signal, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for line in sys.stdin:
    order = json.loads(line)
    if "ended" in order:
        process, status = os.waitpid(order["ended"], os.WNOHANG)
        print(os.waitstatus_to_exitcode(status) if process else None, flush=True)
        continue
    process = os.fork()
    if process:
        print(process, flush=True)
        continue
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    printed = os.open(order["printed"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    sys.path[0] = order["folder"]
    sys.argv = order["words"]
    status = 0
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = 1 if isinstance(end.code, str) else end.code or 0
    except BaseException:
        import traceback
        traceback.print_exc()
        status = 1
    import atexit
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
"""


class Program:
    """A program that was started; its process leads a session and a group of its own."""

    def __init__(self, server: "Forking", process: int, printed: Path) -> None:
        self.server, self.process, self.printed = server, process, printed
        self.status: int | None = None  # a process can be waited for once

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the process alone."""
        os.kill(self.process, number)

    def kill_group(self, number: signal.Signals = signal.SIGKILL) -> None:
        os.killpg(self.process, number)

    def wait(self, seconds: float = 300) -> int | None:
        """Its exit status, or minus the signal that ended it; None if it still runs after so many seconds."""
        end = time.monotonic() + seconds
        while self.status is None:
            answer = self.server.ask({"ended": self.process}).strip()
            if answer != "None":
                self.status = int(answer)
            elif time.monotonic() > end:
                return None
            else:
                time.sleep(0.02)
        return self.status

    def text(self) -> str:
        return self.printed.read_text(errors="replace")


class Forking:
    """A process that has imported `modules` and forks for each program."""

    def __init__(self, *modules: str) -> None:
        command = [sys.executable, "-W", "ignore", "-c", SERVER, *modules]
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, order: dict[str, Any]) -> str:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(order) + "\n")
        self.server.stdin.flush()
        answer = self.server.stdout.readline()
        assert answer, "the process that forks has died"
        return answer

    def start(self, *words: str, folder: Path, environment: dict[str, str]) -> Program:
        """`python -m WORDS` in a folder."""
        printed = folder / ".printed"
        printed.unlink(missing_ok=True)
        order = {"words": words, "folder": str(folder), "environment": environment, "printed": str(printed)}
        return Program(self, int(self.ask(order)), printed)

    def close(self) -> None:
        self.server.communicate()
