"""params.yaml is checked: each mistake gets one sentence with the key's path and the way out, and nothing is written."""

# ruff: noqa: E501 (one mistake a line)

import contextlib
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from jsae.config import plan, registry, schema
from jsae.config.best import NOTHING_FOUND
from jsae.config.errors import JsaeError
from jsae.config.schema import load, table
from jsae.config.study import seeds_of
from tests import made_parameters
from tests.made_parameters import DELETED

ROOT = Path(__file__).resolve().parent.parent
NAME = "use small letters, digits and single hyphens"
VARIED = "search.grid: there is no "


def test_the_projects_own_file_is_valid_at_every_scale() -> None:
    parameters = load(ROOT / "params.yaml")
    for scale in schema.SCALES:
        assert plan.plan(parameters, NOTHING_FOUND, scale)["train"]


def test_the_small_file_of_the_tests_is_valid(tmp_path: Path) -> None:
    parameters = load(made_parameters.written(tmp_path))
    assert parameters.environments["grid"].num_envs == 2
    assert parameters == made_parameters.loaded()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        # a name that nobody knows, in each kind of section
        ("redings", {}, "redings is not a parameter (did you mean readings?)"),
        ("scale", "paper", "scale is not a parameter (did you mean scales?)"),
        ("embeddings.windoow", 3, "embeddings.windoow is not a parameter (did you mean window?)"),
        ("agents.ppo.clip_ratio", 0.2, "agents.ppo.clip_ratio is not a parameter (did you mean clip?)"),
        ("agents.pop", {}, "agents: pop: there is no jsae/agents/pop.py with a class POP (did you mean ppo?)"),
        ("agents.common.discont", 0.9, "agents.common.discont is not a parameter (did you mean discount?)"),
        ("environments.slots.labl", "x", "environments.slots.labl is not a parameter (did you mean label?)"),
        ("environments.slots.dynamics.move", 2, "environments.slots.dynamics.move is not a parameter (did you mean moves?)"),
        ("environments.slots.epochs.previw", 2, "environments.slots.epochs.previw is not a parameter (did you mean preview?)"),
        ("environments.slots.module", "slotmachine", "jsae/environments/slotmachine.py with a class Slotmachine (did you mean slot_machine?)"),
        ("environments.shop.purchases", "kechinow", "environments.shop.purchases must be 'completejourney', 'kechinov' or 'synthetic' (did you mean kechinov?)"),
        ("readings.four-steps.environments", {}, "readings.four-steps.environments is not a parameter (did you mean environment?)"),
        ("readings.four-steps.agents", {"vgp": {}}, "readings.four-steps.agents: there is no 'vgp' (did you mean vpg?)"),
        ("readings.four-steps.agents.vpg", {"train_pi_iter": 4}, "readings.four-steps.agents.vpg.train_pi_iter is not a parameter (did you mean train_pi_iters?)"),
        ("readings.four-steps.agents", {"common": {"discount": 1.5}}, "readings.four-steps.agents.common.discount = 1.5: input should be less than 1"),
        ("readings.four-steps.variants", {"jsae": "jsae_deepp"}, "readings.four-steps.variants: there is no 'jsae_deepp' (did you mean jsae_deep?)"),
        ("readings.four-steps.variants", {"jsea": "jsae_deep"}, "readings.four-steps.variants: there is no 'jsea' (did you mean jsae?)"),
        ("readings.four-steps.environment", {"dynamics": {"binz": 5}}, "readings.four-steps.environment.dynamics.binz is not a parameter (did you mean bins?)"),
        ("readings.four-steps.embeddings", {"windoow": 3}, "readings.four-steps.embeddings.windoow is not a parameter (did you mean window?)"),
        ("cells.main.0.reading", ["four-steps"], "cells.main.0.reading is not a parameter (did you mean readings?)"),
        ("cells.main.0.readings", ["four-step"], "cells.main.readings: there is no 'four-step' (did you mean four-steps?)"),
        ("cells.main.0.environments", ["slot"], "cells.main.environments: there is no 'slot' (did you mean slots?)"),
        ("cells.main.0.agents", ["vgp"], "cells.main.agents: there is no 'vgp' (did you mean vpg?)"),
        ("cells.main.0.agents", ["sac"], "agents.sac is missing: cells.main.agents names it"),
        ("cells.main.0.embeddings", ["none", "base"], "cells.main.embeddings: jsae/embeddings/base.py has no class Embedding"),
        ("cells.main.0.embeddings", ["none", "jsea"], "cells.main.embeddings: there is no 'jsea' (did you mean jsae?)"),
        ("scales.tiny", [], "scales: there is no 'tiny' (there are paper, preview, smoke)"),
        ("scales.previw", [], "scales: there is no 'previw' (did you mean preview?)"),
        ("scales.smoke.0.cells", "mian", "scales.smoke: there is no 'mian' (did you mean main?)"),
        ("scales.smoke.0.seed", ["0-1"], "scales.smoke.0.seed is not a parameter (did you mean seeds?)"),
        ("transfer.environment", "old-gird", "transfer.environment: there is no 'old-gird' (did you mean old-grid?)"),
        ("training.device", "gpu", "training.device must be 'auto', 'cpu' or 'cuda' (did you mean cpu?)"),
        ("search.cells", ["mian"], "search.cells: there is no 'mian' (did you mean main?)"),
        ("search.same_as", {"slot": "grid"}, "search.same_as: there is no 'slot' (did you mean slots?)"),
        ("search.same_as", {"slots": "gird"}, "search.same_as: there is no 'gird' (did you mean grid?)"),
        ("search.grid.update_step", [1], VARIED + "'update_step' (did you mean update_steps?)"),
        ("search.grid.clip", [0.1], VARIED + "'clip' (there are action_embedding_size, "),
        ("search.grid.scale", ["paper"], VARIED + "'scale' (there are action_embedding_size, "),
        ("search.grids.slot_machin", {}, "search.grids: there is no 'slot_machin' (did you mean slot_machine?)"),
        ("search.grids.slot_machine.action_size", [4], "search.grids.slot_machine: there is no 'action_size' (did you mean action_embedding_size?)"),
        ("search.spread", ["learning_rate"], "search.spread.0 must be 'actor_learning_rate', "),
        # a name that cannot be part of a file's name
        ("cells.a/b", [], f"cells.a/b: 'a/b' is no name: {NAME}"),
        ("readings.a/b", {"meaning": "x", "embeddings": {"window": 2}}, f"readings.a/b: 'a/b' is no name: {NAME}"),
        ("readings.Four", {"meaning": "x", "embeddings": {"window": 2}}, f"readings.Four: 'Four' is no name: {NAME}"),
        ("data.kechinov.raw.months", ["Oct-2019"], "data.kechinov.raw: months: write Oct-2019 like 2019-Oct"),
        ("readings.primary", {"meaning": "x", "embeddings": {"window": 2}}, "readings.primary: params.yaml without any reading is called so"),
        # seeds
        ("scales.smoke.0.seeds", ["4-0"], "scales.smoke.0.seeds.0: a block of seeds is written first-last, as 0-4, not '4-0'"),
        ("scales.smoke.0.seeds", ["0-4; rm -rf ."], "a block of seeds is written first-last, as 0-4"),
        ("scales.smoke.0.seeds", [4], "scales.smoke.0.seeds.0 = 4: input should be a valid string"),
        ("scales.smoke.0.seeds", [], "scales.smoke.0.seeds is empty: give at least 1"),
        ("scales.smoke.0.seeds", ["0-2", "2-4"], "scales.smoke, main: a seed is in two blocks"),
        ("search.seeds", "1-1", "scales.paper, main: search.seeds has 1 too, and what chooses must not be reported; name other seeds"),
        ("search.seeds", "1001-1000", "search.seeds: a block of seeds is written first-last"),
        # values
        ("agents.vpg.train_v_iters", DELETED, "agents.vpg.train_v_iters is missing: every parameter must be in the file"),
        ("agents.vpg.train_pi_iters", 0, "agents.vpg.train_pi_iters = 0: input should be greater than or equal to 1"),
        ("agents.vpg.train_pi_iters", "one", "agents.vpg.train_pi_iters = 'one': input should be a valid integer"),
        ("agents.vpg.gae_lambda", math.nan, "agents.vpg.gae_lambda = nan: input should be a finite number"),
        ("agents.ppo.clip", math.inf, "agents.ppo.clip = inf: input should be a finite number"),
        ("embeddings.learning_rate", -math.inf, "embeddings.learning_rate = -inf: input should be a finite number"),
        ("environments.slots.dynamics.fraction", math.nan, "environments.slots.dynamics.fraction = nan: input should be a finite number"),
        ("environments.slots.dynamics.reels", [], "environments.slots.dynamics.reels"),
        ("environments.slots.hidden_sizes", [4, 0], "environments.slots.hidden_sizes.1 = 0: input should be greater"),
        ("environments.slots.steps_per_epoch", 25, "environments.slots: steps_per_epoch must be a multiple of dynamics.episode_length (6)"),
        ("environments.slots.hidden_sizes", [10**6], "environments.slots.hidden_sizes.0 = 1000000: input should be less"),
        ("environments.slots.epochs.smoke", 10**30, f"environments.slots.epochs.smoke = {10**30}: input should be less"),
        ("environments.grid.dynamics.goal_reward", 1e30, "environments.grid.dynamics.goal_reward: 1e+30 is too large: no number here may be above 1,000,000,000"),
        ("environments.slots.dynamics.episode_length", 10**12, "episode_length: 1e+12 is too large"),
        ("agents.vpg.train_v_iters", 10**12, "agents.vpg.train_v_iters: 1e+12 is too large: no"),
        ("environments.slots.dynamics.reels", [[0, 1], [0, 10**12]], "reels: 1e+12 is too large"),
        ("environments.slots.purchases", "synthetic", "environments.slots: purchases: slot_machine needs none: write null"),
        ("environments.shop.purchases", None, "environments.shop: purchases: recommender needs a data set"),
        ("data.kechinov.raw.months", ["2019-Oct", "2019-Oct"], "data.kechinov.raw: months: 2019-Oct is listed twice"),
        ("readings.four-steps.agents.vpg", {"train_pi_iters": 0}, "readings.four-steps.agents.vpg.train_pi_iters = 0: input should be greater"),
        ("readings.four-steps.environment", {"dynamics": {"bins": "x"}}, "readings.four-steps.environment.dynamics.bins = 'x': input should be"),
        ("readings.four-steps.environment", {"dynamics": {"moves": 3}}, "readings.four-steps.environment.dynamics.moves is not a parameter"),
        ("readings.four-steps", {"meaning": "none"}, "readings.four-steps changes nothing: give it environment, agents, embeddings or variants"),
        ("theory.states", 5, "theory.states = 5: input should be a multiple of 2"),
        # what is searched: as strict as the parameter that it replaces
        ("search.grid.actor_learning_rate", [], "search.grid.actor_learning_rate is empty: give at least 1"),
        ("search.grid.actor_learning_rate", 0.1, "search.grid.actor_learning_rate = 0.1: input should be a valid list"),
        ("search.grid.actor_learning_rate", ["0.1"], "search.grid.actor_learning_rate = '0.1': input should be a valid number"),
        ("search.grid.actor_learning_rate", [0.1, 7.0], "search.grid.actor_learning_rate = 7.0: input should be less than or equal to 1"),
        ("search.grid.actor_learning_rate", [math.inf], "search.grid.actor_learning_rate = inf: input should be a finite number"),
        ("search.grid.actor_learning_rate", [math.nan], "search.grid.actor_learning_rate = nan: input should be a finite number"),
        ("search.grid.actor_learning_rate", [0.1, 0.1], "search.grid.actor_learning_rate: 0.1 is listed twice"),
        ("search.grid.train_pi_iters", [1.5], "search.grid.train_pi_iters = 1.5: input should be a valid integer"),
        ("search.grid.train_pi_iters", DELETED, "search: train_pi_iters is varied and has no values in search.grid or search.grids"),
        ("search.grids.slot_machine.hidden_sizes", [[4, 0]], "search.grids.slot_machine.hidden_sizes.1 = 0: input should be greater"),
        ("search.grids.slot_machine.action_embedding_size", [0], "search.grids.slot_machine.action_embedding_size = 0: input should be"),
        ("search.spread", ["train_pi_iters"], "search.combined and search.spread: 'train_pi_iters' is listed twice"),
        ("search.first_rung.gridworld", 0.0, "search.first_rung.gridworld must be there, above 0 and at most 1"),
        ("search.first_rung.gridworld", DELETED, "search.first_rung.gridworld must be there, above 0 and at most 1"),
        ("search.first_rung.gridwrld", 0.5, "search.first_rung: there is no 'gridwrld' (did you mean gridworld?)"),
        ("search.same_as", {"slots": "slots"}, "search.same_as: slots → slots is a circle"),
        ("search.same_as", {"slots": "grid", "grid": "shop", "shop": "slots"}, "search.same_as: grid → shop → slots → grid is a circle"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_that_names_the_key(tmp_path: Path, key: str, value: Any, message: str) -> None:
    path = made_parameters.written(tmp_path, {key: value})
    before = path.read_bytes()
    with pytest.raises(JsaeError) as caught:
        load(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert message in said
    assert len(said.splitlines()) == 1
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("role", "ablatoin", "jsae/embeddings/separate.py: role: there is no 'ablatoin' (did you mean ablation?)"),
        ("compared_with", "jsa", "jsae/embeddings/separate.py: compared_with: there is no 'jsa' (did you mean jsae?)"),
        ("searched_as", "jsa", "jsae/embeddings/separate.py: searched_as: there is no 'jsa' (did you mean jsae?)"),
        (
            "searched",
            ("entropy",),
            "jsae/embeddings/separate.py: searched: there is no 'entropy' (did you mean entropy_we",
        ),
        ("color", "purpl", "jsae/embeddings/separate.py: color must be like #0072B2, not 'purpl'"),
    ],
)
def test_what_an_embedding_says_of_itself_is_checked_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attribute: str, value: object, said: str
) -> None:
    path = made_parameters.written(tmp_path, {"cells.main.0.embeddings": ["jsae", "separate"]})
    load(path)
    monkeypatch.setattr(registry.load("embeddings", "separate"), attribute, value)
    with pytest.raises(JsaeError) as caught:
        load(path)
    assert said in str(caught.value)


def test_a_reading_that_does_not_fit_an_environment_of_its_cells_is_named_with_it(tmp_path: Path) -> None:
    walls = {"meaning": "x", "environment": {"dynamics": {"bins": 5}}}
    product = {"environments": ["grid", "slots"], "agents": ["vpg"], "embeddings": ["jsae"], "readings": ["walls"]}
    path = made_parameters.written(tmp_path, {"readings.walls": walls, "cells.mine": [product]})
    with pytest.raises(
        JsaeError, match=r"cells: the reading walls does not fit slots \(readings.walls.*bins is not a par"
    ):
        load(path)


def test_a_program_gets_the_parameters_whole_and_by_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    schema.main([str(ROOT / "params.yaml")])
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {len(row) for row in rows} == {4}
    assert "environments.gridworld-continuous.pretraining_samples" in {row[0] for row in rows}


def sections(content: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The key of every section of the file."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield prefix + name
            yield from sections(value, f"{prefix}{name}.")


@pytest.mark.parametrize("key", list(sections(made_parameters.content())))
def test_an_empty_section_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(JsaeError) as caught:
        load(made_parameters.written(tmp_path, {key: None}))
    assert f": {key} must be a section of names and values, not empty" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty or no section of names and values: restore it from git"),
        (b"# words\n", "is empty or no section"),
        (b"[1, 2]\n", "is empty or no section"),
        (b"three\n", "is empty or no section"),
        (b"\xff\xfe", "cannot be read ('utf-8' codec"),
        (b"a: \xe9\n", "cannot be read ('utf-8' codec"),
        (b"scales:\n\t- a\n", "is not YAML, line 2: found character '\\t' that cannot start any token"),
        (b"scales: [preview", "is not YAML, line 1: "),
        (b"a: 1\na: 2\n", 'is not YAML, line 2: found duplicate key "a"'),
        (b"a: *x\n", "is not YAML, line 1: found undefined alias 'x'"),
        (b"a: 1\n---\nb: 2\n", "is not YAML, line 2: but found another document"),
        (b"a: !!python/name:os.system\n", "is not YAML, line 1: could not determine a constructor"),
        (b"a: 2019-13-45\n", "is not YAML: month must be in 1..12"),
        (b"a: \x00\n", "is not YAML: unacceptable character"),
        (b"a: " + b"[" * 3000, "is not YAML: "),
    ],
)
def test_a_file_that_is_no_parameters_is_named_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(JsaeError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path} ")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_and_a_folder_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(JsaeError, match="run from the project's folder"):
        load(tmp_path / "params.yaml")
    with pytest.raises(JsaeError, match=r"cannot be read .*restore it from git"):
        load(tmp_path)


def test_each_of_several_mistakes_has_a_line(tmp_path: Path) -> None:
    path = made_parameters.written(tmp_path, {"agents.common.discont": 1.0, "theory.states": 5})
    with pytest.raises(JsaeError) as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cells.main.2.environments": ["slots"]},
         "scales.smoke: wide-grid-vpg-jsae_transfer starts from old-grid-vpg-jsae, which must run with the same seeds"),
        ({"scales.smoke": [{"cells": "main", "seeds": ["0-1"]}, {"cells": "others", "seeds": ["1-2"]}],
          "cells.others.0.readings": [""]},
         "scales.smoke: grid-vpg-jsae has a seed in two blocks (0-1, 1-2)"),
        ({"cells.main": []}, "scales.smoke has no cell"),
        ({"readings.wide": {"meaning": "x", "environment": {"dynamics": {"actuators": 6}}},
          "environments.grid-wide": made_parameters.content()["environments"]["slots"],
          "cells.main.0": {"environments": ["grid"], "agents": ["vpg"], "embeddings": ["none"], "readings": ["wide"]},
          "cells.main.1": {"environments": ["grid-wide"], "agents": ["vpg"], "embeddings": ["none"]}},
         "two stages would be called grid-wide: rename an environment or a reading"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_before_anything_runs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(JsaeError) as caught:
        plan.plan(made_parameters.loaded(changes), NOTHING_FOUND, "smoke")
    assert message in str(caught.value)


def test_a_scale_and_a_panel_that_do_not_exist_are_named() -> None:
    parameters = made_parameters.loaded()
    with pytest.raises(JsaeError, match="no scale 'tiny': choose one of smoke, preview, paper"):
        parameters.runs("tiny")
    with pytest.raises(JsaeError, match="no panel '2g': choose one of 2a, 2b"):
        parameters.runs("smoke", "2g")
    with pytest.raises(JsaeError, match=r"scales.smoke has no cell of panel 2a"):
        parameters.runs("smoke", "2a")


def test_a_reading_changes_what_it_names_and_nothing_else() -> None:
    reading = {"meaning": "x", "agents": {"vpg": {"train_pi_iters": 9}}, "embeddings": {"window": 2}}
    reading["environment"] = {"continual": True, "dynamics": {"bins": 5}}
    parameters = made_parameters.loaded({"readings.four-steps": reading})
    primary = parameters.environment("grid")
    assert parameters.agent("vpg", "four-steps") == parameters.agent("vpg") | {"train_pi_iters": 9}
    assert parameters.agent("ppo", "four-steps") == parameters.agent("ppo")
    assert parameters.embedding("four-steps") == parameters.embeddings.model_copy(update={"window": 2})
    changed = {"continual": True, "dynamics": primary.dynamics | {"bins": 5}}
    assert parameters.environment("grid", "four-steps") == primary.model_copy(update=changed)


def test_seeds_of_a_block() -> None:
    assert seeds_of("5-9") == [5, 6, 7, 8, 9]
    assert seeds_of("3-3") == [3]
    for wrong in ("4-2", "0", "a-b", "-1-3", "0-4 ", "0-1234567"):
        with pytest.raises(ValueError, match="first-last"):
            seeds_of(wrong)


def keys(content: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The key of every value of the file; an empty section has none."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_the_table_has_every_parameter_with_a_meaning_and_a_source() -> None:
    rows = {name: (value, meaning, source) for name, value, meaning, source in table(load(ROOT / "params.yaml"))}
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    for key in keys(content):
        parts = key.split(".")
        assert f"{key}.0" in rows or any(".".join(parts[:length]) in rows for length in range(2, len(parts) + 1)), key
    for key in ("environments.slot-machine.dynamics.moves", "agents.vpg.gae_lambda", "agents.common.discount"):
        assert key in rows
    assert rows["environments.slot-machine.dynamics.moves"][0] == "8"
    assert rows["cells.figure-2.1"][0] == "environments: [half-cheetah], agents: [vpg], embeddings: [none, jsae]"
    assert rows["readings.longer-ra.environment.pretraining_epochs"][0] == "smoke: 1, preview: 1000, paper: 1000"
    assert rows["environments.slot-machine.purchases"][0] == "null"
    assert rows["environments.recommender.continual"][0] == "true"
    assert [name for name, (_, meaning, source) in rows.items() if not (meaning and source)] == []
    assert [name for name, (value, _, _) in rows.items() if re.search(r"=|[\[{]'|True|False|None", value)] == []


def test_the_table_is_printed_and_a_mistake_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jsae.config.schema"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "300"}
    made_parameters.written(tmp_path)
    with contextlib.chdir(tmp_path):
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        made_parameters.written(tmp_path, {"agents.vpg.train_pi_iters": 0})
        wrong = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "agents.common.discount" in shown.stdout
    assert "environments.slots.dynamics.moves" in shown.stdout
    assert "environments: [grid, slots], agents:" in shown.stdout
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.splitlines() == [
        "error: params.yaml: agents.vpg.train_pi_iters = 0: input should be greater than or equal to 1"
    ]
