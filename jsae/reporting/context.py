"""Everything that the report shows, read from files once. The sections are functions of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from ruamel.yaml import YAML

from jsae.analysis import claims
from jsae.config import labels as names
from jsae.config import parameters
from jsae.io import files

Record = dict[str, Any]
"""A record of one of the JSON or YAML files, as it stands there."""
CELL = ("environment", "agent", "embedding")
"""The columns that name a cell."""


@dataclass(frozen=True)
class Context:
    """What the report shows of a study at one scale. Nothing in it is computed.

    Attributes:
        scale: "preview" or "paper".
        figures: folder of the drawn figures.
        settings: params.yaml.
        paper: report/paper.yaml, what the report says of the paper itself.
        deviations: report/deviations.yaml.
        book: report/claims.yaml, the claims with their margins.
        curves: a row for each epoch of each run.
        final: a row for each run.
        aggregates: a row for each agent and embedding, over all environments.
        missing: what params.yaml lists and has no run.
        verdicts: a record for each claim of the paper.
        variants: the same comparisons in environments that the paper does not have.
        ablations: differences between ablations and what they vary.
        checks: a row for each number by which the theory was checked.
        quality: a row for each pre-trained embedding and seed; without rows where none was measured.
        maps: a row for each bin of the gridworld and agent; without rows where no agent was mapped.
        tried: a row for each setting of the search.
        took: a row for each cell of the search, with the seconds that it took.
        purchases: what the filter left of each store; None where it has not run.
        models: the n-gram model of each store; None where it has not been made.
        commands: (cell, command) of each curve.
        locks: the lock files that the numbers depend on.
    """

    scale: str
    figures: Path
    settings: parameters.Parameters
    paper: Record
    deviations: list[Record]
    book: claims.Claims
    curves: pl.DataFrame
    final: pl.DataFrame
    aggregates: pl.DataFrame
    missing: list[Record]
    verdicts: list[Record]
    variants: list[Record]
    ablations: list[Record]
    checks: pl.DataFrame
    quality: pl.DataFrame
    maps: pl.DataFrame
    tried: pl.DataFrame
    took: pl.DataFrame
    purchases: dict[str, Record | None]
    models: dict[str, Record | None]
    commands: Sequence[tuple[str, str]]
    locks: Sequence[Path]

    @property
    def stores(self) -> dict[str, str]:
        """The store that each recommender system draws from."""
        return stores(self.settings)

    @property
    def compared(self) -> list[Record]:
        """The verdicts that rest on a comparison of runs: all that have an interval."""
        return [claim for claim in self.verdicts if claim["low"] is not None]

    @property
    def drawn(self) -> list[str]:
        """The panels of Figure 2 that have a run."""
        return [name for name in names.PANELS if self.figure(name).exists()]

    @property
    def confidence(self) -> str:
        """The confidence of the claims' intervals."""
        return f"{100 * (1 - 2 * self.book.level):g} %"

    def figure(self, name: str) -> Path:
        """Where the figure `name` lies, if it was drawn."""
        return self.figures / f"{name}.svg"

    def epochs(self, environment: str) -> tuple[int, int]:
        """Epochs of a run in an environment: at this scale and at the paper's."""
        epochs = self.settings.environments[environment].epochs
        return epochs.at(self.scale), epochs.at("paper")


def stores(settings: parameters.Parameters) -> dict[str, str]:
    """The store that each recommender system draws from."""
    worlds = settings.environments.items()
    return {name: world.store for name, world in worlds if isinstance(world, parameters.Recommender)}


def read(
    *,
    scale: str,
    results: str,
    data: str,
    search: str,
    parameters_file: str,
    sources: str,
    commands: Sequence[Sequence[str]],
    locks: Sequence[str],
) -> Context:
    """Read what the report shows. All places are paths as text, since a notebook takes no others.

    Args:
        scale: "preview" or "paper".
        results: folder of the study's tables, figures, verdicts, measures and maps.
        data: folder with a folder for each store.
        search: folder of the settings that the search tried, and of the seconds that they took.
        parameters_file: params.yaml.
        sources: folder of the report's own files.
        commands: (cell, command) of each curve.
        locks: the lock files.

    Raises:
        JsaeError: a file is missing or damaged.
    """
    root, own = Path(results), Path(sources)
    settings = parameters.load(Path(parameters_file))
    curves, final, aggregates = (_table(root / f"tables/{name}.parquet") for name in ("curves", "final", "aggregates"))
    missing, variants, ablations = (
        files.read_json(root / f"tables/{name}.json") for name in ("missing", "variants", "ablations")
    )
    checks = files.read_json(root / "theory.json")["checks"]
    purchases, models = (
        {store: _json_or_none(Path(data) / store / f"{name}.json") for store in stores(settings).values()}
        for name in ("purchases", "transitions")
    )
    yaml = YAML(typ="safe")
    return Context(
        scale=scale,
        figures=root / "figures",
        settings=settings,
        paper=yaml.load(own / "paper.yaml"),
        deviations=yaml.load(own / "deviations.yaml"),
        book=claims.load(own / "claims.yaml"),
        curves=curves,
        final=final,
        aggregates=aggregates,
        missing=missing,
        verdicts=files.read_json(root / "claims.json"),
        variants=variants,
        ablations=ablations,
        checks=pl.DataFrame(checks, infer_schema_length=None),
        quality=_table(root / "quality/embeddings.parquet", optional=True),
        maps=_table(root / "maps.parquet", optional=True),
        tried=pl.read_csv(Path(search) / "settings.csv", infer_schema_length=None),
        took=pl.read_csv(Path(search) / "times.csv"),
        purchases=purchases,
        models=models,
        commands=[(cell, command) for cell, command in commands],
        locks=[Path(lock) for lock in locks],
    )


def _table(path: Path, optional: bool = False) -> pl.DataFrame:
    """A table of the study; one without rows and columns where an optional one is missing."""
    return pl.DataFrame() if optional and not path.exists() else files.read_table(path)


def _json_or_none(path: Path) -> Record | None:
    return files.read_json(path) if path.exists() else None
