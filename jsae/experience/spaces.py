"""Gymnasium's spaces as numbers that embeddings and policies take.

| space of observations | encoded | Eq. (5) predicts |
|---|---|---|
| Discrete | its id, `[..., 1]`, of a table of n rows | the id: a class |
| MultiDiscrete, MultiBinary | `[..., parts]` ids of one table for all parts | a class where there are few, else k-hot |
| Box | numbers, `[..., size]` float32, as they are | the numbers |

| space of actions | action | decoded |
|---|---|---|
| Discrete | an id from 0 | the space's own number |
| MultiDiscrete | one id for all parts: their digits, the first part's the most significant | the parts |
| MultiBinary | one id: its binary digits, the first bit the most significant | the bits |
| Box | a vector of [−1, 1]^size | scaled to the box; what is outside of [−1, 1] is cut off |

    >>> from gymnasium.spaces import MultiBinary
    >>> actions = actions_of(MultiBinary(3))
    >>> actions.n
    8
    >>> actions.decode([6, 1]).tolist()
    [[1, 1, 0], [0, 0, 1]]
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from jsae.config.errors import JsaeError

Array = npt.NDArray[Any]

MOST_ACTIONS = 2**20
"""Actions that can each have an id: a table of embeddings has a row for each."""
MOST_CLASSES = 10_000
"""Combinations of a MultiDiscrete observation up to which Eq. (5) predicts which of them comes next."""


@dataclass(frozen=True)
class Observations:
    """How observations of a space are encoded.

    | attribute | what |
    |---|---|
    | space | Gymnasium's |
    | size | rows of the table that ids index, or width of a vector |
    | one_hots | how many one-hot vectors the ids of an observation are; 0 where it is a vector |
    | n_targets | classes that Eq. (5) predicts, or width of the vector that it predicts |
    | classes | whether it predicts a class |
    """

    space: spaces.Space[Any]
    size: int
    one_hots: int
    n_targets: int
    classes: bool

    @property
    def discrete(self) -> bool:
        """Whether an observation is encoded as ids."""
        return self.one_hots > 0

    def encode(self, observations: Any) -> Array:
        """Observations `[..., *space.shape]` as ids `[..., one_hots]` int64 or vectors `[..., size]` float32.

        Raises JsaeError if their shape is not the space's, or if an id is outside of the space.
        """
        given = np.asarray(observations)
        shape = self.space.shape or ()
        lead = given.shape[: given.ndim - len(shape)]
        if given.ndim < len(shape) or given.shape[len(lead) :] != shape:
            raise JsaeError(f"an observation of shape {given.shape} is not in {self.space}: give {('...', *shape)}")
        if not self.discrete:
            return given.reshape(*lead, self.size).astype(np.float32)
        counts, starts = _parts(self.space)
        parts = given.reshape(*lead, self.one_hots).astype(np.int64) - starts
        if parts.size and (parts.min() < 0 or (parts >= counts).any()):
            raise JsaeError(f"an observation is not in {self.space}: {_first_outside(given, parts, counts)}")
        return parts + np.concatenate([[0], counts.cumsum()[:-1]])

    def decode(self, encoded: Array) -> Array:
        """The observations `[..., *space.shape]` that `encode` gave."""
        shape = self.space.shape or ()
        if self.discrete:
            counts, starts = _parts(self.space)
            encoded = encoded - np.concatenate([[0], counts.cumsum()[:-1]]) + starts
        return encoded.reshape((*encoded.shape[:-1], *shape)).astype(self.space.dtype)

    def target(self, encoded: Array) -> Array:
        """What Eq. (5) predicts of a next observation.

        Args:
            encoded: `[..., one_hots]` or `[..., size]`, from `encode`.

        Returns a class `[...]` int64 where `classes`, else a vector `[..., n_targets]` float32: k-hot if made of ids.
        """
        if not self.discrete:
            return encoded
        counts, _ = _parts(self.space)
        if self.classes:
            return _number(encoded - np.concatenate([[0], counts.cumsum()[:-1]]), counts)
        hot = np.zeros((*encoded.shape[:-1], self.size), np.float32)
        np.put_along_axis(hot, encoded, 1.0, -1)
        return hot


@dataclass(frozen=True)
class Actions:
    """What the actions of a space are for an embedding or a policy.

    | attribute | what |
    |---|---|
    | space | Gymnasium's |
    | n | number of discrete actions; None where actions are vectors |
    | size | dimensions of a vector; 0 where actions are discrete |
    """

    space: spaces.Space[Any]
    n: int | None
    size: int

    def decode(self, actions: Any) -> Array:
        """The space's own actions `[..., *space.shape]`, of ids `[...]` or of vectors `[..., size]`.

        Raises JsaeError if an id is outside of 0 ... n − 1.
        """
        given = np.asarray(actions)
        shape: tuple[int, ...] = self.space.shape or ()
        if isinstance(self.space, spaces.Box):
            low, high = (bound.astype(np.float64) for bound in (self.space.low, self.space.high))
            share = (given.reshape((*given.shape[:-1], *shape)).clip(-1, 1).astype(np.float64) + 1) / 2
            scaled = (low + share * (high - low)).clip(low, high)
            return (scaled if np.issubdtype(self.space.dtype, np.floating) else np.rint(scaled)).astype(
                self.space.dtype
            )
        assert self.n is not None
        if given.size and (given.min() < 0 or given.max() >= self.n):
            raise JsaeError(f"an action id is outside of 0 ... {self.n - 1}: {given.min()} ... {given.max()}")
        counts, starts = _parts(self.space)
        parts = _digits(given, counts) + starts
        return parts.reshape((*given.shape, *shape)).astype(self.space.dtype)

    def encode(self, actions: Any) -> Array:
        """Ids `[...]` int64, or vectors `[..., size]` float32, of the space's own actions `[..., *space.shape]`.

        Raises JsaeError if their shape is not the space's, or if one is outside of the space.
        """
        given = np.asarray(actions)
        shape: tuple[int, ...] = self.space.shape or ()
        lead = given.shape[: given.ndim - len(shape)]
        if given.ndim < len(shape) or given.shape[len(lead) :] != shape:
            raise JsaeError(f"an action of shape {given.shape} is not in {self.space}: give {('...', *shape)}")
        if isinstance(self.space, spaces.Box):
            low, high = (bound.astype(np.float64) for bound in (self.space.low, self.space.high))
            if given.size and ((given < low).any() or (given > high).any()):
                raise JsaeError(f"an action is outside of {self.space}")
            return (2 * (given - low) / (high - low) - 1).reshape(*lead, self.size).astype(np.float32)
        counts, starts = _parts(self.space)
        parts = given.reshape(*lead, len(counts)).astype(np.int64) - starts
        if parts.size and (parts.min() < 0 or (parts >= counts).any()):
            raise JsaeError(f"an action is not in {self.space}: {_first_outside(given, parts, counts)}")
        return _number(parts, counts)


def observations_of(space: spaces.Space[Any]) -> Observations:
    """How observations of a space are encoded.

    Raises JsaeError if it is none of Box, Discrete, MultiDiscrete and MultiBinary.
    """
    match space:
        case spaces.Box():
            size = math.prod(space.shape or ())
            return Observations(space, size, one_hots=0, n_targets=size, classes=False)
        case spaces.Discrete() | spaces.MultiDiscrete() | spaces.MultiBinary():
            counts, _ = _parts(space)
            size, combinations = int(counts.sum()), math.prod(counts.tolist())
            classes = combinations <= MOST_CLASSES or len(counts) == 1
            return Observations(space, size, len(counts), combinations if classes else size, classes)
        case _:
            raise JsaeError(
                f"observation space {space}: use Box, Discrete, MultiDiscrete or MultiBinary; "
                "gymnasium.wrappers.FlattenObservation makes a Box of a Dict or Tuple"
            )


def actions_of(space: spaces.Space[Any]) -> Actions:
    """What the actions of a space are for an embedding or a policy.

    Raises JsaeError if it is none of Discrete, MultiDiscrete, MultiBinary and a bounded Box, or if it has more than
    `MOST_ACTIONS` discrete actions.
    """
    match space:
        case spaces.Box():
            if not (space.is_bounded() and (space.low < space.high).all()):
                raise JsaeError(f"action space {space}: each dimension needs bounds, the lower below the upper")
            return Actions(space, None, math.prod(space.shape or ()))
        case spaces.Discrete() | spaces.MultiDiscrete() | spaces.MultiBinary():
            counts, _ = _parts(space)
            n = math.prod(counts.tolist())
            if n > MOST_ACTIONS:
                raise JsaeError(
                    f"action space {space} has {n:,} actions, and each needs an embedding: "
                    f"at most {MOST_ACTIONS:,}, so merge or leave out some"
                )
            return Actions(space, n, 0)
        case _:
            raise JsaeError(f"action space {space}: use Discrete, MultiDiscrete, MultiBinary or a bounded Box")


def _parts(space: spaces.Space[Any]) -> tuple[Array, Array]:
    """How many values each part of a discrete space has, and its lowest value, int64 `[parts]` each."""
    match space:
        case spaces.Discrete():
            return np.array([space.n], np.int64), np.array([space.start], np.int64)
        case spaces.MultiDiscrete():
            return space.nvec.ravel().astype(np.int64), space.start.ravel().astype(np.int64)
        case _:
            parts = math.prod(space.shape or ())
            return np.full(parts, 2, np.int64), np.zeros(parts, np.int64)


def _places(counts: Array) -> Array:
    """What a digit of each part is worth, the first part's the most, `[parts]`."""
    return np.concatenate([counts[1:][::-1].cumprod()[::-1], [1]]).astype(np.int64)


def _number(parts: Array, counts: Array) -> Array:
    """The number `[...]` whose digits are the parts `[..., parts]`."""
    return parts @ _places(counts)


def _digits(numbers: Array, counts: Array) -> Array:
    """The digits `[..., parts]` of numbers `[...]`."""
    return numbers[..., None] // _places(counts) % counts


def _first_outside(given: Array, parts: Array, counts: Array) -> str:
    """The first value that is not in the space, as a message shows it."""
    outside = ((parts < 0) | (parts >= counts)).ravel()
    return f"{given.ravel()[outside.argmax()]!r}"
