"""The study's trainings as the benchmarks need them: any cell at any size, built in memory from params.yaml."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from torch import Tensor

from benchmarks.data import made_purchases
from jsae.config import doc, hyper_parameters, layout, schema
from jsae.config.best import NOTHING_FOUND, Best
from jsae.config.registry import load
from jsae.config.schema import Parameters
from jsae.config.study import Cell
from jsae.embeddings.base import embed
from jsae.experience.environment import Environment, build
from jsae.purchases import ngram
from jsae.training.trainer import Continual, Settings, Trainer

ITEMS, PURCHASES = 835, 250_000
"""Size of the paper's store (A.4.1)."""


@cache
def settings() -> Parameters:
    """params.yaml."""
    return schema.load(layout.PARAMETERS)


@cache
def store(items: int = ITEMS) -> dict[str, Tensor]:
    """The n-gram model of a made-up store with so many items."""
    return ngram.tensors(ngram.build(made_purchases(PURCHASES, items), n=2, window=10))


def dynamics(name: str, items: int = ITEMS, **changes: Any) -> dict[str, Any]:
    """Arguments of environment `name` as params.yaml has them, with changes; the recommender's store is made up."""
    chosen = settings().environments[name]
    arguments = chosen.dynamics | changes
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
    target_kl: bool = False,
    found: Best = NOTHING_FOUND,
) -> Trainer:
    """A training of the cell, past the epochs that a replay buffer fills with, and without early stops on KL unless
    they are asked for; with the settings of params.yaml, or what was `found`.

    So every epoch has the same number of update steps. The embedding is as it starts: learning more changes no cost.
    """
    chosen = settings().environments[cell.environment]
    world = (world or environment(cell.environment)).to(device)
    stated = hyper_parameters.values(settings(), cell, found)
    learning = hyper_parameters.continual(settings(), cell)
    names = ["discount", *doc.parameters_of(load("agents", cell.agent))]
    on_policy = {} if target_kl else {"target_kl": None}
    same_work = {"start_steps": 0, "update_after": 0} if cell.agent == "sac" else on_policy
    values = Settings(
        num_envs=chosen.num_envs,
        hidden_sizes=hidden_sizes or stated["hidden_sizes"],
        initial_standard_deviations=[stated["initial_standard_deviation"]] * len(seeds),
        actor_learning_rates=[stated["actor_learning_rate"]] * len(seeds),
        critic_learning_rates=[stated["critic_learning_rate"]] * len(seeds),
        agent_parameters={name: stated[name] for name in names} | same_work,
        reward_scale=chosen.reward_scale,
        continual=Continual(**learning) if learning else None,
    )
    embedding = embed(cell.embedding, world, seeds, stated["state_embedding_size"], stated["action_embedding_size"])
    return Trainer(world, embedding, cell.agent, seeds, values)
