"""Assumption 3 with numbers: how well an embedding φ keeps distinct states apart.

**The assumption can hold in name only.** States that pre-training never leaves get no gradient of Eq. (5); what is left
of φ there after weight decay lies within about 1e-5 of 0, and they differ by rounding alone (`Separation.huddled`).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEAREST_BLOCK = 1024
"""Points whose distances to all others are at hand at a time."""
PAIRWISE_LIMIT = 4096
"""Up to so many states every pair is measured; beyond it only what is near."""


class Separation(NamedTuple):
    """How well the embeddings of distinct states keep apart.

    | field | what |
    |---|---|
    | states | how many |
    | equal | pairs of states with one embedding |
    | near | pairs nearer than the given distance, the equal ones included |
    | crowded | states that have another so near |
    | smallest, typical | least and median distance from a state to its nearest other, over `measured` states |
    | huddled | share of these whose nearest other is nearer than a hundredth of `typical`: told apart in name only |
    """

    states: int
    equal: int
    near: int
    crowded: int
    smallest: float
    typical: float
    huddled: float
    measured: int


def all_embeddings(phi: Tensor, one_hots: int) -> Floats:
    """x = tanh(Σ rows of φ) [rows.., m] of every state: a state is one row of each of `one_hots` equal blocks of phi.

    phi [rows, m] float32. The sum and tanh are float32, as the agent sees them: what float32 cannot tell apart is one
    embedding. Float64 returned, [(rows / one_hots) ^ one_hots, m].
    """
    total = torch.zeros(1, phi.shape[1], dtype=phi.dtype)
    for block in phi.chunk(one_hots):
        total = (total[:, None] + block).flatten(0, 1)
    x: Floats = total.tanh_().double().numpy()
    return x


def separation(x: Floats, near: float, sample: int) -> Separation:
    """Separation of embeddings [N, m]; pairs nearer than `near` are all found.

    Up to PAIRWISE_LIMIT states every distance is measured. Beyond it nearest neighbours are measured for `sample`
    states only: in 8 to 16 dimensions no index beats trying all of them.
    """
    states = len(x)
    along = _along(x)
    distinct, copies = _distinct(x, along)
    equal = int((copies * (copies - 1) // 2).sum())
    near_pairs, crowded, smallest = equal, copies > 1, 0.0 if equal else np.inf
    for i, j, distance in _near_pairs(x, along, distinct, near):
        near_pairs += int((copies[i] * copies[j]).sum())
        crowded[i] = crowded[j] = True
        smallest = min(smallest, float(distance.min()))
    chosen = np.arange(states)
    if states > PAIRWISE_LIMIT:
        chosen = np.sort(np.random.default_rng(0).choice(states, min(sample, states), replace=False))
    nearest = _nearest(x, chosen)
    return Separation(
        states=states,
        equal=equal,
        near=near_pairs,
        crowded=int(copies[crowded].sum()),
        smallest=min(smallest, float(nearest.min())),
        typical=float(np.median(nearest)),
        huddled=float((nearest < np.median(nearest) / 100).mean()),
        measured=len(chosen),
    )


def _distinct(x: Floats, along: Floats) -> tuple[Ints, Ints]:
    """One of each of the different points among x [N, m] in the order of their projections, and how often it occurs.

    Equal points have equal projections. A search through whole rows, which takes far longer, is needed only if two
    different points happen to have one projection.
    """
    order = np.argsort(along)
    new = np.append(True, np.diff(along[order]) > 0)
    copy = np.flatnonzero(~new)
    if (x[order[copy]] != x[order[copy - 1]]).any():
        _, one, copies = np.unique(x, axis=0, return_index=True, return_counts=True)
        order = np.argsort(along[one])
        return one[order], copies[order]
    return order[new], np.diff(np.flatnonzero(new), append=len(x))


def _along(x: Floats) -> Floats:
    """Projections [N] of points [N, m] on a line, the same for equal points."""
    line = np.random.default_rng(0).normal(size=x.shape[1])
    projections: Floats = (x * (line / np.linalg.norm(line))).sum(axis=1)
    return projections


def _near_pairs(x: Floats, along: Floats, points: Ints, near: float) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Every pair i, j of `points` (those of `_distinct`) that is nearer than `near`, with its distance, in blocks.

    No two points are nearer than their projections on a line: it is enough to look at neighbours in that order.
    """
    along, first, shift = along[points], np.arange(len(points)), 0
    while len(first):
        shift += 1
        first = first[first + shift < len(points)]
        first = first[along[first + shift] - along[first] < near * (1 + 1e-6)]
        distance = np.linalg.norm(x[points[first]] - x[points[first + shift]], axis=1)
        close = distance < near
        if close.any():
            yield first[close], first[close] + shift, distance[close]


def _nearest(x: Floats, chosen: Ints) -> Floats:
    """Distance from each chosen point to the nearest other of x [N, m].

    |y|² - 2 xy, a matrix product, says up to rounding which blocks of points hold the nearest; only these are measured.
    """
    starts = range(0, len(x), NEAREST_BLOCK)
    squares = np.einsum("nm,nm->n", x, x)
    lowest = np.empty((len(starts), len(chosen)))
    doubled = -2 * x[chosen]
    for row, start in zip(lowest, starts, strict=True):
        block = slice(start, start + NEAREST_BLOCK)
        gap = doubled @ x[block].T
        gap += squares[block]
        inside = np.flatnonzero((chosen >= start) & (chosen < start + NEAREST_BLOCK))
        gap[inside, chosen[inside] - start] = np.inf
        row[:] = gap.min(axis=1)
    possible = lowest <= lowest.min(axis=0) + 1e-12 * squares.max()
    nearest = np.full(len(chosen), np.inf)
    for row, start in zip(possible, starts, strict=True):
        few = np.flatnonzero(row)
        distance = cdist(x[chosen[few]], x[start : start + NEAREST_BLOCK])
        inside = np.flatnonzero((chosen[few] >= start) & (chosen[few] < start + NEAREST_BLOCK))
        distance[inside, chosen[few[inside]] - start] = np.inf
        nearest[few] = np.minimum(nearest[few], distance.min(axis=1))
    return nearest


def smallest_singular_value(phi: Floats) -> float:
    """Of the linear map s ↦ s φ of vectors [inputs] by phi [inputs, m]: injective, and tanh of it too, if above 0."""
    inputs, outputs = phi.shape
    return float(np.linalg.svd(phi, compute_uv=False)[-1]) if inputs <= outputs else 0.0
