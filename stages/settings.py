"""Write down, for every other stage, all that it reads besides data: parameters, paths, and the code that it runs.

inputs   params.yaml; workflow/runs.yaml, the stages that run; search/best, what the search found; the folders jsae and
         stages; the locks of the packages
outputs  results/settings/STAGE/ITEM.json, one file a stage (jsae.io.declared)

This is the only stage that opens params.yaml. It runs whenever anything in params.yaml or in the code changes, and
takes seconds; a stage whose file here comes out as it was does not run again.
"""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jsae.config import hyper_parameters, layout, plan, registry, schema
from jsae.config.best import NOTHING_FOUND, Best
from jsae.config.errors import JsaeError
from jsae.config.schema import Parameters
from jsae.config.study import Cell, named, seeds_of
from jsae.io import provenance
from jsae.io.code import CodeFiles
from jsae.io.files import write_atomically

COMPUTE = ("requirements/compute.lock", "requirements/torch.in")
"""The versions that numbers depend on: torch is locked for each device, and pinned in torch.in."""
STUDY = (*COMPUTE, "requirements/study.lock", "requirements/torch-cpu.lock")
"""And those that figures and pages depend on."""
LOCKS = [Path(name) for name in STUDY if name.endswith(".lock")]
SOURCES = {
    "deviations": "deviations.yaml",
    "plan": "plan.md",
    "paper": "paper.yaml",
    "notebook": "notebook.py",
    "print": "paper.typ",
    "browser": "runs.html",
    "style": "style.css",
    "template": "page.html.j2",
}
"""Files of the folder report that the stage `report` reads besides the claims, and what its settings call them."""
PICTURED = {
    "gridworld": ("walls", "goal", "start", "actuators", "sub_steps", "sub_step_length"),
    "slot_machine": ("reels",),
}
"""Arguments of environments that their pictures in the report show."""
SCRIPTS = {"samples": "collect"}
"""Files of stages that are not called like their stage."""


class Stage(NamedTuple):
    """What a settings file holds; modules: (kind, name) of those that the stage loads by name."""

    name: str
    inputs: dict[str, Any]
    outputs: dict[str, Path]
    values: dict[str, Any]
    modules: list[tuple[registry.Kind, str]]
    scale: str = "shared"
    locks: tuple[str, ...] = COMPUTE


def main() -> None:
    before = dates()
    parameters = schema.load(layout.PARAMETERS)
    found = hyper_parameters.read_found(parameters)
    planned = planned_runs(parameters, found)
    code = CodeFiles()
    shutil.rmtree(layout.SETTINGS, ignore_errors=True)
    for stage in Study(parameters, found, planned).stages():
        kind = stage.name.partition("@")[0]
        script = Path("stages") / f"{SCRIPTS.get(kind, kind)}.py"
        modules = [registry.files(*module) for module in stage.modules]
        with write_atomically(layout.settings(stage.name)) as temporary:
            declared = text(stage, code.of([script, *modules], map(Path, stage.locks)))
            temporary.write_text(declared, encoding="utf-8")
    if dates() != before:
        shutil.rmtree(layout.SETTINGS)
        raise JsaeError("a parameter or a source file changed while the settings were written: run again")


def text(stage: Stage, code: Mapping[str, str]) -> str:
    """The settings file of a stage; code: digests by path."""
    content = {
        "stage": stage.name,
        "inputs": stage.inputs,
        "outputs": stage.outputs,
        "record": layout.record(stage.name, stage.scale),
        "scratch": layout.scratch(stage.name, stage.scale),
        "values": stage.values,
        "code": code,
    }
    return json.dumps(content, indent=1, default=_text, allow_nan=False) + "\n"


def _text(value: Any) -> str:
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{value!r} has no place in a settings file")


def dates() -> dict[Path, int]:
    """When each file that this stage reads was last changed."""
    files = [layout.PARAMETERS, layout.RUNS, layout.BEST, *map(Path, STUDY)]
    files += [path for folder in ("jsae", "stages") for end in ("py", "cpp") for path in Path(folder).rglob(f"*.{end}")]
    return {path: path.stat().st_mtime_ns for path in files if path.exists()}


def planned_runs(parameters: Parameters, found: Best) -> dict[str, Any]:
    """What workflow/runs.yaml says. Raises JsaeError, after writing it again, if params.yaml says something else."""
    wanted = plan.plan(parameters, found, *plan.chosen())
    listed = plan.text(wanted)
    if not layout.RUNS.exists() or layout.RUNS.read_bytes() != listed.encode():
        with write_atomically(layout.RUNS) as temporary:
            temporary.write_text(listed, encoding="utf-8")
        raise JsaeError(
            f"{layout.RUNS} did not list what params.yaml asks for. It does now: run the same command again"
        )
    return wanted


class Study:
    """The stages of one plan."""

    def __init__(self, parameters: Parameters, found: Best, planned: Mapping[str, Any]):
        self.parameters, self.found, self.plan = parameters, found, planned
        self.scale: str = planned["scale"]
        self.parts = plan.Parts(parameters, found)
        self.cells = list(parameters.runs(self.scale, planned["panel"]))

    def stages(self) -> Iterator[Stage]:
        """Every stage but this one, in the order of dvc.yaml."""
        for source in self.plan["purchases"]:
            yield from self.purchases(source)
        for name, entry in self.plan["environments"].items():
            yield self.environment(name, entry)
        for name, entry in self.plan["collect"].items():
            yield self.collect(name, entry)
        for name, entry in self.plan["pretrain"].items():
            yield self.pretrain(name, entry)
        for name, entry in self.plan["train"].items():
            yield self.train(name, entry)
        for name, entry in self.plan["samples"].items():
            yield self.collect(name, entry)._replace(name=f"samples@{name}")
        for name, entry in self.plan["search"].items():
            yield self.search(name, entry)
        yield from (self.probes(), self.value_maps(), self.theory(), self.aggregate(), self.figures(), self.report())

    def purchases(self, source: str) -> Iterator[Stage]:
        """From a data set's files to its n-gram model."""
        section = getattr(self.parameters.data, source).model_dump()
        raw = section.pop("raw")
        yield Stage(
            f"download@{source}",
            {"calibration": layout.CALIBRATION},
            {"folder": layout.raw(source)},
            {"source": source, **raw},
            [],
        )
        yield Stage(
            f"filter@{source}",
            {"folder": layout.raw(source)},
            {"purchases": layout.purchases(source), "summary": layout.purchases(source).with_suffix(".json")},
            {"source": source, "months": raw.get("months", []), **section},
            [],
        )
        yield Stage(
            f"transitions@{source}",
            {"purchases": layout.purchases(source)},
            {"model": layout.transitions(source), "summary": layout.transitions(source).with_suffix(".json")},
            self.parameters.data.transitions.model_dump(),
            [],
        )

    def environment(self, name: str, entry: Mapping[str, str]) -> Stage:
        section = self.parameters.environment(entry["environment"], entry["reading"])
        return Stage(
            f"environment@{name}",
            {"model": layout.transitions(section.purchases) if section.purchases else None},
            {"environment": layout.environment(name), "reference_returns": layout.reference_returns(name)},
            {"module": section.module, "arguments": section.dynamics},
            [("environments", section.module)],
        )

    def collect(self, name: str, entry: Mapping[str, str]) -> Stage:
        section = self._section(entry)
        return Stage(
            f"collect@{name}",
            {"environment": layout.environment(entry["world"])},
            {"samples": layout.samples(name)},
            {"seeds": seeds_of(entry["seeds"]), "samples": section.pretraining_samples},
            [("environments", section.module)],
        )

    def pretrain(self, name: str, entry: Mapping[str, str]) -> Stage:
        cell, section = _cell(entry), self._section(entry)
        learning = self.parameters.embedding(cell.reading)
        return Stage(
            f"pretrain@{name}",
            {
                "environment": layout.environment(entry["world"]),
                "samples": layout.samples(entry["samples"]),
                "source": _used(entry, "source"),
            },
            {
                "embeddings": layout.embeddings(self.scale, name),
                "losses": layout.embeddings(self.scale, name).with_suffix(".parquet"),
            },
            {
                "environment": cell.environment,
                "embedding": cell.embedding,
                "module": self.parameters.embedding_of(cell),
                "reading": cell.reading,
                **self._sizes(cell),
                "seeds": seeds_of(entry["seeds"]),
                "epochs": section.pretraining_epochs.at(self.scale),
                **learning.pretraining(),
                **self._machine(),
            },
            [("environments", section.module), ("embeddings", self.parameters.embedding_of(cell))],
            self.scale,
        )

    def train(self, name: str, entry: Mapping[str, str]) -> Stage:
        cell, section = _cell(entry), self._section(entry)
        values = hyper_parameters.values(self.parameters, cell, self.found)
        return Stage(
            f"train@{name}",
            {
                "environment": layout.environment(entry["world"]),
                "pretrained": _used(entry, "pretrained"),
                "source": _used(entry, "source"),
            },
            {"curves": layout.curves(self.scale, name), "weights": layout.weights(self.scale, name)},
            {
                "cell": vars(cell),
                "module": self.parameters.embedding_of(cell),
                "agent": self.parameters.agent_of(cell),
                "seeds": seeds_of(entry["seeds"]),
                "epochs": section.epochs.at(self.scale),
                **hyper_parameters.training(self.parameters, cell, values),
                **self._machine(),
            },
            [
                ("environments", section.module),
                ("embeddings", self.parameters.embedding_of(cell)),
                ("agents", self.parameters.agent_of(cell)),
            ],
            self.scale,
        )

    def probes(self) -> Stage:
        entries = {name: (entry, _cell(entry)) for name, entry in self.plan["pretrain"].items()}
        return Stage(
            "probes",
            {
                "environments": {entry["world"]: layout.environment(entry["world"]) for entry, _ in entries.values()},
                "embeddings": {name: layout.embeddings(self.scale, name) for name in entries},
                "losses": {name: layout.embeddings(self.scale, name).with_suffix(".parquet") for name in entries},
            },
            {"folder": layout.probes(self.scale)},
            {
                **self.parameters.probes.model_dump(),
                "embeddings": [
                    {
                        "name": name,
                        "world": entry["world"],
                        "environment": cell.environment,
                        "embedding": cell.embedding,
                        "module": self.parameters.embedding_of(cell),
                        "reading": cell.reading,
                        **self._sizes(cell),
                        "seeds": seeds_of(entry["seeds"]),
                    }
                    for name, (entry, cell) in entries.items()
                ],
            },
            self._modules((cell for _, cell in entries.values()), "environments", "embeddings"),
            self.scale,
        )

    def value_maps(self) -> Stage:
        chosen = {
            name: (entry, cell)
            for name, entry in self.plan["train"].items()
            if (cell := _cell(entry)) == cell.primary
            and cell.environment in self._mapped()
            and registry.load("embeddings", cell.embedding).role == "paper"
        }
        return Stage(
            "value_maps",
            {
                "environments": {entry["world"]: layout.environment(entry["world"]) for entry, _ in chosen.values()},
                "weights": {name: layout.weights(self.scale, name) for name in chosen},
            },
            {"table": layout.value_maps(self.scale)},
            {
                **self.parameters.value_maps.model_dump(),
                "cells": [
                    {
                        "name": name,
                        "world": entry["world"],
                        "cell": vars(cell),
                        **self._sizes(cell),
                        "hidden_sizes": hyper_parameters.values(self.parameters, cell, self.found)["hidden_sizes"],
                        "seeds": seeds_of(entry["seeds"]),
                    }
                    for name, (entry, cell) in chosen.items()
                ],
            },
            self._modules((cell for _, cell in chosen.values()), "environments", "embeddings"),
            self.scale,
        )

    def theory(self) -> Stage:
        def of_states(kind: str) -> dict[str, Any]:
            entries: dict[str, Any] = self.plan[kind]
            return {n: e for n, e in entries.items() if registry.load("embeddings", e["embedding"]).embeds_states}

        learnt = of_states("pretrain")
        trained = {
            n: e
            for n, e in of_states("train").items()
            if _used(e, "pretrained") and hyper_parameters.continual(self.parameters, _cell(e))
        }
        worlds = {entry["world"] for entry in (*learnt.values(), *trained.values())}
        return Stage(
            "theory",
            {
                "environments": {world: layout.environment(world) for world in sorted(worlds)},
                "embeddings": {name: layout.embeddings(self.scale, name) for name in learnt},
                "weights": {name: layout.weights(self.scale, name) for name in trained},
            },
            {"facts": layout.theory(self.scale)},
            {
                **self.parameters.theory.model_dump(),
                "discount": self.parameters.agents.common.discount,
                "embeddings": [_traced(name, entry) for name, entry in learnt.items()],
                "trained": [
                    {**_traced(name, entry), "trained": entry["agent"], "pretrained": entry["pretrained"]}
                    for name, entry in trained.items()
                ],
            },
            self._modules(map(_cell, learnt.values()), "environments"),
            self.scale,
        )

    def aggregate(self) -> Stage:
        train = self.plan["train"]
        return Stage(
            "aggregate",
            {
                "claims": layout.CLAIMS,
                "theory": layout.theory(self.scale),
                "runs": {name: layout.curves(self.scale, name) for name in train},
                "reference_returns": {world: layout.reference_returns(world) for world in self.plan["environments"]},
            },
            {
                "verdicts": layout.claims(self.scale),
                "tables": layout.tables(self.scale),
                "metrics": layout.metrics(self.scale),
                "summary": layout.summary(self.scale),
            },
            {
                "scale": self.scale,
                "cells": [self._described(cell) for cell in self.cells],
                "runs": {
                    name: {
                        "cell": vars(_cell(entry)),
                        "seeds": seeds_of(entry["seeds"]),
                        "epochs": self._section(entry).epochs.at(self.scale),
                    }
                    for name, entry in train.items()
                },
            },
            [],
            self.scale,
        )

    def figures(self) -> Stage:
        environments = self.parameters.environments
        names = sorted(
            dict.fromkeys(cell.environment for cell in self.cells), key=lambda name: not environments[name].panel
        )
        worlds = {name: environments[name].dynamics for name in names}  # those of Figure 2 first
        gridworlds = {name: dynamics for name, dynamics in worlds.items() if environments[name].module == "gridworld"}
        unused = layout.settings("figures")
        pictured = {environments[name].module: name for name in reversed(names) if environments[name].panel}
        return Stage(
            "figures",
            {
                "verdicts": layout.claims(self.scale),
                "claims": layout.CLAIMS,
                "value_maps": layout.value_maps(self.scale),
                "probes": layout.probes(self.scale),
                "tables": layout.tables(self.scale),
                "search": layout.SEARCH,
                "published": None if self.plan["published"] == unused.as_posix() else Path(self.plan["published"]),
            },
            {"folder": layout.figures(self.scale)},
            {
                "scale": self.scale,
                "pictured": {
                    module: {key: worlds[name][key] for key in PICTURED.get(module, ())}
                    for module, name in pictured.items()
                },
                "labels": {module: environments[name].label.partition(",")[0] for module, name in pictured.items()},
                "mapped": {
                    name: {key: gridworlds[name][key] for key in ("walls", "goal", "start")}
                    for name in self._mapped()
                    if name in gridworlds
                },
                "actions_of": sorted(gridworlds, key=lambda name: not gridworlds[name]["discrete"]),
            },
            [],
            self.scale,
            STUDY,
        )

    def report(self) -> Stage:
        """`machine`: the page of what this machine did, which is no output, and the records that it is made of."""
        versions = provenance.locked_versions(LOCKS)
        return Stage(
            "report",
            {
                "verdicts": layout.claims(self.scale),
                "figures": layout.figures(self.scale),
                "probes": layout.probes(self.scale),
                "tables": layout.tables(self.scale),
                "theory": layout.theory(self.scale),
                "value_maps": layout.value_maps(self.scale),
                "search": layout.SEARCH,
                "search_times": layout.SEARCH_TIMES,
                "claims": layout.CLAIMS,
                **{name: layout.CLAIMS.with_name(file) for name, file in SOURCES.items()},
                "purchases": {s: layout.purchases(s).with_suffix(".json") for s in self.plan["purchases"]},
                "transitions": {s: layout.transitions(s).with_suffix(".json") for s in self.plan["purchases"]},
            },
            {
                "report": layout.report(self.scale),
                "paper": layout.paper(self.scale),
                "supplement": layout.supplement(self.scale),
                "runs": layout.run_browser(self.scale),
            },
            {
                "scale": self.scale,
                "panel": self.plan["panel"],
                "parameters": self.parameters.model_dump(),
                "rows": schema.table(self.parameters),
                "cells": [
                    {
                        **vars(cell),
                        "hyper_parameters": hyper_parameters.values(self.parameters, cell, self.found),
                        "found": list(hyper_parameters.chosen(self.parameters, cell, self.found)),
                        "set_by_reading": sorted(hyper_parameters.set_by_reading(self.parameters, cell)),
                        "trained_by": self.parameters.agent_of(cell),
                    }
                    for cell in self.cells
                ],
                "stages": {name: vars(_cell(entry)) for name, entry in self.plan["train"].items()},
                "lock": provenance.lock_digest(LOCKS),
                "packages": len(versions),
                "versions": {name: versions[name] for name in provenance.PACKAGES if name in versions},
                "machine": {
                    "records": [layout.provenance("shared"), layout.provenance(self.scale)],
                    "page": layout.report_provenance(self.scale),
                },
            },
            [],
            self.scale,
            STUDY,
        )

    def search(self, name: str, entry: Mapping[str, str]) -> Stage:
        """Nothing here depends on what a search found before."""
        cell, section, plan_of = _cell(entry), self._section(entry), self.parameters.search
        learning = self.parameters.embedding().pretraining()
        embedding = registry.load("embeddings", cell.embedding)
        stated = hyper_parameters.values(self.parameters, cell, NOTHING_FOUND)
        return Stage(
            f"search@{name}",
            {"environment": layout.environment(entry["world"]), "samples": layout.samples(entry["samples"])},
            {"table": layout.searched(name)},
            {
                "cell": vars(cell),
                "seeds": seeds_of(entry["seeds"]),
                "stated": stated,
                "grid": plan_of.grid | plan_of.grids.get(section.module, {}),
                "combined": plan_of.combined,
                "spread": plan_of.spread,
                "not_applicable": sorted(hyper_parameters.not_applicable(self.parameters, cell)),
                "settings": plan_of.settings,
                "seeds_per_setting": plan_of.seeds_per_setting,
                "epochs": section.epochs.paper,
                "first_rung": plan_of.first_rung[section.module],
                "factor": plan_of.factor,
                "runs_per_batch": plan_of.runs_per_batch,
                "device": self.parameters.training.device,
                "pretraining": {"epochs": section.pretraining_epochs.paper, **learning} if embedding.learnt else None,
                "training": {
                    "num_envs": section.num_envs,
                    "reward_scale": section.reward_scale,
                    "continual": hyper_parameters.continual(self.parameters, cell),
                },
            },
            [("environments", section.module), ("embeddings", cell.embedding), ("agents", cell.agent)],
            "search",
        )

    # -- parts of several stages ---------------------------------------------------------------------------------------

    def _section(self, entry: Mapping[str, str]) -> schema.Environment:
        """The section of an entry's environment, under its reading."""
        return self.parameters.environment(entry["environment"], entry["reading"])

    def _sizes(self, cell: Cell) -> dict[str, int]:
        return hyper_parameters.sizes(self.parameters, cell, self.found)

    def _machine(self) -> dict[str, Any]:
        training = self.parameters.training
        return {"device": training.device, "runs_per_batch": training.runs_per_batch.at(self.scale)}

    def _modules(self, cells: Iterable[Cell], *kinds: registry.Kind) -> list[tuple[registry.Kind, str]]:
        """The modules of all these cells, each once."""
        found: set[tuple[registry.Kind, str]] = set()
        for cell in cells:
            section = self.parameters.environment(cell.environment, cell.reading)
            embedding = self.parameters.embedding_of(cell)
            of_cell: dict[registry.Kind, str] = {"environments": section.module, "embeddings": embedding}
            found |= {(kind, of_cell[kind]) for kind in kinds}
        return sorted(found)

    def _mapped(self) -> list[str]:
        """Environments of Figures 2a and 2b that can be drawn as a map."""
        sections = {cell.environment: self.parameters.environments[cell.environment] for cell in self.cells}
        return [
            name
            for name, section in sections.items()
            if section.panel in ("2a", "2b")
            and getattr(registry.load("environments", section.module), "grid", None) is not None
        ]

    def _described(self, cell: Cell) -> dict[str, Any]:
        """A row of the table of cells: names, labels, looks and roles of what the cell is made of."""
        section = self.parameters.environments[cell.environment]
        embedding = registry.load("embeddings", cell.embedding)
        old, panel = self.parameters.source_of(cell), self.parameters.panel_of(cell)
        return {
            **vars(cell),
            "environment_label": section.label,
            "agent_label": registry.load("agents", cell.agent).label,
            "trained_by": registry.load("agents", self.parameters.agent_of(cell)).label,
            "embedding_label": embedding.label,
            "color": embedding.color,
            "order": embedding.order,
            "role": embedding.role,
            "compared_with": embedding.compared_with,
            "panel": panel if self.plan["panel"] in ("", panel) else "",
            "epochs": section.epochs.at(self.scale),
            "paper_epochs": section.epochs.paper,
            "world": named(cell.environment, self.parts.reading_of("environment", cell)),
            "source": str(old) if old else "",
        }


def _cell(entry: Mapping[str, str]) -> Cell:
    return Cell(entry["environment"], entry.get("agent", ""), entry["embedding"], entry["reading"])


def _used(entry: Mapping[str, str], name: str) -> str | None:
    """A path of the plan; None where it only holds the place of one."""
    return None if entry[name] == layout.environment(entry["world"]).as_posix() else entry[name]


def _traced(name: str, entry: Mapping[str, str]) -> dict[str, Any]:
    """What the theory must know of embeddings."""
    return {
        "name": name,
        "world": entry["world"],
        "environment": entry["environment"],
        "embedding": entry["embedding"],
        "reading": entry["reading"],
        "seeds": seeds_of(entry["seeds"]),
    }


if __name__ == "__main__":
    try:
        main()
    except JsaeError as error:
        sys.exit(f"error: {error}")
