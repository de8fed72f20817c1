"""Maps of a gridworld: critics and policies that are known draw the maps that they must."""

import pytest
import torch

from jsae.config.errors import JsaeError
from jsae.embeddings.base import embed
from jsae.training.trainer import Settings, Trainer
from jsae.training.value_maps import ValueMap, mean_map, value_map
from tests import made_worlds, probes

BINS = 40


def mapped(episodes: int = 1, **networks: torch.Tensor) -> ValueMap:
    """Of two agents without embeddings and without hidden units, on coordinates, with 16 actions."""
    world = made_worlds.gridworld()
    weights = {"actor": torch.zeros(2, 48), "critic": torch.zeros(2, 3)} | networks
    return value_map(world, embed("none", world, [0, 1], 8, 2), [0, 1], [], weights, episodes)


def test_a_linear_critic_is_a_plane_over_the_centres_of_the_bins() -> None:
    """V(x, y) = x − 2 y + 3, and 0 for the second agent."""
    value = mapped(critic=torch.tensor([[1.0, -2.0, 3.0], [0.0, 0.0, 0.0]])).value
    assert value.shape == (2, BINS, BINS)
    assert value[0, 0, 0] == pytest.approx(0.0125 - 0.025 + 3)
    assert value[0, 39, 0] == pytest.approx(0.9875 - 0.025 + 3)
    assert value[0, 0, 39] == pytest.approx(0.0125 - 1.975 + 3)
    assert not value[1].any()


def test_an_agent_that_stands_still_is_in_its_start_bin_only() -> None:
    """Action 0 fires no actuator; the second agent takes all actions evenly, so it moves, and never into a wall."""
    actor = torch.zeros(2, 48)
    actor[0, 32] = 100.0  # the bias of action 0, after 2 x 16 weights
    visits = mapped(2, actor=actor).visits
    assert visits[0, 11, 3] == 1.0  # (0.30, 0.10) belongs to the bins that end there
    torch.testing.assert_close(visits.sum((1, 2)), torch.ones(2))
    assert 1 > visits[1, 11, 3] > 0
    assert not visits[1, :20, 15].any()


def test_a_map_is_that_of_the_trained_critic_and_embedding() -> None:
    world, seeds, hidden_sizes = made_worlds.gridworld(discrete=True), [2, 3], (8, 8)
    settings = Settings(
        num_envs=1,
        hidden_sizes=hidden_sizes,
        initial_standard_deviations=[0.5, 0.5],
        actor_learning_rates=[0.001] * 2,
        critic_learning_rates=[0.001] * 2,
        agent_parameters={"discount": 0.99, "gae_lambda": 0.97, "train_pi_iters": 1, "train_v_iters": 1},
        reward_scale=1.0,
        continual=None,
    )
    trainer = Trainer(world, embed("jsae", world, seeds, 3, 2), "vpg", seeds, settings)
    trainer.run_epoch()
    fresh = embed("jsae", world, [8, 9], 3, 2)  # of other seeds: it takes its parameters from the weights
    found = value_map(world, fresh, seeds, hidden_sizes, trainer.weights(), 2)
    centre = world.observe(torch.tensor([[[0.5125, 0.2125]]] * 2))
    expected = trainer.agent.critic(trainer.embedding.represent(centre)).detach()[:, 0, 0]
    torch.testing.assert_close(found.value[:, 20, 8], expected)
    again = value_map(world, fresh, seeds, hidden_sizes, trainer.weights(), 2)
    assert torch.equal(found.visits, again.visits)


def test_means_are_over_every_run_of_every_map() -> None:
    """Two runs with 1 and 3, one run with 5: mean 3. The bins come in order of x, then of y."""
    one = ValueMap(torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[3.0, 0.0], [0.0, 6.0]]]), torch.full((2, 2, 2), 0.25))
    other = ValueMap(torch.tensor([[[5.0, 0.0], [9.0, 0.0]]]), torch.full((1, 2, 2), 0.25))
    rows = mean_map([one, other])
    assert [(row.x_bin, row.y_bin, row.value) for row in rows] == [(0, 0, 3.0), (0, 1, 0.0), (1, 0, 3.0), (1, 1, 2.0)]
    assert {row.seeds for row in rows} == {3}
    assert sum(row.visits for row in rows) == 1
    assert mean_map([]) == []


def test_what_has_no_grid_has_no_map() -> None:
    world = probes.RewardOfAction()
    with pytest.raises(JsaeError, match="only gridworlds can be mapped"):
        value_map(world, embed("none", world, [0], 3, 2), [0], [], {}, 1)
