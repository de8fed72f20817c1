"""Environments by name, and as files: round trips, equal rollouts, damage."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from jsae.config.errors import JsaeError
from jsae.experience.environment import build, load_environment, save_environment
from jsae.experience.samples import random_trajectories
from jsae.io import checkpoint
from jsae.nn.randomness import Streams
from jsae.purchases import ngram
from tests.made_shops import SHOP, counted
from tests.made_worlds import SLOT_MACHINE, TINY_GRIDWORLD

MODEL = ngram.tensors(counted(SHOP, window=2, similarity=True))
WORLDS: dict[str, tuple[dict[str, Any], dict[str, torch.Tensor] | None]] = {
    "gridworld": (TINY_GRIDWORLD, None),
    "slot_machine": (SLOT_MACHINE, None),
    "half_cheetah": ({"episode_length": 6}, None),
    "recommender": ({"boost": 3.0, "bonus": 0.05, "start": "popularity", "episode_length": 9}, MODEL),
}


@pytest.mark.parametrize("module", WORLDS)
def test_a_file_holds_the_whole_environment(module: str, tmp_path: Path) -> None:
    """Rollouts are equal bit by bit, and so are the bytes of a second file."""
    arguments, model = WORLDS[module]
    for name in ("a", "b"):
        save_environment(tmp_path / name, module, arguments, model)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    made = build(module, arguments | ({"model": model} if model else {}))
    of_both = (
        random_trajectories(environment, Streams([3, 4], "test"), 5)
        for environment in (made, load_environment(tmp_path / "a"))
    )
    for ours, theirs in zip(*of_both, strict=True):
        assert torch.equal(ours, theirs)


def test_damage_is_told_with_file_and_fix(tmp_path: Path) -> None:
    path = tmp_path / "shop.safetensors"
    with pytest.raises(JsaeError, match=r"shop.safetensors is missing: run the stage"):
        load_environment(path)
    save_environment(path, "recommender", *WORLDS["recommender"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(JsaeError, match=r"shop.safetensors is damaged \(its digest is wrong\): delete it"):
        load_environment(path)
    checkpoint.save(path, MODEL)
    with pytest.raises(JsaeError, match=r"shop.safetensors is damaged \(it holds no environment\): delete it"):
        load_environment(path)


@pytest.mark.parametrize(
    ("module", "changes", "words"),
    [
        ("gridwrld", {}, "did you mean gridworld"),
        ("gridworld", {"bins": 0}, "gridworld: bins = 0: "),
        ("gridworld", {"bins": "forty"}, "gridworld: bins = 'forty': "),
        ("gridworld", {"wall": []}, "gridworld: got an unexpected keyword argument 'wall'"),
        ("gridworld", {"start": [0.3, 0.45]}, "gridworld: start .* in a wall"),
        ("recommender", TINY_GRIDWORLD, "recommender: "),
    ],
)
def test_a_file_of_other_code_is_told_with_file_and_fix(
    module: str, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """Nor is it written in the first place."""
    path = tmp_path / "world.safetensors"
    arguments = TINY_GRIDWORLD | changes
    with pytest.raises(JsaeError, match=words):
        save_environment(path, module, arguments)
    assert not path.exists()
    checkpoint.save(path, {}, {"module": module, "arguments": json.dumps(arguments)})
    with pytest.raises(JsaeError, match=rf"world.safetensors holds an environment .*{words}.*delete it and run dvc"):
        load_environment(path)


def test_a_missing_argument_is_named() -> None:
    with pytest.raises(JsaeError, match="slot_machine: missing 1 required keyword-only argument: 'moves'"):
        build("slot_machine", {name: value for name, value in SLOT_MACHINE.items() if name != "moves"})


def test_what_the_others_say_about_themselves() -> None:
    shop = build("recommender", {**WORLDS["recommender"][0], "model": MODEL})
    assert (shop.one_hots, shop.grid, shop.action_effects()) == (2, None, None)
    cheetah = build("half_cheetah", {"episode_length": 2})
    assert (cheetah.one_hots, cheetah.grid, cheetah.action_effects()) == (0, None, None)
    random, optimal, error = cheetah.reference_returns()
    assert random is not None
    assert error is not None
    assert (optimal, abs(random) < 10, error > 0) == (None, True, True)
