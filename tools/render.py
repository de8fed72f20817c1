"""Make figures and pages of a published study again, from its tables, and say whether they are the same bytes.

inputs   published/ (`make publish`), files of the folder report
outputs  none: an error names what differs; with --update, what differs in published/. Its way is that of the stages
         figures and report, in a folder of its own; params.yaml is not read

No stage of the graph: `make render` shows in a minute, without training anything, that what is published is what the
present code makes of the published tables.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from jsae.config import layout
from jsae.config.errors import JsaeError
from tools import published

SETTINGS = Path("settings")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="put what the present code makes into the folder")
    parser.add_argument("--folder", type=Path, default=layout.PUBLISHED)
    given = parser.parse_args(arguments)
    if not (given.folder / SETTINGS).exists():
        raise JsaeError(f"{given.folder}/{SETTINGS} is missing: `make paper` and `make publish` make it")
    with tempfile.TemporaryDirectory() as folder:
        made = render(given.folder, Path(folder))
        other = [name for old, new in made.items() for name in differing(given.folder / old, new)]
        if given.update:
            for old, new in made.items():
                published.replace(given.folder / old, new)
    if given.update:
        print(f"{given.folder}: {', '.join(other) or 'nothing'} had to be made again")
    elif other:
        raise JsaeError(
            f"{given.folder}: {', '.join(other)} differ from what the present code makes of the published tables; if "
            "that is meant, `make render UPDATE=1` puts them there"
        )
    else:
        print(f"{given.folder}: figures and pages are what the present code makes of its tables, byte for byte")


def render(source: Path, folder: Path) -> dict[Path, Path]:
    """Run the stages figures and report in `folder` on what is published in `source`.

    Returns what they made: places in the published folder, and in `folder`.
    """
    lay_out(source, folder)
    modules = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    made: dict[Path, Path] = {}
    for stage in published.STAGES:
        settings = layout.settings(stage)
        content = published.declared(folder / settings)
        for path in published.paths(content["outputs"]):
            if (folder / path).is_dir():
                shutil.rmtree(folder / path)
            made[published.place(path, content["values"]["scale"])] = folder / path
        command = [sys.executable, "-m", f"stages.{stage}", settings.as_posix()]
        if subprocess.run(command, cwd=folder, env=modules, check=False).returncode:
            raise JsaeError(f"{source}: the stage {stage} failed on its tables, as it says above")
    return made


def lay_out(source: Path, folder: Path) -> None:
    """Put what is published, and the report's own files, into `folder` as they lie in the project.

    The settings files declare no code: it is the present code that runs.
    """
    own = layout.CLAIMS.parent
    shutil.copytree(own, folder / own, ignore=shutil.ignore_patterns("smoke", "preview", "paper"))
    for name, path in published.contents(source / SETTINGS).items():
        if not (source / name).exists():
            raise JsaeError(f"{source / name} is missing: restore it from git, or run `make publish`")
        published.copy(source / name, folder / path)
    for stage in published.STAGES:
        path = folder / layout.settings(stage)
        path.write_text(json.dumps({**published.declared(path), "code": {}}), encoding="utf-8")


def differing(old: Path, made: Path) -> list[str]:
    """Names of the files that are not the same under `old` and `made`, or in one of them only."""
    if not old.is_dir():
        return [old.name] if old.read_bytes() != made.read_bytes() else []
    of = [{str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
          for root in (old, made)]  # fmt: skip
    for name in published.left_out(made, of[1]):
        del of[1][name]
    return sorted(Path(name).name for name in of[0].keys() | of[1].keys() if of[0].get(name) != of[1].get(name))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
