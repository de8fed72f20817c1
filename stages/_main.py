"""How every stage starts and ends: its settings are read, its record is written, an error is one line."""

import argparse
import gc
import site
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jsae.config.errors import JsaeError
from jsae.io import provenance
from jsae.io.declared import Declared

ROOT = Path(__file__).resolve().parents[1]


def run(main: Callable[[Declared], Mapping[str, Any] | None]) -> None:
    """Call `main` with the settings file that the command line names, and check afterwards that nothing has changed.

    What `main` returns joins the provenance record. A JsaeError becomes `error: ...` on stderr and exit status 1.
    """
    gc.freeze()  # what has been imported stays to the end: looking through it there takes a second
    text = sys.modules["__main__"].__doc__
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path, help="what the stage `settings` wrote for this one")
    try:
        refuse_foreign_packages()
        declared = Declared.read(parser.parse_args().settings)
        with provenance.recorded(declared.record, declared.stage) as facts:
            facts |= main(declared) or {}
            declared.check()
    except JsaeError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def refuse_foreign_packages() -> None:
    """Raise JsaeError if a package was imported from elsewhere than this project, Python or its site-packages.

    PYTHONPATH and a user's own site-packages come before the packages that the locks name: other versions give other
    numbers.
    """
    standard = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    homes = [ROOT, *(Path(home).resolve() for home in (*standard, *site.getsitepackages()))]
    for name, module in sorted(sys.modules.items()):
        file = None if "." in name else getattr(module, "__file__", None)
        if file and not any(Path(file).resolve().is_relative_to(home) for home in homes):
            raise JsaeError(
                f"the package {name} is imported from {file}, not from {sys.prefix}, where its version is locked: "
                "unset PYTHONPATH, set PYTHONNOUSERSITE=1, and run again"
            )
