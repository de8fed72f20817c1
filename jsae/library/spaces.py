"""Observation and action spaces of Gymnasium as the ids and vectors that embeddings are learnt on.

`jsae.fit`, `jsae.train` and the wrappers all read spaces here, so that they agree on every id.

    >>> actions = Actions.of(spaces.MultiBinary(3))
    >>> actions.count
    8
    >>> actions.decode(np.array([6, 1])).tolist()
    [[1, 1, 0], [0, 0, 1]]
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from jsae.config.errors import JsaeError

__all__ = [
    "MOST_IDS",
    "Actions",
    "Array",
    "Components",
    "Space",
    "States",
    "batched",
    "check_finite",
    "check_same",
    "described",
    "restored",
]

MOST_IDS = 2**20
"""Ids that observations or actions may have at most: each is a row of a table."""

Array = NDArray[Any]
Space = spaces.Space[Any]


@dataclass(frozen=True)
class Components:
    """A space whose elements are whole numbers: `sizes[i]` values from `starts[i]` on for each component i."""

    sizes: tuple[int, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, space: Space) -> Self | None:
        """Of Discrete, MultiDiscrete and MultiBinary; None for any other space."""
        match space:
            case spaces.Discrete():
                return cls((int(space.n),), (int(space.start),))
            case spaces.MultiDiscrete():
                sizes, starts = (np.asarray(field).ravel().tolist() for field in (space.nvec, space.start))
                return cls(tuple(sizes), tuple(starts))
            case spaces.MultiBinary():
                count = math.prod(space.shape)
                return cls((2,) * count, (0,) * count)
        return None

    def ids(self, values: Array, name: str) -> NDArray[np.int64]:
        """Values `[B, ...]` as ids `[B, k]`, each from 0. Raises JsaeError, which calls them `name`."""
        rows = values.reshape(len(values), len(self.sizes))
        if not np.issubdtype(rows.dtype, np.integer) and rows.dtype != np.bool_:
            whole = np.issubdtype(rows.dtype, np.floating) and bool((np.isfinite(rows) & (rows == np.rint(rows))).all())
            if not whole:
                raise JsaeError(f"{name}: the space has whole numbers, these are {rows.dtype} with fractions or NaN")
        ids = rows.astype(np.int64) - np.asarray(self.starts)
        wrong = (ids < 0) | (ids >= np.asarray(self.sizes))
        if wrong.any():
            row, component = np.argwhere(wrong)[0].tolist()
            first, size = self.starts[component], self.sizes[component]
            where = f"row {row}" if len(self.sizes) == 1 else f"row {row}, component {component}"
            raise JsaeError(
                f"{name}, {where}: {rows[row, component]} is not in {first} ... {first + size - 1}; "
                "give the space that these values come from"
            )
        return ids

    def values(self, ids: NDArray[np.int64], space: Space) -> Array:
        """Ids `[B, k]` as elements of the space `[B, ...]`."""
        values = ids + np.asarray(self.starts)
        return values.reshape(len(ids), *(space.shape or ())).astype(space.dtype)


@dataclass(frozen=True, eq=False)
class States:
    """How embeddings read observations.

    | space | as embeddings read it | what Eq. (5) predicts of the next state |
    |---|---|---|
    | Discrete(n) | a one-hot vector of n | its id: softmax, nats |
    | MultiDiscrete, MultiBinary of k components | a k-hot vector, a block for each component | the id of each component: k softmaxes that are independent given x and e; nats, their sum |
    | Box | the flat vector (x − mean) / deviation | the same of the next state: squared error |

    mean, deviation: of each entry, `[n]` float64; 0 and 1 where observations are not standardized.
    """  # noqa: E501

    space: Space
    components: Components | None
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, space: Space) -> Self:
        """Not standardized. Raises JsaeError for a space that is none of the table, or too large."""
        components = Components.of(space)
        if components is None and not isinstance(space, spaces.Box):
            raise JsaeError(
                f"observation space {space}: Discrete, MultiDiscrete, MultiBinary and Box can be embedded; "
                "wrap the environment in gymnasium.wrappers.FlattenObservation"
            )
        if components and sum(components.sizes) > MOST_IDS:
            raise JsaeError(
                f"observation space {space}: {sum(components.sizes):,} ids, at most {MOST_IDS:,} can be embedded; "
                "describe states by several components (MultiDiscrete) or by numbers (Box)"
            )
        size = 0 if components else math.prod(space.shape or ())
        return cls(space, components, np.zeros(size), np.ones(size))

    def standardized(self, observations: Array) -> "States":
        """The same with mean and deviation of these observations `[B, ...]`; entries that are constant keep 1."""
        if self.components:
            return self
        rows = observations.reshape(len(observations), -1).astype(np.float64)
        deviation, varies = rows.std(0), rows.std(0) > 1e-7 * np.abs(rows).max(0)  # less is rounding
        return States(self.space, None, rows.mean(0), np.where(varies, deviation, 1.0))

    @property
    def size(self) -> int:
        """Rows of the table that ids stand for, or length of a vector."""
        return sum(self.components.sizes) if self.components else len(self.mean)

    def encode(self, observations: Array, name: str) -> Array:
        """Observations `[B, ...]` as ids `[B, k]` int64 of one table, or vectors `[B, n]` float32. Raises JsaeError."""
        if self.components:
            sizes = np.asarray(self.components.sizes)
            return self.components.ids(observations, name) + np.cumsum(sizes) - sizes
        vectors = observations.reshape(len(observations), -1)
        check_finite(vectors, name)
        return ((vectors - self.mean) / self.deviation).astype(np.float32)

    def decode(self, codes: Array) -> Array:
        """The observations `[B, ...]` whose codes `encode` gave, `[B, k]` or `[B, n]`."""
        if self.components:
            return self.components.values(self._ids(codes), self.space)
        return (
            (codes * self.deviation + self.mean).reshape(len(codes), *(self.space.shape or ())).astype(self.space.dtype)
        )

    def target(self, codes: Array) -> Array:
        """What Eq. (5) predicts of states that `encode` gave, `[..., k]` or `[..., n]`.

        Returns ids `[...]`, ids of each component `[..., k]` where there are several, or the vectors.
        """
        if self.components is None:
            return codes
        ids = self._ids(codes)
        return ids[..., 0] if len(self.components.sizes) == 1 else ids

    def _ids(self, codes: Array) -> Array:
        """Rows of the one table as ids of each component, `[..., k]`."""
        assert self.components is not None
        sizes = np.asarray(self.components.sizes)
        return codes - (np.cumsum(sizes) - sizes)


@dataclass(frozen=True, eq=False)
class Actions:
    """How embeddings read actions.

    | space | as embeddings read it |
    |---|---|
    | Discrete(n) | a one-hot vector of n |
    | MultiDiscrete, MultiBinary | the same, with an id for each combination: the first component counts most |
    | Box | the flat vector, its box mapped to [−1, 1] |
    """

    space: Space
    components: Components | None

    @classmethod
    def of(cls, space: Space) -> Self:
        """Raises JsaeError for a space that is none of the table, too large, or without bounds."""
        components = Components.of(space)
        if components is None and not isinstance(space, spaces.Box):
            raise JsaeError(
                f"action space {space}: Discrete, MultiDiscrete, MultiBinary and Box can be embedded; "
                "write a gymnasium.ActionWrapper that has one of them"
            )
        if components and math.prod(components.sizes) > MOST_IDS:
            raise JsaeError(
                f"action space {space}: {math.prod(components.sizes):,} combinations, and each would have an embedding "
                f"of its own; at most {MOST_IDS:,} can. Give some components to an agent of their own, or make them "
                "coarser in a gymnasium.ActionWrapper"
            )
        if isinstance(space, spaces.Box) and not (space.is_bounded("both") and (space.low < space.high).all()):
            raise JsaeError(
                f"action space {space}: bounds must be finite, and low below high; wrap the environment in "
                "gymnasium.wrappers.TransformAction with a bounded Box"
            )
        return cls(space, components)

    @property
    def count(self) -> int | None:
        """Number of actions; None where they are vectors."""
        return math.prod(self.components.sizes) if self.components else None

    @property
    def size(self) -> int:
        """Dimensions of a vector; 0 where actions have ids."""
        return 0 if self.components else math.prod(self.space.shape or ())

    def encode(self, actions: Array, name: str) -> Array:
        """Actions `[B, ...]` as ids `[B]` int64, or vectors `[B, n]` float32 in [−1, 1]. Raises JsaeError."""
        if self.components:
            columns = self.components.ids(actions, name).T
            return np.ravel_multi_index(tuple(columns), self.components.sizes).astype(np.int64)
        vectors = actions.reshape(len(actions), -1).astype(np.float64)
        check_finite(vectors, name)
        low, high = self._bounds()
        scaled = 2 * (vectors - low) / (high - low) - 1
        outside = (np.abs(scaled) > 1 + 1e-5).any(1)
        if outside.any():
            row = int(outside.argmax())
            raise JsaeError(f"{name}, row {row}: {vectors[row]} is outside the action space {self.space}; clip it")
        return scaled.astype(np.float32)

    def decode(self, codes: Array) -> Array:
        """What `encode` gives as actions of the space, `[B, ...]`; vectors are clipped to the box."""
        if self.components:
            ids = np.stack(np.unravel_index(codes, self.components.sizes), 1)
            return self.components.values(ids, self.space)
        low, high = self._bounds()
        vectors = low + (np.clip(codes.astype(np.float64), -1, 1) + 1) / 2 * (high - low)
        if np.issubdtype(self.space.dtype, np.integer):
            vectors = np.rint(vectors)
        return vectors.reshape(len(codes), *(self.space.shape or ())).astype(self.space.dtype)

    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        assert isinstance(self.space, spaces.Box)
        return self.space.low.ravel().astype(np.float64), self.space.high.ravel().astype(np.float64)


def check_finite(values: Array, name: str) -> None:
    """Raise JsaeError for the first row `[B, ...]` with a NaN or an infinity; `name` is what the message calls it."""
    try:
        sound = np.isfinite(values).reshape(len(values), -1).all(1)
    except TypeError:
        raise JsaeError(f"{name}: holds {values.dtype}, not numbers; convert it") from None
    if not sound.all():
        row = int((~sound).argmax())
        raise JsaeError(f"{name}, row {row}: {values[row]} is not finite; drop or fill in such rows")


def batched(values: ArrayLike, space: Space, name: str) -> tuple[Array, bool]:
    """Elements of a space as a batch `[B, ...]`, and whether they came as one.

    Raises JsaeError for other shapes, and for a batch of none.
    """
    array, shape = np.asarray(values), tuple(space.shape or ())
    if array.shape == shape:
        return array[None], False
    if array.shape[1:] == shape and array.ndim == len(shape) + 1:
        if not len(array):
            raise JsaeError(f"{name}: has no rows; give at least one")
        return array, True
    raise JsaeError(f"{name}: shape {list(array.shape)}; give {list(shape)}, or {['B', *shape]} for B of them")


def described(space: Space) -> dict[str, Any]:
    """A space as JSON can hold it; `restored` reads it."""
    match space:
        case spaces.Discrete():
            return {"type": "Discrete", "n": int(space.n), "start": int(space.start), "dtype": str(space.dtype)}
        case spaces.MultiDiscrete():
            start = np.asarray(space.start).tolist()
            return {"type": "MultiDiscrete", "nvec": space.nvec.tolist(), "start": start, "dtype": str(space.dtype)}
        case spaces.MultiBinary():
            return {"type": "MultiBinary", "n": list(space.shape)}
        case spaces.Box():
            bounds = {side: _numbers(getattr(space, side)) for side in ("low", "high")}
            return {"type": "Box", **bounds, "shape": list(space.shape), "dtype": str(space.dtype)}
    raise AssertionError(space)


def restored(description: dict[str, Any]) -> Space:
    """The space of `described`. Raises KeyError, TypeError or ValueError for anything else."""
    fields = dict(description)
    kind = fields.pop("type")
    dtype = np.dtype(fields.pop("dtype", "int8"))
    match kind:
        case "Discrete":
            return spaces.Discrete(fields["n"], start=fields["start"], dtype=dtype.type)
        case "MultiDiscrete":
            return spaces.MultiDiscrete(fields["nvec"], start=fields["start"], dtype=dtype.type)
        case "MultiBinary":
            size = fields["n"]
            return spaces.MultiBinary(size[0] if len(size) == 1 else size)
        case "Box":
            low, high = (np.array([float(n) for n in fields[side]]).astype(dtype) for side in ("low", "high"))
            shape = fields["shape"]
            return spaces.Box(low.reshape(shape), high.reshape(shape), dtype=dtype.type)
    raise ValueError(f"it has a space of type {kind}")


def _numbers(values: Array) -> Sequence[str]:
    """Numbers as text that gives the same numbers back: JSON has no infinity."""
    return [repr(float(value)) for value in values.ravel()]


def check_same(learnt: tuple[Space, Space], given: tuple[Space, Space]) -> None:
    """Raise JsaeError unless observation and action spaces are read as those that an embedding was learnt for.

    They are if ids have the same numbers, or vectors the same shape. Bounds count for actions, which are scaled to
    them; those of observations are not used.
    """
    for name, own, other in zip(("observation_space", "action_space"), learnt, given, strict=True):
        alike = type(own) is type(other) and own.shape == other.shape and Components.of(own) == Components.of(other)
        if not alike or (name == "action_space" and isinstance(own, spaces.Box) and own != other):
            raise JsaeError(
                f"the environment has {name} = {other}, the embedding was learnt for {own}: "
                f"fit it to this environment, or give jsae.fit {name}=env.{name} together with a log"
            )
