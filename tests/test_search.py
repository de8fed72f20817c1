"""The search: its grids, its halving and its choice by hand; a whole small search, also broken off and diverging."""

import itertools
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from jsae.analysis import search
from jsae.analysis.search import Trial
from jsae.config import hyper_parameters, layout, plan, registry, schema
from jsae.config.best import NOTHING_FOUND, SIZES, Best
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from jsae.io.declared import Declared
from jsae.io.workers import run_batches
from jsae.reporting.looks import SEARCHED
from jsae.reporting.tried import TIMES
from stages import collect, environment
from stages import search as stage
from stages.settings import Study
from tests import made_parameters
from tests.made_declared import declare_all, run
from tools import choose

ROOT = Path(__file__).parent.parent
CELL = Cell("grid", "vpg", "jsae")
SMALL = {
    "cells.main": [{"environments": ["grid"], "agents": ["vpg"], "embeddings": ["none", "ra", "jsae"]}],
    "cells.others.0.environments": ["grid"],
    "environments.grid.pretraining_samples": 60,
}
"""A study of the discrete gridworld only."""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Declared]:
    """The settings of a small study and of its search; the current folder holds its environment."""
    monkeypatch.chdir(tmp_path)
    made_parameters.written(tmp_path, SMALL)
    layout.BEST.parent.mkdir(parents=True)
    found = declare_all(made_parameters.loaded(SMALL))
    environment.main(found["environment@grid"])
    collect.main(found["samples@grid-1000-1001"])
    return found


def searched(study: dict[str, Declared], cell: Cell = CELL) -> pl.DataFrame:
    """Run the search of a cell and read its table."""
    run(stage.main, study[f"search@{cell}"])
    return pl.read_parquet(layout.searched(str(cell)))


@pytest.mark.parametrize(
    ("cell", "least", "names"),
    [
        (("gridworld-discrete", "vpg", "jsae"), 27, {"initial_standard_deviation"}),
        (("gridworld-discrete", "vpg", "none"), 9, set()),
        (("half-cheetah", "vpg", "none"), 27, {"initial_standard_deviation", "hidden_sizes"}),
        (("slot-machine", "vpg", "ra"), 27, {"initial_standard_deviation", "action_embedding_size"}),
        (("recommender", "ppo", "none"), 10, {"hidden_sizes"}),
        (
            ("recommender", "sac", "jsae"),
            27,
            {"initial_standard_deviation", "state_embedding_size", "action_embedding_size", "hidden_sizes",
             "entropy_weight"},
        ),
    ],
)  # fmt: skip
def test_every_cell_tries_as_many_settings_of_its_own_grid(cell: Any, least: int, names: set[str]) -> None:
    """81 runs: 27 settings of 3 seeds each; where 9 × 3 come to fewer different ones, those have more seeds."""
    whole = schema.load(ROOT / "params.yaml")
    planned = plan.plan(whole, NOTHING_FOUND, "preview")
    declared = Study(whole, NOTHING_FOUND, planned).search(str(Cell(*cell)), planned["search"][str(Cell(*cell))])
    trials = tried(declared.values, cell[0])
    assert len({repr(trial.changes) for trial in trials}) == len(trials) >= least
    assert sum(len(trial.seeds) for trial in trials) == 81
    assert set(trials[0].changes) == names | {"actor_learning_rate", "critic_learning_rate"}
    rates = Counter((trial.own["actor_learning_rate"], trial.own["critic_learning_rate"]) for trial in trials)
    assert set(rates) == set(itertools.product([0.001, 0.0003, 0.0001], repeat=2))


def tried(values: dict[str, Any], key: str) -> list[Trial]:
    names = ("combined", "spread", "not_applicable", "settings", "seeds", "seeds_per_setting")
    return search.trials(values["grid"], **{name: values[name] for name in names}, key=key)


def test_values_that_are_spread_come_as_often_as_any_other_and_sizes_as_pairs() -> None:
    grid = {"actor_learning_rate": [1.0, 2.0, 3.0], "state_embedding_size": [2, 4], "action_embedding_size": [3, 5],
            "hidden_sizes": [[4], [8], [16]]}  # fmt: skip
    values = {"grid": grid, "combined": ["actor_learning_rate"], "spread": list(grid)[1:], "not_applicable": [],
              "settings": 12, "seeds": range(8), "seeds_per_setting": 2}  # fmt: skip
    trials = tried(values, "world")
    pairs = Counter((t.shared["state_embedding_size"], t.shared["action_embedding_size"])
                    for t in trials for _ in t.seeds)  # fmt: skip
    assert pairs == dict.fromkeys(itertools.product([2, 4], [3, 5]), 6)
    assert Counter(repr(t.own["hidden_sizes"]) for t in trials for _ in t.seeds) == dict.fromkeys(
        ("[4]", "[8]", "[16]"), 8
    )
    for rate in grid["actor_learning_rate"]:
        seeds = sorted(seed for t in trials if t.own["actor_learning_rate"] == rate for seed in t.seeds)
        assert seeds == list(range(8))  # four rounds of two seeds: no run twice
    assert tried(values, "world") == trials
    assert tried(values, "other world") != trials
    with pytest.raises(JsaeError, match=r"search.seeds: 8 are needed \(4 rounds of 3 settings, 2 seeds each\), 7 are"):
        tried({**values, "seeds": range(7)}, "world")


def test_what_is_not_applicable_to_an_embedding_leaves_the_other_draws_as_they_are() -> None:
    values = {"grid": {"a": [1, 2, 3], "state_embedding_size": [2, 4], "hidden_sizes": [[4], [8]]}, "combined": ["a"],
              "spread": ["state_embedding_size", "hidden_sizes"], "settings": 3, "seeds": [0],
              "seeds_per_setting": 1}  # fmt: skip
    with_size, without = (
        tried({**values, "not_applicable": names}, "world") for names in ([], ["state_embedding_size"])
    )
    assert [trial.own for trial in with_size] == [trial.own for trial in without]


def test_settings_are_compared_after_a_share_of_the_epochs_and_at_the_end() -> None:
    assert search.budgets(90, 0.5) == [45, 90]
    assert search.budgets(90, 1.0) == [90]
    assert search.budgets(2, 0.1) == [1, 2]
    assert search.budgets(1, 0.5) == [1]


def test_of_those_that_share_values_one_in_three_goes_on_and_a_diverged_one_last() -> None:
    scored = [(Trial({"train_pi_iters": 1}, {"a": i}), score) for i, score in enumerate([1.0, math.nan, 3.0, 2.0])]
    scored += [(Trial({"train_pi_iters": 4}, {"a": 0}), -5.0)]
    kept = search.survivors(scored, 3)
    assert [(trial.shared["train_pi_iters"], trial.own["a"]) for trial in kept] == [(1, 2), (1, 3), (4, 0)]
    diverged = [(Trial({}, {"a": i}), math.nan) for i in range(2)]
    assert search.survivors(diverged, 3) == [diverged[0][0]]


def outcome(*rows: dict[str, Any]) -> pl.DataFrame:
    blank = dict.fromkeys(search.OUTCOME) | {"environment": "world", "agent": "vpg", "seeds": "1-2", "epochs": 9}
    return pl.DataFrame([blank | row for row in rows], schema=search.OUTCOME)


def test_embeddings_share_the_steps_that_are_best_for_all_of_them() -> None:
    """Means of the best: 4 steps (7 + 0) / 2, 1 step (5 + 4) / 2; 9.0 was not trained to the end."""
    found = search.choose(
        outcome(
            {"embedding": "jsae", "train_pi_iters": 4, "actor_learning_rate": 0.1, "score": 7.0},
            {"embedding": "jsae", "train_pi_iters": 1, "actor_learning_rate": 0.1, "score": 4.5},
            {"embedding": "jsae", "train_pi_iters": 1, "actor_learning_rate": 0.2, "score": 5.0},
            {"embedding": "jsae", "train_pi_iters": 1, "actor_learning_rate": 0.3, "score": 9.0, "epochs": 3},
            {"embedding": "none", "train_pi_iters": 4, "actor_learning_rate": 0.1, "score": 0.0},
            {"embedding": "none", "train_pi_iters": 1, "actor_learning_rate": 0.1, "score": 4.0},
            {"embedding": "none", "train_pi_iters": 1, "actor_learning_rate": 0.2, "score": None},
        )
    )
    assert found.agents == {
        Cell("world", "vpg", "jsae"): {"train_pi_iters": 1, "actor_learning_rate": 0.2},
        Cell("world", "vpg", "none"): {"train_pi_iters": 1, "actor_learning_rate": 0.1},
    }
    assert found.embeddings == {}


def test_agents_share_the_sizes_of_an_embedding() -> None:
    """Means over VPG and PPO: size 8 (3 + 2) / 2, size 16 (9 + 1) / 2."""
    rows = [("vpg", 8, 3.0), ("vpg", 16, 9.0), ("ppo", 8, 2.0), ("ppo", 16, 1.0)]
    known = {"embedding": "ra", "hidden_sizes": "64-32"}
    found = search.choose(
        outcome(*(known | {"agent": a, "action_embedding_size": size, "score": score} for a, size, score in rows))
    )
    assert found.embeddings == {("world", "ra"): {"action_embedding_size": 16}}
    assert found.agents == {Cell("world", agent, "ra"): {"hidden_sizes": [64, 32]} for agent in ("vpg", "ppo")}


def test_a_size_with_which_an_agent_diverged_is_not_chosen() -> None:
    rows = [("vpg", 8, 9.0), ("vpg", 16, 2.0), ("sac", 8, None), ("sac", 16, 1.0)]
    table = outcome(
        *({"embedding": "ra", "agent": a, "action_embedding_size": n, "score": score} for a, n, score in rows)
    )
    assert search.choose(table).embeddings == {("world", "ra"): {"action_embedding_size": 16}}
    nowhere = table.with_columns(
        pl.when(agent="vpg", action_embedding_size=16).then(None).otherwise("score").alias("score")
    )
    with pytest.raises(
        JsaeError, match=r"world-sac-ra, world-vpg-ra must share .*action_embedding_size, and with no value did all"
    ):
        search.choose(nowhere)


def test_a_cell_without_a_setting_that_came_through_is_an_error() -> None:
    with pytest.raises(JsaeError, match="no setting of world-vpg-ra came to the end"):
        search.choose(outcome({"embedding": "ra", "score": None}))


@pytest.mark.parametrize(
    ("varied", "waits"),
    [
        ({"actor_learning_rate": 0.1}, []),
        ({"action_embedding_size": 8}, ["vpg-ra"]),
        ({"train_pi_iters": 4}, ["sac-jsae"]),
        ({"action_embedding_size": 8, "train_pi_iters": 4}, ["vpg-jsae", "vpg-ra", "sac-jsae"]),
    ],
)
def test_a_cell_waits_for_those_with_which_it_shares_a_value(varied: dict[str, Any], waits: list[str]) -> None:
    """SAC with RA is lacking: VPG with RA has its sizes, SAC with JSAE its steps; and JSAE of VPG waits for SAC's."""
    cells = [("vpg", "jsae"), ("vpg", "ra"), ("sac", "jsae")]
    table = outcome(*(varied | {"agent": agent, "embedding": embedding} for agent, embedding in cells))
    found = search.waiting(table, [Cell("world", "sac", "ra")])
    assert [f"world-{name}" for name in waits] == sorted(
        map(str, found), key=[f"world-{a}-{e}" for a, e in cells].index
    )
    assert search.waiting(table, [Cell("elsewhere", "sac", "ra")]) == []


GRID = Cell("gridworld-discrete", "vpg", "jsae")


def test_what_was_found_goes_over_params_and_reaches_variants_and_like_environments(tmp_path: Path) -> None:
    whole = schema.load(ROOT / "params.yaml")
    best = Best(
        {("gridworld-discrete", "jsae"): {"action_embedding_size": 3}},
        {GRID: {"actor_learning_rate": 0.25, "hidden_sizes": [5]}},
    )
    search.write_best(tmp_path / "best.yaml", best)
    assert hyper_parameters.read_best(tmp_path / "best.yaml") == best
    for world, embedding in (("gridworld-discrete", "separate"), ("gridworld-512", "jsae")):
        values = hyper_parameters.values(whole, Cell(world, "vpg", embedding), best)
        assert (values["actor_learning_rate"], values["hidden_sizes"]) == (0.25, [5])
        assert (values["state_embedding_size"], values["action_embedding_size"]) == (8, 3)
        assert values["critic_learning_rate"] == whole.agents.common.critic_learning_rate
        assert hyper_parameters.sizes(whole, Cell(world, "", embedding), best) == dict(zip(SIZES, (8, 3), strict=True))
    for cell in (Cell("gridworld-discrete", "vpg", "ra"), Cell("gridworld-continuous", "vpg", "jsae")):
        assert hyper_parameters.values(whole, cell, best) == hyper_parameters.values(whole, cell, NOTHING_FOUND)


def test_what_a_reading_sets_holds_whatever_was_found() -> None:
    """A learning rate of all agents, a parameter of one, hidden units and the size of an embedding."""
    sets = {"meaning": "x", "agents": {"common": {"actor_learning_rate": 0.5}, "vpg": {"train_pi_iters": 9}},
            "environment": {"hidden_sizes": [3], "action_embedding_size": 7}}  # fmt: skip
    small = made_parameters.loaded({"readings.other": sets})
    best = Best(
        {("grid", "jsae"): {"action_embedding_size": 5, "state_embedding_size": 6}},
        {CELL: {"actor_learning_rate": 0.1, "critic_learning_rate": 0.2, "train_pi_iters": 2, "hidden_sizes": [8]}},
    )
    values = hyper_parameters.values(small, Cell("grid", "vpg", "jsae", "other"), best)
    assert (values["actor_learning_rate"], values["train_pi_iters"], values["hidden_sizes"]) == (0.5, 9, [3])
    assert (values["critic_learning_rate"], values["state_embedding_size"]) == (0.2, 6)
    assert values["action_embedding_size"] == 7
    sizes = hyper_parameters.sizes(small, Cell("grid", "", "jsae", "other"), best)
    assert sizes == dict(zip(SIZES, (6, 7), strict=True))


@pytest.mark.parametrize(
    "text", ["agents: [1]", "agents: {a: 3}", "agents: {a: {b: {c: 3}}}", "[1]", "three", "agent: {}"]
)
def test_a_broken_best_yaml_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "best.yaml").write_text(text)
    with pytest.raises(JsaeError, match=r"best.yaml is not what `make choose` writes"):
        hyper_parameters.read_best(tmp_path / "best.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agents: {grid: {vpg: {jsae: {actor_learning_rat: 0.1}}}}", "actor_learning_rat is not a parameter"),
        ("agents: {grid: {vpg: {jsae: {actor_learning_rate: 7.0}}}}", "actor_learning_rate = 7.0: input should be"),
        ("agents: {grid: {vpg: {jsae: {actor_learning_rate: .nan}}}}", "actor_learning_rate = nan: input should be"),
        ("embeddings: {grid: {jsae: {action_embedding_size: 0}}}", "action_embedding_size = 0: input should be"),
        ("agents: {gird: {vpg: {jsae: {}}}}", ": agents: there is no 'gird' (did you mean grid?)"),
        ("agents: {grid: {vgp: {jsae: {}}}}", ": agents.grid: there is no 'vgp' (did you mean vpg?)"),
        ("agents: {grid: {vpg: {jsea: {}}}}", ": agents.grid.vpg: there is no 'jsea' (did you mean jsae?)"),
        ("embeddings: {grid: {raa: {}}}", ": embeddings.grid: there is no 'raa' (did you mean ra?)"),
        ("embeddings: {grid: {ra: {actor_learning_rate: 0.1}}}", "ra.actor_learning_rate belongs to the other section"),
        (
            "agents: {grid: {vpg: {ra: {action_embedding_size: 2}}}}",
            "action_embedding_size belongs to the other section",
        ),
        ("agent: {}", "there is no 'agent' (did you mean agents?)"),
        ("agents: {", "is not YAML"),
    ],
)
def test_what_was_found_is_checked_like_the_parameters_that_it_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    layout.BEST.parent.mkdir(parents=True)
    layout.BEST.write_text(text)
    with pytest.raises(JsaeError) as caught:
        hyper_parameters.read_found(made_parameters.loaded())
    assert str(caught.value).startswith("search/best/primary.yaml")
    assert said in str(caught.value)


def test_a_file_that_nothing_reads_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layout.BEST.parent.mkdir(parents=True)
    for name in (".primary.yaml.swp", "primary.yaml~", "._primary.yaml"):  # of editors and systems
        (layout.BEST.parent / name).write_text("")
    assert hyper_parameters.read_found(made_parameters.loaded()) == NOTHING_FOUND
    (layout.BEST.parent / "four-steps.yaml").write_text("")
    with pytest.raises(JsaeError, match=r"search/best/four-steps.yaml: nothing reads it; only primary.yaml counts"):
        hyper_parameters.read_found(made_parameters.loaded())


def test_what_the_project_has_found_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert hyper_parameters.read_found(schema.load(layout.PARAMETERS)).agents


def test_where_nothing_was_searched_nothing_is_chosen(study: dict[str, Declared]) -> None:
    layout.SEARCH.write_text("as it was")
    with pytest.raises(JsaeError, match="nothing to choose from"):
        choose.main()
    assert layout.SEARCH.read_text() == "as it was"
    assert not layout.BEST.exists()


def test_a_small_search_halves_scores_and_chooses(study: dict[str, Declared]) -> None:
    table = searched(study)
    assert table.columns == list(search.OUTCOME)
    assert sorted(table["epochs"].to_list()) == [6] * 12 + [18] * 6  # of each 9 settings with the same steps, 3 go on
    assert table["initial_standard_deviation"].null_count() == 18
    assert not list(study[f"search@{CELL}"].scratch.iterdir())
    for embedding in ("none", "ra"):
        searched(study, Cell(CELL.environment, CELL.agent, embedding))
    gone = {"environment": "removed", "agent": "vpg", "embedding": "none", "actor_learning_rate": 0.001}
    gone |= {"seeds": "1000-1001", "epochs": 625, "score": 0.1 + 0.2}
    pl.DataFrame([gone, {**gone, "environment": "grid"}], schema=search.OUTCOME).write_csv(layout.SEARCH)
    choose.main()
    chosen_from = pl.read_csv(layout.SEARCH, schema=search.OUTCOME)
    assert set(chosen_from["environment"]) == {"grid"}
    assert chosen_from.filter(embedding="jsae").equals(table)
    assert chosen_from.filter(embedding="none")["epochs"].max() == 18
    times = pl.read_csv(layout.SEARCH_TIMES)
    assert times["embedding"].to_list() == ["none", "ra", "jsae"]
    assert (times["seconds"] > 0).all()
    assert set(times["kernels"]) <= {"compiled", "plain"}
    small = made_parameters.loaded(SMALL)
    best = hyper_parameters.read_found(small)
    here = [Cell("grid", "vpg", embedding) for embedding in ("none", "ra", "jsae")]
    assert set(best.agents) == set(here)
    steps = {best.agents[cell]["train_pi_iters"] for cell in here}
    assert len(steps) == 1
    last = table.filter((pl.col("epochs") == 18) & (pl.col("train_pi_iters") == steps.pop()))
    chosen = last.filter(pl.col("score") == last["score"].max()).row(0, named=True)
    assert best.agents[CELL]["actor_learning_rate"] == chosen["actor_learning_rate"]
    changes = {"cells.main.0.embeddings": ["none", "jsae", "separate"]}
    trained = declare_all(made_parameters.loaded(SMALL | changes), found=best)["train@grid-vpg-separate-0-1"]
    assert trained.values["actor_learning_rate"] == chosen["actor_learning_rate"]
    assert trained.values["agent_parameters"]["train_pi_iters"] == chosen["train_pi_iters"]


def test_a_search_that_was_stopped_counts_what_it_took_as_far_as_its_last_checkpoint(tmp_path: Path) -> None:
    """Begun at 100, last checkpoint at 130; again at 200, nothing saved; again at 300, last checkpoint at 305."""
    note, saved = tmp_path / "begun.json", tmp_path / "rung-0" / "batch-0.safetensors"
    assert stage.seconds_before(tmp_path) == 0
    saved.parent.mkdir()
    saved.touch()
    for begun, last, before in ((100, 130, 30), (200, 130, 30), (300, 305, 35)):
        for path, at in ((note, begun), (saved, last), (saved.parent, last)):
            os.utime(path, (at, at))
        assert stage.seconds_before(tmp_path) == before


def test_nothing_is_chosen_for_a_cell_until_all_have_been_searched_that_share_its_sizes(
    study: dict[str, Declared], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of the gridworld's five cells have been searched here, one has rows from before, two none."""
    small = {**SMALL, "cells.others": [{"environments": ["grid"], "agents": ["ppo"], "embeddings": ["none", "ra"]}]}
    made_parameters.written(Path(), {**small, "search.cells": ["main", "others"]})
    new = {"actor_learning_rate": 0.25, "seeds": "1000 1001", "epochs": 9, "score": 2.0}
    blank = dict.fromkeys(search.OUTCOME)

    def write(cell: Cell, **sizes: int) -> None:
        names = {name: value for name, value in vars(cell).items() if name != "reading"}
        layout.searched(str(cell)).parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame([blank | names | new | sizes], schema=search.OUTCOME).write_parquet(layout.searched(str(cell)))
        layout.record(f"search@{cell}", "search").parent.mkdir(parents=True, exist_ok=True)
        layout.record(f"search@{cell}", "search").write_text(
            '{"wall_seconds": 3.5, "seconds_before": 4, "kernels": "plain"}'
        )

    write(Cell("grid", "ppo", "none"))
    write(Cell("grid", "vpg", "none"))
    common = {"environment": "grid", "agent": "vpg", "score": 1.5}
    old = [blank | new | common | {"embedding": "none"},
           blank | new | common | {"embedding": "ra", "action_embedding_size": 2}]  # fmt: skip
    pl.DataFrame(old, schema=search.OUTCOME).write_csv(layout.SEARCH)
    choose.main()
    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "not searched yet: grid-vpg-jsae",
        "not searched yet: grid-ppo-ra",
        "nothing is chosen for grid-vpg-ra: it shares a value with a cell that has not been searched",
    ]
    assert said.out.startswith("3 of 5 cells: ")
    rows = pl.read_csv(layout.SEARCH, schema=search.OUTCOME).select("agent", "embedding", "score").rows()
    assert rows == [("vpg", "none", 2.0), ("vpg", "ra", 1.5), ("ppo", "none", 2.0)]
    times = pl.read_csv(layout.SEARCH_TIMES, schema=TIMES)
    assert times["seconds"].to_list() == [7.5, 7.5]
    assert [str(cell) for cell in hyper_parameters.read_best(layout.BEST).agents] == [
        "grid-ppo-none",
        "grid-vpg-none",
    ]
    write(CELL)
    write(Cell("grid", "ppo", "ra"), action_embedding_size=2)
    choose.main()
    assert len(hyper_parameters.read_best(layout.BEST).agents) == 5


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda: layout.SEARCH.write_text("environment,agent\nx,y\n"), "search/settings.csv"),
        (lambda: layout.SEARCH.write_text(",".join([*search.OUTCOME][::-1]) + "\n"), "search/settings.csv"),
        (lambda: layout.searched(str(CELL)).write_bytes(b"PAR1"), f"results/search/{CELL}.parquet is damaged"),
        (lambda: pl.DataFrame({"a": [1]}).write_parquet(layout.searched(str(CELL))), f"results/search/{CELL}.parquet"),
        (lambda: layout.record(f"search@{CELL}", "search").unlink(), "search/grid-vpg-jsae.json is missing"),
        (lambda: layout.record(f"search@{CELL}", "search").write_text("{}"), "search/grid-vpg-jsae.json"),
    ],
)
def test_damage_is_named_and_nothing_is_chosen(tmp_path: Path, monkeypatch: Any, damage: Any, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    cell = {"environments": ["grid"], "agents": ["vpg"], "embeddings": ["jsae"]}
    made_parameters.written(tmp_path, {"cells.main": [cell], "cells.others": [cell]})
    table = outcome({"environment": "grid", "embedding": "jsae", "actor_learning_rate": 0.1, "score": 1.0})
    layout.SEARCH.parent.mkdir()
    table.write_csv(layout.SEARCH)
    layout.searched(str(CELL)).parent.mkdir(parents=True)
    table.write_parquet(layout.searched(str(CELL)))
    record = layout.record(f"search@{CELL}", "search")
    record.parent.mkdir(parents=True)
    record.write_text('{"wall_seconds": 3.5, "seconds_before": 4, "kernels": "plain"}')
    damage()
    with pytest.raises(JsaeError) as caught:
        choose.main()
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not layout.BEST.exists()


def test_a_search_broken_off_goes_on_to_the_same_table(
    study: dict[str, Declared], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = searched(study)
    layout.searched(str(CELL)).unlink()
    calls = []

    def once(*arguments: Any, **options: Any) -> Any:
        calls.append(options["label"])
        if len(calls) == 3:  # after pre-training and the first rung
            raise KeyboardInterrupt
        return run_batches(*arguments, **options)

    with monkeypatch.context() as broken:
        broken.setattr(stage, "runner", lambda device: once)
        with pytest.raises(KeyboardInterrupt):
            searched(study)
    assert calls[-1].endswith("6 settings to epoch 18")
    assert not layout.searched(str(CELL)).exists()
    assert searched(study).equals(whole)


def test_a_setting_that_diverges_is_last_and_stops_no_other(study: dict[str, Declared]) -> None:
    """Learning rates of 1e30 are none that params.yaml may hold; a search stands them."""
    declared = study[f"search@{CELL}"]
    declared.values["grid"]["actor_learning_rate"] = [0.001, 0.0003, 1e30]
    stage.main(declared)
    table = pl.read_parquet(layout.searched(str(CELL)))
    wild = pl.col("actor_learning_rate") == 1e30
    assert table.filter(wild)["score"].to_list() == [None] * 6
    assert table.filter(wild)["epochs"].to_list() == [6] * 6
    assert table.filter(~wild)["score"].null_count() == 0


def test_sizes_and_layers_are_searched_with_embeddings_of_their_own(study: dict[str, Declared]) -> None:
    declared = study[f"search@{CELL}"]
    grid = {"action_embedding_size": [2, 3], "hidden_sizes": [[4, 4], [5]], "actor_learning_rate": [0.001, 0.01]}
    declared.values.update(grid=grid, combined=list(grid), spread=[], settings=8, first_rung=1.0, epochs=1)
    stage.main(declared)
    table = pl.read_parquet(layout.searched(str(CELL)))
    assert table["hidden_sizes"].unique().sort().to_list() == ["4-4", "5"]
    assert table.select("action_embedding_size", "hidden_sizes", "actor_learning_rate").is_unique().all()
    assert len(table) == 8
    assert table["score"].n_unique() > 2
    found = search.choose(table)
    assert found.embeddings["grid", "jsae"]["action_embedding_size"] in (2, 3)
    assert found.agents[CELL]["hidden_sizes"] in ([4, 4], [5])


def test_what_can_be_searched_has_a_column_and_agents_search_nothing_else() -> None:
    assert set(get_args(schema.Searchable)) == set(search.VARIED) == set(SEARCHED)
    for agent in registry.names("agents"):
        assert set(registry.load("agents", agent).searched) <= set(search.VARIED)
    for embedding in registry.names("embeddings"):
        assert set(registry.load("embeddings", embedding).searched) <= set(SIZES)
