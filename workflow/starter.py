"""Starts the stages of a run on this machine without importing the large packages again for each: it forks.

Importing torch takes a second, as long as a short stage. One process per run imports it (PACKAGES) and nothing of this
project. A job asks it for a stage: it forks, and the fork becomes `python -m STAGE`. It is never needed: a job whose
request gets no answer starts its stage in the ordinary way, as jobs on a cluster and elsewhere than on Linux do.

A stage ends when its job ends, and all end with this process, which ends with Snakemake.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SOCKET = Path(".snakemake/jsae/starter")
PACKAGES = ("numpy", "pydantic", "ruamel.yaml", "torch", "safetensors.torch", "tqdm")
"""Without threads after their import, which a fork would lose: not polars, for one."""
LONGEST = 2**20
"""Bytes of a request."""


def environment() -> dict[str, str]:
    """The variables of a stage: what it prints goes to a file in UTF-8, and its packages are those of this Python."""
    refused = ("PYTHONHOME", "PYTHONIOENCODING", "PYTHONPATH", "PYTHONSAFEPATH")
    kept = {name: value for name, value in os.environ.items() if name not in refused}
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}


def launch() -> None:
    """Start it in the background, to end with this process."""
    if sys.platform == "linux":
        process = subprocess.Popen(
            [sys.executable, "-m", "workflow.starter", str(os.getpid())], env=environment(), stdin=subprocess.DEVNULL
        )
        atexit.register(process.wait)
        atexit.register(process.kill)


def ask(words: Sequence[str], environment: dict[str, str], output: int) -> int | None:
    """Run `python -m WORDS` with this environment, printing to the file number `output`.

    Returns the exit status, minus the signal that ended it; None if there is no starter, or it was killed.
    """
    if not SOCKET.exists():
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(SOCKET))
            socket.send_fds(connection, [json.dumps([words, environment]).encode()], [output])
            while True:
                with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C reaches the stage too: wait for its end
                    answer = connection.recv(LONGEST)
                    return int(answer) if answer else None
    except OSError:
        return None


def serve() -> list[str]:
    """Fork for each request. Returns in the forks only: the words of the stage to become."""
    for name in PACKAGES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # what is shared with the forks stays so
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    SOCKET.unlink(missing_ok=True)  # an earlier one's
    listener.bind(str(SOCKET))
    listener.listen(64)
    requests = selectors.DefaultSelector()
    requests.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in requests.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                request, files, _, _ = socket.recv_fds(connection, LONGEST, 1)
                process = os.fork() if request else 0
                if request and not process:
                    requests.close()
                    listener.close()
                    connection.close()
                    words, environment = json.loads(request)
                    return become(words, environment, files[0])
                for file in files:
                    os.close(file)
                if process:
                    ended = os.pidfd_open(process)
                    requests.register(ended, selectors.EVENT_READ, (process, ended, connection))
                    requests.register(connection, selectors.EVENT_READ, (process, ended, connection))
                continue
            process, ended, connection = key.data
            if key.fileobj is connection:  # its job has ended
                os.kill(process, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            with contextlib.suppress(OSError):
                connection.send(str(status).encode())
            requests.unregister(ended)
            requests.unregister(connection)
            os.close(ended)
            connection.close()
            break  # the other event of this process may be among those that were selected


def become(words: list[str], environment: dict[str, str], output: int) -> list[str]:
    """Make this fork like a fresh process that has only imported PACKAGES."""
    os.environ.clear()
    os.environ.update(environment)
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    for name in [name for name in sys.modules if name.split(".")[0] in ("stages", "workflow")]:
        del sys.modules[name]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return words


if __name__ == "__main__":
    from stages import end_with_parent

    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() == int(sys.argv[1]):
        server = os.getpid()
        sys.argv = serve()
        end_with_parent()
        if os.getppid() == server:
            import runpy

            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
