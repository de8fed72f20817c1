"""Copy what a reader of a study needs without computing to published/, which git keeps.

inputs   results/settings/{figures,report}.json and all that they name, of the scale that ran last; metrics, summary
outputs  published/: the same files (tools.published), of the figures the one that pages show

    python -m tools.publish                                  # the study at the paper's scale, to published/
    python -m tools.publish --scale smoke --folder elsewhere

No stage of the graph: what DVC caches git must ignore, so what git is to keep is a copy. `make render` makes the
report of it again.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.config.schema import SCALES
from jsae.reporting import pages
from tools import keep, published


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="paper")
    parser.add_argument("--folder", type=Path, default=layout.PUBLISHED)
    given = parser.parse_args(arguments)
    values = published.of_scale(given.scale)
    if values["panel"]:
        raise JsaeError(f"the study that ran last is panel {values['panel']} alone: run `make {given.scale}` first")
    if given.folder.is_dir() and any(given.folder.iterdir()) and not (given.folder / "settings/report.json").exists():
        raise JsaeError(f"{given.folder} holds something else than a published study: name another folder")
    chosen = published.contents(layout.SETTINGS)
    missing = [str(path) for path in chosen.values() if not path.exists()]
    if missing:
        raise JsaeError(f"{', '.join(missing)}: missing, so nothing was published; run `make {given.scale}` first")
    page = layout.report(given.scale)
    if pages.stamped(values) not in page.read_text(encoding="utf-8"):
        raise JsaeError(f"{page} was made with other parameters than the present ones: run `make {given.scale}` first")
    for name, path in chosen.items():
        published.replace(given.folder / name, path)
    kept = [given.folder / name for name in (*chosen, keep.FOLDER.name)]  # the last: curves of other machines
    for path in given.folder.rglob("*"):
        if path.is_file() and not any(path.is_relative_to(one) for one in kept):
            path.unlink()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
