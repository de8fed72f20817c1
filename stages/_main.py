"""How every stage starts and ends: its settings are read, its record is written, an error is one line."""

import argparse
import gc
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jsae.config.errors import JsaeError
from jsae.io import provenance
from jsae.io.declared import Declared


def run(main: Callable[[Declared], Mapping[str, Any] | None]) -> None:
    """Call `main` with the settings file that the command line names, and check afterwards that nothing has changed.

    What `main` returns joins the provenance record. A JsaeError becomes `error: ...` on stderr and exit status 1.
    """
    gc.freeze()  # what has been imported stays to the end: looking through it there takes a second
    text = sys.modules["__main__"].__doc__
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, help="what the stage `settings` wrote for this one")
    try:
        declared = Declared.read(parser.parse_args().settings)
        with provenance.recorded(declared.record, declared.stage) as facts:
            facts |= main(declared) or {}
            declared.check()
    except JsaeError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
