"""Everything that the report shows, read once from the inputs that its settings file names.

The sections are functions of it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, TypeAdapter, ValidationError

from jsae.analysis import claims, search
from jsae.analysis.claims import Claims
from jsae.analysis.schema import AGGREGATES, CELLS, FINAL
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.config.yaml import read_yaml
from jsae.io import files
from jsae.io.declared import Declared
from jsae.io.table import read as read_checked
from jsae.reporting import tried
from jsae.reporting.looks import Looks
from jsae.training.columns import CURVES, KEYS

Record = dict[str, Any]
"""A record of one of the JSON or YAML files, as it stands there."""


@dataclass(frozen=True)
class Context:
    """What the report shows of a study at one scale, as the stages before it wrote it.

    Attributes:
        values: of the settings file; see the class Study of stages/settings.py.
        figures: folder of the drawn figures.
        looks: names and looks of the cells.
        paper: report/paper.yaml, what the report says of the paper itself.
        deviations: report/deviations.yaml.
        claims: report/claims.yaml, the claims with their margins.
        plan: the first digits of the digest of report/plan.md.
        curves: a row for each epoch of each run.
        final: a row for each run.
        aggregates: a row for each agent and embedding, over all environments.
        missing: blocks of seeds that the study plans and that have not run.
        verdicts: a record for each claim of the paper.
        readings: the same comparisons under the readings other than the primary one.
        causes: a record for each prediction of what could explain a contradicted claim.
        differences: between ablations, controls, transfers and what they vary; between a reading and the primary one.
        checks: a row for each number by which the theory was checked.
        probes: a row for each pre-trained embedding and seed.
        pretraining: how long each embedding was pre-trained, and what its loss came to.
        value_maps: a row for each bin of a gridworld and cell.
        tried: a row for each setting of the search, of cells of this study.
        chosen: the best of them, a row a cell. It was chosen among all cells, which share sizes of embeddings.
        took: a row for each searched cell of this study, with the seconds that it took.
        purchases: what the filter left of each data set.
        models: the n-gram model of each data set.
    """

    values: Record
    figures: Path
    looks: Looks
    paper: Record
    deviations: list[Record]
    claims: Claims
    plan: str
    curves: pl.DataFrame
    final: pl.DataFrame
    aggregates: pl.DataFrame
    missing: list[Record]
    verdicts: list[Record]
    readings: list[Record]
    causes: list[Record]
    differences: list[Record]
    checks: pl.DataFrame
    probes: pl.DataFrame
    pretraining: pl.DataFrame
    value_maps: pl.DataFrame
    tried: pl.DataFrame
    chosen: list[Record]
    took: pl.DataFrame
    purchases: dict[str, Record]
    models: dict[str, Record]

    @property
    def scale(self) -> str:
        """smoke, preview or paper."""
        return str(self.values["scale"])

    @property
    def judged(self) -> bool:
        """Whether the budgets are the paper's, so that runs support or contradict what it says."""
        return self.scale == "paper"

    @property
    def parameters(self) -> Record:
        """The content of params.yaml."""
        return dict(self.values["parameters"])

    @property
    def environments(self) -> dict[str, Record]:
        """The sections of the environments that this study has, in the order of plots."""
        return {name: self.parameters["environments"][name] for name in self.looks.environments}

    @property
    def stages(self) -> dict[str, Cell]:
        """The cell of each stage `train`, by name."""
        return {name: Cell(**cell) for name, cell in self.values["stages"].items()}

    @property
    def compared(self) -> list[Record]:
        """The verdicts that rest on a comparison of runs: all that have an interval."""
        return [claim for claim in self.verdicts if claim["low"] is not None]

    @property
    def primary(self) -> pl.DataFrame:
        """The table `final` under the primary reading."""
        return self.final.filter(pl.col("reading") == "")

    @property
    def panels(self) -> list[str]:
        """The panels of Figure 2 that have a run, as 2a."""
        ran = {Cell(*words) for words in self.final.select(KEYS).unique().iter_rows()}
        return self.looks.panels_with(ran)

    @property
    def confidence(self) -> str:
        """The confidence of the claims' intervals."""
        return f"{100 * (1 - 2 * self.claims.level):g} %"

    def figure(self, name: str) -> Path:
        """Where the figure `name` lies, if it was drawn."""
        return self.figures / f"{name}.svg"


def read(settings: str) -> Context:
    """Read what the report shows.

    settings: path of the report's settings file, as text, since a notebook takes no others.

    Raises:
        JsaeError: a file is missing or damaged.
    """
    declared = Declared.read(Path(settings))
    tables, probes = declared.input("tables"), declared.input("probes")
    cells = read_checked(CELLS, tables / "cells.parquet")
    searched = tried.read(declared.input("search"), search.OUTCOME)
    here = set(cells.select(tried.CELL).iter_rows())
    return Context(
        values=declared.values,
        figures=declared.input("figures"),
        looks=Looks.of(cells),
        paper=read_yaml(declared.input("paper")),
        deviations=read_deviations(declared.input("deviations")),
        claims=claims.load(declared.input("claims")),
        plan=files.sha256(declared.input("plan"))[:12],
        curves=read_checked(CURVES, tables / "curves.parquet"),
        final=read_checked(FINAL, tables / "final.parquet"),
        aggregates=read_checked(AGGREGATES, tables / "aggregates.parquet"),
        missing=files.read_json(tables / "missing.json"),
        verdicts=files.read_json(declared.input("verdicts")),
        readings=files.read_json(tables / "readings.json"),
        causes=files.read_json(tables / "causes.json"),
        differences=files.read_json(tables / "differences.json"),
        checks=pl.DataFrame(files.read_json(declared.input("theory"))["checks"], infer_schema_length=None),
        probes=files.read_table(probes / "embeddings.parquet"),
        pretraining=files.read_table(probes / "pretraining.parquet"),
        value_maps=files.read_table(declared.input("value_maps")),
        tried=tried.of_study(searched, cells),
        chosen=[row for row in search.chosen_rows(searched) if tuple(row[name] for name in tried.CELL) in here],
        took=tried.of_study(tried.read(declared.input("search_times"), tried.TIMES), cells),
        purchases={source: files.read_json(Path(path)) for source, path in declared.inputs["purchases"].items()},
        models={source: files.read_json(Path(path)) for source, path in declared.inputs["transitions"].items()},
    )


class _Deviation(BaseModel, extra="forbid"):
    topic: str
    section: str | float
    paper: str
    ours: str
    why: str
    effect: str


def read_deviations(path: Path) -> list[Record]:
    """The content of report/deviations.yaml. Raises JsaeError for an entry that lacks a field or has another one."""
    entries = read_yaml(path)
    try:
        return [entry.model_dump() for entry in TypeAdapter(list[_Deviation]).validate_python(entries)]
    except ValidationError as error:
        place, *field = error.errors()[-1]["loc"] or (0,)
        topic = entries[place].get("topic", place) if field and isinstance(entries[place], dict) else place
        raise JsaeError(f"{path}: {topic}: {'.'.join(map(str, field))}: {error.errors()[-1]['msg']}") from None
