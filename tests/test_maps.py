"""Maps of a gridworld: critics and policies that are known draw the maps that they must."""

from pathlib import Path

import polars as pl
import pytest
import torch

from jsae.config import parameters
from jsae.embeddings.base import embed
from jsae.environments.gridworld import Gridworld
from jsae.io import checkpoint
from jsae.training import value_maps as maps
from jsae.training.trainer import Settings, Trainer
from stages import maps as stage
from stages import paths
from stages import settings as settings_stage
from tests import made_parameters, made_runs, made_worlds

BINS = 40


def weights(**networks: torch.Tensor) -> dict[str, torch.Tensor]:
    """Parameters of two agents without embeddings and without hidden units, on coordinates, with 16 actions."""
    return {"actor": networks.get("actor", torch.zeros(2, 48)), "critic": networks.get("critic", torch.zeros(2, 3))}


def trained(found: dict[str, torch.Tensor]) -> maps.TrainedAgents:
    world = made_worlds.gridworld()
    return maps.TrainedAgents(world, BINS, embed("none", world, [0, 1], 8, 2), [0, 1], [], found)


def test_a_linear_critic_is_a_plane_over_the_centres_of_the_bins() -> None:
    """V(x, y) = x − 2 y + 3, and 0 for the second agent."""
    values = trained(weights(critic=torch.tensor([[1.0, -2.0, 3.0], [0.0, 0.0, 0.0]]))).values()
    assert values.shape == (2, BINS, BINS)
    assert values[0, 0, 0] == pytest.approx(0.0125 - 0.025 + 3)
    assert values[0, 39, 0] == pytest.approx(0.9875 - 0.025 + 3)
    assert values[0, 0, 39] == pytest.approx(0.0125 - 1.975 + 3)
    assert not values[1].any()


def test_an_agent_that_stands_still_is_in_its_start_bin_only() -> None:
    """Action 0 fires no actuator; the second agent chooses evenly, so it moves, and never into a wall."""
    actor = torch.zeros(2, 48)
    actor[0, 32] = 100.0  # the bias of action 0, after 2 x 16 weights
    visits = trained(weights(actor=actor)).visits(2)
    assert visits[0, 11, 3] == 1.0  # (0.30, 0.10) belongs to the bins that end there
    torch.testing.assert_close(visits.sum((1, 2)), torch.ones(2))
    assert 1 > visits[1, 11, 3] > 0
    assert not visits[1, :20, 15].any()


def test_the_stage_maps_what_training_left_and_only_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = made_parameters.text().replace('cohorts: ["0-4"]', 'cohorts: ["0-1", "2-3"]')
    Path("params.yaml").write_text(text.replace("  episodes: 20", "  episodes: 2"))
    settings = parameters.load(Path("params.yaml"))
    section = settings.environments["gridworld-discrete"]
    world = Gridworld(**section.dynamics.model_dump())
    numbers = {"discount": 0.99, "gae_lambda": 0.97, "train_pi_iters": 1, "train_v_iters": 1}
    pair = [0.001, 0.001]
    chosen = Settings(1, section.hidden_sizes, pair, pair, pair, agent=numbers, reward_scale=1.0, continual=None)
    expected = []
    for cohort, seeds in (("0-1", [0, 1]), ("2-3", [2, 3])):
        embedding = embed("jsae", world, seeds, section.state_embedding_size, section.action_embedding_size)
        trainer = Trainer(world, embedding, "vpg", seeds, chosen)
        checkpoint.save(paths.weights("preview", "gridworld-discrete", "vpg", "jsae", cohort), trainer.weights())
        centre = world.observe(torch.tensor([[[0.5125, 0.2125]]] * 2))
        expected.append(trainer.agent.critic(embedding.represent(centre)).detach().double())
    made_runs.write_search()
    settings_stage.main([])
    stage.draw("preview", settings)
    table = pl.read_parquet(paths.maps("preview"))
    keys = table.select("environment", "agent", "embedding", "seeds").unique().rows()
    assert keys == [("gridworld-discrete", "vpg", "jsae", 4)]
    assert table["visits"].sum() == pytest.approx(1)
    value = table.filter((pl.col("x_bin") == 20) & (pl.col("y_bin") == 8))["value"].item()
    assert value == pytest.approx(float(torch.cat(expected).mean()))
    first = paths.maps("preview").read_bytes()
    stage.draw("preview", settings)
    assert paths.maps("preview").read_bytes() == first


def test_without_any_run_the_table_has_its_columns_and_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stage.draw("preview", parameters.load(made_parameters.written(tmp_path)))
    table = pl.read_parquet(paths.maps("preview"))
    assert table.is_empty()
    assert dict(table.schema) == stage.MAPS
