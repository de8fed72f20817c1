"""The search for hyper-parameters: which settings are tried, which go on, and what a training takes from the outcome.

The paper reports the best of a grid and lists no setting (A.4.2). Here every cell tries the same number of settings of
its grid, with the same number of runs. All are trained for a share of the epochs that is long enough to learn
something; the best go on to the end (Jamieson & Talwalkar 2016). What an environment's agents and embeddings share is
compared among settings that were all trained to the end.
"""

import itertools
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from ruamel.yaml import YAML

from jsae.config.best import SIZES, Best, Values
from jsae.config.errors import JsaeError
from jsae.config.study import Cell

__all__ = [
    "OUTCOME",
    "STEPS",
    "VARIED",
    "Trial",
    "budgets",
    "choose",
    "chosen_rows",
    "survivors",
    "trials",
    "waiting",
    "write_best",
]

STEPS = ("train_pi_iters", "update_steps")
"""Hyper-parameters that are one value for an environment's agent."""
SHARED = ((STEPS, ("environment", "agent")), (SIZES, ("environment", "embedding")))
"""Hyper-parameters that are one value for several cells, and what those cells have in common."""

VARIED: dict[str, Any] = {
    "actor_learning_rate": pl.Float64,
    "critic_learning_rate": pl.Float64,
    "initial_standard_deviation": pl.Float64,
    "state_embedding_size": pl.Int64,
    "action_embedding_size": pl.Int64,
    "hidden_sizes": pl.String,
    "entropy_weight": pl.Float64,
    "train_pi_iters": pl.Int64,
    "update_steps": pl.Int64,
}
"""Hyper-parameters that a search can vary, and their columns in its outcome."""
OUTCOME: dict[str, Any] = {
    **dict.fromkeys(("environment", "agent", "embedding"), pl.String),
    **VARIED,
    "seeds": pl.String,
    "epochs": pl.Int64,
    "score": pl.Float64,
}
"""Columns of the outcome, a row a setting: null is what was not varied, and the score of a training that diverged;
hidden_sizes as 64-64."""


class Trial(NamedTuple):
    """A setting: `shared` is what must be one value for an environment's agent or embedding, `own` the rest."""

    shared: Values
    own: Values
    seeds: tuple[int, ...] = ()

    @property
    def changes(self) -> Values:
        """What differs from params.yaml."""
        return self.shared | self.own


def trials(
    grid: Mapping[str, Sequence[Any]],
    *,
    combined: Sequence[str],
    spread: Sequence[str],
    not_applicable: Sequence[str],
    settings: int,
    seeds: Sequence[int],
    seeds_per_setting: int,
    key: str,
) -> list[Trial]:
    """The settings that a cell tries, each with its seeds: `settings` × `seeds_per_setting` runs in all.

    Every combination of the values of `combined`, over and over until there are `settings`. The values of `spread` go
    with them at random, each as often as any other (embedding sizes as pairs). What comes twice is one setting with the
    seeds of both.

    Args:
        grid: values by name.
        not_applicable: names that make no difference to the cell: they are left out.
        seeds: the first round takes the first `seeds_per_setting` of them, the next round those that follow.
        key: the same key draws the same.

    Raises JsaeError if `seeds` are too few.
    """
    combinations = _product(grid, _own(combined, grid, not_applicable))
    rounds = -(-settings // len(combinations))
    if rounds * seeds_per_setting > len(seeds):
        raise JsaeError(
            f"search.seeds: {rounds * seeds_per_setting} are needed ({rounds} rounds of {len(combinations)} settings, "
            f"{seeds_per_setting} seeds each), {len(seeds)} are there"
        )
    others = _own(spread, grid, not_applicable)
    groups = [[name for name in others if name in SIZES], *([name] for name in others if name not in SIZES)]
    columns = [_spread(_product(grid, names), settings, f"{key} {' '.join(names)}") for names in groups if names]
    found: dict[str, tuple[Values, tuple[int, ...]]] = {}
    for i in range(settings):
        start = i // len(combinations) * seeds_per_setting
        values = combinations[i % len(combinations)] | {k: v for column in columns for k, v in column[i].items()}
        before = found.get(repr(values), (values, ()))[1]
        found[repr(values)] = values, (*before, *seeds[start : start + seeds_per_setting])
    shared = SIZES + STEPS
    return [
        Trial(
            {name: value for name, value in values.items() if name in shared},
            {name: value for name, value in values.items() if name not in shared},
            own_seeds,
        )
        for values, own_seeds in found.values()
    ]


def _own(names: Sequence[str], grid: Mapping[str, Any], not_applicable: Sequence[str]) -> list[str]:
    return [name for name in names if name in grid and name not in not_applicable]


def _product(grid: Mapping[str, Sequence[Any]], names: Sequence[str]) -> list[Values]:
    values = (grid[name] for name in names)
    return [dict(zip(names, combination, strict=True)) for combination in itertools.product(*values)]


def _spread(values: list[Values], count: int, key: str) -> list[Values]:
    """`count` values in a random order, each as often as any other, or once more."""
    column = (values * -(-count // len(values)))[:count]
    random.Random(key).shuffle(column)
    return column


def budgets(epochs: int, first_rung: float) -> list[int]:
    """Epochs at which settings are compared: after the share `first_rung` of them, and at the end."""
    first = max(1, round(epochs * first_rung))
    return [first, epochs] if first < epochs else [epochs]


def survivors(scored: Sequence[tuple[Trial, float]], factor: int) -> list[Trial]:
    """Of the trials that share the same values one in `factor`, at least one: those with the highest scores.

    A score that is not a number (the training diverged) is the lowest; among equals the earlier goes on.
    """
    order = sorted(range(len(scored)), key=lambda i: -math.inf if math.isnan(scored[i][1]) else scored[i][1],
                   reverse=True)  # fmt: skip
    kept: list[int] = []
    for shared in _distinct(trial.shared for trial, _ in scored):
        group = [i for i in order if scored[i][0].shared == shared]
        kept += group[: math.ceil(len(group) / factor)]
    return [scored[i][0] for i in sorted(kept)]


def _distinct(found: Iterable[Values]) -> list[Values]:
    seen: list[Values] = []
    for one in found:
        if one not in seen:
            seen.append(one)
    return seen


def chosen_rows(outcome: pl.DataFrame) -> list[Values]:
    """The row of each cell's best setting, from a table with a row a setting, as search/settings.csv.

    The steps an epoch are one value for an environment's agent, embedding sizes one for an environment's embedding:
    those whose best settings are best on average over the cells that share them. Only settings of the last rung count.
    Raises JsaeError if none of a cell's came through.
    """
    complete = outcome.filter(pl.col("epochs") == pl.col("epochs").max().over("environment", "agent", "embedding"))
    rows = complete.filter(pl.col("score").is_not_null()).rows(named=True)
    cells = list(dict.fromkeys(map(_cell, outcome.rows(named=True))))
    for cell in cells:
        if not any(_cell(row) == cell for row in rows):
            raise JsaeError(f"search: no setting of {cell} came to the end: look at its scores in results/search")
    for names, keys in SHARED:
        rows = [row for group in _grouped(rows, keys) for row in _with_best_shared(group, names)]
    return [max((row for row in rows if _cell(row) == cell), key=lambda row: row["score"]) for cell in cells]


def choose(outcome: pl.DataFrame) -> Best:
    """The best settings, from the same table; see `chosen_rows`."""
    best = Best({}, {})
    for row in chosen_rows(outcome):
        cell = _cell(row)
        varied = {name: row[name] for name in VARIED if row[name] is not None}
        if "hidden_sizes" in varied:
            varied["hidden_sizes"] = [int(size) for size in varied["hidden_sizes"].split("-")]
        sizes_found = {name: varied.pop(name) for name in SIZES if name in varied}
        if sizes_found:
            best.embeddings[cell.environment, cell.embedding] = sizes_found
        best.agents[cell] = varied
    return best


def waiting(outcome: pl.DataFrame, lacking: Sequence[Cell]) -> list[Cell]:
    """The cells that share a value (see `SHARED`) with one that has not been searched, or that waits itself.

    outcome: as `choose` takes it. lacking: the cells that have not been searched.
    """
    rows = outcome.rows(named=True)
    found = list(lacking)
    for one in found:  # grows
        for names, keys in SHARED:
            alike = [row for row in rows if all(row[key] == getattr(one, key) for key in keys)]
            sharing = [_cell(row) for row in alike if any(row[name] is not None for name in names)]
            found += [cell for cell in dict.fromkeys(sharing) if cell not in found]
    return found[len(lacking) :]


def _cell(row: Values) -> Cell:
    return Cell(row["environment"], row["agent"], row["embedding"])


def _grouped(rows: list[Values], keys: Sequence[str]) -> list[list[Values]]:
    groups: dict[tuple[Any, ...], list[Values]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return list(groups.values())


def _with_best_shared(rows: list[Values], names: Sequence[str]) -> list[Values]:
    """The rows with that value of `names` whose best scores have the highest mean over the cells.

    Raises JsaeError if every value is one with which some cell never came to the end.
    """
    scores: dict[tuple[Any, ...], dict[Cell, float]] = {}
    for row in rows:
        of_value = scores.setdefault(tuple(row[name] for name in names), {})
        of_value[_cell(row)] = max(row["score"], of_value.get(_cell(row), -math.inf))
    cells = {_cell(row) for row in rows}
    worth = {value: sum(best.values()) for value, best in scores.items() if best.keys() == cells}
    if not worth:
        raise JsaeError(
            f"search: {', '.join(sorted(map(str, cells)))} must share {' and '.join(names)}, and with no value did all "
            "of them come to the end: look at their scores in results/search"
        )
    chosen = max(worth, key=lambda value: worth[value])
    return [row for row in rows if tuple(row[name] for name in names) == chosen]


def write_best(path: Path, best: Best) -> None:
    """Write what `choose` chose, for people and for `read_best`."""
    content: dict[str, Any] = {"embeddings": {}, "agents": {}}
    for (environment, embedding), found in sorted(best.embeddings.items()):
        content["embeddings"].setdefault(environment, {})[embedding] = found
    for cell, found in sorted(best.agents.items(), key=lambda item: str(item[0])):
        content["agents"].setdefault(cell.environment, {}).setdefault(cell.agent, {})[cell.embedding] = found
    yaml = YAML()
    yaml.default_flow_style, yaml.width = None, 120
    with path.open("w", encoding="utf-8") as stream:
        stream.write("# What the search found: `make choose` writes it. These values override params.yaml.\n")
        yaml.dump(content, stream)
