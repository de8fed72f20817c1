"""Transitions to learn an embedding from: of the random policy, from arrays, or from a file."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import polars as pl
from gymnasium import spaces
from tqdm import tqdm

from jsae.config.errors import JsaeError
from jsae.library.spaces import MOST_IDS, Array, Space, check_finite

__all__ = ["COLUMNS", "Log", "action_space", "from_arrays", "hidden", "observation_space", "random_log", "read_parquet"]

COLUMNS = ("state", "action", "next_state")


class Log(NamedTuple):
    """B transitions as the environment has them.

    | field | shape | what |
    |---|---|---|
    | state, next_state | [B, ...] | observations before and after the step, the latter before any reset |
    | action | [B, ...] | the environment's action |
    """

    state: Array
    action: Array
    next_state: Array


def random_log(env: gymnasium.Env[Any, Any], samples: int, seed: int, *, progress: bool | None) -> Log:
    """`samples` transitions of the uniform random policy, one episode after the other (A.4.2).

    The seed fixes the actions and the first reset, and so all of it where the environment itself is deterministic. The
    random numbers of `env.action_space` stay as they are.
    """
    actions = copy.deepcopy(env.action_space)
    actions.seed(seed)
    columns: list[list[Any]] = [[] for _ in COLUMNS]
    observation, _ = env.reset(seed=seed)
    for _ in tqdm(range(samples), desc="random policy", unit="step", leave=False, disable=hidden(progress)):
        state, action = np.array(observation), actions.sample()  # a copy: the environment may use its arrays again
        observation, _, terminated, truncated, _ = env.step(action)
        for column, value in zip(columns, (state, np.array(action), np.array(observation)), strict=True):
            column.append(value)
        if terminated or truncated:
            observation, _ = env.reset()
    return Log(*(np.stack(column) for column in columns))


def hidden(progress: bool | None) -> bool | None:
    """What tqdm calls `disable`: None shows a bar on a terminal only."""
    return None if progress is None else not progress


def from_arrays(source: Any) -> Log:
    """Transitions of a mapping or table with the columns state, action and next_state, or of three arrays.

    Raises JsaeError if a column is missing, if lengths differ or if a column is no array of numbers.
    """
    if isinstance(source, pl.DataFrame | Mapping) or hasattr(source, "keys"):
        found = list(source.columns if isinstance(source, pl.DataFrame) else source.keys())
        for name in COLUMNS:
            if name not in found:
                raise JsaeError(f"source has no column {name} (it has {', '.join(map(str, found))}); give {_WANTED}")
        values = [source[name] for name in COLUMNS]
    elif isinstance(source, tuple | list) and len(source) == len(COLUMNS):
        values = list(source)
    else:
        raise JsaeError(f"source is {_shortly(source)}; give {_WANTED}, an environment, or its Gymnasium id")
    log = Log(*(_array(value, name) for name, value in zip(COLUMNS, values, strict=True)))
    lengths = [len(column) for column in log]
    if len(set(lengths)) > 1:
        raise JsaeError(
            f"source: state, action and next_state have {', '.join(map(str, lengths))} rows; "
            "give one row of each for a transition"
        )
    if log.state.shape != log.next_state.shape:
        raise JsaeError(
            f"source: state is {list(log.state.shape)} and next_state {list(log.next_state.shape)}; "
            "both are observations and need the same shape"
        )
    return log


_WANTED = "transitions: arrays or columns named state, action and next_state, with a row for each transition"


def _array(values: Any, name: str) -> Array:
    if isinstance(values, pl.Series) and values.null_count():
        row = values.is_null().arg_max()
        raise JsaeError(f"{name}, row {row}: is empty; drop or fill in such rows")
    if isinstance(values, pl.Series) and isinstance(values.dtype, pl.List):
        values = values.to_list()
    elif str(getattr(values, "dtype", "")) == "object":  # pandas: a column of lists
        values = list(values)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise JsaeError(f"{name}: its rows have different lengths ({error})") from None
    if array.dtype == np.bool_:
        array = array.astype(np.int8)
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise JsaeError(f"{name}: holds {array.dtype}, not numbers; convert it (names to ids from 0)")
    if array.ndim == 0 or not len(array):
        raise JsaeError(f"{name}: has no rows; give one for each transition")
    return array


def _shortly(source: Any) -> str:
    text = repr(source)
    return text if len(text) < 80 else f"of type {type(source).__name__}"


def read_parquet(path: Path) -> Log:
    """Transitions of a Parquet file with the columns state, action and next_state: numbers, or lists of numbers.

    Raises JsaeError if the file is missing or damaged, or as `from_arrays` does.
    """
    try:
        table = pl.read_parquet(path, glob=False)
    except FileNotFoundError:
        raise JsaeError(f"source: there is no file {path}") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise JsaeError(f"source: {path} is no Parquet file ({str(error).splitlines()[0]})") from None
    return from_arrays(table)


def observation_space(log: Log) -> Space:
    """The smallest space of the log's observations: Discrete or MultiDiscrete of integers, Box of floats.

    Raises JsaeError for ids that are negative or too large, and for floats that could be ids (see `_counted`).
    """
    ids = _counted("observation_space", state=log.state, next_state=log.next_state)
    return ids or spaces.Box(-np.inf, np.inf, log.state.shape[1:], np.float32)


def action_space(log: Log) -> Space:
    """The smallest space of the log's actions, as `observation_space` finds it; a Box has their least and most."""
    low, high = log.action.min(0).astype(np.float32), log.action.max(0).astype(np.float32)
    return _counted("action_space", action=log.action) or spaces.Box(low, high, low.shape, np.float32)


def _counted(argument: str, **columns: Array) -> Space | None:
    """The space of ids `[B, ...]`, of all columns together; None where they are vectors.

    Integers of any type are ids. Floats are sizes. Whole numbers as floats could be either where there is one a row, or
    where the other column has integers: many tools turn integers into floats unasked.

    Args:
        argument: what the user gives to say which they are.
        columns: by name.

    Raises JsaeError for those, for negative and too large ids, and for what is not finite.
    """
    floats = {name: column for name, column in columns.items() if not np.issubdtype(column.dtype, np.integer)}
    for name, column in columns.items():
        check_finite(column, name)
        if not floats and column.min() < 0:
            raise JsaeError(f"{name}: {column.min()} is negative; number ids from 0, or give {argument}")
        if not floats and column.max() >= MOST_IDS:
            raise JsaeError(
                f"{name}: {column.max()} is too large for an id; at most {MOST_IDS:,} can be embedded: number them "
                f"from 0, or give {argument}=gymnasium.spaces.Box if they are sizes"
            )
    row = next(iter(columns.values())).shape[1:]
    if floats:
        whole = all((column == np.rint(column)).all() for column in columns.values())
        if whole and (row == () or len(floats) < len(columns)):
            raise JsaeError(
                f"{next(iter(floats))}: whole numbers as floats; convert them to integers if they are ids, "
                f"or give {argument}=gymnasium.spaces.Box(low, high, {row}) if they are sizes"
            )
        return None
    count = 1 + np.max([column.max(0).astype(np.int64) for column in columns.values()], 0)
    return spaces.MultiDiscrete(count) if row else spaces.Discrete(int(count))
