"""How every stage starts and ends: one line for an error that a user can fix, and a non-zero exit."""

import argparse
import gc
import sys
from collections.abc import Callable, Sequence

from jsae.config.errors import JsaeError


def parser(description: str | None, *options: str) -> argparse.ArgumentParser:
    """A parser whose `--help` is the stage's docstring, with the named string options, all required."""
    built = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in options:
        built.add_argument(f"--{option}", required=True)
    return built


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Call `main(arguments)`; a JsaeError becomes `error: ...` on stderr and exit status 1."""
    gc.freeze()  # what has been imported stays to the end: looking through it there takes a second
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
