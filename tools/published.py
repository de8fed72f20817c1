"""What published/ holds of the study at the paper's scale, and where the study has it."""

import shutil
from pathlib import Path

from jsae.config import parameters
from stages import paths

SCALE = "paper"


def contents(settings: parameters.Parameters) -> dict[Path, Path]:
    """Everything that is published: its place in published/, and in the study."""
    here = [which(SCALE) for which in (paths.claims, paths.metrics, paths.summary, paths.theory, paths.maps)]
    here += [which(SCALE) for which in (paths.quality, paths.tables, paths.figures)]
    here += [which(SCALE) for which in (paths.report, paths.paper, paths.run_browser, paths.report_provenance)]
    worlds = (world for world in settings.environments.values() if isinstance(world, parameters.Recommender))
    stores = dict.fromkeys(world.store for world in worlds)
    data = [which(store) for store in stores for which in (paths.purchases_summary, paths.transitions_summary)]
    return {Path(path.name): path for path in (paths.PARAMETERS, *here)} | {path: path for path in data}


def finished_runs() -> dict[Path, Path]:
    """The curves of every cell and cohort that has been trained: their places in published/, and in the study."""
    root = Path("results") / SCALE / "runs"
    return {Path("runs") / path.relative_to(root): path for path in sorted(root.rglob("*.parquet"))}


def copy(path: Path, to: Path) -> None:
    """Copy a file, or a folder without the figures that are for print only."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, to, ignore=shutil.ignore_patterns("*.pdf", "*.png"))
    else:
        shutil.copy(path, to)
