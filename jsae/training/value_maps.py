"""Maps of a gridworld as a trained agent sees it: what its critic thinks every place is worth, and where it goes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl
import torch
from torch import Tensor

from jsae.agents.policies import ActionSpec, Policy, policy_over
from jsae.config.errors import JsaeError
from jsae.embeddings.base import Embedding, restore
from jsae.experience.environment import Environment
from jsae.experience.rollout import collect
from jsae.io import checkpoint
from jsae.io.table import Column, Table
from jsae.nn.mlp import MLP
from jsae.nn.randomness import Streams
from jsae.training.columns import CELL

__all__ = ["VALUE_MAPS", "MapRow", "ValueMap", "mean_map", "value_map"]


class ValueMap(NamedTuple):
    """Maps of P trained agents: first axis of a map x, second axis y.

    | field | shape | what |
    |---|---|---|
    | value | [P, bins, bins] | the critic at the centre of every bin: discounted scaled reward |
    | visits | [P, bins, bins] | share of the steps that begin in each bin, by the policy with its chance |
    """

    value: Tensor
    visits: Tensor


class MapRow(NamedTuple):
    """A bin of a map, means over `seeds` agents."""

    seeds: int
    x_bin: int
    y_bin: int
    value: float
    visits: float


@torch.no_grad()
def value_map(
    environment: Environment,
    embedding: Embedding,
    seeds: Sequence[int],
    hidden_sizes: Sequence[int],
    weights: Mapping[str, Tensor],
    episodes: int,
) -> ValueMap:
    """Maps of the agents of one cell, as their training left them.

    Args:
        environment: a gridworld, on the CPU.
        embedding: of the cell's kind and seeds; it is given the weights' parameters.
        seeds: one a run.
        hidden_sizes: of the agents' networks.
        weights: of Trainer.weights, by an agent with a critic of states (VPG, PPO).
        episodes: of each run, whose visits are counted.

    Raises JsaeError if the environment is no gridworld.
    """
    if environment.grid is None:
        raise JsaeError("maps: the environment has no grid; only gridworlds can be mapped")
    restore(embedding, checkpoint.under("embedding", dict(weights)))
    streams, runs = Streams(seeds, "maps"), len(seeds)
    spec = ActionSpec(embedding.latent_size or environment.action_size, environment.n_actions or 0)
    policy = policy_over(spec, streams, embedding.input_size, hidden_sizes, torch.ones(runs))
    critic = MLP(streams, embedding.input_size, hidden_sizes, 1, runs=runs)
    policy.network.flat.copy_(weights["actor"])
    critic.flat.copy_(weights["critic"])
    value = _value(environment, embedding, critic, runs, environment.grid)
    return ValueMap(value, _visits(environment, embedding, policy, Streams(seeds, "visits"), episodes))


def _value(environment: Environment, embedding: Embedding, critic: MLP, runs: int, bins: int) -> Tensor:
    centres = (torch.arange(bins) + 0.5) / bins
    positions = torch.cartesian_prod(centres, centres).expand(runs, -1, -1).contiguous()
    x = embedding.represent(environment.observe(positions))
    return critic(x)[..., 0].unflatten(1, (bins, bins))


def _visits(environment: Environment, embedding: Embedding, policy: Policy, streams: Streams, episodes: int) -> Tensor:
    bins = environment.grid or 1

    def act(state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        latent = policy.sample(embedding.represent(environment.observe(state)), noise)
        return latent, embedding.to_action(latent)

    noise = policy.draw(streams, environment.episode_length, episodes)
    state = collect(environment, act, noise, streams).state.flatten(1, 2)
    x_bin, y_bin = torch.bucketize(state, torch.arange(1, bins, dtype=torch.float32) / bins).unbind(-1)
    counts = torch.zeros(len(state), bins**2).scatter_add_(1, x_bin * bins + y_bin, torch.ones(x_bin.shape))
    return (counts / x_bin.shape[1]).unflatten(1, (bins, bins))


def mean_map(maps: Sequence[ValueMap]) -> list[MapRow]:
    """A row a bin, means over all runs of all `maps`, in float64; no row if there is no map."""
    if not maps:
        return []
    value, visits = (torch.cat(parts).double() for parts in zip(*maps, strict=True))
    x_bin, y_bin = torch.ones_like(value[0]).nonzero(as_tuple=True)
    columns = (x_bin, y_bin, value.mean(0).flatten(), visits.mean(0).flatten())
    return [MapRow(len(value), *row) for row in zip(*(column.tolist() for column in columns), strict=True)]


VALUE_MAPS = Table(
    "value_maps",
    {
        "environment": CELL["environment"],
        "agent": CELL["agent"],
        "embedding": CELL["embedding"],
        "seeds": Column(pl.Int64, "", "that the means are over"),
        "x_bin": Column(pl.Int64, "bins", "from 0"),
        "y_bin": Column(pl.Int64, "bins", "from 0"),
        "value": Column(pl.Float64, "discounted return", "that the critic expects at the bin's centre"),
        "visits": Column(pl.Float64, "share of steps", "that begin in the bin"),
    },
)
