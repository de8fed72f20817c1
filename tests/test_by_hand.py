"""One run by hand: it gives the very numbers of the study, goes on where it was stopped, and refuses what is wrong."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from jsae.config import layout
from jsae.config.errors import JsaeError
from jsae.config.schema import Parameters
from jsae.config.study import Cell
from jsae.io import checkpoint
from jsae.io.declared import Declared
from jsae.standalone import run
from jsae.standalone.settings import RunSettings, run_settings
from stages import collect, download, environment, filter, pretrain, train, transitions
from tests import made_parameters
from tests.made_declared import declare_all

SCALE, SEEDS = "preview", "0-2"
CHANGES: dict[str, Any] = {
    "scales.preview": [{"cells": "main", "seeds": [SEEDS]}, {"cells": "others", "seeds": [SEEDS]}],
    "environments.grid.pretraining_epochs.preview": 3,
    "environments.grid.epochs.preview": 5,
    "environments.old-grid.epochs.preview": 3,
    "cells.main": [
        {"environments": ["grid"], "agents": ["vpg", "ppo"], "embeddings": ["none", "ra", "jsae"]},
        {"environments": ["shop"], "agents": ["ppo"], "embeddings": ["jsae"]},
        {"environments": ["old-grid"], "agents": ["vpg"], "embeddings": ["jsae"]},
        {"environments": ["wide-grid"], "agents": ["vpg"], "embeddings": ["jsae_transfer", "jsae_transfer_all"]},
    ],
}
CELLS = [
    Cell("grid", "vpg", "none"),
    Cell("grid", "ppo", "ra"),
    Cell("grid", "vpg", "jsae"),
    Cell("grid", "vpg", "jsae", "four-steps"),
    Cell("shop", "ppo", "jsae"),
    Cell("wide-grid", "vpg", "jsae_transfer"),
    Cell("wide-grid", "vpg", "jsae_transfer_all"),
]
"""Without and with an embedding, a reading, continual learning, transfers of a part and of the whole agent."""
STAGES = {
    "download": download,
    "filter": filter,
    "transitions": transitions,
    "environment": environment,
    "collect": collect,
    "pretrain": pretrain,
    "train": train,
}


def quiet(line: str) -> None:
    """Takes a report."""


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    return made_parameters.loaded(CHANGES)


@pytest.fixture(scope="module")
def declared(parameters: Parameters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Declared]]:
    """The stages of a small study, in whose folder the tests run, after all those up to training have run."""
    with contextlib.chdir(tmp_path_factory.mktemp("study")):
        stages = declare_all(parameters, SCALE)
        for name, one in stages.items():
            kind = name.partition("@")[0]
            if kind in STAGES:
                STAGES[kind].main(one)
        yield stages


def by_hand(parameters: Parameters, cell: Cell, seed: int, **arguments: Any) -> RunSettings:
    return run_settings(parameters, cell, seed, scale=SCALE, found={}, **arguments)


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_by_hand_is_the_run_of_the_study(
    declared: dict[str, Declared], parameters: Parameters, cell: Cell, seed: int, tmp_path: Path
) -> None:
    """Bit for bit; seed 1 shares its batch there, seed 2 does not."""
    threads = torch.get_num_threads()
    run.one_thread()
    try:
        run.train(by_hand(parameters, cell, seed), tmp_path / "run", report=quiet)
    finally:
        torch.set_num_threads(threads)
    study = pl.read_parquet(layout.curves(SCALE, f"{cell}-{SEEDS}")).filter(pl.col("seed") == seed)
    mine = pl.read_parquet(tmp_path / "run" / run.CURVE_TABLE)
    assert mine.equals(study, null_equal=True)
    assert mine["mean_return"].n_unique() > 1
    weights = checkpoint.load(layout.weights(SCALE, f"{cell}-{SEEDS}"))[0]
    own = checkpoint.load(tmp_path / "run" / run.WEIGHTS)[0]
    assert own.keys() == weights.keys()
    for name, weight in own.items():
        assert torch.equal(weight[0], weights[name][seed]), name
