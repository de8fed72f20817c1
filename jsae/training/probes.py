"""How good an embedding is after pre-training, measured on transitions that it has not seen.

| measure | what |
|---|---|
| rank correlation | does E mirror what actions do: Spearman's ρ between distances of embeddings and of true motions |
| loss, least loss | how near T is to what can be known: its held-out Eq. (5), and the environment's own entropy |
| action gain | what T knows of actions: how much its loss rises when each transition gets the action of another one |
| action error | how well f undoes g: its held-out Eq. (6), for continuous actions |
| spread | how far actions lie apart in E: what a policy's standard deviation there is to be compared with |
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import polars as pl
import torch
from scipy import stats
from torch import Tensor

from jsae.embeddings import base, jsae
from jsae.embeddings.action_map import ActionNetwork
from jsae.experience.environment import Environment
from jsae.experience.samples import random_trajectories
from jsae.experience.trajectories import Transitions, transitions
from jsae.io.table import Column, Table
from jsae.nn.randomness import Streams
from jsae.training.columns import CELL, SEED

__all__ = [
    "ACTIONS",
    "ENOUGH_VISITS",
    "PRETRAINING",
    "PROBES",
    "ActionVector",
    "HeldOut",
    "KnownProbabilities",
    "Losses",
    "Probe",
    "action_vectors",
    "held_out",
    "marginal_entropy",
    "model_losses",
    "next_bin_entropy",
    "next_item_entropy",
    "pairs_of",
    "probe",
    "rank_correlation",
    "spread",
]

ENOUGH_VISITS = 30
"""Bins of a gridworld with fewer visits tell too little about where in them the agent stands; they are left out."""


@runtime_checkable
class KnownProbabilities(Protocol):
    """What an environment has that can say how probable each next item is: the recommender."""

    boost: float
    bonus: float

    def probabilities(self, state: Tensor) -> Tensor: ...


class HeldOut(NamedTuple):
    """Transitions of the uniform random policy, and what can be said of them without any embedding.

    | field | what |
    |---|---|
    | data | [1, B, ...] each |
    | least_loss | mean loss of the best possible T: the entropy of the next state given observation and action |
    | chance_loss | loss of a T that knows neither: the entropy of the next state, or its variance |
    | unit | nats, or squared error |
    """

    data: Transitions
    least_loss: float
    chance_loss: float
    unit: str


def held_out(environment: Environment, samples: int, visits: int, draws: int) -> HeldOut:
    """Transitions of random episodes, and the least loss on them.

    The least loss is exact for the recommender, whose probabilities are known. It is 0 for an environment whose next
    observation follows from the present one and the action. A discrete gridworld hides where in its bin the agent is:
    `next_bin_entropy` estimates the entropy of the next bin. The half-cheetah's observation lacks what its solver
    remembers; this counts as nothing here.

    Args:
        environment: on the CPU.
        samples: transitions.
        visits: positions in a gridworld that tell where in its bin an agent stands.
        draws: of these, for each transition whose entropy is estimated.
    """
    streams = Streams([0], "held-out random policy")
    trajectories = random_trajectories(environment, streams, -(-samples // environment.episode_length))
    data = Transitions(*(field[:, :samples] for field in transitions(environment, trajectories)))
    if data.target.is_floating_point():
        variance = data.target.double().var(1, correction=0).mean()
        return HeldOut(data, 0.0, float(variance), "squared error")
    least_loss = 0.0
    if isinstance(environment, KnownProbabilities):
        state = trajectories.state.transpose(1, 2).flatten(1, 2)[:, :samples]
        least_loss = next_item_entropy(environment, state, data.action)
    elif environment.grid is not None:
        episodes = -(-visits // environment.episode_length)
        positions = random_trajectories(environment, streams, episodes).state.flatten(1, 2)[0]
        rows, entropy = next_bin_entropy(environment, positions, data, draws, streams)
        data, least_loss = data.take(rows[None]), float(entropy.mean())
    return HeldOut(data, least_loss, marginal_entropy(data.target[0]), "nats")


def marginal_entropy(classes: Tensor) -> float:
    """Entropy in nats of classes `[B]`, from their frequencies plus (classes seen − 1) / (2 B) (Miller-Madow)."""
    counts = classes.bincount()
    entropy = torch.special.entr(counts.double() / len(classes)).sum()
    return float(entropy) + (int((counts > 0).sum()) - 1) / (2 * len(classes))


def next_item_entropy(environment: KnownProbabilities, state: Tensor, action: Tensor) -> float:
    """Mean entropy in nats of the next item after states `[P, B, n]` and recommendations `[P, B]`."""
    p = environment.probabilities(state)
    recommended = p.gather(2, action[..., None])
    p.scatter_(2, action[..., None], environment.boost * recommended + environment.bonus)
    return float(torch.special.entr(p / p.sum(2, keepdim=True)).sum(2).mean())


def next_bin_entropy(
    environment: Environment, positions: Tensor, data: Transitions, draws: int, streams: Streams
) -> tuple[Tensor, Tensor]:
    """Entropy in nats of the next bin, given bin and action, for transitions of `data` [1, B, ...].

    `positions` [V, 2] are visits. For each transition, `draws` visits of its bin take its action; the entropy is that
    of the frequencies of the bins reached, plus (bins reached − 1) / (2 draws) for what a sample misses (Miller-Madow).
    Returns the rows of `data` whose bin has at least ENOUGH_VISITS, and their entropies.
    """
    bins = environment.observe(positions)[:, 0]
    visits = bins.bincount(minlength=environment.observation_size)
    first = visits.cumsum(0) - visits
    by_bin = bins.argsort(stable=True)
    observation = data.observation[0, :, 0]
    rows = (visits[observation] >= ENOUGH_VISITS).nonzero()[:, 0]
    uniforms = streams.uniform(len(rows), draws)[0]
    entropies = []
    for chunk in torch.arange(len(rows)).split(250):
        here = observation[rows[chunk], None]
        visit = by_bin[first[here] + (uniforms[chunk] * visits[here]).long()]
        action = data.action[0, rows[chunk], None].expand(-1, draws)
        uniforms_of_step = positions.new_zeros(*action.shape, environment.step_noise)
        reached = environment.target(environment.step(positions[visit], action, uniforms_of_step)[0])
        frequency = (reached[:, :, None] == reached[:, None, :]).float().mean(2)
        different = (1 / frequency).mean(1)  # each bin reached counts once: its share of the draws x 1 / that share
        entropies.append(-frequency.log().mean(1) + (different - 1) / (2 * draws))
    return rows, torch.cat(entropies)


class Losses(NamedTuple):
    """Losses on held-out transitions of each run, `[P]`; NaN where an embedding lacks T or the network f.

    | field | what |
    |---|---|
    | model | Eq. (5) |
    | action_gain | Eq. (5) with the action of the transition before in place of each one's own, less `model` |
    | action_map | Eq. (6) |
    """

    model: Tensor
    action_gain: Tensor
    action_map: Tensor


@torch.no_grad()
def model_losses(embedding: base.Embedding, held: HeldOut) -> Losses:
    """Losses of a pre-trained embedding on held-out transitions; the random policy's actions are independent."""
    runs = len(next(iter(embedding.parameters.values())))
    nothing = torch.full((runs,), torch.nan)
    if not isinstance(embedding, jsae.Embedding):
        return Losses(nothing, nothing, nothing)
    length = held.data.observation.shape[1]
    model, shuffled, action_map = torch.zeros(3, runs)
    others = held.data.action.roll(1, dims=1)
    for start in range(0, length, 500):
        part = (field[:, start : start + 500] for field in (*held.data, others))
        *fields, other = (field.expand(runs, *field.shape[1:]).contiguous() for field in part)
        batch = Transitions(*fields)
        share = batch.observation.shape[1] / length
        x, e = embedding.phi(batch.observation), embedding.embed_action(batch.action)
        if embedding.has_transition_model:
            model += share * embedding.model_loss(x, e, batch)
            shuffled += share * embedding.model_loss(x, embedding.embed_action(other), batch)
        if isinstance(embedding.f, ActionNetwork):
            action_map += share * embedding.f.loss(e, batch.action)
    known = embedding.has_transition_model
    return Losses(
        model if known else nothing,
        shuffled - model if known else nothing,
        action_map if isinstance(embedding.f, ActionNetwork) else nothing,
    )


@torch.no_grad()
def spread(embedding: base.Embedding, held: HeldOut) -> Tensor:
    """Standard deviation of a coordinate of g(a) over actions, root mean square of all coordinates, `[P]`.

    Over all actions where they are discrete, else over those held out; NaN where the policy acts without g.
    """
    runs = len(next(iter(embedding.parameters.values())))
    vectors = embedding.action_table()
    if vectors is None and embedding.latent_size and isinstance(embedding, jsae.Embedding):
        vectors = embedding.embed_action(held.data.action.expand(runs, -1, -1).contiguous())
    if vectors is None:
        return torch.full((runs,), torch.nan)
    return vectors.var(1, correction=0).mean(1).sqrt()


def pairs_of(actions: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of different actions: all of them, or `count` drawn once for all if there are more."""
    first, second = np.triu_indices(actions, 1)
    if len(first) > count:
        kept = np.random.default_rng(0).choice(len(first), count, replace=False, shuffle=False)
        first, second = first[kept], second[kept]
    return first, second


def rank_correlation(embeddings: np.ndarray, displacements: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> float:
    """Spearman's ρ between two kinds of distance over pairs of actions.

    Args:
        embeddings: `[actions, d]`.
        displacements: true motions, `[actions, k]`.
        pairs: numbers of the first and of the second action of each pair.
    """
    first, second = pairs
    distances = [np.linalg.norm(vectors[first] - vectors[second], axis=1) for vectors in (embeddings, displacements)]
    return float(stats.spearmanr(*distances).statistic)


class Probe(NamedTuple):
    """Measures of one run's embedding; NaN where there is nothing to measure.

    | field | what |
    |---|---|
    | seed | of the run |
    | rank_correlation | Spearman's ρ of distances between action embeddings and between the actions' motions |
    | loss, least_loss, chance_loss | held-out Eq. (5), the least that is possible, that of `HeldOut` |
    | unit | of these: nats, or squared error |
    | action_gain | see Losses |
    | action_error | held-out Eq. (6), squared error |
    | spread | see `spread` |
    """

    seed: int
    rank_correlation: float
    loss: float
    least_loss: float
    chance_loss: float
    unit: str
    action_gain: float
    action_error: float
    spread: float


def probe(
    environment: Environment, embedding: base.Embedding, seeds: Sequence[int], held: HeldOut, pairs: int
) -> list[Probe]:
    """All measures of a pre-trained embedding, one row a run.

    Args:
        embedding: of the P runs, with its pre-trained parameters, on the CPU.
        seeds: one a run.
        held: of `held_out`, of the same environment.
        pairs: pairs of actions that rank correlations are over, at most.
    """
    losses, spreads = model_losses(embedding, held), spread(embedding, held)
    table, motions = embedding.action_table(), environment.action_effects()
    rows = []
    for run, seed in enumerate(seeds):
        correlation = math.nan
        if table is not None and motions is not None:
            correlation = rank_correlation(table[run].detach().numpy(), motions, pairs_of(len(motions), pairs))
        measured = (losses.action_gain[run], losses.action_map[run], spreads[run])
        rows.append(
            Probe(seed, correlation, float(losses.model[run]), held.least_loss, held.chance_loss, held.unit,
                  *(float(value) for value in measured))
        )  # fmt: skip
    return rows


class ActionVector(NamedTuple):
    """An action's place in E and what it does.

    | field | what |
    |---|---|
    | action | its id |
    | e1, e2 | the first two coordinates of its embedding |
    | direction | of its motion, radians |
    | length | of its motion; the longest has length 1 |
    """

    action: int
    e1: float
    e2: float
    direction: float
    length: float


def action_vectors(environment: Environment, embedding: base.Embedding, run: int) -> list[ActionVector]:
    """Every action of one run; none where actions are no motions or have no embedding."""
    table, motions = embedding.action_table(), environment.action_effects()
    if table is None or motions is None:
        return []
    return [
        ActionVector(action, float(e[0]), float(e[1]), math.atan2(motion[1], motion[0]), math.hypot(*motion))
        for action, (e, motion) in enumerate(zip(table[run].detach().numpy(), motions, strict=True))
    ]


PROBES = Table(
    "probes",
    {
        "environment": CELL["environment"],
        "embedding": CELL["embedding"],
        "reading": CELL["reading"],
        **SEED,
        "rank_correlation": Column(pl.Float64, "", "Spearman's ρ of distances in E and of true motions"),
        "loss": Column(pl.Float64, "nats or squared error", "held-out Eq. (5)"),
        "least_loss": Column(pl.Float64, "nats or squared error", "of the best possible model"),
        "chance_loss": Column(pl.Float64, "nats or squared error", "of a model that knows neither state nor action"),
        "unit": Column(pl.String, "", "of the losses"),
        "action_gain": Column(pl.Float64, "nats or squared error", "how much the loss rises with another action"),
        "action_error": Column(pl.Float64, "squared error", "held-out Eq. (6)"),
        "spread": Column(pl.Float64, "units of E", "standard deviation of action embeddings, a coordinate"),
    },
)
PRETRAINING = Table(
    "pretraining",
    {
        "environment": CELL["environment"],
        "embedding": CELL["embedding"],
        "reading": CELL["reading"],
        **SEED,
        "epochs": Column(pl.Int64, "epochs", "until the parameters that were kept"),
        "held_out_loss": Column(pl.Float64, "nats or squared error", "of the parameters that were kept"),
        "chance_loss": Column(pl.Float64, "nats", "of a uniform guess; NaN: not known"),
    },
    finite=("held_out_loss",),
)
ACTIONS = Table(
    "actions",
    {
        "environment": CELL["environment"],
        "embedding": CELL["embedding"],
        **SEED,
        "action": Column(pl.Int64, "", "its number"),
        "e1": Column(pl.Float64, "units of E", "first coordinate of its embedding"),
        "e2": Column(pl.Float64, "units of E", "second coordinate"),
        "direction": Column(pl.Float64, "radians", "of its motion"),
        "length": Column(pl.Float64, "largest motion = 1", "of its motion"),
    },
)
