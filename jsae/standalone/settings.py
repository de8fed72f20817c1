"""What one run of the study is made with: the numbers that the stages of its cell would get."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from jsae.config import hyper_parameters, messages, registry, schema
from jsae.config.best import NOTHING_FOUND, SIZES, Best
from jsae.config.errors import JsaeError
from jsae.config.schema import Parameters
from jsae.config.study import Cell
from jsae.config.yaml import read_yaml

__all__ = ["RunSettings", "UnknownName", "check_names", "load", "parsed", "run_settings", "without_effect"]


class UnknownName(JsaeError):
    """A name on the command line that nothing has: an environment, an embedding, an agent, a reading, a parameter."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """All that decides the numbers of one run, except files of purchases.

    | field | what |
    |---|---|
    | cell, seed | of the run |
    | embedding, agent | files of jsae/embeddings and jsae/agents: a reading may replace those of the cell |
    | environment | file of jsae/environments and the arguments of its class |
    | purchases | data set that the environment is made from, with how it is filtered and counted; None: none |
    | samples | transitions of the random policy that the embedding is pre-trained on |
    | pretraining | the other numbers of jsae.training.jobs.PretrainingJob; None: there is nothing to learn |
    | training | those of jsae.training.jobs.TrainingJob, `epochs` aside, and steps_per_epoch |
    | epochs | of the training |
    | device | cpu or cuda or auto |
    | source | the run in another environment that a transfer starts from; else None |
    """

    cell: Cell
    seed: int
    embedding: str
    agent: str
    environment: dict[str, Any]
    purchases: dict[str, Any] | None
    samples: int
    pretraining: dict[str, Any] | None
    training: dict[str, Any]
    epochs: int
    device: str
    source: "RunSettings | None"

    @property
    def name(self) -> str:
        """Of the run's folder: `gridworld-discrete-vpg-jsae-3`."""
        return f"{self.cell}-{self.seed}"

    def content(self) -> dict[str, Any]:
        """The settings as JSON holds them, without `epochs`: a training can always go on for longer."""
        values = asdict(self)
        del values["epochs"]
        return values


def load(path: Path, changes: Mapping[str, Any]) -> Parameters:
    """params.yaml with values changed by dotted key, as in {"agents.vpg.train_pi_iters": 4}.

    Raises UnknownName for a key that it does not have, with those that look like it, and JsaeError, a line each, for
    values that the schema refuses.
    """
    content = schema.sections(path)
    for key, value in changes.items():
        content = _with(content, key, key.split("."), value)
    return schema.checked(content, "--set" if changes else str(path))


def _with(section: Any, key: str, path: Sequence[str], value: Any) -> dict[str, Any]:
    """A section with the value at `path`, the rest as it was; sections that YAML shares are not changed elsewhere."""
    step, *rest = path
    if not isinstance(section, Mapping) or step not in section:
        place = key.removesuffix(".".join(path)).rstrip(".")
        if not isinstance(section, Mapping):
            raise UnknownName(f"--set {key}: {place} is a value, not a section")
        said = messages.unknown(f"--set {key}: {place or 'params.yaml'}", step, [str(k) for k in section])
        raise UnknownName(said if place else f"{said}: write the whole key, as in agents.vpg.train_pi_iters")
    return {**section, step: _with(section[step], key, rest, value) if rest else value}


def parsed(assignments: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE as values by key; a value is written as in params.yaml. Raises UnknownName for anything else."""
    found: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not (key and equals):
            raise UnknownName(f"--set {assignment}: write KEY=VALUE, as in agents.vpg.train_pi_iters=4")
        try:
            found[key] = YAML(typ="safe").load(text)
        except YAMLError:
            raise UnknownName(f"--set {assignment}: the value is not YAML; write it as params.yaml does") from None
    return found


def run_settings(
    parameters: Parameters,
    cell: Cell,
    seed: int,
    *,
    scale: str,
    epochs: int | None = None,
    found: Best | None = None,
    stated: Sequence[str] = (),
) -> RunSettings:
    """What the stages of the cell would be given for this seed.

    Args:
        scale: whose budgets it has: smoke, preview or paper.
        epochs: of the training; None: those of the scale.
        found: what the hyper-parameter search chose; None: what search/best has.
        stated: keys of params.yaml whose values hold whatever the search chose.

    Raises UnknownName if there is no such environment, agent, embedding, reading or scale, and JsaeError if the cell
    cannot be.
    """
    check_names(parameters, cell, scale)
    if epochs is not None and epochs < 1:
        raise JsaeError(f"--epochs {epochs}: give 1 or more")
    if not 0 <= seed < 2**63:
        raise JsaeError(f"--seed {seed}: give 0 or more, below 2**63")
    try:
        section = parameters.environment(cell.environment, cell.reading)
    except messages.Mistakes as error:
        raise JsaeError(f"the reading {cell.reading} does not fit {cell.environment}: {error}") from None
    found = hyper_parameters.read_found(parameters) if found is None else found
    values = _values(parameters, cell, found, stated)
    learning = parameters.embedding(cell.reading)
    embedding = registry.load("embeddings", cell.embedding)
    old = parameters.source_of(cell)
    return RunSettings(
        cell=cell,
        seed=seed,
        embedding=parameters.embedding_of(cell),
        agent=parameters.agent_of(cell),
        environment={"module": section.module, "arguments": section.dynamics},
        purchases=_purchases(parameters, section.purchases),
        samples=section.pretraining_samples,
        pretraining={
            "epochs": section.pretraining_epochs.at(scale),
            **learning.pretraining(),
            **{size: values[size] for size in SIZES},
        }
        if embedding.learnt
        else None,
        training=hyper_parameters.training(parameters, cell, values),
        epochs=section.epochs.at(scale) if epochs is None else epochs,
        device=parameters.training.device,
        source=None if old is None else run_settings(parameters, old, seed, scale=scale, found=found, stated=stated),
    )


def check_names(parameters: Parameters, cell: Cell, scale: str) -> None:
    """Raise UnknownName if params.yaml or the registry has not what the cell names."""
    agents = set(registry.names("agents")) & set(parameters.agents.__pydantic_extra__ or {})
    for kind, name, known in (
        ("environment", cell.environment, set(parameters.environments)),
        ("agent", cell.agent, agents),
        ("embedding", cell.embedding, set(registry.names("embeddings"))),
        ("reading", cell.reading, {"", *parameters.readings}),
        ("scale", scale, set(get_args(schema.Scale))),
    ):
        if name not in known:
            raise UnknownName(messages.unknown(kind, name, known - {""}))


def _values(parameters: Parameters, cell: Cell, found: Best, stated: Sequence[str]) -> dict[str, Any]:
    """Every hyper-parameter of the cell; what is stated goes before what is found."""
    places = ("agents.common.", f"agents.{parameters.agent_of(cell)}.", f"environments.{cell.environment}.")
    own = {key.removeprefix(place) for key in stated for place in places if key.startswith(place)}
    values = hyper_parameters.values(parameters, cell, found)
    plain = hyper_parameters.values(parameters, cell, NOTHING_FOUND)
    return {**values, **{name: plain[name] for name in own & set(values)}}


def _purchases(parameters: Parameters, source: str | None) -> dict[str, Any] | None:
    if source is None:
        return None
    section: dict[str, Any] = getattr(parameters.data, source).model_dump()
    return {"source": source, "section": section, "transitions": parameters.data.transitions.model_dump()}


def without_effect(
    path: Path, cell: Cell, seed: int, *, scale: str, epochs: int | None, changes: Mapping[str, Any]
) -> list[str]:
    """Those keys of `changes` without which the run would be the same, though params.yaml has another value."""

    def settings(kept: Mapping[str, Any]) -> RunSettings:
        return run_settings(load(path, kept), cell, seed, scale=scale, epochs=epochs, stated=tuple(kept))

    wanted = settings(changes)
    return [
        key
        for key, value in changes.items()
        if _value(read_yaml(path), key) != value
        and settings({other: changes[other] for other in changes if other != key}) == wanted
    ]


def _value(content: Any, key: str) -> Any:
    for step in key.split("."):
        content = content[step]
    return content
