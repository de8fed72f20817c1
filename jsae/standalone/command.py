"""One run by hand.

    python -m jsae train gridworld-discrete --embedding jsae --seed 3 --epochs 100
    python -m jsae evaluate runs/gridworld-discrete-vpg-jsae-3
    python -m jsae watch runs/gridworld-discrete-vpg-jsae-3 --output walk.gif

`train` makes all that the run needs by itself and prints a line an epoch. Ctrl-C stops it after the epoch; the same
command goes on, and with more `--epochs` a finished run does. A wrong name ends with exit status 2, any other error
with 1 (also fewer `--epochs` than the folder has), a stopped training with 130.
"""

import argparse
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.standalone import settings as wanted
from jsae.standalone.settings import UnknownName

__all__ = ["FORMATTER", "RUNS", "main"]

RUNS = Path("runs")
"""Where the folders of runs are, unless --folder says otherwise."""
FORMATTER = argparse.RawDescriptionHelpFormatter


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says; an error is one line on stderr."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parsed = _parser().parse_args(given)
    try:
        parsed.do(parsed, given)
    except UnknownName as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of a pipe has gone
        sys.stderr.close()
        sys.exit(1)
    except (JsaeError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m jsae", description=__doc__, formatter_class=FORMATTER)
    commands = parser.add_subparsers(required=True, metavar="train | evaluate | watch")

    train = commands.add_parser("train", help="train one run of the study", description=_train.__doc__)
    train.add_argument("environment", help="a name of `environments` in params.yaml")
    train.add_argument("--embedding", default="jsae", help="a file of jsae/embeddings (default: jsae)")
    train.add_argument("--agent", default="vpg", help="a file of jsae/agents (default: vpg)")
    train.add_argument("--reading", default="", help="a name of `readings` in params.yaml (default: the primary one)")
    train.add_argument("--seed", type=int, default=0, help="of the run (default: 0)")
    train.add_argument("--epochs", type=int, help="of the training (default: those of the scale)")
    train.add_argument(
        "--scale", default="preview", help="whose budgets hold: smoke, preview, paper (default: preview)"
    )
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a number of params.yaml, as in agents.vpg.train_pi_iters=4; it holds whatever the search found",
    )
    train.add_argument("--folder", type=Path, help=f"of the run (default: {RUNS}/ENVIRONMENT-AGENT-EMBEDDING-SEED)")
    train.add_argument("--tensorboard", action="store_true", help="write event files for TensorBoard into the folder")
    train.set_defaults(do=_train)

    evaluate = commands.add_parser("evaluate", help="returns of a trained policy", description=_evaluate.__doc__)
    evaluate.add_argument("folder", type=Path, help="of a run that `train` has written")
    evaluate.add_argument("--episodes", type=int, default=10, help="to play (default: 10)")
    evaluate.add_argument("--seed", type=int, default=0, help="of the episodes (default: 0)")
    evaluate.set_defaults(do=_evaluate)

    watch = commands.add_parser("watch", help="a trained policy as a film", description=_watch.__doc__)
    watch.add_argument("folder", type=Path, help="of a run that `train` has written")
    watch.add_argument("--output", type=Path, required=True, help="file to write: NAME.gif or NAME.mp4")
    watch.add_argument("--episodes", type=int, default=1, help="to show, one after the other (default: 1)")
    watch.add_argument("--seed", type=int, default=0, help="of the episodes (default: 0)")
    watch.add_argument(
        "--fps", type=int, help="pictures a second (default: 20 for Half-Cheetah, its real time, else 8)"
    )
    watch.set_defaults(do=_watch)
    return parser


def _train(parsed: argparse.Namespace, given: Sequence[str]) -> None:
    """Train one run of the study, in a folder of its own, and go on where it was stopped."""
    changes = wanted.parsed(parsed.set)
    cell = Cell(parsed.environment, parsed.agent, parsed.embedding, parsed.reading)
    budget: dict[str, Any] = {"scale": parsed.scale, "epochs": parsed.epochs}
    parameters = wanted.load(layout.PARAMETERS, changes)
    settings = wanted.run_settings(parameters, cell, parsed.seed, stated=tuple(changes), **budget)
    for key in wanted.without_effect(layout.PARAMETERS, cell, parsed.seed, changes=changes, **budget):
        print(f"note: --set {key} changes nothing in this run", file=sys.stderr)

    from jsae.standalone import run  # imports torch, which a wrong name need not wait for

    folder = parsed.folder or RUNS / settings.name
    try:
        with _stopping() as stop:
            curves = run.train(settings, folder, report=_say, stop=stop, tensorboard=parsed.tensorboard)
    except run.Stopped:
        _say(f"stopped; the same command goes on:\n    python -m jsae {shlex.join(given)}")
        sys.exit(130)
    _say(f"{folder}: {len(curves)} epochs, mean return {curves['mean_return'][-1]:.4f} over the last 10 episodes")


def _say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def _stopping() -> Iterator[Any]:
    """Whether the user has asked to stop, by Ctrl-C or SIGTERM; who asks twice does not wait for the epoch's end."""
    asked: list[int] = []

    def ask(number: int, _: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        print(" stops after this epoch; press Ctrl-C again to stop at once", file=sys.stderr)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _evaluate(parsed: argparse.Namespace, _: Sequence[str]) -> None:
    """Play episodes with a trained policy, which draws its actions as in training, and print their returns."""
    from jsae.standalone import policy, run

    settings, trainer = run.trained(parsed.folder)
    outcome = policy.evaluate(trainer, parsed.episodes, parsed.seed)
    print(f"{settings.cell}, seed {settings.seed}, after {settings.epochs} epochs, {parsed.episodes} episodes")
    print(outcome.text())


def _watch(parsed: argparse.Namespace, _: Sequence[str]) -> None:
    """Write episodes of a trained policy as a GIF or MP4."""
    from jsae.standalone import animation

    animation.check(parsed.output)
    trainer = animation.loaded(parsed.folder)
    frames = animation.frames(trainer, parsed.episodes, parsed.seed)
    fps = animation.pace(trainer.environment) if parsed.fps is None else parsed.fps
    count = animation.write(frames, parsed.output, fps)
    print(f"{parsed.output}: {count} pictures")
