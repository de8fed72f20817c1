"""The schema of params.yaml: every number of the study with its meaning, its range and its source.

There are no defaults: a parameter that is not in params.yaml is an error. The file, with what the search found
(search/best), is the whole truth about a study. What an environment or an agent is made with stands in its own file, in
the signature of its constructor (jsae.config.doc). A source named "public re-implementation" is the code at
github.com/micxael/rl-jepa, commit 952de80, which calls itself adapted from the paper's; none of it is used.
`python -m jsae.config.schema` prints the table that `make params` shows.
"""

import argparse
import inspect
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from jsae.config import doc, messages, registry
from jsae.config.errors import JsaeError
from jsae.config.study import Cell, seeds_of
from jsae.config.yaml import read_yaml

Scale = Literal["smoke", "preview", "paper"]
SCALES: tuple[Scale, ...] = get_args(Scale)
Source = Literal["completejourney", "kechinov", "synthetic"]
SOURCES: tuple[Source, ...] = get_args(Source)
Panel = Literal["2a", "2b", "2c", "2d", "2e", "2f"]
PANELS: tuple[Panel, ...] = get_args(Panel)
"""The panels of the paper's Figure 2."""
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def parameter(meaning: str, source: str, **limits: Any) -> Any:
    """A field of params.yaml: what it is, and the section of the paper (or the reason) that its value comes from."""
    return Field(..., description=meaning, json_schema_extra={"source": source}, **limits)


def optional(meaning: str, default: Callable[[], Any], **limits: Any) -> Any:
    """A field that may be left out."""
    return Field(default_factory=default, description=meaning, json_schema_extra={"source": "this project"}, **limits)


LARGEST = 10**9
"""Above it no number of params.yaml makes sense; single ones have limits of their own."""


class Section(BaseModel):
    """A section of params.yaml: frozen; an unknown key is refused, and so is an infinite or huge number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _check_size(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            for item in value:
                cls._check_size(item)
        elif isinstance(value, int | float) and abs(value) > LARGEST:
            raise ValueError(f"{value:g} is too large: no number here may be above {LARGEST:,}")
        return value


class ByScale(Section):
    """A budget that each scale of the study sets."""

    smoke: int = parameter("in the smoke test", "not in the paper: as little as runs", ge=1, le=10**9)
    preview: int = parameter("in the preview", "not in the paper: what ends within minutes", ge=1, le=10**9)
    paper: int = parameter("at the paper's scale", "A.4.2", ge=1, le=10**9)

    def at(self, scale: str) -> int:
        """The budget of `scale`."""
        return int(getattr(self, scale))


class PretrainingEpochs(ByScale):
    paper: int = parameter("at the paper's scale, at most", "not stated: chosen; a rule stops earlier", ge=1, le=10**9)


class RunsPerBatch(ByScale):
    smoke: int = parameter("in the smoke test", "this project: changes no result", ge=1, le=10**9)
    preview: int = parameter("in the preview", "this project: changes no result", ge=1, le=10**9)
    paper: int = parameter("at the paper's scale", "this project: changes no result", ge=1, le=10**9)


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name: use small letters, digits and single hyphens")
    return text


def _seeds(text: str) -> str:
    seeds_of(text)
    return text


Name = Annotated[str, AfterValidator(_name)]
SeedBlock = Annotated[str, AfterValidator(_seeds)]
PositiveInt = Annotated[int, Field(ge=1, le=65_536)]


class EventLog(Section):
    """How purchases are taken from an event log."""

    minimum_item_purchases: int = parameter("items bought less often are dropped", "A.4.1", ge=1)
    minimum_user_purchases: int = parameter("users with fewer purchases are dropped", "A.4.1", ge=1)
    counting: Literal["all-purchases", "items-first", "users-first"] = parameter(
        "what the two thresholds count", "not stated: all purchases reproduces 835 items and about 250,000 rows best"
    )
    duplicates: Literal["keep", "drop"] = parameter(
        "purchases equal in every field", "not stated: equal rows of one second look like one purchase logged twice"
    )
    bad_rows: Literal["error", "drop"] = parameter(
        "rows that cannot be read: stop with file and line, or count and leave out", "this project"
    )


class KechinovFiles(Section):
    months: list[str] = parameter("months of the log, one file each", "A.4.1: October 2019", min_length=1)
    mirrors: list[str] = parameter(
        "folders that hold MONTH.csv.gz, tried in turn; kaggle: the publisher's page there",
        "the publisher's",
        min_length=1,
    )
    local_path: str = parameter("folder that already holds the .csv.gz files; empty: download them", "convenience")

    @model_validator(mode="after")
    def _each_once(self) -> "KechinovFiles":
        for month in self.months:
            if not re.fullmatch(r"\d{4}-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)", month):
                raise ValueError(f"months: write {month} like 2019-Oct")
            if self.months.count(month) > 1:
                raise ValueError(f"months: {month} is listed twice: its purchases would count twice")
        return self


class Kechinov(EventLog):
    raw: KechinovFiles


class SyntheticLog(Section):
    purchases: int = parameter("purchases of the log, about", "742,849 in October 2019", ge=1_000, le=100_000_000)
    seed: int = parameter("of the generator", "this project", ge=0)


class Synthetic(EventLog):
    raw: SyntheticLog


class InstalledPackage(Section):
    """Nothing to choose: requirements/compute.lock names the version."""


class CompleteJourney(Section):
    raw: InstalledPackage
    most_bought_items: int = parameter("the items kept", "A.4.1: as many items as in the paper", ge=2)
    minimum_user_purchases: int = parameter("households with fewer purchases are dropped", "A.4.1", ge=1)


class Transitions(Section):
    order: int = parameter("n: items that the state holds", "A.4.1", ge=1, le=4)
    skip_window: int = parameter(
        "how far ahead a purchase still counts, with weight 1/2^gap", "Shani et al.: no end; here 1/1024", ge=0, le=50
    )
    similarity: bool = parameter(
        "histories also learn from those that share items with them", "Shani et al.; not stated whether the paper does"
    )
    held_out_share: float = parameter(
        "share of users left out of the counts while the perplexity is measured, and only then",
        "this project",
        ge=0.01,
        le=0.9,
    )


class Data(Section):
    """A section a data set: `raw` is what its files are made from, the rest is what the filter does with them."""

    kechinov: Kechinov
    completejourney: CompleteJourney
    synthetic: Synthetic
    transitions: Transitions


class Environment(Section):
    """What every environment of the study has."""

    module: str = parameter("file of jsae/environments", "this project")
    label: str = parameter("what figures and prose call it", "this project", min_length=1)
    panel: Literal["", Panel] = parameter("its panel of Figure 2", "Figure 2")
    purchases: Source | None = parameter(
        "data set that a recommender draws from; null: none",
        "A.4.1 uses kechinov; completejourney is real and needs no download",
    )
    dynamics: dict[str, Any] = parameter("arguments of the environment's class", "its file")
    steps_per_epoch: int = parameter("environment steps an epoch; a multiple of the episode length", "A.4.2", ge=1)
    epochs: ByScale
    reward_scale: float = parameter(
        "rewards are multiplied by it for learning, and reported raw",
        "1: as they are; for the synthetic data set 7.37 / 2,526, the standard deviations of the random policy's "
        "return in The Complete Journey and there, to one digit",
        gt=0,
    )
    hidden_sizes: list[PositiveInt] = parameter("hidden units of actor and critic", "A.4.2", min_length=1)
    state_embedding_size: int = parameter("m: dimension of a state embedding", "A.4.2", ge=1, le=4096)
    action_embedding_size: int = parameter("d: dimension of an action embedding", "A.4.2", ge=1, le=4096)
    pretraining_samples: int = parameter(
        "transitions of the random policy to pre-train on", "A.4.2", ge=10, le=100_000_000
    )
    pretraining_epochs: PretrainingEpochs
    continual: bool = parameter("embeddings go on learning after pre-training", "A.4.2: the recommender's only")

    @property
    def num_envs(self) -> int:
        """N: episodes that run side by side in an epoch."""
        return self.steps_per_epoch // int(self.dynamics["episode_length"])

    @model_validator(mode="after")
    def _consistent(self) -> "Environment":
        try:
            environment = registry.load("environments", self.module)
        except JsaeError as error:
            raise ValueError(f"module: {error}") from None
        needs = "model" in inspect.signature(environment).parameters  # an n-gram model of purchases
        if needs != (self.purchases is not None):
            raise ValueError(f"purchases: {self.module} needs {'a data set' if needs else 'none: write null'}")
        messages.validated(schema_of(environment), self.dynamics, "dynamics")
        length = int(self.dynamics["episode_length"])
        if self.steps_per_epoch % length:
            raise ValueError(f"steps_per_epoch must be a multiple of dynamics.episode_length ({length})")
        return self


class Embeddings(Section):
    learning_rate: float = parameter("Adam's learning rate for embeddings", "A.4.2", gt=0, le=1)
    weight_decay: float = parameter("Adam's weight decay for embeddings", "public re-implementation", ge=0, le=1)
    batch_size: int = parameter(
        "samples of a pre-training step", "not stated: public re-implementation's largest", ge=1
    )
    validation_share: float = parameter("samples held out to tell when to stop", "not stated: chosen", ge=0.01, le=0.9)
    window: int = parameter(
        "gradient steps over which the held-out loss must fall for pre-training to go on",
        "not stated: chosen longer than RA's first plateau in the discrete gridworld, about 1,300 steps",
        ge=1,
    )
    minimum_improvement: float = parameter(
        "by how much it must fall, relative to the best loss before",
        "not stated: chosen; what is lost against 100 epochs is below half a percent",
        ge=0,
        le=0.5,
    )
    continual_weight_decay: float = parameter(
        "Adam's weight decay after pre-training, where embeddings go on learning",
        "public re-implementation",
        ge=0,
        le=1,
    )
    continual_epochs: int = parameter("epochs over an epoch's transitions", "public re-implementation: 1 to 5", ge=1)
    continual_batch_size: int = parameter("samples of a continual step", "public re-implementation: 64 to 512", ge=1)

    def pretraining(self) -> dict[str, Any]:
        """What pre-training needs of it."""
        return {name: value for name, value in self.model_dump().items() if not name.startswith("continual_")}


class CommonAgent(Section):
    discount: float = parameter("γ: reward discount", "A.4.2", ge=0, lt=1)
    initial_standard_deviation: float = parameter(
        "σ of the actor's Gaussian at the start",
        "A.4.2: searched over 0.3, 0.6, 0.8; the middle, where the search has not varied it",
        gt=0,
        le=100,
    )
    actor_learning_rate: float = parameter(
        "Adam's", "A.4.2: searched; the largest, where the search has not varied it", gt=0, le=1
    )
    critic_learning_rate: float = parameter(
        "Adam's", "A.4.2: searched; the largest, where the search has not varied it", gt=0, le=1
    )


class Agents(BaseModel):
    """`common`, and a section an agent with what its class is made with."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    common: CommonAgent

    @model_validator(mode="after")
    def _known(self) -> "Agents":
        for name, section in (self.__pydantic_extra__ or {}).items():
            try:
                agent = registry.load("agents", name)
            except JsaeError as error:
                raise ValueError(f"{name}: {error}") from None
            messages.validated(schema_of(agent), section, name)
        return self

    def of(self, name: str) -> dict[str, Any]:
        """The section of an agent. Raises JsaeError if there is none."""
        try:
            return dict((self.__pydantic_extra__ or {})[name])
        except KeyError:
            raise JsaeError(f"agents.{name} is missing: every agent of `cells` has a section") from None


class Training(Section):
    device: Literal["auto", "cpu", "cuda"] = parameter(
        "where embeddings and agents learn: cpu; cuda, a GPU, whose numbers differ from the CPU's, and from one run to "
        "the next, by rounding, which training magnifies; auto: cuda where there is one",
        "this project",
    )
    runs_per_batch: RunsPerBatch


class Probes(Section):
    samples: int = parameter("fresh transitions to measure an embedding on", "this project", ge=100, le=10_000_000)
    visits: int = parameter(
        "positions that tell where in its bin an agent is", "this project", ge=1_000, le=100_000_000
    )
    draws: int = parameter("of them, for each transition whose entropy is estimated", "this project", ge=10)
    pairs: int = parameter("pairs of actions to compare distances over", "this project", ge=100, le=100_000_000)


class ValueMaps(Section):
    episodes: int = parameter("episodes of each seed whose visits a map of the gridworld counts", "this project", ge=1)


class Transfer(Section):
    panel: Literal["2f"] = parameter("the panel of Figure 2 that shows transfers", "Figure 2")
    environment: str = parameter("the old environment, which the transfers start from", "5.4: 512 actions")
    embedding: Literal["jsae"] = parameter("its embedding", "5.4")


class Theory(Section):
    problems: int = parameter("random decision processes that the lemmas are checked on", "this project", ge=1)
    states: int = parameter(
        "states of each", "this project: even, so that all can collide in pairs", ge=2, le=1000, multiple_of=2
    )
    actions: int = parameter("actions of each", "this project", ge=2, le=1000)
    cells_per_action: int = parameter(
        "intervals of E that f maps to one action", "this project: f is many-to-one", ge=1, le=100
    )
    tolerance: float = parameter(
        "relative differences below it count as equal", "float64; finite differences reach about 1e-10", gt=0, lt=1
    )
    near: float = parameter("embeddings nearer than it are counted as nearly equal", "this project", gt=0, le=1)
    sampled_states: int = parameter(
        "states whose nearest neighbour is measured where measuring all takes too long", "this project", ge=1
    )


class Reading(Section):
    """One way to fill in what the paper leaves open: what it sets otherwise than the primary reading."""

    meaning: str = parameter("what it changes, in one sentence", "this project", min_length=1)
    control: bool = optional(
        "no reading of the paper but a check on one: it speaks for or against no claim", lambda: False
    )
    environment: dict[str, Any] = optional("what it sets otherwise in the sections of its environments", dict)
    agents: dict[str, dict[str, Any]] = optional("what it sets otherwise in the sections of agents", dict)
    embeddings: dict[str, Any] = optional("what it sets otherwise in the section embeddings", dict)
    variants: dict[str, str] = optional(
        "embeddings and agents that it replaces, each by a file of jsae/embeddings or jsae/agents", dict
    )


class Product(Section):
    """Cells: every environment × agent × embedding × reading of the lists."""

    environments: list[str] = parameter("names of `environments`", "Figure 2", min_length=1)
    agents: list[str] = parameter("agents to train", "Figure 2", min_length=1)
    embeddings: list[str] = parameter("representations to train with", "Figure 2", min_length=1)
    readings: list[str] = optional("names of `readings`; left out: the primary reading", lambda: [""], min_length=1)


class Group(Section):
    """A group of `cells` with the seeds that a scale gives it."""

    cells: str = parameter("a group of `cells`", "this project")
    seeds: list[SeedBlock] = parameter(
        "blocks of seeds, first-last; one stage trains one block", "A.4.2: 5 runs", min_length=1
    )


ROLES = ("paper", "transfer", "ablation", "control", "reading")
"""What an embedding may be in the report."""
Searchable = Literal[
    "actor_learning_rate",
    "critic_learning_rate",
    "initial_standard_deviation",
    "hidden_sizes",
    "state_embedding_size",
    "action_embedding_size",
    "entropy_weight",
    "train_pi_iters",
    "update_steps",
]
"""Hyper-parameters that a search can vary."""

Values = Annotated[list[Any], Field(min_length=1)]
Grid = dict[Searchable, Values]


class Search(Section):
    seeds: SeedBlock = parameter("seeds that choose, and that no run of the study uses", "this project")
    cells: list[str] = parameter("groups of `cells` that are searched", "this project", min_length=1)
    settings: int = parameter("settings that every cell tries", "A.4.2: 3 × 3 × 3 of what all share", ge=1, le=10_000)
    seeds_per_setting: int = parameter("runs of a setting", "not stated: chosen", ge=1, le=100)
    combined: list[Searchable] = parameter(
        "hyper-parameters that are tried in every combination of their values", "A.4.2", min_length=1
    )
    spread: list[Searchable] = parameter(
        "hyper-parameters whose values are spread at random over these combinations, each as often", "A.4.2"
    )
    first_rung: dict[str, float] = parameter(
        "share of the paper's epochs after which settings are compared, by module; 1: all are trained to the end",
        "chosen so that something has been learnt by then (report/plan.md)",
    )
    factor: int = parameter("of the settings, one in so many goes on to the end", "this project", ge=2, le=100)
    runs_per_batch: int = parameter(
        "settings × seeds of the same shapes that one process trains as one tensor", "this project", ge=1
    )
    same_as: dict[str, str] = parameter("environments that take what was found in another", "this project")
    grid: Grid = parameter("values of each hyper-parameter", "A.4.2; steps an epoch are not stated")
    grids: dict[str, Grid] = parameter("values that environments of one module set otherwise, by module", "A.4.2")


class Parameters(Section):
    scales: dict[Scale, list[Group]] = parameter(
        "a group of cells that the scale runs, and its seeds", "this project (report/plan.md); A.4.2 has 5 runs a cell"
    )
    cells: dict[Name, list[Product]] = parameter(
        "cells of the group: every combination of what is listed", "figure-2: Figure 2; other groups: this project"
    )
    readings: dict[Name, Reading] = parameter("ways to fill in what the paper leaves open", "this project")
    data: Data
    environments: dict[Name, Environment]
    embeddings: Embeddings
    agents: Agents
    training: Training
    transfer: Transfer
    probes: Probes
    value_maps: ValueMaps
    theory: Theory
    search: Search

    @model_validator(mode="after")
    def _consistent(self) -> "Parameters":
        for scale, groups in self.scales.items():
            _check_names(f"scales.{scale}", [group.cells for group in groups], self.cells)
        _check_names("search.cells", self.search.cells, self.cells)
        for place, product in ((f"cells.{name}", one) for name, products in self.cells.items() for one in products):
            for kind, known in self.names().items():
                _check_names(f"{place}.{kind}", filter(None, getattr(product, kind)), known, kind)
            for name in product.embeddings:
                _check_embedding(name)
        _check_names("transfer.environment", [self.transfer.environment], self.environments)
        self._check_readings()
        self._check_seeds()
        self._check_search()
        return self

    def _check_readings(self) -> None:
        """What a reading changes must fit the environments that run under it, or one of all, if none does."""
        if "primary" in self.readings:
            raise ValueError("readings.primary: params.yaml without any reading is called so; use another name")
        for name, reading in self.readings.items():
            place = f"readings.{name}"
            if not (reading.environment or reading.agents or reading.embeddings or reading.variants):
                raise ValueError(f"{place} changes nothing: give it environment, agents, embeddings or variants")
            for old, new in reading.variants.items():
                kinds = (registry.names("embeddings"), list(self.agents.__pydantic_extra__ or {}))
                _check_names(f"{place}.variants", [old], [*kinds[0], *kinds[1]])
                _check_names(f"{place}.variants", [new], kinds[0] if old in kinds[0] else kinds[1])
            _check_names(f"{place}.agents", reading.agents, {"common", *(self.agents.__pydantic_extra__ or {})})
            self.common(name)
            for agent in set(reading.agents) - {"common"}:
                self.agent(agent, name)
            self.embedding(name)
            products = [product for group in self.cells.values() for product in group if name in product.readings]
            worlds = list(dict.fromkeys(world for product in products for world in product.environments))
            wrong = {}
            for world in self.environments:
                try:
                    self.environment(world, name)
                except messages.Mistakes as error:
                    wrong[world] = error
            if len(wrong) == len(self.environments):
                raise next(iter(wrong.values()))
            for world in worlds:
                if world in wrong:
                    raise ValueError(f"cells: the reading {name} does not fit {world} ({wrong[world]}); take one out")

    def _check_seeds(self) -> None:
        choosing = set(seeds_of(self.search.seeds))
        for scale, groups in self.scales.items():
            for group in groups:
                seeds = [seed for block in group.seeds for seed in seeds_of(block)]
                if len(seeds) != len(set(seeds)):
                    raise ValueError(f"scales.{scale}, {group.cells}: a seed is in two blocks")
                if choosing & set(seeds):
                    both = ", ".join(map(str, sorted(choosing & set(seeds))))
                    raise ValueError(
                        f"scales.{scale}, {group.cells}: search.seeds has {both} too, and what chooses must not be "
                        "reported; name other seeds"
                    )

    def _check_search(self) -> None:
        search = self.search
        _check_names("search.same_as", [name for pair in search.same_as.items() for name in pair], self.environments)
        for name in search.same_as:
            seen = [name]
            while (following := search.same_as.get(seen[-1])) is not None:
                if following in seen:
                    raise ValueError(f"search.same_as: {' → '.join([*seen, following])} is a circle")
                seen.append(following)
        _check_names("search.grids", search.grids, {section.module for section in self.environments.values()})
        varied = [*search.combined, *search.spread]
        _check_once("search.combined and search.spread", varied)
        modules = {
            self.environments[cell.environment].module for group in search.cells for cell in self.cells_of(group)
        }
        _check_names("search.first_rung", search.first_rung, {section.module for section in self.environments.values()})
        for module in sorted(modules):
            if not 0 < search.first_rung.get(module, 0) <= 1:
                raise ValueError(f"search.first_rung.{module} must be there, above 0 and at most 1")
        grids = {"search.grid": search.grid, **{f"search.grids.{name}": grid for name, grid in search.grids.items()}}
        for name in varied:
            if not any(name in grid for grid in grids.values()):
                raise ValueError(f"search: {name} is varied and has no values in search.grid or search.grids")
        kind = searchable(self)
        for place, grid in grids.items():
            for name, values in grid.items():
                _check_once(f"{place}.{name}", values)
                for value in values:
                    messages.validated(kind, {name: value}, place)

    # -- what a reading changes ----------------------------------------------------------------------------------------

    def environment(self, name: str, reading: str = "") -> Environment:
        """The section of an environment under a reading."""
        section = self.environments[name]
        changes = self.readings[reading].environment if reading else {}
        return _changed(f"readings.{reading}.environment", section, changes) if changes else section

    def agent(self, name: str, reading: str = "") -> dict[str, Any]:
        """Parameters of an agent under a reading. Raises JsaeError if it has no section."""
        stated = self.agents.of(name)
        changes = self.readings[reading].agents.get(name, {}) if reading else {}
        kind = schema_of(registry.load("agents", name))
        messages.validated(kind, stated | changes, f"readings.{reading}.agents.{name}")
        return stated | changes

    def common(self, reading: str = "") -> CommonAgent:
        """What every agent has, under a reading."""
        changes = self.readings[reading].agents.get("common", {}) if reading else {}
        return (
            _changed(f"readings.{reading}.agents.common", self.agents.common, changes)
            if changes
            else self.agents.common
        )

    def embedding(self, reading: str = "") -> Embeddings:
        """The section embeddings under a reading."""
        changes = self.readings[reading].embeddings if reading else {}
        return _changed(f"readings.{reading}.embeddings", self.embeddings, changes) if changes else self.embeddings

    def embedding_of(self, cell: Cell) -> str:
        """The file of jsae/embeddings that a cell is trained with: its reading may replace its embedding."""
        return self._variants(cell).get(cell.embedding, cell.embedding)

    def agent_of(self, cell: Cell) -> str:
        """The file of jsae/agents that a cell is trained with: its reading may replace its agent."""
        return self._variants(cell).get(cell.agent, cell.agent)

    def _variants(self, cell: Cell) -> dict[str, str]:
        return self.readings[cell.reading].variants if cell.reading else {}

    # -- cells ---------------------------------------------------------------------------------------------------------

    def cells_of(self, group: str) -> list[Cell]:
        """Every cell of a group, each once."""
        return list(
            dict.fromkeys(
                Cell(environment, agent, embedding, reading)
                for product in self.cells[group]
                for reading in product.readings
                for environment in product.environments
                for agent in product.agents
                for embedding in product.embeddings
            )
        )

    def runs(self, scale: str, panel: str = "") -> dict[Cell, list[str]]:
        """The cells of a scale, each with its blocks of seeds; of one panel only, where one is named.

        Raises JsaeError if there is no such scale or panel, or if a transfer lacks the cell that it starts from.
        """
        if scale not in self.scales:
            raise JsaeError(f"there is no scale {scale!r}: choose one of {', '.join(self.scales)}")
        if panel and panel not in PANELS:
            raise JsaeError(f"there is no panel {panel!r}: choose one of {', '.join(PANELS)}")
        found: dict[Cell, list[str]] = {}
        for group in self.scales[scale]:
            for cell in self.cells_of(group.cells):
                blocks = found.setdefault(cell, [])
                blocks += [block for block in group.seeds if block not in blocks]
        for cell, blocks in found.items():
            seeds = [seed for block in blocks for seed in seeds_of(block)]
            if len(seeds) != len(set(seeds)):
                raise JsaeError(f"scales.{scale}: {cell} has a seed in two blocks ({', '.join(blocks)})")
            source = self.source_of(cell)
            if source is not None and not set(blocks) <= set(found.get(source, [])):
                raise JsaeError(f"scales.{scale}: {cell} starts from {source}, which must run with the same seeds")
        if panel:
            wanted = {cell for cell in found if self.panel_of(cell) == panel}
            wanted |= {
                Cell(cell.environment, cell.agent, other, cell.reading)
                for cell in wanted
                if (other := registry.load("embeddings", cell.embedding).compared_with)
            }
            wanted |= {source for cell in wanted if (source := self.source_of(cell)) is not None}
            found = {cell: blocks for cell, blocks in found.items() if cell in wanted}
        if not found:
            raise JsaeError(f"scales.{scale} has no cell" + (f" of panel {panel}" if panel else ""))
        return found

    def names(self) -> dict[str, list[str]]:
        """The names that a cell may have: of environments, agents, embeddings and readings."""
        return {
            "environments": list(self.environments),
            "agents": list(self.agents.__pydantic_extra__ or {}),
            "embeddings": registry.names("embeddings"),
            "readings": list(self.readings),
        }

    def panel_of(self, cell: Cell) -> str:
        """The panel of Figure 2 that a cell is for; "" if none."""
        if cell.reading:
            return ""
        transfer = registry.load("embeddings", cell.embedding).role == "transfer"
        return self.transfer.panel if transfer else self.environments[cell.environment].panel

    def source_of(self, cell: Cell) -> Cell | None:
        """The cell that a transfer starts from; None for every other cell."""
        if not registry.load("embeddings", cell.embedding).transferred:
            return None
        return Cell(self.transfer.environment, cell.agent, self.transfer.embedding, cell.reading)


def _check_names(place: str, names: Iterable[str], known: Collection[str], kind: str = "") -> None:
    """kind: of registry.KINDS, if a name may be that of a file which lacks its class or its section."""
    for name in names:
        if name in known:
            continue
        if kind in ("agents", "embeddings") and (path := registry.files(kind, name)).is_file():  # type: ignore[arg-type]
            if name in registry.names(kind):  # type: ignore[arg-type]
                raise ValueError(f"{kind}.{name} is missing: {place} names it")
            wanted = registry.class_name(kind, name)  # type: ignore[arg-type]
            raise ValueError(f"{place}: {path} has no class {wanted}")
        raise ValueError(messages.unknown(place, name, known))


def _check_embedding(name: str) -> None:
    """Whether what an embedding says of itself can be so; figures and tables use it, long after the trainings."""
    own, file = registry.load("embeddings", name), registry.files("embeddings", name).as_posix()
    _check_names(f"{file}: role", [own.role], ROLES)
    others = {"", *registry.names("embeddings")}
    _check_names(f"{file}: compared_with", [own.compared_with], others)
    _check_names(f"{file}: searched_as", [own.searched_as], others)
    _check_names(f"{file}: searched", own.searched, get_args(Searchable))
    if not re.fullmatch("#[0-9a-fA-F]{6}", own.color):
        raise ValueError(f"{file}: color must be like #0072B2, not {own.color!r}")


def _check_once(place: str, values: Sequence[Any]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{place}: {value!r} is listed twice")


def _changed(place: str, section: Any, changes: Mapping[str, Any]) -> Any:
    """A section with changes put over it, key by key. Raises messages.Mistakes under the key `place`."""
    return messages.validated(type(section), _over(section.model_dump(), changes), place)


def _over(content: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(content)
    for name, value in changes.items():
        old = merged.get(name)
        merged[name] = _over(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged


@cache
def schema_of(cls: type) -> type[BaseModel]:
    """What params.yaml must hold for a class: the arguments of its constructor that have a Doc."""
    fields: dict[str, Any] = {}
    for name, hint in doc.parameters_of(cls).items():
        note = next(note for note in hint.__metadata__ if isinstance(note, doc.Doc))
        fields[name] = (hint, parameter(note.meaning, note.source))
    return create_model(cls.__name__, __base__=Section, **fields)


def searchable(parameters: Parameters) -> type[BaseModel]:
    """The schema of every hyper-parameter that a search may vary: that of the place where it stands otherwise."""
    places: dict[str, Any] = dict(CommonAgent.model_fields) | dict(Environment.model_fields)
    for name in parameters.agents.__pydantic_extra__ or {}:
        places |= schema_of(registry.load("agents", name)).model_fields
    fields: dict[str, Any] = {}
    for name in get_args(Searchable):
        if name in places:
            field = places[name]
            fields[name] = (Annotated[(field.annotation, *field.metadata)], None)
    return create_model("grid", __base__=Section, **fields)


def load(path: Path) -> Parameters:
    """Read and check params.yaml. Raises JsaeError with one line for each wrong place."""
    return checked(sections(path), str(path))


def sections(path: Path) -> dict[str, Any]:
    """The content of params.yaml, not checked yet. Raises JsaeError if it has no sections."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise JsaeError(f"{path} is empty or no section of names and values: restore it from git")
    return content


def checked(content: Any, place: str) -> Parameters:
    """The parameters. Raises JsaeError with one line for each wrong place, each with where it was given."""
    try:
        return Parameters.model_validate(content)
    except ValidationError as error:
        raise JsaeError("\n".join(f"{place}: {line}" for line in messages.lines(Parameters, content, error))) from None


def table(parameters: Parameters) -> list[tuple[str, str, str, str]]:
    """Rows (name, value, meaning, source) of every parameter."""
    return list(_rows(parameters, ""))


def _rows(section: Any, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _rows(value, f"{prefix}{name}.")
        elif isinstance(value, dict) and all(isinstance(item, BaseModel) for item in value.values()):
            for item, content in value.items():
                yield from _rows(content, f"{prefix}{name}.{item}.")
        elif isinstance(value, dict) and not (isinstance(section, Environment) and name == "dynamics"):
            for item, content in value.items():
                if isinstance(content, list) and all(isinstance(one, BaseModel) for one in content):
                    for place, one in enumerate(content):
                        yield _row(f"{prefix}{name}.{item}.{place}", one, field)
                else:
                    yield _row(f"{prefix}{name}.{item}", content, field)
        elif isinstance(section, Environment) and name == "dynamics":
            kind = schema_of(registry.load("environments", section.module))
            yield from _rows(kind.model_validate(value), f"{prefix}{name}.")
        else:
            yield _row(prefix + name, value, field)
    for name, value in (getattr(section, "__pydantic_extra__", None) or {}).items():
        yield from _rows(schema_of(registry.load("agents", name)).model_validate(value), f"{prefix}{name}.")


def _row(key: str, value: Any, field: Any) -> tuple[str, str, str, str]:
    extra = field.json_schema_extra
    return key, _text(value), field.description or "", str(extra["source"]) if isinstance(extra, dict) else ""


def _text(value: Any) -> str:
    """A value as params.yaml has it; the outermost section without its braces."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, dict) and value:
        return ", ".join(f"{name}: {_inner(one)}" for name, one in value.items())
    return _inner(value)


def _inner(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inner, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_inner(one)}" for name, one in value.items()) + "}"
    return (
        f"{value:g}" if isinstance(value, float) and math.isfinite(value) and value != round(value, 12) else str(value)
    )


def main(arguments: Sequence[str]) -> None:
    """Print every parameter as a table: name, value, meaning, source."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("path", type=Path, nargs="?", default=Path("params.yaml"), help="left out: params.yaml")
    path = parser.parse_args(arguments).path
    rows = list(table(load(path)))
    console = Console(markup=False)  # a list is no markup
    if not console.is_terminal:
        print(*("\t".join(row) for row in rows), sep="\n")
        return
    shown = Table("name", "value", "meaning", "source", title=str(path))
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
