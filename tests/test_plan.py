"""What runs: a part that readings share is made once, one that they change is made for each; transfers name theirs."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from jsae.config import hyper_parameters, layout, plan, schema
from jsae.config.best import NOTHING_FOUND
from jsae.config.errors import JsaeError
from jsae.config.study import Cell
from tests import made_parameters
from tools import runs

ROOT = Path(__file__).resolve().parent.parent
SLOTS = Cell("slots", "vpg", "jsae")


def planned(changes: dict[str, Any], found: Any = None, scale: str = "smoke", panel: str = "") -> dict[str, Any]:
    return plan.plan(made_parameters.loaded(changes), found or NOTHING_FOUND, scale, panel)


def one_reading(found: Any = None, **sets: Any) -> dict[str, Any]:
    """The plan of one cell of the slot machine under the primary reading and under one that sets something."""
    cell = {"environments": ["slots"], "agents": ["vpg"], "embeddings": ["jsae"], "readings": ["", "other"]}
    changes = {"cells.main": [cell], "search.cells": ["others"], "readings.other": {"meaning": "x", **sets}}
    return planned(changes, found)


@pytest.mark.parametrize(
    ("sets", "own"),
    [
        ({"environment": {"dynamics": {"moves": 3}}}, {"environments", "collect", "pretrain"}),
        ({"environment": {"pretraining_samples": 61}}, {"collect", "pretrain"}),
        ({"environment": {"pretraining_epochs": {"smoke": 2}}}, {"pretrain"}),
        ({"environment": {"state_embedding_size": 9}}, {"pretrain"}),
        ({"embeddings": {"weight_decay": 0.5}}, {"pretrain"}),
        ({"embeddings": {"continual_epochs": 2}}, set()),
        ({"agents": {"vpg": {"train_pi_iters": 4}}}, set()),
        ({"environment": {"continual": True}}, set()),
        ({"environment": {"epochs": {"smoke": 2}, "reward_scale": 2.0, "hidden_sizes": [3]}}, set()),
    ],
)  # fmt: skip
def test_a_reading_has_parts_of_its_own_where_it_changes_them_and_shares_the_others(
    sets: dict[str, Any], own: set[str]
) -> None:
    made = one_reading(**sets)
    names = {"environments": "slots", "collect": "slots-0-1", "pretrain": "slots-jsae-0-1"}
    others = {"environments": "slots-other", "collect": "slots-other-0-1", "pretrain": "slots-jsae-other-0-1"}
    for part, name in names.items():
        assert list(made[part]) == ([name, others[part]] if part in own else [name])
        assert [entry["reading"] for entry in made[part].values()] == (["", "other"] if part in own else [""])
    primary, other = made["train"]["slots-vpg-jsae-0-1"], made["train"]["slots-vpg-jsae-other-0-1"]
    assert (primary["reading"], other["reading"]) == ("", "other")
    assert primary["world"] == "slots"
    assert other["world"] == ("slots-other" if "environments" in own else "slots")
    learnt = others["pretrain"] if "pretrain" in own else names["pretrain"]
    assert other["pretrained"] == layout.embeddings("smoke", learnt).as_posix()
    entry = made["pretrain"][learnt]
    assert (entry["world"], entry["samples"]) == (
        other["world"],
        others["collect"] if "collect" in own else names["collect"],
    )
    assert made["collect"][entry["samples"]]["world"] == other["world"]


def test_a_recommender_names_the_purchases_that_it_draws_from() -> None:
    reading = {"meaning": "x", "environment": {"purchases": "synthetic"}}
    made = planned({"readings.other": reading, "cells.main.1.readings": ["", "other"]})
    settings = "results/settings/download/{}.json"
    assert made["purchases"] == {name: {"files": settings.format(name)} for name in ("completejourney", "synthetic")}
    assert made["environments"]["shop"]["model"] == "data/processed/completejourney/transitions.safetensors"
    assert made["environments"]["shop-other"]["model"] == "data/processed/synthetic/transitions.safetensors"
    assert made["environments"]["slots"]["model"] == "results/settings/environment/slots.json"


def test_transfers_name_what_they_start_from_and_nothing_else_does() -> None:
    made = planned({})
    old = "results/smoke/embeddings/old-grid-jsae-0-1.safetensors"
    unused = "data/processed/environments/wide-grid.safetensors"
    assert made["pretrain"]["wide-grid-jsae_transfer-0-1"]["source"] == old
    assert made["pretrain"]["wide-grid-jsae_transfer_all-0-1"]["source"] == old
    assert made["train"]["wide-grid-vpg-jsae_transfer-0-1"]["source"] == unused
    weights = "results/smoke/runs/old-grid-vpg-jsae-0-1.safetensors"
    assert made["train"]["wide-grid-vpg-jsae_transfer_all-0-1"]["source"] == weights
    for kind in ("pretrain", "train"):
        for name, entry in made[kind].items():
            if "transfer" not in name:
                assert entry["source"] == layout.environment(entry["world"]).as_posix()


def test_a_transfer_under_a_reading_starts_from_the_old_cell_under_that_reading() -> None:
    cells = made_parameters.content()["cells"]["main"]
    reading = {"meaning": "x", "environment": {"dynamics": {"actuators": 5}}}  # changes the old environment only
    transfer = [{**product, "readings": ["", "other"]} for product in cells[2:]]
    made = planned({"cells.main": [cells[0], *transfer], "readings.other": reading})
    assert made["pretrain"]["wide-grid-jsae_transfer-other-0-1"] == {
        "environment": "wide-grid",
        "embedding": "jsae_transfer",
        "reading": "other",
        "world": "wide-grid",
        "samples": "wide-grid-0-1",
        "source": "results/smoke/embeddings/old-grid-jsae-other-0-1.safetensors",
        "seeds": "0-1",
    }
    assert made["train"]["wide-grid-vpg-jsae_transfer_all-other-0-1"]["source"] == (
        "results/smoke/runs/old-grid-vpg-jsae-other-0-1.safetensors"
    )


def test_every_block_of_seeds_is_a_stage() -> None:
    made = planned({}, scale="preview")
    assert made["scale"] == "preview"
    for kind, name in (("collect", "slots"), ("pretrain", "slots-jsae"), ("train", "slots-vpg-none")):
        assert [entry for entry in made[kind] if entry.startswith(f"{name}-")] == [f"{name}-0-1", f"{name}-2-2"]
    assert made["train"]["slots-vpg-jsae-2-2"]["pretrained"] == "results/preview/embeddings/slots-jsae-2-2.safetensors"


def test_nothing_is_learnt_for_a_cell_without_an_embedding() -> None:
    cell = {"environments": ["slots"], "agents": ["vpg"], "embeddings": ["none"]}
    made = planned({"cells.main": [cell]})
    assert (made["collect"], made["pretrain"]) == ({}, {})
    assert made["train"]["slots-vpg-none-0-1"]["pretrained"] == "data/processed/environments/slots.safetensors"


def test_a_panel_keeps_its_cells_and_the_sources_that_they_need() -> None:
    assert list(planned({}, panel="2c")["train"]) == ["slots-vpg-none-0-1", "slots-vpg-jsae-0-1"]
    assert planned({}, panel="2c")["purchases"] == {}
    assert list(planned({}, panel="2e")["purchases"]) == ["completejourney"]
    made = planned({}, panel="2f")
    assert made["panel"] == "2f"
    wide = ["wide-grid-vpg-jsae_transfer-0-1", "wide-grid-vpg-jsae_transfer_all-0-1"]
    assert list(made["train"]) == ["old-grid-vpg-jsae-0-1", *wide]
    assert list(made["environments"]) == ["old-grid", "wide-grid"]


def test_the_search_looks_at_cells_of_its_groups_in_environments_that_run() -> None:
    made = planned({})
    cells = ["grid-vpg-none", "grid-vpg-jsae", "slots-vpg-none", "slots-vpg-jsae", "shop-ppo-jsae"]
    assert list(made["search"]) == cells  # not the grids that take what was found for another
    assert list(made["samples"]) == ["grid-1000-1001", "slots-1000-1001", "shop-1000-1001"]
    assert list(planned({}, panel="2c")["search"]) == ["slots-vpg-none", "slots-vpg-jsae"]
    assert list(planned({"search.cells": ["others"]})["search"]) == []  # a reading is not searched


@pytest.mark.parametrize("name", ["slots", "1e5", "null", "true", "on", "0x10", "12", "2019-01-01", "1-2"])
@pytest.mark.parametrize("panel", ["", "2c"])
def test_the_written_text_reads_back_as_it_was(name: str, panel: str) -> None:
    """Whatever an environment is called: YAML takes some words for numbers, dates or nothing."""
    world = made_parameters.content()["environments"]["slots"]
    cell = {"environments": [name], "agents": ["vpg"], "embeddings": ["none", "jsae"]}
    made = planned({f"environments.{name}": world, "cells.main.0": cell}, scale="paper", panel=panel)
    assert f"{name}-vpg-jsae-0-1" in made["train"]
    assert YAML(typ="safe").load(plan.text(made)) == {"runs": made}
    assert YAML(typ="safe", pure=True).load(plan.text(made)) == {"runs": made}


def test_the_plan_is_what_params_yaml_asks_for_at_the_chosen_scale() -> None:
    with contextlib.chdir(ROOT):
        listed = layout.RUNS.read_text(encoding="utf-8")
        parameters = schema.load(layout.PARAMETERS)
        wanted = plan.plan(parameters, hyper_parameters.read_found(parameters), *plan.chosen())
    assert listed == plan.text(wanted)


def test_the_tool_writes_the_plan_of_a_scale_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made_parameters.written(tmp_path)
    runs.main([])
    assert YAML(typ="safe").load(layout.RUNS)["runs"]["scale"] == "preview"
    runs.main(["smoke", "--panel", "2c"])
    assert YAML(typ="safe").load(layout.RUNS)["runs"] == planned({}, panel="2c")
    assert capsys.readouterr().out.splitlines()[-1] == "workflow/runs.yaml: scale smoke, panel 2c"
    before = layout.RUNS.stat().st_mtime_ns
    for arguments in ([], ["--panel", "2c"]):
        runs.main(arguments)
        assert layout.RUNS.stat().st_mtime_ns == before
        assert capsys.readouterr().out == ""
    runs.main(["smoke"])
    assert YAML(typ="safe").load(layout.RUNS)["runs"] == planned({}), "a scale alone is all of its panels"


@pytest.mark.parametrize("name", ["logs", "../elsewhere", "~/logs", "{0}/elsewhere"])
def test_the_folder_of_an_event_log_is_one_that_dvc_looks_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    monkeypatch.setenv("HOME", str(tmp_path))
    place = Path(name.format(tmp_path)).expanduser().resolve()
    changes = {"environments.shop.purchases": "kechinov", "data.kechinov.raw.local_path": name.format(tmp_path)}
    with pytest.raises(JsaeError, match=r"^params.yaml: data.kechinov.raw.local_path: there is no folder .*: correct"):
        planned(changes)
    place.mkdir()
    inside = place.is_relative_to(tmp_path / "study")
    files = planned(changes)["purchases"]["kechinov"]["files"]
    assert files == (place.relative_to(Path.cwd()) if inside else place).as_posix()


@pytest.mark.parametrize("name", [".", "data", "data/raw/kechinov", "data/raw/kechinov/more", "link"])
def test_an_event_log_is_not_copied_into_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/raw/kechinov/more").mkdir(parents=True)
    Path("link").symlink_to("data/raw")
    with pytest.raises(JsaeError, match=r"local_path: the copies go to data/raw/kechinov: give another folder than"):
        planned({"environments.shop.purchases": "kechinov", "data.kechinov.raw.local_path": name})


@pytest.mark.parametrize("text", [b"", b"runs: 3\n", b"runs:\n", b"[1]\n", b"runs: {panel: x}\n", b"{", b"\xff"])
def test_a_damaged_plan_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    made_parameters.written(tmp_path)
    layout.RUNS.parent.mkdir()
    layout.RUNS.write_bytes(text)
    with pytest.raises(JsaeError, match=r"^workflow/runs.yaml (is damaged|is not YAML|cannot be read)"):
        runs.main([])
    runs.main(["smoke"])
    assert YAML(typ="safe").load(layout.RUNS)["runs"] == planned({})


@pytest.mark.parametrize("arguments", [["tiny"], ["smoke", "--panel", "2g"]])
def test_a_scale_or_panel_that_does_not_exist_leaves_the_plan_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made_parameters.written(tmp_path)
    runs.main(["smoke"])
    before = layout.RUNS.read_bytes()
    with pytest.raises(JsaeError, match="choose one of"):
        runs.main(arguments)
    assert layout.RUNS.read_bytes() == before


def test_a_short_study_draws_published_curves_behind_its_own_where_there_are_some(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unused = "results/settings/figures.json"
    assert planned({})["published"] == unused
    layout.PUBLISHED_CURVES.parent.mkdir(parents=True)
    layout.PUBLISHED_CURVES.touch()
    assert planned({})["published"] == "published/tables/curves.parquet"
    assert planned({}, scale="paper")["published"] == unused, "what makes them does not read them"


def test_a_change_that_the_search_overrules_is_named_until_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    best = layout.BEST
    best.parent.mkdir(parents=True)
    rates = "{actor_learning_rate: 0.5, initial_standard_deviation: 0.5}"
    sizes = "embeddings: {slots: {jsae: {action_embedding_size: 3}}}"
    best.write_text(f"{sizes}\nagents: {{slots: {{vpg: {{jsae: {rates}}}}}}}\n")
    before = schema.table(made_parameters.loaded())
    changes = {"agents.common.actor_learning_rate": 0.25, "environments.slots.action_embedding_size": 5}
    changes |= {"agents.common.critic_learning_rate": 0.25, "environments.grid.action_embedding_size": 5}
    made_parameters.written(tmp_path, changes)
    runs.main(["smoke"])
    assert capsys.readouterr().err == "", "no run came before"
    layout.settings("report").parent.mkdir(parents=True)
    both = (
        "environments.slots.action_embedding_size (in all cells), agents.common.actor_learning_rate (in 1 of 8 cells)"
    )
    for rows, said in ((before, f"params.yaml: {both}."), (schema.table(made_parameters.loaded(changes)), "")):
        layout.settings("report").write_text(json.dumps({"values": {"rows": rows}}))
        for arguments in ([], ["--check"]):
            runs.main(arguments)
            shown = capsys.readouterr().err
            assert said in shown
            assert shown.count("\n") == bool(said)


def test_a_softmax_has_no_standard_deviation_and_no_embedding_no_size() -> None:
    parameters = made_parameters.loaded()
    for embedding, used in (("jsae", True), ("none", False)):
        cell = Cell("slots", "vpg", embedding)
        for name in ("initial_standard_deviation", "action_embedding_size"):
            assert (name not in hyper_parameters.not_applicable(parameters, cell)) == used
        assert "actor_learning_rate" not in hyper_parameters.not_applicable(parameters, cell)


def test_a_check_writes_nothing_and_fails_on_any_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made_parameters.written(tmp_path)
    runs.main(["--check"])
    made_parameters.written(tmp_path, {"agents.vpg.train_pi_itters": 2})
    with pytest.raises(JsaeError, match=r"^params.yaml: agents.vpg.train_pi_itters is not a parameter \(did you mean"):
        runs.main(["--check"])
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
