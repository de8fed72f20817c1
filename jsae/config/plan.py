"""What runs: the stages that dvc.yaml repeats, as one entry a stage. `python -m tools.runs SCALE` writes them down.

DVC can repeat a stage over a table but cannot make the table: which scale, which cells, which blocks of seeds. What a
reading shares with the primary one (an environment, samples, pre-trained embeddings) is made once, under its name.
"""

import json
from pathlib import Path
from typing import Any, Literal

from jsae.config import hyper_parameters, layout, registry
from jsae.config.best import Best
from jsae.config.errors import JsaeError
from jsae.config.schema import SOURCES, Parameters
from jsae.config.study import Cell, named
from jsae.config.yaml import read_yaml

Entries = dict[str, dict[str, Any]]


def plan(parameters: Parameters, found: Best, scale: str, panel: str = "") -> dict[str, Any]:
    """The content of workflow/runs.yaml, under the key `runs`.

    | key | entries |
    |---|---|
    | scale, panel | what was asked for |
    | purchases | by data set: files, the folder of this machine that it is copied from |
    | environments | by name: environment and reading; model, the file that it is made from |
    | collect | by environment and seeds; world, the name of the environment's file |
    | pretrain | by environment, embedding and seeds; samples; source, the embeddings that a transfer starts from |
    | train | by cell and seeds; pretrained; source, the weights that a transfer of the agent starts from |
    | published | curves that a smoke test or a preview draws behind its own; a file that is there anyway, without any |
    | summaries | by data set: what the report shows of it; a file that is there anyway, where it does not run |
    | samples, search | see `search_plan` |

    A file that an entry does not need is named by that of its environment, which every entry needs: DVC's lists of
    dependencies have one length. Raises JsaeError if there is no such scale or panel.
    """
    parts = Parts(parameters, found)
    environments: Entries = {}
    collect: Entries = {}
    pretrain: Entries = {}
    train: Entries = {}
    for cell, blocks in parameters.runs(scale, panel).items():
        reading = parts.reading_of("environment", cell)
        world = named(cell.environment, reading)
        purchases = parameters.environment(cell.environment, reading).purchases
        model = layout.transitions(purchases) if purchases else layout.settings(f"environment@{world}")
        _put(environments, world, {"environment": cell.environment, "reading": reading, "model": model.as_posix()})
        unused = layout.environment(world).as_posix()
        old = parameters.source_of(cell)
        for seeds in blocks:
            pretrained = source = unused
            if needs_pretraining(cell):
                samples, learnt = parts.samples(cell, seeds), parts.embeddings(cell, seeds)
                made = {"environment": cell.environment, "reading": parts.reading_of("samples", cell)}
                _put(collect, samples, {**made, "world": world, "seeds": seeds})
                made = {"environment": cell.environment, "embedding": cell.embedding}
                made |= {"reading": parts.reading_of("embeddings", cell), "world": world, "samples": samples}
                start = layout.embeddings(scale, parts.embeddings(old, seeds)).as_posix() if old else unused
                _put(pretrain, learnt, {**made, "source": start, "seeds": seeds})
                pretrained = layout.embeddings(scale, learnt).as_posix()
                if old and registry.load("embeddings", cell.embedding).transfers_agent:
                    source = layout.weights(scale, f"{old}-{seeds}").as_posix()
            paths = {"world": world, "pretrained": pretrained, "source": source}
            _put(train, f"{cell}-{seeds}", {**vars(cell), **paths, "seeds": seeds})
    sections = [parameters.environment(entry["environment"], entry["reading"]) for entry in environments.values()]
    data_sets: list[str] = sorted({section.purchases for section in sections if section.purchases})
    return {
        "scale": scale,
        "panel": panel,
        "published": _published(scale),
        "purchases": {source: {"files": _files(source, parameters)} for source in data_sets},
        "environments": environments,
        "collect": collect,
        "pretrain": pretrain,
        "train": train,
        "summaries": {source: _summaries(source, used=source in data_sets) for source in SOURCES},
        **search_plan(parameters, environments),
    }


def _put(entries: Entries, name: str, entry: dict[str, Any]) -> None:
    """Add an entry. Raises JsaeError if another one has its name: an environment may be called like one's reading."""
    if entries.setdefault(name, entry) != entry:
        raise JsaeError(f"two stages would be called {name}: rename an environment or a reading of params.yaml")


def _published(scale: str) -> str:
    """The published curves, where they are there and this study is not the one that makes them."""
    used = scale != "paper" and layout.PUBLISHED_CURVES.is_file()
    return (layout.PUBLISHED_CURVES if used else layout.settings("figures")).as_posix()


def _files(source: str, parameters: Parameters) -> str:
    """The folder that a data set is copied from, for DVC to look at; a file that is there anyway, where there is none.

    Raises JsaeError if there is no such folder, or if the copies would be in it.
    """
    local = parameters.data.kechinov.raw.local_path if source == "kechinov" else ""
    if not local:
        return layout.settings(f"download@{source}").as_posix()
    place, root, copies = Path(local).expanduser().resolve(), Path.cwd(), layout.raw(source).resolve()
    if not place.is_dir():
        raise JsaeError(
            f"{layout.PARAMETERS}: data.kechinov.raw.local_path: there is no folder {local}: correct it, or leave it "
            "empty to download"
        )
    if copies.is_relative_to(place) or place.is_relative_to(copies):
        raise JsaeError(
            f"{layout.PARAMETERS}: data.kechinov.raw.local_path: the copies go to {layout.raw(source)}: give another "
            f"folder than {local}"
        )
    return (place.relative_to(root) if place.is_relative_to(root) else place).as_posix()


def _summaries(source: str, used: bool) -> dict[str, str]:
    """The files that say what the filter left of a data set, and how good its n-gram model is."""
    places = {"purchases": layout.purchases(source), "transitions": layout.transitions(source)}
    unused = layout.settings("report")
    return {name: (path.with_suffix(".json") if used else unused).as_posix() for name, path in places.items()}


def search_plan(parameters: Parameters, environments: Entries) -> dict[str, Entries]:
    """The entries of search/graph.yaml: `samples`, random transitions of the seeds that choose, and `search`, by cell.

    Cells of environments that the present scale and panel leave out are left out.
    """
    seeds = parameters.search.seeds
    search = {
        str(cell): {**vars(cell), "world": cell.environment, "samples": f"{cell.environment}-{seeds}", "seeds": seeds}
        for cell in searched_cells(parameters)
        if cell.environment in environments
    }
    return {"samples": {entry["samples"]: dict(entry) for entry in search.values()}, "search": search}


def searched_cells(parameters: Parameters) -> list[Cell]:
    """The cells whose hyper-parameters are searched: under the primary reading, and not those that take others'."""
    cells = [cell for group in parameters.search.cells for cell in parameters.cells_of(group)]
    return list(
        dict.fromkeys(cell for cell in cells if cell == cell.primary and hyper_parameters.is_searched(parameters, cell))
    )


def needs_pretraining(cell: Cell) -> bool:
    """Whether the cell's embedding has anything to learn."""
    return bool(registry.load("embeddings", cell.embedding).learnt)


class Parts:
    """What cells under different readings share: a part is named after a reading only if the reading changes it."""

    def __init__(self, parameters: Parameters, found: Best):
        self._parameters, self._found = parameters, found

    def reading_of(self, part: Literal["environment", "samples", "embeddings"], cell: Cell) -> str:
        """The cell's reading if it changes this part; "" if the part is that of the primary reading."""
        content = {"environment": self._environment, "samples": self._samples, "embeddings": self._embeddings}[part]
        return "" if content(cell) == content(cell.primary) else cell.reading

    def samples(self, cell: Cell, seeds: str) -> str:
        """The name of the cell's random transitions."""
        return f"{named(cell.environment, self.reading_of('samples', cell))}-{seeds}"

    def embeddings(self, cell: Cell, seeds: str) -> str:
        """The name of the cell's pre-trained embeddings."""
        return f"{named(f'{cell.environment}-{cell.embedding}', self.reading_of('embeddings', cell))}-{seeds}"

    def _environment(self, cell: Cell) -> Any:
        section = self._parameters.environment(cell.environment, cell.reading)
        return section.module, section.dynamics, section.purchases

    def _samples(self, cell: Cell) -> Any:
        section = self._parameters.environment(cell.environment, cell.reading)
        return self._environment(cell), section.pretraining_samples

    def _embeddings(self, cell: Cell) -> Any:
        section = self._parameters.environment(cell.environment, cell.reading)
        learning = self._parameters.embedding(cell.reading)
        sizes = hyper_parameters.sizes(self._parameters, cell, self._found)
        module = self._parameters.embedding_of(cell)
        own = (self._samples(cell), section.pretraining_epochs, learning.pretraining(), sizes, module)
        old = self._parameters.source_of(cell)
        return own, None if old is None else self._embeddings(old)


def chosen() -> tuple[str, str]:
    """The scale and the panel that workflow/runs.yaml has now; preview and all panels if there is none."""
    if not layout.RUNS.exists():
        return "preview", ""
    try:
        runs = read_yaml(layout.RUNS)["runs"]
        return str(runs["scale"]), str(runs["panel"])
    except (KeyError, TypeError):
        raise JsaeError(f"{layout.RUNS} is damaged: name a scale, as in `python -m tools.runs preview`") from None


def text(planned: dict[str, Any]) -> str:
    """workflow/runs.yaml: one line a stage."""
    lines = [
        "# What dvc.yaml runs, one line a stage. Do not edit: `python -m tools.runs SCALE` writes it from params.yaml.",
        "runs:",
        f"  scale: {planned['scale']}",
        f"  panel: {json.dumps(planned['panel'])}",
        f"  published: {json.dumps(planned['published'])}",
    ]
    for kind in ("purchases", "environments", "collect", "pretrain", "train", "summaries", "samples", "search"):
        lines.append(f"  {kind}:" + ("" if planned[kind] else " {}"))
        lines += [f"    {json.dumps(name)}: {_line(entry)}" for name, entry in planned[kind].items()]
    return "\n".join([*lines, ""])


def _line(entry: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {json.dumps(value)}" for name, value in entry.items()) + "}"
