"""Bounds: closed form against brute force, plans that can be played, and steps that geometry demands."""

import itertools
import math

import numpy as np
import pytest
import torch

from jsae.config.errors import JsaeError
from jsae.environments import reference_returns as exact
from tests.made_worlds import gridworld, slot_machine


def test_slot_machine_of_the_paper():
    bounds = exact.slot_machine(slot_machine())
    assert bounds.optimal == 480  # 6 6 6 6 is one step from the start and can be held
    assert bounds.random == pytest.approx(13.3323, abs=1e-4)
    assert bounds.error == 0


def test_slot_machine_random_equals_backward_induction_over_all_actions():
    machine = slot_machine(episode_length=5)
    state, action = torch.arange(1296).view(-1, 1, 1).expand(-1, 4096, 1), torch.arange(4096).expand(1296, -1)
    next_state, reward, _ = machine.step(state, action)
    value = torch.zeros(1296, dtype=torch.float64)
    for _ in range(5):
        value = (reward + value[next_state.squeeze(-1)]).mean(1)
    assert exact.slot_machine_random(machine) == pytest.approx(value[0].item(), rel=1e-12)


def test_small_slot_machine_equals_every_plan():
    machine = slot_machine(reels=[[0, 2, 1], [1, 2, 0]], moves=3, fraction=0.17, minimum_count=2, episode_length=3)
    returns = []
    for plan in itertools.product(range(9), repeat=3):
        state, total = machine.reset(torch.empty(1, 1, 0)), 0.0
        for action in plan:
            state, reward, _ = machine.step(state, torch.tensor([[action]]))
            total += reward.item()
        returns.append(total)
    assert exact.slot_machine_optimal(machine) == max(returns)
    assert exact.slot_machine_random(machine) == pytest.approx(np.mean(returns))


@pytest.mark.parametrize("actuators", [9, 11])
def test_gridworld_of_the_paper_is_solved_in_four_steps(actuators):
    world = gridworld(actuators=actuators)
    assert exact.gridworld_optimal(world) == pytest.approx((0.96, 0.96))


def test_plan_ends_in_the_goal():
    world = gridworld(walls=[(0.0, 0.375, 0.5, 0.425), (0.5, 0.375, 0.55, 0.75)])  # too thick to jump
    plan = exact.gridworld_plan(world)
    assert plan is not None
    assert exact.plan_return(world, plan) == pytest.approx(1 - 0.01 * len(plan))
    assert exact.plan_return(world, plan[:-1]) == pytest.approx(-0.01 * (len(plan) - 1))
    assert exact.fewest_steps(world, np.array([world.start]))[0] <= len(plan)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_straight_line_needs_its_length_over_the_reach(steps):
    reach = 0.18 / math.sqrt(2)  # of four actuators along an axis
    x = 0.1 + (steps - 0.1) * reach
    world = gridworld(walls=[], start=(0.1, 0.5), goal=(x, 0.45, x + 0.02, 0.55))
    assert exact.fewest_steps(world, np.array([world.start]))[0] == steps
    assert exact.gridworld_optimal(world) == pytest.approx((1 - 0.01 * steps, 1 - 0.01 * steps))


def test_walled_off_goal_leaves_standing_still():
    world = gridworld(walls=[(0.0, 0.4, 1.0, 0.6)], goal=(0.4, 0.9, 0.5, 1.0))
    assert exact.gridworld_plan(world, resolution=20) is None
    low, high = exact.gridworld_optimal(world, resolution=20)
    assert low == pytest.approx(-1.5)
    assert high > low


def test_a_collision_is_taken_where_it_pays():
    """Steps along x are four sub-steps long; only one that a wall cuts to three gets into the goal's corridor."""
    axis = 0.045 / math.sqrt(2)
    corridor = 0.1 + 3 * axis
    world = gridworld(
        walls=[(corridor + 0.01, 0.0, 1.0, 1.0), (0.15, 0.45, 0.18, 0.65)],
        start=(0.1, 0.1),
        goal=(corridor - 0.005, 0.55, corridor + 0.005, 0.6),
    )
    plan = exact.gridworld_plan(world)
    assert plan is not None
    assert exact.plan_return(world, plan) == pytest.approx(1 - 4 * 0.01 - 0.05)


def test_random_gridworld_of_one_step_equals_the_mean_over_actions():
    world = gridworld(actuators=11, start=(0.1, 0.65), episode_length=1)
    action = torch.arange(2048).unsqueeze(0)
    _, reward, _ = world.step(world.reset(torch.empty(1, 2048, 0)), action)
    mean, half_width = exact.random_return(world, episodes=20_000)
    assert mean == pytest.approx(reward.double().mean().item(), abs=2 * half_width)
    assert half_width == pytest.approx(1.96 * reward.double().std().item() / math.sqrt(20_000), rel=0.1)


def test_error_covers_both_bounds():
    world = gridworld()
    bounds = exact.gridworld(world, episodes=2000)
    _, half_width = exact.random_return(world, episodes=2000)
    low, high = exact.gridworld_optimal(world)
    assert bounds.optimal == low
    assert bounds.error == max(half_width, high - low)


def test_search_refuses_rewards_for_walking():
    with pytest.raises(JsaeError, match="step_reward"):
        exact.gridworld_plan(gridworld(step_reward=0.0))
