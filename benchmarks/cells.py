"""The study's trainings as the benchmarks need them: any cell at any size, built in memory from params.yaml."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmarks.data import made_purchases
from jsae.analysis import search
from jsae.analysis.curves import Cell
from jsae.config import parameters
from jsae.config.parameters import Parameters
from jsae.embeddings.base import embed
from jsae.experience.environment import Environment, build
from jsae.purchases import ngram
from jsae.training.trainer import Settings, Trainer
from stages import paths
from stages._trainings import training_call

ITEMS, PURCHASES = 835, 250_000
"""Size of the paper's store (A.4.1)."""


@cache
def settings() -> Parameters:
    """params.yaml."""
    return parameters.load(paths.PARAMETERS)


@cache
def store(items: int = ITEMS) -> dict[str, Tensor]:
    """The n-gram model of a made-up store with so many items."""
    return ngram.tensors(ngram.build(made_purchases(PURCHASES, items), n=2, window=10))


def dynamics(name: str, items: int = ITEMS, **changes: Any) -> dict[str, Any]:
    """Arguments of environment `name` as params.yaml has them, with changes; the recommender's store is made up."""
    chosen = settings().environments[name]
    arguments = chosen.dynamics.model_dump() | changes
    return arguments | ({"model": store(items)} if chosen.module == "recommender" else {})


def environment(name: str, items: int = ITEMS, **changes: Any) -> Environment:
    """Environment `name` with these arguments."""
    return build(settings().environments[name].module, dynamics(name, items, **changes))


def trainer(
    cell: Cell,
    seeds: Sequence[int],
    *,
    world: Environment | None = None,
    hidden_sizes: Sequence[int] | None = None,
    device: str = "cpu",
    kl_limit: bool = False,
    best: search.Best = search.NOTHING_FOUND,
) -> Trainer:
    """A training of the cell, past the epochs that a replay buffer fills with, and without early stops on KL unless
    they are asked for; with the settings of params.yaml, or those in `best`.

    So every epoch has the same number of update steps. The embedding is as it starts: learning more changes no cost.
    """
    chosen = settings().environments[cell.environment]
    world = (world or environment(cell.environment)).to(device)
    stated = [search.values(settings(), cell, best)] * len(seeds)
    unused = {"pretrained": Path(), "rows": [], "epochs": 0}
    values: Settings = training_call(settings(), chosen, cell, seeds, stated, **unused)["settings"]
    on_policy = {} if kl_limit else {"kl_limit": None}
    same_work = {"start_steps": 0, "update_after": 0} if cell.agent == "sac" else on_policy
    values = values._replace(agent=values.agent | same_work, hidden_sizes=hidden_sizes or values.hidden_sizes)
    embedding = embed(cell.embedding, world, seeds, chosen.state_embedding_size, chosen.action_embedding_size)
    return Trainer(world, embedding, cell.agent, seeds, values)
