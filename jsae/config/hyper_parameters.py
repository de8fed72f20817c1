"""What a cell is trained with: params.yaml, over it what the search found, and over both what its reading changes."""

from pathlib import Path

from jsae.config import layout, messages, registry
from jsae.config.best import NOTHING_FOUND, SIZES, Best, Values
from jsae.config.errors import JsaeError
from jsae.config.schema import Parameters, searchable
from jsae.config.study import Cell
from jsae.config.yaml import read_yaml


def values(parameters: Parameters, cell: Cell, found: Best) -> Values:
    """Every hyper-parameter that a search may vary, and the agent's others, as `cell` is trained with."""
    environment = parameters.environment(cell.environment, cell.reading)
    common = parameters.common(cell.reading).model_dump()
    stated = (
        common | {"hidden_sizes": environment.hidden_sizes} | parameters.agent(parameters.agent_of(cell), cell.reading)
    )
    stated |= {size: getattr(environment, size) for size in SIZES}
    return stated | chosen(parameters, cell, found)


def training(parameters: Parameters, cell: Cell, of_cell: Values) -> Values:
    """What a training of `cell` is given besides its runs and epochs; of_cell: its hyper-parameters, as `values`."""
    section = parameters.environment(cell.environment, cell.reading)
    common = {*parameters.agents.common.model_dump(), "hidden_sizes", *SIZES} - {"discount"}
    return {
        "steps_per_epoch": section.steps_per_epoch,
        "num_envs": section.num_envs,
        "reward_scale": section.reward_scale,
        "continual": continual(parameters, cell),
        **{name: of_cell[name] for name in sorted(common)},
        "agent_parameters": {name: of_cell[name] for name in of_cell if name not in common},
    }


def continual(parameters: Parameters, cell: Cell) -> Values | None:
    """How an embedding goes on learning; None: it is frozen."""
    embedding = registry.load("embeddings", cell.embedding)
    wanted = parameters.environment(cell.environment, cell.reading).continual
    if not (wanted and embedding.learnt and not embedding.frozen):
        return None
    learning = parameters.embedding(cell.reading)
    return {
        "epochs": learning.continual_epochs,
        "batch_size": learning.continual_batch_size,
        "learning_rate": learning.learning_rate,
        "weight_decay": learning.continual_weight_decay,
    }


def chosen(parameters: Parameters, cell: Cell, found: Best) -> Values:
    """Hyper-parameters that the search chose for a cell, except those that its reading sets.

    A variant of JSAE (an ablation, a transfer) takes JSAE's, an environment of search.same_as those of the other.
    """
    environment, embedding = _looked_at(parameters, cell.environment, cell.embedding)
    of_agent = found.agents.get(Cell(environment, cell.agent, embedding), {})
    values = found.embeddings.get((environment, embedding), {}) | of_agent
    return {name: value for name, value in values.items() if name not in set_by_reading(parameters, cell)}


def not_applicable(parameters: Parameters, cell: Cell) -> set[str]:
    """Hyper-parameters of a search that make no difference to a cell."""
    embedding = registry.load("embeddings", cell.embedding)
    of_agents = {name for agent in registry.names("agents") for name in registry.load("agents", agent).searched}
    found = of_agents - set(registry.load("agents", parameters.agent_of(cell)).searched)
    found |= set(SIZES) - set(embedding.searched)
    environment = registry.load("environments", parameters.environments[cell.environment].module)
    if cell.embedding == "none" and environment.action_size == 0:
        found.add("initial_standard_deviation")  # a softmax has none
    return found


def set_by_reading(parameters: Parameters, cell: Cell) -> set[str]:
    """Names of the hyper-parameters that a cell's reading sets."""
    if not cell.reading:
        return set()
    reading = parameters.readings[cell.reading]
    return {*reading.environment, *reading.agents.get("common", {}), *reading.agents.get(parameters.agent_of(cell), {})}


def sizes(parameters: Parameters, cell: Cell, found: Best) -> dict[str, int]:
    """Dimensions of the state and the action embeddings of a cell, by the names of SIZES; its agent does not matter."""
    section, over = parameters.environment(cell.environment, cell.reading), chosen(parameters, cell, found)
    return {size: int(over.get(size, getattr(section, size))) for size in SIZES}


def _looked_at(parameters: Parameters, environment: str, embedding: str) -> tuple[str, str]:
    """The environment and the embedding whose outcome of the search these two take."""
    while environment in parameters.search.same_as:
        environment = parameters.search.same_as[environment]
    return environment, registry.load("embeddings", embedding).searched_as


def is_searched(parameters: Parameters, cell: Cell) -> bool:
    """Whether a cell has a search of its own: it takes no other environment's or embedding's outcome."""
    return _looked_at(parameters, cell.environment, cell.embedding) == (cell.environment, cell.embedding)


def read_found(parameters: Parameters) -> Best:
    """What the search found; nothing where there is no such file. Raises JsaeError if it cannot be that."""
    others = [path.name for path in layout.BEST.parent.glob("[a-z]*.yaml") if path != layout.BEST]
    if others:
        raise JsaeError(f"{layout.BEST.parent}/{others[0]}: nothing reads it; only {layout.BEST.name} counts")
    found = read_best(layout.BEST) if layout.BEST.exists() else NOTHING_FOUND
    kind, known = searchable(parameters), parameters.names()
    said: list[tuple[tuple[str, ...], tuple[str, ...], Values]]
    said = [(("embeddings", "environments"), words, values) for words, values in found.embeddings.items()]
    said += [(("agents", "environments", "agents"), tuple(vars(one).values())[:3], values)
             for one, values in found.agents.items()]  # fmt: skip
    for (section, *kinds), words, values in said:
        place = section
        for of, name in zip((*kinds, "embeddings"), words, strict=True):
            if name not in known[of]:
                raise JsaeError(f"{layout.BEST}: {messages.unknown(place, name, known[of])}")
            place += f".{name}"
        wrong = [name for name in values if (name in SIZES) != (section == "embeddings")]
        try:
            messages.validated(kind, values, place)
        except messages.Mistakes as error:
            raise JsaeError(f"{layout.BEST}: {error}") from None
        if wrong:
            raise JsaeError(f"{layout.BEST}: {place}.{wrong[0]} belongs to the other section")
    return found


def read_best(path: Path) -> Best:
    """What `write_best` wrote. Raises JsaeError if it cannot be that."""
    try:
        content = read_yaml(path) or {}
        best = Best(
            {(e, x): dict(found) for e, by in content.pop("embeddings", {}).items() for x, found in by.items()},
            {
                Cell(e, a, x): dict(found)
                for e, agents in content.pop("agents", {}).items()
                for a, embeddings in agents.items()
                for x, found in embeddings.items()
            },
        )
        if content:
            raise ValueError(messages.unknown("it", next(iter(content)), ["embeddings", "agents"]))
        return best
    except (AttributeError, TypeError, ValueError) as error:
        raise JsaeError(
            f"{path} is not what `make choose` writes ({error}): `git diff {path}` shows what changed"
        ) from None
