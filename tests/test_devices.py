"""Training elsewhere than on the CPU: all is born where it belongs, nothing waits, and it gives what the CPU gives."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from jsae.config.errors import JsaeError
from jsae.embeddings.base import embed
from jsae.experience.environment import build, save_environment
from jsae.experience.samples import random_transitions, save_samples
from jsae.io.workers import run_batches_in_turn
from jsae.nn import devices
from jsae.purchases import ngram
from jsae.training.jobs import PretrainingJob
from jsae.training.trainer import Continual, Settings, Trainer, train
from tests import made_shops
from tests.elsewhere import Elsewhere, reaching
from tests.made_worlds import REELS, TINY_GRIDWORLD

SEEDS = [3, 4]
STEPS, NUM_ENVS = 3, 3
WORLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "gridworld-continuous": ("gridworld", TINY_GRIDWORLD | {"discrete": False}),
    "gridworld-discrete": ("gridworld", TINY_GRIDWORLD),
    "slot-machine": ("slot_machine", {"reels": REELS, "moves": 3, "fraction": 0.25, "minimum_count": 2}),
    "half-cheetah": ("half_cheetah", {}),
    "recommender": ("recommender", {"boost": 3.0, "bonus": 0.05, "start": "popularity"}),
}
AGENTS: dict[str, dict[str, Any]] = {
    "vpg": {"gae_lambda": 0.97, "train_pi_iters": 4, "train_v_iters": 2, "target_kl": 1e-3},
    "ppo": {"gae_lambda": 0.97, "train_pi_iters": 3, "train_v_iters": 2, "clip": 0.2, "target_kl": 1e-4},
    "sac": {"entropy_weight": 0.1, "act_limit": 1.1, "polyak": 0.9, "replay_capacity": 60, "update_steps": 2,
            "batch_size": 8, "start_steps": 9, "update_after": 9},
}  # fmt: skip
CELLS = [
    (world, agent, embedding)
    for world in WORLDS
    for agent in AGENTS
    for embedding in ("none", "ra", "jsae")
    if (world, embedding) != ("half-cheetah", "ra")
] + [(world, "vpg", "separate") for world in WORLDS]
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")


@pytest.fixture(scope="module")
def store() -> dict[str, torch.Tensor]:
    return ngram.tensors(made_shops.counted(made_shops.SHOP, window=3, similarity=True))


@pytest.fixture(params=["elsewhere", pytest.param("cuda", marks=NO_GPU)])
def device(request: pytest.FixtureRequest) -> torch.device:
    return Elsewhere.device if request.param == "elsewhere" else torch.device("cuda")


def made(device: torch.device | str, store: dict[str, torch.Tensor], world: str, agent: str, embedding: str) -> Trainer:
    module, dynamics = WORLDS[world]
    extra = {"model": store} if world == "recommender" else {}
    environment = build(module, {**dynamics, **extra, "episode_length": STEPS}, device)
    settings = Settings(
        num_envs=NUM_ENVS,
        hidden_sizes=[8, 8],
        initial_standard_deviations=[0.3, 0.6],
        actor_learning_rates=[0.003, 0.01],
        critic_learning_rates=[0.003, 0.003],
        agent_parameters={"discount": 0.99, **AGENTS[agent]},
        reward_scale=1.0,
        continual=Continual(epochs=1, batch_size=20, learning_rate=0.01, weight_decay=1e-4),
    )
    return Trainer(environment, embed(embedding, environment, SEEDS, 3, 2), agent, SEEDS, settings)


def assert_same(here: dict[str, torch.Tensor], there: dict[str, torch.Tensor]) -> None:
    """Equal within the rounding of float32; a step of Adam makes more of it where a gradient is hardly there."""
    assert here.keys() == there.keys()
    for name in here:
        torch.testing.assert_close(there[name].cpu(), here[name], rtol=1e-3, atol=1e-4, equal_nan=True, msg=name)


@pytest.mark.parametrize(("world", "agent", "embedding"), CELLS)
def test_an_epoch_is_what_it_is_on_the_cpu(
    device: torch.device, store: dict[str, torch.Tensor], world: str, agent: str, embedding: str
) -> None:
    here = made("cpu", store, world, agent, embedding)
    here.run_epoch()
    with reaching(device):
        there = made(device, store, world, agent, embedding)
        there.run_epoch()
        assert_same(here.history(), there.history())
        assert_same(here.weights(), there.weights())
        assert all(weight.device.type == device.type for weight in there.weights().values())


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("world", ["recommender", "half-cheetah"])
def test_an_epoch_waits_for_its_metrics_alone(store: dict[str, torch.Tensor], world: str, agent: str) -> None:
    """And once for each policy step that the KL may end, and for each step of MuJoCo."""
    with Elsewhere() as elsewhere:
        trainer = made(Elsewhere.device, store, world, agent, "jsae")
        trainer.run_epoch()
        elsewhere.waits.clear()
        trainer.run_epoch()
    expected = Counter({"aten::_to_copy": 1 + (STEPS if world == "half-cheetah" else 0)})
    if agent != "sac":
        made_steps = int(trainer.history()["pi_iters"][:, -1].max())
        expected["aten::_local_scalar_dense"] = min(made_steps, AGENTS[agent]["train_pi_iters"] - 1)
    assert elsewhere.waits == expected


@pytest.mark.parametrize("agent", ["vpg", "sac"])
def test_a_training_goes_on_elsewhere(
    device: torch.device, store: dict[str, torch.Tensor], agent: str, tmp_path: Path
) -> None:
    cell = ("recommender", agent, "jsae")
    whole = train(made("cpu", store, *cell), 4, tmp_path / "whole")
    train(made("cpu", store, *cell), 2, tmp_path / "moved")
    with reaching(device):
        train(made(device, store, *cell), 3, tmp_path / "moved")
    moved = train(made("cpu", store, *cell), 4, tmp_path / "moved")
    assert_same(whole.history(), moved.history())
    assert_same(whole.weights(), moved.weights())


@pytest.mark.parametrize("world", ["slot-machine", "half-cheetah"])
def test_pre_training_is_what_it_is_on_the_cpu(device: torch.device, world: str, tmp_path: Path) -> None:
    module, dynamics = WORLDS[world]
    dynamics = {**dynamics, "episode_length": STEPS}
    save_samples(tmp_path / "samples", random_transitions(build(module, dynamics), SEEDS, 40))
    save_environment(tmp_path / "environment", module, dynamics)
    jobs = [
        PretrainingJob(
            environment=tmp_path / "environment",
            samples=tmp_path / "samples",
            embedding="jsae",
            state_size=3,
            action_size=2,
            seeds=tuple(SEEDS),
            rows=(0, 1),
            epochs=3,
            batch_size=10,
            learning_rate=0.01,
            weight_decay=0.01,
            validation_share=0.2,
            window=50,
            minimum_improvement=0.0,
            source=None,
            device=where.type,
        )
        for where in (torch.device("cpu"), device)
    ]
    with reaching(device):
        here, there = run_batches_in_turn(jobs, total=6, label="test")
    assert_same(here.parameters, there.parameters)
    assert_same({"losses": here.training_loss}, {"losses": there.training_loss})
    assert_same({"losses": here.held_out_loss}, {"losses": there.held_out_loss})


def test_a_tensor_born_on_the_default_device_is_found() -> None:
    with Elsewhere() as elsewhere:
        there, born_here = torch.ones(2).to(elsewhere.device), torch.ones(2)
        assert torch.equal((there + torch.ones(2, device=elsewhere.device)).cpu(), 2 * born_here)
        with pytest.raises(RuntimeError, match="tensors of two devices"):
            there + born_here
        elsewhere.waits.clear()
        assert bool((there > 0).all())
        assert there[there > 0].tolist() == [1, 1]
        assert elsewhere.waits == {"aten::_local_scalar_dense": 1, "aten::index": 1, "aten::_to_copy": 1}


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [devices.chosen(name).type for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [devices.chosen(name).type for name in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(
        JsaeError, match=r"training\.device is cuda, and torch finds no GPU here: set it to cpu or auto"
    ):
        devices.chosen("cuda")


def test_lack_of_memory_on_a_gpu_names_the_parameter() -> None:
    class Full:
        def run(self, progress: object) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    with pytest.raises(JsaeError, match=r"test: out of memory: lower runs_per_batch"):
        run_batches_in_turn([Full()], total=1, label="test")
