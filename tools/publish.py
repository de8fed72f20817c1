"""Copy what a reader of the paper-scale study needs without computing to published/, which git keeps.

inputs   params.yaml; results/paper: claims, metrics, summary, theory, maps, quality, tables, figures; report/paper;
         data/processed/STORE/{purchases,transitions}.json
outputs  published/: the same names; of the figures those that a page can show. While the study is not complete:
         published/runs, the curves of the cells that are

No stage of the graph: what DVC caches git must ignore, so what git is to keep is a copy. `make render` makes the
report of it again.
"""

import shutil
from collections.abc import Sequence

from jsae.config import parameters
from jsae.config.errors import JsaeError
from stages import _main, _published, paths


def main(arguments: Sequence[str]) -> None:
    _main.parser(__doc__).parse_args(arguments)
    chosen = _published.contents(parameters.load(paths.PARAMETERS))
    missing = [str(path) for path in chosen.values() if not path.exists()]
    if missing:
        chosen = _published.finished_runs()
        if not chosen or (paths.PUBLISHED / "claims.json").exists():
            raise JsaeError(f"{', '.join(missing)}: missing, so nothing was published; run `make paper` first")
    partial = paths.PUBLISHED.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    if missing and paths.PUBLISHED.exists():
        shutil.copytree(paths.PUBLISHED, partial)  # cells that another machine has trained stay
    for name, path in chosen.items():
        _published.copy(path, partial / name)
    shutil.rmtree(paths.PUBLISHED, ignore_errors=True)
    partial.rename(paths.PUBLISHED)
    if missing:
        print(f"published/runs: {len(chosen)} cells and cohorts; `make paper` goes on with the others")


if __name__ == "__main__":
    _main.run(main)
