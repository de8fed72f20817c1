"""Measures of an embedding: perfect and random geometry, entropies known in closed form, losses of a known T."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from jsae.embeddings.base import embed
from jsae.environments.gridworld import Gridworld, motions
from jsae.environments.half_cheetah import HalfCheetah
from jsae.environments.slot_machine import SlotMachine
from jsae.experience.trajectories import Transitions
from jsae.nn.randomness import Streams
from jsae.training import probes as quality
from tests import made_shops, probes


def gridworld(**changes: object) -> Gridworld:
    """No walls, four actuators, bins of 0.1, a start in the corner of a bin; sub-steps of 0.05, one a step."""
    numbers = {"actuators": 4, "discrete": True, "bins": 10, "walls": [], "goal": [0.9, 0.9, 1.0, 1.0]}
    numbers |= {"start": [0.55, 0.55], "sub_steps": 1, "sub_step_length": 0.05, "step_reward": 0.0}
    numbers |= {"collision_reward": 0.0, "goal_reward": 1.0, "episode_length": 5}
    return Gridworld(**{**numbers, **changes})


def test_distances_that_agree_correlate_fully_and_noise_does_not() -> None:
    """A rotated, scaled and shifted copy has the same order of distances; a shuffled one has none."""
    moved = motions(7)
    turned = 0.3 * moved @ np.array([[0.6, -0.8], [0.8, 0.6]]) + 0.1
    pairs = quality.pairs_of(len(moved), 10**6)
    assert quality.rank_correlation(turned, moved, pairs) == pytest.approx(1, abs=1e-3)
    shuffled = np.random.default_rng(0).permutation(moved)
    assert abs(quality.rank_correlation(shuffled, moved, pairs)) < 0.1


def test_rank_correlation_by_hand() -> None:
    """Points 0, 1, 3 have distances 1, 3, 2 over pairs 01, 02, 12; points 0, 3, 1 have 3, 1, 2: ρ = 1 − 6·8/24 = −1."""
    one, other = np.array([[0.0], [1.0], [3.0]]), np.array([[0.0], [3.0], [1.0]])
    assert quality.rank_correlation(one, other, quality.pairs_of(3, 100)) == pytest.approx(-1)


def test_pairs_are_all_or_a_fixed_choice_without_repetition() -> None:
    assert [tuple(pair) for pair in np.stack(quality.pairs_of(3, 3), 1)] == [(0, 1), (0, 2), (1, 2)]
    first, second = quality.pairs_of(100, 500)
    again = quality.pairs_of(100, 500)
    assert len(set(zip(first, second, strict=True))) == 500
    assert (first < second).all()
    assert (first == again[0]).all()


def test_entropy_of_the_next_bin_in_closed_form() -> None:
    """From anywhere in a bin: half a bin to the right leads to two bins by halves, half a bin up and right to four."""
    right, up = 0b1000, 0b0100
    environment = gridworld(sub_step_length=0.05 / np.linalg.norm(motions(4)[right]))
    uniform = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0))
    positions = 0.5 + 0.1 * uniform.clamp(0.001, 0.999)
    ids = torch.full((1, 3, 1), int(environment.observe(positions[None])[0, 0, 0]))
    data = Transitions(ids, torch.tensor([[0, right, right | up]]), ids, ids[..., 0])
    rows, entropy = quality.next_bin_entropy(environment, positions, data, 500, Streams([0], "test"))
    assert rows.tolist() == [0, 1, 2]
    torch.testing.assert_close(entropy, torch.tensor([0.0, math.log(2), 2 * math.log(2)]), atol=0.02, rtol=0)


def test_bins_that_were_hardly_visited_are_left_out() -> None:
    environment = gridworld()
    positions = torch.tensor([[0.55, 0.55]] * quality.ENOUGH_VISITS + [[0.15, 0.15]])
    ids = environment.observe(positions[None, -2:])
    data = Transitions(ids, torch.zeros(1, 2, dtype=torch.int64), ids, ids[..., 0])
    rows, entropy = quality.next_bin_entropy(environment, positions, data, 50, Streams([0], "test"))
    assert rows.tolist() == [0]
    assert entropy.tolist() == [0]


def test_entropy_of_the_next_item_is_that_of_the_boosted_distribution(tmp_path: Path) -> None:
    shop = made_shops.make(made_shops.SHOP, bonus=0.05)
    states = made_shops.all_states(shop)
    expected = torch.distributions.Categorical(made_shops.boosted(shop, states, 2)).entropy().mean()
    action = torch.full(states.shape[:2], 2)
    assert quality.next_item_entropy(shop, states, action) == pytest.approx(float(expected))


def test_entropy_of_classes_is_not_too_low_in_a_small_sample() -> None:
    """The plain estimate of 100 classes from 400 draws lies 0.13 nats too low."""
    draws = torch.randint(100, (500, 400), generator=torch.manual_seed(0))
    found = [quality.marginal_entropy(row) for row in draws]
    assert sum(found) / len(found) == pytest.approx(math.log(100), abs=0.02)
    assert quality.marginal_entropy(torch.tensor([3, 3, 3])) == 0.0


def test_held_out_facts_of_each_kind_of_environment() -> None:
    slot_machine = SlotMachine([[0, 1, 2]] * 3, moves=4, fraction=0.25, minimum_count=2, episode_length=5)
    held = quality.held_out(slot_machine, 100, 1_000, 10)
    assert (held.least_loss, held.unit) == (0.0, "nats")
    assert 0.9 * math.log(27) < held.chance_loss < 1.1 * math.log(27)
    held = quality.held_out(HalfCheetah(episode_length=5), 20, 1_000, 10)
    assert held.data.observation.shape == (1, 20, 17)
    assert held.chance_loss == pytest.approx(float(held.data.target.var(1, correction=0).mean()), rel=1e-5)
    assert (held.least_loss, held.unit) == (0.0, "squared error")
    held = quality.held_out(gridworld(), 100, 2_000, 20)
    assert 0 < held.least_loss < math.log(4)


def test_losses_of_a_model_that_knows_nothing() -> None:
    """Parameters 0: ln 5 nats for one of five states; squared error of a guess of 0 for vectors."""
    environment = probes.RewardOfAction()
    held = quality.held_out(environment, 700, 10, 10)
    embedding = embed("jsae", environment, [0, 1], 3, 2)
    for parameter in embedding.parameters.values():
        parameter.detach().zero_()
    found = quality.model_losses(embedding, held)
    torch.testing.assert_close(found.model, torch.full((2,), math.log(5)))
    torch.testing.assert_close(found.action_gain, torch.zeros(2))
    assert found.action_map.isnan().all()
    cheetah = HalfCheetah(episode_length=5)
    held = quality.held_out(cheetah, 20, 10, 10)
    embedding = embed("jsae", cheetah, [0, 1], 3, 2)
    for parameter in embedding.parameters.values():
        parameter.detach().zero_()
    model, _, action_map = quality.model_losses(embedding, held)
    torch.testing.assert_close(model, held.data.target.square().mean().expand(2))
    torch.testing.assert_close(action_map, held.data.action.square().mean().expand(2))


def test_the_spread_of_actions_is_their_standard_deviation_where_the_policy_acts() -> None:
    environment = probes.RewardOfAction()
    held = quality.held_out(environment, 50, 10, 10)
    for name in ("jsae", "ra"):
        embedding = embed(name, environment, [0, 1], 3, 2)
        table = embedding.action_table()
        assert table is not None
        expected = ((table - table.mean(1, keepdim=True)) ** 2).mean((1, 2)).sqrt()
        torch.testing.assert_close(quality.spread(embedding, held), expected)
    assert quality.spread(embed("state_only", environment, [0, 1], 3, 2), held).isnan().all()
    cheetah = HalfCheetah(episode_length=5)
    held = quality.held_out(cheetah, 20, 10, 10)
    embedding = embed("jsae", cheetah, [0, 1], 3, 2)
    embedding.parameters["g"].detach().zero_()
    embedding.parameters["g"].detach()[:, 0, 1] = 1e-3  # where tanh is the identity: a standard deviation of the torque
    torque = held.data.action[0, :, 0].double()
    half = 1e-3 * float((torque - torque.mean()).square().mean() / 2) ** 0.5
    assert quality.spread(embedding, held).tolist() == pytest.approx([half, half], rel=1e-4)
    assert quality.spread(embed("state_only", cheetah, [0], 3, 2), held).isnan().all()


@pytest.mark.parametrize("name", ["ra", "separate"])
def test_what_has_no_transition_model_has_no_loss(name: str) -> None:
    environment = probes.RewardOfAction()
    held = quality.held_out(environment, 50, 10, 10)
    for losses in quality.model_losses(embed(name, environment, [0, 1], 3, 2), held):
        assert losses.isnan().all()


def test_the_gain_of_actions_is_what_anothers_action_costs() -> None:
    """Logit k of the state that an action leads to and 0 of the others: a wrong action loses k nats."""
    environment, k = probes.RewardOfAction(), 2.5
    held = quality.held_out(environment, 400, 10, 10)
    embedding = embed("jsae", environment, [0], 3, 4)
    for parameter in embedding.parameters.values():
        parameter.detach().zero_()
    embedding.parameters["g"].detach()[0] = 9.0 * torch.eye(4)  # tanh 9 is 1 to single precision
    embedding.parameters["transition"].detach()[0, 3:7, 1:] = k * torch.eye(4)
    found = quality.model_losses(embedding, held)
    torch.testing.assert_close(found.model, torch.tensor([math.log(math.exp(k) + 4) - k]))
    wrong = (held.data.action != held.data.action.roll(1, dims=1)).float().mean()
    assert 0.6 < wrong < 0.9
    torch.testing.assert_close(found.action_gain, k * wrong[None])


def test_a_row_of_measures_for_each_run() -> None:
    """g has the motions themselves for one run (ρ = 1 up to tanh's bend), and those of other actions for the other."""
    environment = gridworld()
    held = quality.held_out(environment, 50, 2_000, 10)
    embedding = embed("jsae", environment, [3, 4], 3, 2)
    effects = torch.from_numpy(environment.action_effects()).float()
    embedding.parameters["g"].detach()[0] = 0.01 * effects
    embedding.parameters["g"].detach()[1] = 0.01 * effects[torch.randperm(16, generator=torch.manual_seed(0))]
    rows = quality.probe(environment, embedding, [3, 4], held, 10**6)
    losses, spread = quality.model_losses(embedding, held), quality.spread(embedding, held)
    for run, row in enumerate(rows):
        assert row.seed == [3, 4][run]
        assert (row.least_loss, row.chance_loss, row.unit) == (held.least_loss, held.chance_loss, "nats")
        assert row.loss == float(losses.model[run])
        assert row.action_gain == float(losses.action_gain[run])
        assert row.spread == float(spread[run])
        assert math.isnan(row.action_error)
    assert rows[0].rank_correlation > 0.999
    assert rows[1].rank_correlation < 0.5
    assert math.isnan(quality.probe(environment, embed("separate", environment, [3], 3, 2), [3], held, 99)[0].loss)


def test_where_actions_are_no_motions_there_is_no_correlation() -> None:
    environment = probes.RewardOfAction()
    held = quality.held_out(environment, 50, 10, 10)
    [row] = quality.probe(environment, embed("jsae", environment, [0], 3, 2), [0], held, 10)
    assert math.isnan(row.rank_correlation)
    assert math.isfinite(row.loss)
    assert quality.action_vectors(environment, embed("jsae", environment, [0], 3, 2), 0) == []


def test_action_vectors_stand_beside_what_the_actions_do() -> None:
    """Actuators at 0, 90, 180 and 270 degrees: action 0b0100 fires the second alone, up."""
    environment = gridworld()
    embedding = embed("jsae", environment, [3, 4], 3, 2)
    vectors = quality.action_vectors(environment, embedding, 1)
    assert [vector.action for vector in vectors] == list(range(16))
    table = embedding.action_table()[1].tolist()
    assert [[vector.e1, vector.e2] for vector in vectors] == table
    assert vectors[0b0100].direction == pytest.approx(math.pi / 2)
    assert vectors[0b0100].length == pytest.approx(1 / math.sqrt(2))
    assert vectors[0b1100].length == pytest.approx(1)
    assert vectors[0].length == 0
    assert quality.action_vectors(environment, embed("state_only", environment, [3], 3, 2), 0) == []
