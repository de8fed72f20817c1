"""The schema of params.yaml: every number of the study with its meaning, its range and its source.

There are no defaults: what is not in params.yaml is an error, so the file, with what the search found over it
(search/best.yaml), is the whole truth about a study. A source named "public re-implementation" is the code at
github.com/micxael/rl-jepa, commit 952de80, which calls itself adapted from the paper's; none of it is used.
`python -m jsae.config.parameters` prints the table that `make params` shows.
"""

import difflib
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from jsae.config.errors import JsaeError

Scale = Literal["preview", "paper"]
Store = Literal["completejourney", "kechinov", "synthetic"]
Section = tuple[str | int, ...]


def parameter(meaning: str, source: str, **limits: Any) -> Any:
    """A field of params.yaml: what it is, and the section of the paper (or the reason) that its value comes from."""
    return Field(..., description=meaning, json_schema_extra={"source": source}, **limits)


class Strict(BaseModel):
    """A section of params.yaml: frozen, and a key that it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ByScale(Strict):
    """A budget that the two scales of the study set apart."""

    preview: int = parameter("in the preview", "not in the paper: a fraction that ends within minutes", ge=1)
    paper: int = parameter("at the paper's scale", "A.4.2", ge=1)

    def at(self, scale: str) -> int:
        """The budget of `scale`, preview or paper."""
        return int(getattr(self, scale))


NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(ge=1)]
Point = Annotated[list[NonNegative], Field(min_length=2, max_length=2)]
Box = Annotated[list[NonNegative], Field(min_length=4, max_length=4)]


class EventLog(Strict):
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


class KechinovFiles(Strict):
    months: list[str] = parameter("months of the log, one file each", "A.4.1: October 2019", min_length=1)
    mirrors: list[str] = parameter(
        "folders that hold MONTH.csv.gz, tried in turn; kaggle: the publisher's page there",
        "the publisher's",
        min_length=1,
    )
    local_path: str = parameter("folder that already holds the .csv.gz files; empty: download them", "convenience")


class Kechinov(EventLog):
    raw: KechinovFiles


class SyntheticLog(Strict):
    rows: int = parameter("events of the log, views included", "42,448,764 is October 2019", ge=10_000)
    seed: int = parameter("of the generator", "this project", ge=0)
    events: Literal["purchases", "all"] = parameter(
        "what of the log is written; the purchases are the same", "the study reads purchases only"
    )


class Synthetic(EventLog):
    raw: SyntheticLog


class InstalledPackage(Strict):
    """Nothing to choose: requirements/compute.lock names the version."""


class CompleteJourney(Strict):
    raw: InstalledPackage
    most_bought_items: int = parameter("the items kept", "A.4.1: as many items as the paper's shop", ge=2)
    minimum_user_purchases: int = parameter("households with fewer purchases are dropped", "A.4.1", ge=1)


class Transitions(Strict):
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
        gt=0,
        lt=1,
    )


class Data(Strict):
    """A section a store: `raw` is what its files are made from, the rest is what the filter does with them."""

    kechinov: Kechinov
    completejourney: CompleteJourney
    synthetic: Synthetic
    transitions: Transitions


class GridworldDynamics(Strict):
    discrete: bool = parameter("state is a bin of the grid instead of a coordinate", "5.1")
    bins: int = parameter("bins along each side", "A.4.1", ge=2)
    actuators: int = parameter(
        "n: there are 2^n actions", "not stated: 11 gives the 2,048 of the transfer", ge=1, le=14
    )
    sub_steps: int = parameter("motions of one step", "public re-implementation: int(0.2 / 0.045)", ge=1, le=8)
    sub_step_length: float = parameter("length of the longest motion", "public re-implementation", gt=0, le=1)
    step_reward: Finite = parameter("reward of every step", "5.1: small; number of the public re-implementation")
    collision_reward: Finite = parameter("added when a step collides", "5.1: small; public re-implementation")
    goal_reward: Finite = parameter("added when the goal is reached", "5.1: large; public re-implementation")
    start: Point = parameter("where an episode starts: x, y", "public re-implementation")
    goal: Box = parameter("goal region: x0, y0, x1, y1", "Figure 4; public re-implementation")
    walls: list[Box] = parameter("obstacles: x0, y0, x1, y1 each", "Figure 4; public re-implementation")
    episode_length: int = parameter("steps of an episode at most", "A.4.1", ge=1)


class SlotMachineDynamics(Strict):
    reels: list[list[Annotated[int, Field(ge=0)]]] = parameter(
        "values of each reel", "A.4.1: drawn once from 0 to 8; these are the public re-implementation's"
    )
    moves: int = parameter("fractions of a turn to choose from, each reel", "A.4.1: 4,096 actions = 8^4", ge=1)
    fraction: float = parameter("step between fractions of a full turn", "A.4.1", gt=0, le=1)
    minimum_count: int = parameter("m: a value pays if it shows at least so often", "A.4.1", ge=1)
    episode_length: int = parameter("steps of an episode", "A.4.1", ge=1)


class RecommenderDynamics(Strict):
    boost: float = parameter("α: a recommended item's probability is multiplied by it", "A.4.1", ge=1)
    bonus: float = parameter(
        "added to a recommended item's probability", "0 in the paper; 0.05 in the public re-implementation", ge=0
    )
    start: Literal["uniform", "popularity"] = parameter("how the first items are drawn", "public re-implementation")
    episode_length: int = parameter("steps of an episode", "A.4.2", ge=1)


class HalfCheetahDynamics(Strict):
    episode_length: int = parameter("steps of an episode", "A.4.1", ge=1)


class AgentChanges(Strict):
    """What an environment sets otherwise than `agents`: the same for every embedding."""

    vpg: dict[str, Any] = parameter("parameters of VPG that this environment sets otherwise", "this project")
    ppo: dict[str, Any] = parameter("parameters of PPO that this environment sets otherwise", "this project")
    sac: dict[str, Any] = parameter("parameters of SAC that this environment sets otherwise", "this project")


class Environment(Strict):
    """What every environment of the study has."""

    steps_per_epoch: int = parameter("environment steps an epoch; a multiple of the episode length", "A.4.2", ge=1)
    epochs: ByScale
    reward_scale: float = parameter(
        "rewards are multiplied by it for learning, and reported raw",
        "1: as they are; in the synthetic store 7.37 / 2,526, the standard deviations of the random policy's return in "
        "The Complete Journey and there, to one digit",
        gt=0,
    )
    hidden_sizes: list[PositiveInt] = parameter("hidden units of actor and critic", "A.4.2", min_length=1)
    agents: AgentChanges
    state_embedding_size: int = parameter("m: dimension of a state embedding", "A.4.2", ge=1)
    action_embedding_size: int = parameter("d: dimension of an action embedding", "A.4.2", ge=1)
    pretraining_samples: int = parameter("transitions of the random policy to pre-train on", "A.4.2", ge=10)
    pretraining_passes: ByScale
    continual: bool = parameter("embeddings go on learning after pre-training", "A.4.2: the recommender's only")

    @property
    def lanes(self) -> int:
        """N: episodes that run side by side in an epoch."""
        return self.steps_per_epoch // int(self.dynamics.episode_length)  # type: ignore[attr-defined]

    @model_validator(mode="after")
    def _whole_episodes(self) -> "Environment":
        length = int(self.dynamics.episode_length)  # type: ignore[attr-defined]
        if self.steps_per_epoch % length:
            raise ValueError(f"steps_per_epoch must be a multiple of dynamics.episode_length ({length})")
        return self


class Gridworld(Environment):
    module: Literal["gridworld"] = parameter("file of jsae/environments", "this project")
    dynamics: GridworldDynamics


class SlotMachine(Environment):
    module: Literal["slot_machine"] = parameter("file of jsae/environments", "this project")
    dynamics: SlotMachineDynamics


class Recommender(Environment):
    module: Literal["recommender"] = parameter("file of jsae/environments", "this project")
    store: Store = parameter(
        "whose purchases it draws from: a section of data",
        "A.4.1 uses kechinov; completejourney is real and needs no download",
    )
    dynamics: RecommenderDynamics


class HalfCheetah(Environment):
    module: Literal["half_cheetah"] = parameter("file of jsae/environments", "this project")
    dynamics: HalfCheetahDynamics


AnyEnvironment = Annotated[Gridworld | SlotMachine | Recommender | HalfCheetah, Field(discriminator="module")]


class Embeddings(Strict):
    learning_rate: float = parameter("Adam's learning rate for embeddings", "A.4.2", gt=0, le=1)
    weight_decay: float = parameter("Adam's weight decay for embeddings", "public re-implementation", ge=0, le=1)
    batch_size: int = parameter(
        "samples of a pre-training step", "not stated: public re-implementation's largest", ge=1
    )
    validation_share: float = parameter("samples held out to tell when to stop", "not stated: chosen", gt=0, lt=1)
    patience: int = parameter(
        "passes without a better held-out loss before a member stops",
        "not stated: chosen longer than RA's first plateau in the discrete gridworld, about 25 passes",
        ge=1,
    )
    continual_passes: int = parameter("passes over an epoch's transitions", "public re-implementation: 1 to 5", ge=1)
    continual_batch_size: int = parameter("samples of a continual step", "public re-implementation: 64 to 512", ge=1)


class CommonAgent(Strict):
    discount: float = parameter("γ: reward discount", "A.4.2", ge=0, lt=1)
    initial_standard_deviation: float = parameter(
        "of the actor's Gaussian",
        "A.4.2: searched over 0.3, 0.6, 0.8; the middle, where the search has not varied it",
        gt=0,
    )
    actor_learning_rate: float = parameter(
        "Adam's", "A.4.2: searched; the largest, where the search has not varied it", gt=0, le=1
    )
    critic_learning_rate: float = parameter(
        "Adam's", "A.4.2: searched; the largest, where the search has not varied it", gt=0, le=1
    )


class Vpg(Strict):
    gae_lambda: float = parameter("λ of generalised advantage estimation", "A.4.2", ge=0, le=1)
    policy_steps: int = parameter("gradient steps an epoch", "not stated: Spinning Up's 1", ge=1)
    critic_steps: int = parameter("gradient steps an epoch", "not stated: Spinning Up's 80", ge=1)
    kl_limit: float | None = parameter(
        "policy steps after the first end when E[ln π_old − ln π] exceeds it; null: never",
        "not stated: Spinning Up, with one step, has none; here that of PPO, where an environment has more",
        gt=0,
    )


class Ppo(Strict):
    clip: float = parameter("ε: how far the probability ratio counts", "A.4.2", gt=0, lt=1)
    gae_lambda: float = parameter("λ of generalised advantage estimation", "A.4.2", ge=0, le=1)
    policy_steps: int = parameter("gradient steps an epoch at most", "not stated: Spinning Up's 80", ge=1)
    critic_steps: int = parameter("gradient steps an epoch", "not stated: Spinning Up's 80", ge=1)
    kl_limit: float = parameter(
        "policy steps end when E[ln π_old − ln π] exceeds it", "not stated: Spinning Up's 1.5 × 0.01", gt=0
    )


class Sac(Strict):
    entropy_weight: float = parameter(
        "α: worth of a nat of the policy's entropy, beside scaled rewards",
        "A.4.2: searched over 0.1, 0.3; the public re-implementation's, where the search has not varied it",
        ge=0,
    )
    act_limit: float = parameter(
        "points of E stay within ± this; 1 is where g ends", "public re-implementation: 1.1 reaches all of g", gt=0
    )
    polyak: float = parameter(
        "ρ: share of a target critic that stays at an update step",
        "not stated: Spinning Up's 0.995; public re-implementation: 0.999",
        ge=0,
        lt=1,
    )
    replay_capacity: int = parameter(
        "steps that are remembered, in whole epochs",
        "not stated: 1,000,000 in Spinning Up and the public re-implementation",
        ge=1,
    )
    update_steps: int = parameter(
        "gradient steps of policy and critics at the end of an epoch", "public re-implementation: 50 to 300", ge=1
    )
    batch_size: int = parameter("transitions of a gradient step", "public re-implementation: 256 to 512", ge=1)
    start_steps: int = parameter(
        "uniform choices for so many steps, rounded up to whole epochs",
        "not stated: between 100 and 20,000 of the public re-implementation",
        ge=0,
    )
    update_after: int = parameter("no gradient steps before so many steps", "not stated: Spinning Up's 1,000", ge=0)


class Agents(Strict):
    common: CommonAgent
    vpg: Vpg
    ppo: Ppo
    sac: Sac


class MembersByScale(ByScale):
    preview: int = parameter(
        "seeds that one process trains as one tensor: two processes for five seeds", "this project", ge=1
    )
    paper: int = parameter(
        "the same at the paper's scale, where cells run side by side; it changes results in their last bits only; on a "
        "GPU, as many as its memory holds",
        "this project: one process for five seeds is the fastest",
        ge=1,
    )


class Training(Strict):
    device: Literal["auto", "cpu", "cuda"] = parameter(
        "where embeddings and agents learn: cpu; cuda, a GPU, whose numbers differ from the CPU's, and from one run to "
        "the next, by rounding, which training magnifies; auto: cuda where there is one",
        "this project",
    )
    members_per_shard: MembersByScale


class Quality(Strict):
    samples: int = parameter("fresh transitions to measure an embedding on", "this project", ge=100)
    visits: int = parameter("positions that tell where in its bin an agent stands", "this project", ge=1_000)
    draws: int = parameter("of them, for each transition whose entropy is estimated", "this project", ge=10)
    pairs: int = parameter("pairs of actions to compare distances over", "this project", ge=100)


class Maps(Strict):
    episodes: int = parameter("episodes of each seed whose visits a map of the gridworld counts", "this project", ge=1)


class Transfer(Strict):
    environment: str = parameter("the old environment, which the transfers take over from", "5.4: 512 actions")
    embedding: Literal["jsae"] = parameter("its embedding", "5.4")


def _embedding(name: str) -> str:
    """`name`, if jsae/embeddings has a file with it. Raises ValueError."""
    files = (Path(__file__).parents[1] / "embeddings").glob("*.py")
    names = [path.stem for path in files if re.search(r"^class Embedding\((?!Protocol)", path.read_text(), re.M)]
    if name not in names:
        near = _nearest(name, names)
        raise ValueError(f"there is no jsae/embeddings/{name}.py" + (f" (did you mean {near[0]}?)" if near else ""))
    return name


EmbeddingName = Annotated[str, AfterValidator(_embedding)]


class Theory(Strict):
    problems: int = parameter("random decision processes that the lemmas are checked on", "this project", ge=1)
    states: int = parameter(
        "states of each", "this project: even, so that all can collide in pairs", ge=2, multiple_of=2
    )
    actions: int = parameter("actions of each", "this project", ge=2)
    cells_per_action: int = parameter(
        "intervals of E that f maps to one action", "this project: f is many-to-one", ge=1
    )
    tolerance: float = parameter(
        "relative differences below it count as equal", "float64; finite differences reach about 1e-10", gt=0, lt=1
    )
    near: float = parameter("embeddings nearer than it are counted as nearly equal", "this project", gt=0)
    sampled_states: int = parameter(
        "states whose nearest neighbour is measured where measuring all takes too long", "this project", ge=1
    )


class Family(Strict):
    environments: list[str] = parameter("environments of the family; none listed: none runs", "Figure 2")
    agents: list[Literal["vpg", "ppo", "sac"]] = parameter("agents to train", "Figure 2", min_length=1)
    embeddings: list[EmbeddingName] = parameter("representations to train with; none listed: none runs", "Figure 2")


class Study(Strict):
    gridworld: Family
    slot_machine: Family = Field(alias="slot-machine")
    half_cheetah: Family = Field(alias="half-cheetah")
    recommender: Family
    recommender_literal: Family = Field(alias="recommender-literal")
    recommender_synthetic: Family = Field(alias="recommender-synthetic")
    transfer_scratch: Family = Field(alias="transfer-scratch")
    transfer: Family
    gridworld_ablations: Family = Field(alias="gridworld-ablations")
    slot_machine_ablations: Family = Field(alias="slot-machine-ablations")
    half_cheetah_ablations: Family = Field(alias="half-cheetah-ablations")
    recommender_ablations: Family = Field(alias="recommender-ablations")
    recommender_controls: Family = Field(alias="recommender-controls")


Searchable = Literal[
    "actor_learning_rate",
    "critic_learning_rate",
    "initial_standard_deviation",
    "hidden_sizes",
    "state_embedding_size",
    "action_embedding_size",
    "entropy_weight",
    "policy_steps",
    "update_steps",
]
"""Hyper-parameters that a search can vary."""

Grid = dict[Searchable, list[Any]]


class Search(Strict):
    cohort: str = parameter("seeds that choose, and that no run of the study uses", "this project")
    vary: list[Searchable] = parameter("hyper-parameters that are tried in all values of their grids", "this project")
    share_of_epochs: float = parameter(
        "how long the settings that go on to the end are trained, as a share of the paper's epochs",
        "not stated: 1 is the whole training",
        gt=0,
        le=1,
    )
    rungs: int = parameter("how often settings are compared; 1: all are trained to the end", "this project", ge=1, le=6)
    factor: int = parameter("of the settings, one in so many goes on from a rung to the next", "this project", ge=2)
    members_per_shard: int = parameter(
        "settings × seeds of the same shapes that one process trains as one tensor", "this project", ge=1
    )
    same_as: dict[str, str] = parameter("environments that take what was found in another", "this project")
    grid: Grid = parameter("values of each hyper-parameter", "A.4.2; steps an epoch are not stated")
    slot_machine: Grid = Field(alias="slot-machine", description="grid", json_schema_extra={"source": "A.4.2"})
    half_cheetah: Grid = Field(alias="half-cheetah", description="grid", json_schema_extra={"source": "A.4.2"})
    recommender: Grid = Field(description="grid", json_schema_extra={"source": "A.4.2"})


SEARCHED_FAMILIES = ("gridworld", "slot-machine", "half-cheetah", "recommender")


class Parameters(Strict):
    scale: Scale = parameter("budget of the study", "preview, or the paper's")
    cohorts: list[str] = parameter("blocks of seeds, first-last", "A.4.2: 5 runs", min_length=1)
    data: Data
    environments: dict[str, AnyEnvironment]
    embeddings: Embeddings
    agents: Agents
    training: Training
    transfer: Transfer
    quality: Quality
    maps: Maps
    theory: Theory
    study: Study
    search: Search

    @model_validator(mode="after")
    def _consistent(self) -> "Parameters":
        for name in self.environments:  # they become words of commands and parts of paths
            if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
                raise ValueError(f"environments: {name!r} is no name: use small letters, digits and hyphens")
        for name, family in self.families():
            for environment in family.environments:
                if environment not in self.environments:
                    raise ValueError(f"study.{name}.environments: {environment!r} is not among environments")
        self._check_stores()
        for name, section in self.environments.items():
            for agent, changes in section.agents:
                _check_changes(f"environments.{name}.agents.{agent}", getattr(self.agents, agent), changes)
        if self.transfer.environment not in self.environments:
            raise ValueError(f"transfer.environment: {self.transfer.environment!r} is not among environments")
        covered = sorted(itertools.chain.from_iterable(map(seeds_of, self.cohorts)))
        if len(covered) != len(set(covered)):
            raise ValueError("cohorts: a seed stands in two of them")
        if set(covered) & set(seeds_of(self.search.cohort)):
            raise ValueError("search.cohort: it shares seeds with cohorts: what chooses must not be what is reported")
        for name in itertools.chain.from_iterable(self.search.same_as.items()):
            if name not in self.environments:
                raise ValueError(f"search.same_as: {name!r} is not among environments")
        return self

    def _check_stores(self) -> None:
        """A family draws from the store of the environment that it is called after, as in dvc.yaml; no two from one."""
        drawn: dict[str, str] = {}
        for name, family in self.families():
            home = name.removesuffix("-ablations").removesuffix("-controls").removesuffix("-literal")
            store = getattr(self.environments.get(home), "store", None)
            if store is None:
                continue
            for environment in family.environments:
                if getattr(self.environments[environment], "store", None) != store:
                    raise ValueError(f"study.{name}.environments: {environment!r} does not draw from {store}")
            if drawn.setdefault(store, home) != home:
                raise ValueError(f"environments.{home}.store: {drawn[store]} draws from {store} already; name another")

    def agent(self, environment: str, name: str) -> dict[str, Any]:
        """Parameters of agent `name` in `environment`: those of `agents`, with the environment's own put over them."""
        return {**getattr(self.agents, name).model_dump(), **getattr(self.environments[environment].agents, name)}

    def families(self) -> Iterator[tuple[str, Family]]:
        """Name and content of each family of `study`."""
        for name, field in type(self.study).model_fields.items():
            yield field.alias or name, getattr(self.study, name)

    def cells(self) -> Iterator[tuple[str, str, str]]:
        """Every (environment, agent, embedding) of the study."""
        for _, family in self.families():
            yield from itertools.product(family.environments, family.agents, family.embeddings)

    def searched_cells(self) -> Iterator[tuple[str, str, str]]:
        """Those of Figure 2 that the search looks at: all but transfers and ablations."""
        for name, family in self.families():
            if name in SEARCHED_FAMILIES:
                yield from itertools.product(family.environments, family.agents, family.embeddings)


def _check_changes(place: str, agent: Strict, changes: dict[str, Any]) -> None:
    """Raise ValueError unless `agent` has every parameter in `changes` and may take its value."""
    names = list(type(agent).model_fields)
    for name in changes:
        if name not in names:
            near = _nearest(name, names)
            raise ValueError(f"{place}.{name} is not a parameter" + (f" (did you mean {near[0]}?)" if near else ""))
    try:
        type(agent).model_validate({**agent.model_dump(), **changes})
    except ValidationError as error:
        issue = error.errors()[0]
        raise ValueError(
            f"{place}.{issue['loc'][0]} = {issue['input']!r}: {issue['msg'][0].lower() + issue['msg'][1:]}"
        ) from None


def seeds_of(cohort: str) -> list[int]:
    """The seeds of a cohort: "0-4" is 0, 1, 2, 3, 4."""
    match = re.fullmatch(r"(\d{1,6})-(\d{1,6})", cohort)
    if not match or int(match[1]) > int(match[2]):
        raise ValueError(f"a cohort is written first-last, as 0-4, not {cohort!r}")
    return list(range(int(match[1]), int(match[2]) + 1))


def load(path: Path) -> Parameters:
    """Read and check params.yaml. Raises JsaeError with one line for each wrong place."""
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise JsaeError(f"{path} is missing: run from the project's folder") from None
    except YAMLError as error:
        raise JsaeError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    try:
        return Parameters.model_validate(content)
    except ValidationError as error:
        issues = error.errors()
        sentences = dict.fromkeys(
            _sentence(content, issue) for issue in issues if not _misspelt(content, issue, issues)
        )
        raise JsaeError("\n".join(f"{path}: {sentence}" for sentence in sentences)) from None


def _misspelt(content: Any, issue: Any, issues: Sequence[Any]) -> bool:
    """Whether a parameter is missing because another name of the same section was meant to be it."""
    if issue["type"] != "missing":
        return False
    place = _written_place(content, issue["loc"])
    strangers = [_written_place(content, i["loc"]) for i in issues if i["type"] == "extra_forbidden"]
    return any(
        other[:-1] == place[:-1] and place[-1] in _nearest(str(other[-1]), _known_keys(content, place[:-1]))
        for other in strangers
    )


def _nearest(name: str, names: Sequence[str]) -> list[str]:
    """The one of `names` that looks most like `name`, if any does."""
    return difflib.get_close_matches(name, names, n=1, cutoff=0.5)


def _sentence(content: Any, issue: Any) -> str:
    """One validation issue as a sentence with the key's path and the nearest valid name."""
    place = _written_place(content, issue["loc"])
    key = ".".join(map(str, place))
    match issue["type"]:
        case "extra_forbidden":
            near = _nearest(str(place[-1]), _known_keys(content, place[:-1]))
            return f"{key} is not a parameter" + (f" (did you mean {near[0]}?)" if near else "")
        case "missing":
            return f"{key} is missing: every parameter stands in the file"
        case "literal_error" | "union_tag_invalid":
            allowed = issue["ctx"].get("expected") or issue["ctx"]["expected_tags"]
            if issue["type"] == "union_tag_invalid":
                key += ".module"
            near = _nearest(str(issue["ctx"].get("tag", issue["input"])), re.findall(r"'([^']*)'", allowed))
            hint = f" (did you mean {near[0]}?)" if near else ""
            return f"{key} must be {allowed}{hint}"
        case "value_error":
            return f"{key + ': ' if key else ''}{issue['ctx']['error']}"
        case _:
            return f"{key} = {issue['input']!r}: {issue['msg'][0].lower() + issue['msg'][1:]}"


def _written_place(content: Any, location: Section) -> Section:
    """The path as the file writes it: without the tags that pydantic puts in for the kind of environment."""
    place: list[str | int] = []
    for step in location:
        if isinstance(content, dict) and content.get("module") == step and step not in content:
            continue
        place.append(step)
        try:
            content = content[step]
        except (KeyError, IndexError, TypeError):
            content = None
    return tuple(place)


def _known_keys(content: Any, place: Section) -> list[str]:
    """Names that the section at `place` may hold."""
    model: Any = Parameters
    for step in place:
        content = content[step]
        if model is Parameters and step == "environments":
            model = None
        elif model is None:
            worlds = get_args(get_args(AnyEnvironment)[0])
            kinds = {get_args(world.model_fields["module"].annotation)[0]: world for world in worlds}
            model = kinds.get(content.get("module"), Environment)
        else:
            fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
            model = fields.get(str(step))
    return [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]


def table(parameters: Parameters) -> list[tuple[str, str, str, str]]:
    """Rows (name, value, meaning, source) of every parameter."""
    return list(_rows(parameters, ""))


def _rows(section: Any, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        key = prefix + (field.alias or name)
        if isinstance(value, BaseModel):
            yield from _rows(value, key + ".")
        elif isinstance(value, dict) and any(isinstance(item, BaseModel) for item in value.values()):
            for item, content in value.items():
                yield from _rows(content, f"{key}.{item}.")
        else:
            extra = field.json_schema_extra
            yield key, str(value), field.description or "", str(extra["source"]) if isinstance(extra, dict) else ""


def main(arguments: Sequence[str]) -> None:
    """Print every parameter as a table: name, value, meaning, source."""
    from rich.console import Console
    from rich.table import Table

    path = Path(arguments[0]) if arguments else Path("params.yaml")
    shown = Table("name", "value", "meaning", "source", title=str(path))
    for row in table(load(path)):
        shown.add_row(*row)
    console = Console()
    Console(width=console.width if console.is_terminal else 200).print(shown)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except JsaeError as error:
        sys.exit(f"error: {error}")
