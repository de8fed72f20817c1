"""Watch a running study, and runs by hand, in TensorBoard.

    python -m tools.watch            # follows the study and opens TensorBoard on http://localhost:6006
    python -m tools.watch --once     # only writes what there is now to runs/study, for a TensorBoard elsewhere

`make watch` installs TensorBoard first. It reads the checkpoints and tables that the stages write, and changes nothing
of the study; it may start before, during or after it, in another terminal.
"""

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from jsae.config.errors import JsaeError
from jsae.standalone.following import Follower

RUNS = Path("runs")
PAUSE = 10.0
"""Seconds between two looks."""


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="write what there is and end")
    parser.add_argument("--port", type=int, default=6006, help="of TensorBoard (default: 6006)")
    given = parser.parse_args(arguments)
    if not given.once and importlib.util.find_spec("tensorboard") is None:
        raise JsaeError("TensorBoard is not installed: make watch does it, or pip install tensorboard")
    with Follower(RUNS / "study") as follower:
        print(f"{RUNS / 'study'}: {follower.look()} runs of the study so far", flush=True)
        if not given.once:
            _open(follower, given.port)


def _open(follower: Follower, port: int) -> None:
    """TensorBoard on all runs, and a look at the study now and then, until TensorBoard ends."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(RUNS), "--port", str(port)]
    with subprocess.Popen(command) as board:
        try:
            while _runs(board):
                try:
                    follower.look()
                except JsaeError as error:  # the study writes its settings again, say: the next look may go well
                    print(f"note: {error}", file=sys.stderr)
        finally:
            board.terminate()
    if board.returncode > 0:
        raise JsaeError(f"TensorBoard ended with status {board.returncode}: see its message above")


def _runs(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process goes on for PAUSE seconds."""
    try:
        process.wait(PAUSE)
    except subprocess.TimeoutExpired:
        return True
    return False


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
