"""Make figures and pages of the published study again, from its tables, and say whether they are the same bytes.

inputs   published/ (`make publish`), report/*, search/settings.csv, search/times.csv, search/best.yaml,
         requirements/*.lock
outputs  none: an error names what differs; with --update, what differs in published/. Its way is that of the stages
         figures and report, in a folder of its own

No stage of the graph: `make render` shows in a minute, without training anything, that what is published is what the
present code makes of the published tables.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from jsae.config import parameters
from jsae.config.errors import JsaeError
from stages import _main, _published, paths

MADE_AGAIN = (paths.figures, paths.report, paths.paper, paths.run_browser)
"""The page of provenance tells of the machine that computed the study: it is only copied."""


def main(arguments: Sequence[str]) -> None:
    parser = _main.parser(__doc__)
    parser.add_argument("--update", action="store_true", help="put what the present code makes into published/")
    update = parser.parse_args(arguments).update
    published = paths.PUBLISHED.absolute()
    if not published.exists():
        raise JsaeError("published/ is missing: `make paper` and `make publish` make it")
    with tempfile.TemporaryDirectory() as folder:
        lay_out(published, Path(folder))
        modules = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        for stage in ("figures", "report"):
            command = [sys.executable, "-m", f"stages.{stage}", "--scale", _published.SCALE]
            if subprocess.run(command, cwd=folder, env=modules, check=False).returncode:
                raise JsaeError(f"published/: the stage {stage} failed on its tables, as it says above")
        made = [Path(folder) / which(_published.SCALE) for which in MADE_AGAIN]
        other = [name for path in made for name in differing(published / path.name, path)]
        if update:
            for path in made:
                replace(published / path.name, path)
    if update:
        print(f"published/: {', '.join(other) or 'nothing'} had to be made anew")
    elif other:
        raise JsaeError(
            f"published/: {', '.join(other)} differ from what the present code makes of the published tables; if that "
            "is meant, `make render UPDATE=1` puts them there"
        )
    else:
        print("published/: figures and pages are what the present code makes of the published tables, byte for byte")


def lay_out(published: Path, folder: Path) -> None:
    """Put what is published, and what the report reads besides, into `folder` as it lies in the project."""
    for name in (paths.CLAIMS.parent, paths.SEARCH.parent, Path("requirements")):
        shutil.copytree(name, folder / name, ignore=shutil.ignore_patterns("preview", "paper"))
    settings = parameters.load(published / paths.PARAMETERS)
    for name, path in _published.contents(settings).items():
        if not (published / name).exists():
            raise JsaeError(f"published/{name} is missing: restore it from git, or run `make publish`")
        _published.copy(published / name, folder / path)


def replace(published: Path, made: Path) -> None:
    """Put a file or folder into published/ in place of what is there."""
    if published.is_dir():
        shutil.rmtree(published)
    _published.copy(made, published)


def differing(published: Path, made: Path) -> list[str]:
    """Names of the files under `published` that are not the same, or not there, under `made`."""
    files = [path for path in sorted(published.rglob("*")) if path.is_file()] if published.is_dir() else [published]
    pairs = [(path, made / path.relative_to(published)) for path in files]
    return [path.name for path, twin in pairs if not twin.exists() or path.read_bytes() != twin.read_bytes()]


if __name__ == "__main__":
    _main.run(main)
