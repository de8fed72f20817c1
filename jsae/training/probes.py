"""How good an embedding is after pre-training, measured on transitions that it has not seen.

| measure | what |
|---|---|
| rank correlation | does E mirror what actions do: Spearman's ρ between distances of embeddings and of true motions |
| loss, least loss | how near T is to what can be known: its held-out Eq. (5) beside the environment's own entropy |
| action gain | what T knows of actions: how much its loss rises when each transition gets the action of another one |
| action error | how well f undoes g: its held-out Eq. (6), for continuous actions |
| spread | how far actions lie apart in E: what a policy's standard deviation there is to be compared with |
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from jsae.embeddings import base, jsae
from jsae.embeddings.action_map import ActionNetwork
from jsae.environments.gridworld import Gridworld
from jsae.environments.recommender import Recommender
from jsae.experience.environment import Environment
from jsae.experience.samples import random_trajectories
from jsae.experience.trajectories import Transitions, transitions
from jsae.nn.randomness import Streams

ENOUGH_VISITS = 30
"""Bins of a gridworld with fewer visits tell too little about where in them the agent stands; they are left out."""


class HeldOut(NamedTuple):
    """Transitions of the uniform random policy, and what can be said of them without any embedding.

    | field | what |
    |---|---|
    | data | [1, B, ...] each |
    | least_loss | mean loss of the best possible T: the entropy of the next state given observation and action |
    | chance_loss | loss of a T that knows neither: ln of the number of classes, or the variance |
    | unit | nats, or squared error |
    """

    data: Transitions
    least_loss: float
    chance_loss: float
    unit: str


def held_out(environment: Environment, samples: int, visits: int, draws: int) -> HeldOut:
    """`samples` transitions of random episodes, and the least loss on them.

    It is exact for the recommender, whose probabilities are known, and 0 for an environment that moves on without
    chance from what is observed. In the discrete gridworld chance is where in its bin the agent stands: the entropy of
    the next bin is estimated from `visits` visited positions, `draws` of them for each transition
    (`next_bin_entropy`). The half-cheetah's observation lacks what its solver remembers, which counts as nothing here.
    """
    streams = Streams([0], "held-out random policy")
    trajectories = random_trajectories(environment, streams, -(-samples // environment.episode_length))
    data = Transitions(*(field[:, :samples] for field in transitions(environment, trajectories)))
    if data.target.is_floating_point():
        variance = data.target.double().var(1, correction=0).mean()
        return HeldOut(data, 0.0, float(variance), "squared error")
    least_loss = 0.0
    if isinstance(environment, Recommender):
        state = trajectories.state.transpose(1, 2).flatten(1, 2)[:, :samples]
        least_loss = next_item_entropy(environment, state, data.action)
    elif isinstance(environment, Gridworld):
        episodes = -(-visits // environment.episode_length)
        positions = random_trajectories(environment, streams, episodes).state.flatten(1, 2)[0]
        rows, entropy = next_bin_entropy(environment, positions, data, draws, streams)
        data, least_loss = data.take(rows[None]), float(entropy.mean())
    return HeldOut(data, least_loss, math.log(environment.n_targets), "nats")


def next_item_entropy(environment: Recommender, state: Tensor, action: Tensor) -> float:
    """Mean entropy in nats of the next item after states [P, B, n] and recommendations [P, B]."""
    p = environment.probabilities(state)
    recommended = p.gather(2, action[..., None])
    p.scatter_(2, action[..., None], environment.boost * recommended + environment.bonus)
    return float(torch.special.entr(p / p.sum(2, keepdim=True)).sum(2).mean())


def next_bin_entropy(
    environment: Gridworld, positions: Tensor, data: Transitions, draws: int, streams: Streams
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
        reached = environment.target(environment.step(positions[visit], action)[0])
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
    """What a pre-trained embedding is worth on held-out transitions; the random policy's actions are independent."""
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
    points = embedding.action_table()
    if points is None and embedding.latent_size and isinstance(embedding, jsae.Embedding):
        points = embedding.embed_action(held.data.action.expand(runs, -1, -1).contiguous())
    if points is None:
        return torch.full((runs,), torch.nan)
    return points.var(1, correction=0).mean(1).sqrt()


def pairs_of(actions: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of different actions: all of them, or `count` drawn once for all if there are more."""
    first, second = np.triu_indices(actions, 1)
    if len(first) > count:
        chosen = np.random.default_rng(0).choice(len(first), count, replace=False, shuffle=False)
        first, second = first[chosen], second[chosen]
    return first, second


def rank_correlation(embeddings: np.ndarray, displacements: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]) -> float:
    """Spearman's ρ between two kinds of distance over pairs of actions.

    The distances of embeddings [actions, d] and of true displacements [actions, k].
    """
    first, second = pairs
    distances = [np.linalg.norm(points[first] - points[second], axis=1) for points in (embeddings, displacements)]
    return float(stats.spearmanr(*distances).statistic)
