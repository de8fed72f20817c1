"""Choose what runs: write workflow/runs.yaml, which dvc.yaml repeats its stages over.

    python -m tools.runs preview              # the scale; without it, the one chosen before
    python -m tools.runs preview --panel 2c   # one panel of Figure 2, and what it needs
    python -m tools.runs --check              # write nothing, end with status 2 if anything in params.yaml is wrong

`make reproduce` does it, with SCALE and PANEL. With DVC alone: run this, then `dvc repro`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jsae.config import hyper_parameters, layout, plan, schema
from jsae.config.errors import JsaeError
from jsae.config.yaml import read_yaml
from jsae.io.files import write_atomically
from workflow import bridge


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scale", nargs="?", default="", help="smoke, preview or paper")
    parser.add_argument("--panel", default="", help="2a to 2f; left out: all panels")
    parser.add_argument("--check", action="store_true", help="only check params.yaml; status 2 if it is wrong")
    given = parser.parse_args(arguments)
    if given.check:
        try:
            wanted_text(given.scale or chosen_scale(layout.RUNS), given.panel)
        except JsaeError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        return
    scale = given.scale or chosen_scale(layout.RUNS)
    wanted = wanted_text(scale, given.panel)
    if not layout.RUNS.is_file() or layout.RUNS.read_bytes() != wanted.encode():
        if bridge.running():
            raise JsaeError("a run is at work in this folder: wait for it, or stop it, before you choose what runs")
        with write_atomically(layout.RUNS) as temporary:
            temporary.write_text(wanted, encoding="utf-8")
        print(f"{layout.RUNS}: scale {scale}" + (f", panel {given.panel}" if given.panel else ""))


def wanted_text(scale: str, panel: str) -> str:
    """What workflow/runs.yaml must hold for this params.yaml. Raises JsaeError."""
    parameters = schema.load(layout.PARAMETERS)
    return plan.text(plan.plan(parameters, hyper_parameters.read_found(parameters), scale, panel))


def chosen_scale(path: Path) -> str:
    """The scale that workflow/runs.yaml has now; preview if there is none."""
    if not path.exists():
        return "preview"
    try:
        return str(read_yaml(path)["runs"]["scale"])
    except (KeyError, TypeError):
        raise JsaeError(f"{path} is damaged: name a scale, as in `python -m tools.runs preview`") from None


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
