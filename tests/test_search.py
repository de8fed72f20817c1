"""The search: its grids, its halving and its choice by hand; a whole small search, also broken off and diverging."""

import math
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from ruamel.yaml import YAML

from jsae.analysis import search
from jsae.analysis.curves import Cell
from jsae.analysis.search import Best, Trial
from jsae.config import labels as names
from jsae.config import parameters
from jsae.config.errors import JsaeError
from jsae.io.workers import run_shards
from stages import choose, collect, paths
from stages import search as stage
from stages import settings as settings_stage
from tests.made_worlds import TINY_GRIDWORLD

ROOT = Path(__file__).parent.parent
CELL = Cell("gridworld-discrete", "vpg", "jsae")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> parameters.Parameters:
    """The current folder holds params.yaml of a study whose discrete gridworld is tiny, and a short search."""
    monkeypatch.chdir(tmp_path)
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    world = content["environments"]["gridworld-discrete"]
    numbers = {name: value for name, value in TINY_GRIDWORLD.items() if name != "discrete"}
    world["dynamics"] = {**numbers, "discrete": True, "walls": [list(wall) for wall in TINY_GRIDWORLD["walls"]]}
    world |= {"steps_per_epoch": 24, "epochs": {"preview": 1, "paper": 18}, "pretraining_samples": 60}
    world |= {"pretraining_passes": {"preview": 1, "paper": 2}, "hidden_sizes": [4, 4]}
    content["agents"]["vpg"]["critic_steps"] = 3
    content["search"] |= {"vary": ["actor_learning_rate", "critic_learning_rate", "policy_steps"], "rungs": 2}
    content["search"] |= {"share_of_epochs": 0.5, "factor": 3, "members_per_shard": 4}
    with Path("params.yaml").open("w") as stream:
        YAML().dump(content, stream)
    paths.BEST.parent.mkdir()
    paths.BEST.write_text("")
    return parameters.load(Path("params.yaml"))


def options(cell: Cell) -> list[str]:
    return [word for name, value in vars(cell).items() for word in (f"--{name}", value)]


def searched(cell: Cell = CELL) -> pl.DataFrame:
    """Run the search of a cell and read its table."""
    collect.main(["--environment", cell.environment, "--cohort", "1000-1001"])
    stage.main(options(cell))
    return pl.read_parquet(paths.searched(cell.environment, cell.agent, cell.embedding))


@pytest.mark.parametrize(
    ("cell", "count", "names"),
    [
        (("gridworld-discrete", "vpg", "jsae"), 27 * 2, {"policy_steps", "initial_standard_deviation"}),
        (("gridworld-discrete", "vpg", "none"), 9 * 2, {"policy_steps"}),
        (("half-cheetah", "vpg", "none"), 27 * 2 * 2, {"policy_steps", "initial_standard_deviation", "hidden_sizes"}),
        (
            ("slot-machine", "vpg", "ra"),
            27 * 2 * 2,
            {"policy_steps", "initial_standard_deviation", "action_embedding_size"},
        ),
        (("recommender", "ppo", "none"), 9 * 2, {"hidden_sizes"}),
        (
            ("recommender", "sac", "jsae"),
            27 * 3 * 3 * 2 * 2 * 2,
            {"initial_standard_deviation", "state_embedding_size", "action_embedding_size", "hidden_sizes",
             "entropy_weight", "update_steps"},
        ),
    ],
)  # fmt: skip
def test_a_grid_has_what_can_make_a_difference_to_its_cell(cell: Any, count: int, names: set[str]) -> None:
    """With everything varied: 3 actor's and 3 critic's learning rates, 3 deviations, and the sizes of A.4.2."""
    whole = parameters.load(ROOT / "params.yaml")
    plan = whole.search.model_copy(update={"vary": list(search.VARIED)})
    trials = search.trials(whole.model_copy(update={"search": plan}), Cell(*cell))
    assert len(trials) == len({repr(trial.changes) for trial in trials}) == count
    assert set(trials[0].changes) == names | {"actor_learning_rate", "critic_learning_rate"}


def test_budgets_grow_by_the_factor() -> None:
    assert search.budgets(90, 3, 3) == [10, 30, 90]
    assert search.budgets(90, 1, 3) == [90]
    assert search.budgets(4, 3, 3) == [1, 1, 4]


def test_of_those_that_share_values_one_in_three_goes_on_and_a_diverged_one_last() -> None:
    scored = [(Trial({"policy_steps": 1}, {"a": i}), score) for i, score in enumerate([1.0, math.nan, 3.0, 2.0])]
    scored += [(Trial({"policy_steps": 4}, {"a": 0}), -5.0)]
    kept = search.survivors(scored, 3)
    assert [(trial.shared["policy_steps"], trial.own["a"]) for trial in kept] == [(1, 2), (1, 3), (4, 0)]
    diverged = [(Trial({}, {"a": i}), math.nan) for i in range(2)]
    assert search.survivors(diverged, 3) == [diverged[0][0]]


def outcome(*rows: dict[str, Any]) -> pl.DataFrame:
    blank = dict.fromkeys(search.OUTCOME) | {"environment": "world", "agent": "vpg", "seeds": "1-2", "epochs": 9}
    return pl.DataFrame([blank | row for row in rows], schema=search.OUTCOME)


def test_embeddings_share_the_steps_that_are_best_for_all_of_them() -> None:
    """Means of the best: 4 steps (7 + 0) / 2, 1 step (5 + 4) / 2; 9.0 was not trained to the end."""
    found = search.choose(
        outcome(
            {"embedding": "jsae", "policy_steps": 4, "actor_learning_rate": 0.1, "score": 7.0},
            {"embedding": "jsae", "policy_steps": 1, "actor_learning_rate": 0.1, "score": 4.5},
            {"embedding": "jsae", "policy_steps": 1, "actor_learning_rate": 0.2, "score": 5.0},
            {"embedding": "jsae", "policy_steps": 1, "actor_learning_rate": 0.3, "score": 9.0, "epochs": 3},
            {"embedding": "none", "policy_steps": 4, "actor_learning_rate": 0.1, "score": 0.0},
            {"embedding": "none", "policy_steps": 1, "actor_learning_rate": 0.1, "score": 4.0},
            {"embedding": "none", "policy_steps": 1, "actor_learning_rate": 0.2, "score": None},
        )
    )
    assert found.agents == {
        Cell("world", "vpg", "jsae"): {"policy_steps": 1, "actor_learning_rate": 0.2},
        Cell("world", "vpg", "none"): {"policy_steps": 1, "actor_learning_rate": 0.1},
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


def test_a_cell_without_a_setting_that_came_through_is_an_error() -> None:
    with pytest.raises(JsaeError, match="no setting of world/vpg/ra came to the end"):
        search.choose(outcome({"embedding": "ra", "score": None}))


def test_what_was_found_goes_over_params_and_reaches_variants_and_like_environments(tmp_path: Path) -> None:
    whole = parameters.load(ROOT / "params.yaml")
    best = Best(
        {("gridworld-discrete", "jsae"): {"action_embedding_size": 3}},
        {CELL: {"actor_learning_rate": 0.25, "hidden_sizes": [5]}},
    )
    search.write_best(tmp_path / "best.yaml", best)
    assert search.read_best(tmp_path / "best.yaml") == best
    for environment, embedding in (("gridworld-discrete", "separate"), ("gridworld-2048", "jsae_transfer")):
        values = search.values(whole, Cell(environment, "vpg", embedding), best)
        assert (values["actor_learning_rate"], values["hidden_sizes"]) == (0.25, [5])
        assert (values["state_embedding_size"], values["action_embedding_size"]) == (8, 3)
        assert values["critic_learning_rate"] == whole.agents.common.critic_learning_rate
    for cell in (Cell("gridworld-discrete", "vpg", "ra"), Cell("gridworld-continuous", "vpg", "jsae")):
        assert search.values(whole, cell, best) == search.values(whole, cell)


@pytest.mark.parametrize("text", ["agents: [1]", "agents: {a: 3}", "{"])
def test_a_broken_best_yaml_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "best.yaml").write_text(text)
    with pytest.raises(JsaeError, match=r"best.yaml is not what `make choose` writes"):
        search.read_best(tmp_path / "best.yaml")


def test_where_nothing_was_searched_nothing_is_chosen(study: parameters.Parameters) -> None:
    paths.SEARCH.write_text("as it was")
    with pytest.raises(JsaeError, match="nothing to choose from"):
        choose.main([])
    assert paths.SEARCH.read_text() == "as it was"


def test_a_small_search_halves_scores_and_chooses(study: parameters.Parameters) -> None:
    table = searched()
    assert table.columns == list(search.OUTCOME)
    assert sorted(table["epochs"].to_list()) == [3] * 12 + [9] * 6  # of each 9 settings with the same steps, 3 go on
    assert table["initial_standard_deviation"].null_count() == 18
    assert not list((paths.CHECKPOINTS / "search/gridworld-discrete/vpg-jsae").iterdir())
    for embedding in ("none", "ra"):
        stage.main(options(Cell(CELL.environment, CELL.agent, embedding)))
    elsewhere = {"environment": "slot-machine", "agent": "vpg", "embedding": "none", "actor_learning_rate": 0.001}
    elsewhere |= {"seeds": "1000-1001", "epochs": 625, "score": 0.1 + 0.2}
    old = pl.DataFrame([elsewhere, {**elsewhere, "environment": "gridworld-discrete"}], schema=search.OUTCOME)
    old.write_csv(paths.SEARCH)
    choose.main([])
    chosen_from = pl.read_csv(paths.SEARCH, schema=search.OUTCOME)
    assert chosen_from.filter(environment="slot-machine").equals(old.head(1))
    assert chosen_from.filter(environment="gridworld-discrete", embedding="jsae").equals(table)
    assert chosen_from.filter(environment="gridworld-discrete", embedding="none")["epochs"].max() == 9
    times = pl.read_csv(paths.SEARCH_TIMES)
    assert times["embedding"].to_list() == ["none", "ra", "jsae"]
    assert (times["seconds"] > 0).all()
    assert set(times["kernels"]) <= {"compiled", "plain"}
    best = search.read_best(paths.BEST)
    here = {Cell("gridworld-discrete", "vpg", embedding) for embedding in ("none", "ra", "jsae")}
    assert set(best.agents) == {*here, Cell("slot-machine", "vpg", "none")}
    steps = {best.agents[cell]["policy_steps"] for cell in here}
    assert len(steps) == 1
    last = table.filter((pl.col("epochs") == 9) & (pl.col("policy_steps") == steps.pop()))
    chosen = last.filter(pl.col("score") == last["score"].max()).row(0, named=True)
    assert best.agents[CELL]["actor_learning_rate"] == chosen["actor_learning_rate"]
    settings_stage.main([])
    values = paths.settings("train", "gridworld-2048", "vpg", "jsae_transfer").read_text()
    assert f'"actor_learning_rate": {chosen["actor_learning_rate"]}' in values


def test_a_search_broken_off_goes_on_to_the_same_table(
    study: parameters.Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = searched()
    paths.searched(CELL.environment, CELL.agent, CELL.embedding).unlink()
    calls = []

    def once(*arguments: Any, **options: Any) -> Any:
        calls.append(options["label"])
        if len(calls) == 3:  # after pre-training and the first rung
            raise KeyboardInterrupt
        return run_shards(*arguments, **options)

    with monkeypatch.context() as broken:
        broken.setattr(stage, "runner", lambda device: once)
        with pytest.raises(KeyboardInterrupt):
            searched()
    assert calls[-1].endswith("6 settings to epoch 9")
    assert searched().equals(whole)


def test_a_setting_that_diverges_is_last_and_stops_no_other(study: parameters.Parameters) -> None:
    content = YAML(typ="safe").load(Path("params.yaml"))
    content["search"]["grid"]["actor_learning_rate"] = [0.001, 0.0003, 1e30]
    with Path("params.yaml").open("w") as stream:
        YAML().dump(content, stream)
    table = searched()
    wild = pl.col("actor_learning_rate") == 1e30
    assert table.filter(wild)["score"].to_list() == [None] * 6
    assert table.filter(wild)["epochs"].to_list() == [3] * 6
    assert table.filter(~wild)["score"].null_count() == 0


def test_what_can_be_searched_has_a_column_and_a_name() -> None:
    assert set(get_args(parameters.Searchable)) == set(search.VARIED) == set(names.SEARCHED)
