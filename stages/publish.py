"""Copy what a reader of the paper-scale study needs without computing to published/, which git keeps.

inputs   results/paper: claims, metrics, summary, theory, maps, quality, tables, figures; report/paper
outputs  published/: the same names

No stage of the graph: what DVC caches git must ignore, so what git is to keep is a copy.
"""

import shutil
from collections.abc import Sequence

from jsae.errors import JsaeError
from stages import _main, paths

SCALE = "paper"


def main(arguments: Sequence[str]) -> None:
    _main.parser(__doc__).parse_args(arguments)
    chosen = [which(SCALE) for which in (paths.claims, paths.metrics, paths.summary, paths.theory, paths.maps)]
    chosen += [which(SCALE) for which in (paths.quality, paths.tables, paths.figures)]
    chosen += [which(SCALE) for which in (paths.report, paths.paper, paths.run_browser, paths.report_provenance)]
    missing = [str(path) for path in chosen if not path.exists()]
    if missing:
        raise JsaeError(f"{', '.join(missing)}: missing, so nothing was published; run `make paper` first")
    partial = paths.PUBLISHED.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for path in chosen:
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, partial / path.name)
    shutil.rmtree(paths.PUBLISHED, ignore_errors=True)
    partial.rename(paths.PUBLISHED)


if __name__ == "__main__":
    _main.run(main)
