"""Gridworld: hand-computed motions, sub-steps, collisions, goal and bins; the random policy; independent episodes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jsae.config.errors import JsaeError
from jsae.environments.gridworld import Gridworld, motions, outcome
from jsae.experience.environment import build
from tests.made_worlds import GRIDWORLD, gridworld

# With four actuators the binary digits of an action are right, up, left, down; the longest motion is the diagonal.
RIGHT, UP, LEFT, DOWN = 0b1000, 0b0100, 0b0010, 0b0001
AXIS = 0.045 / math.sqrt(2)


def step_from(world: Gridworld, position: tuple[float, float], action: int) -> tuple[list[float], float, bool]:
    """One step of one episode from a position."""
    next_state, reward, terminated = world.step(torch.tensor([[position]]), torch.tensor([[action]]))
    return next_state[0, 0].tolist(), reward.item(), bool(terminated.item())


def test_motions_of_four_actuators():
    diagonal = 1 / math.sqrt(2)
    expected = {0: (0, 0), RIGHT: (diagonal, 0), UP | LEFT: (-diagonal, diagonal), RIGHT | LEFT: (0, 0), 15: (0, 0)}
    for action, motion in expected.items():
        np.testing.assert_allclose(motions(4)[action], motion, atol=1e-12)


@pytest.mark.parametrize(("actuators", "distinct"), [(4, 9), (9, 343), (11, 2047)])
def test_distinct_motions(actuators, distinct):
    assert len(np.unique(motions(actuators).round(9), axis=0)) == distinct


@pytest.mark.parametrize("actuators", range(1, 12))
def test_longest_motion_has_norm_one(actuators):
    assert np.linalg.norm(motions(actuators), axis=1).max() == pytest.approx(1)


@pytest.mark.parametrize(
    ("position", "action", "next_position", "reward", "terminated"),
    [
        pytest.param((0.3, 0.1), 0, (0.3, 0.1), -0.01, False, id="no actuator stands still"),
        pytest.param((0.3, 0.1), RIGHT | UP, (0.3 + 4 * AXIS, 0.1 + 4 * AXIS), -0.01, False, id="four free sub-steps"),
        pytest.param((0.05, 0.1), LEFT, (0.05 - AXIS, 0.1), -0.06, False, id="second sub-step leaves the box"),
        pytest.param((0.01, 0.01), LEFT | DOWN, (0.01, 0.01), -0.06, False, id="corner: one penalty, no sub-step"),
        pytest.param((0.99, 0.99), RIGHT, (0.99, 0.99), -0.06, False, id="right edge"),
        pytest.param((0.99, 0.99), LEFT | UP, (0.99, 0.99), -0.06, False, id="sliding along an edge is not possible"),
        pytest.param((0.3, 0.35), UP, (0.3, 0.35), -0.06, False, id="wall at once"),
        pytest.param((0.3, 0.3125), UP, (0.3, 0.3125 + AXIS), -0.06, False, id="wall in the second sub-step"),
        pytest.param((0.3, 0.37), UP, (0.3, 0.37 + 4 * AXIS), -0.01, False, id="jumps over a wall of 0.025"),
        pytest.param((0.15, 0.6), UP, (0.15, 0.6 + AXIS), 0.99, True, id="goal on the first sub-step"),
        pytest.param((0.05, 0.65), RIGHT, (0.05 + 3 * AXIS, 0.65), 0.99, True, id="goal on the third sub-step"),
        pytest.param((0.15, 0.76), DOWN, (0.15, 0.76 - 3 * AXIS), 0.99, True, id="stops in the goal"),
        pytest.param((0.1, 0.65), UP, (0.1, 0.65 + 4 * AXIS), -0.01, False, id="passes the goal"),
    ],
)
def test_step_by_hand(position, action, next_position, reward, terminated):
    found_position, found_reward, found_terminated = step_from(gridworld(), position, action)
    assert found_position == pytest.approx(next_position, abs=1e-6)
    assert found_reward == pytest.approx(reward)
    assert found_terminated is terminated


def test_thick_walls_cannot_be_jumped():
    world = gridworld(actuators=11, walls=[(0.0, 0.35, 1.0, 0.4)])
    state = torch.stack([torch.linspace(0.1, 0.9, 60), torch.linspace(0.2, 0.349, 60)], dim=-1).repeat(2048, 1, 1)
    next_state, _, _ = world.step(state, torch.arange(2048).unsqueeze(1).expand(-1, 60))
    assert next_state[..., 1].max() < 0.35


@pytest.mark.parametrize(
    ("position", "inside"),
    [((0.25, 0.25), True), ((0.5, 0.5), True), ((0.24999, 0.25), False), ((0.5, 0.50001), False), ((0.5, 0.25), True)],
)
def test_edges_belong_to_walls_and_goal(position, inside):
    square = (0.25, 0.25, 0.5, 0.5)
    walled = gridworld(walls=[square], goal=(0.9, 0.9, 0.95, 0.95))
    _, reward, _ = step_from(walled, position, 0)
    assert reward == pytest.approx(-0.06 if inside else -0.01)
    _, _, terminated = step_from(gridworld(walls=[], goal=square), position, 0)
    assert terminated is inside


def test_edges_of_the_box_are_inside():
    for corner in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)]:
        assert step_from(gridworld(), corner, 0)[1] == pytest.approx(-0.01)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((0, 0, 0, 0), (4, False, False)),
        ((1, 2, 2, 2), (0, True, False)),
        ((0, 0, 1, 2), (2, True, False)),
        ((0, 2, 1, 0), (2, False, True)),
        ((0, 0, 0, 2), (4, False, True)),
    ],
)
def test_first_wall_or_goal_decides(kinds, expected):
    assert outcome(kinds) == expected


@pytest.mark.parametrize(
    ("position", "bin_id"),
    [
        ((0.0, 0.0), 0),  # the first edge at or above 0 is 0 itself: clipped to the first bin
        ((0.3, 0.1), 11 * 40 + 3),  # an edge belongs to the bin below it
        ((0.3001, 0.1001), 12 * 40 + 4),
        ((0.0, 1.0), 39),
        ((1.0, 1.0), 1599),
        ((0.025, 0.0251), 1),
    ],
)
def test_bins(position, bin_id):
    world = gridworld(discrete=True)
    state = torch.tensor([[position]])
    assert world.observe(state).tolist() == [[[bin_id]]]
    assert world.target(state).tolist() == [[bin_id]]


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.integers(1, 50))
def test_a_position_lies_in_its_bin(x, y, bins):
    world = gridworld(discrete=True, bins=bins)
    bin_id = world.target(torch.tensor([[[x, y]]])).item()
    for coordinate, index in [(x, bin_id // bins), (y, bin_id % bins)]:
        low, high = np.float32(index) / np.float32(bins), np.float32(index + 1) / np.float32(bins)
        assert low < coordinate <= high or coordinate == index == 0


def test_continuous_version_observes_its_state():
    world = gridworld()
    state = world.reset(torch.empty(2, 3, 0))
    assert world.observe(state).shape == (2, 3, 2)
    assert world.observe(state).dtype == torch.float32
    torch.testing.assert_close(world.target(state), torch.tensor([0.3, 0.1]).expand(2, 3, 2))


def plain_step(world: Gridworld, position: np.ndarray, action: int) -> tuple[np.ndarray, float, bool]:
    """The specification of a step, word for word, for one episode."""

    def inside(rectangle, point):
        x_low, y_low, x_high, y_high = np.float32(rectangle)
        return x_low <= point[0] <= x_high and y_low <= point[1] <= y_high

    here = position
    for k in range(1, 5):
        displacement = (k * 0.045 * motions(world.actuators)[action]).astype(np.float32)
        there = position + displacement
        if not inside((0, 0, 1, 1), there) or any(inside(wall, there) for wall in world.walls):
            return here, -0.06, False
        here = there
        if inside(world.goal, here):
            return here, 0.99, True
    return here, -0.01, False


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.integers(0, 2047))
def test_step_equals_its_specification(x, y, action):
    world = WORLD_11
    next_position, reward, terminated = plain_step(world, np.float32([x, y]), action)
    found_position, found_reward, found_terminated = step_from(world, (x, y), action)
    assert found_position == next_position.tolist()
    assert (found_reward, found_terminated) == (pytest.approx(reward), terminated)


WORLD_11 = gridworld(actuators=11)


def test_episodes_are_independent():
    generator = torch.Generator().manual_seed(1)
    state = torch.rand(3, 4, 2, generator=generator)
    action = torch.randint(2048, (3, 4), generator=generator)
    together = WORLD_11.step(state, action)
    for run in range(3):
        for lane in range(4):
            alone = WORLD_11.step(state[run, lane][None, None], action[run, lane][None, None])
            for joint, single in zip(together, alone, strict=True):
                assert torch.equal(joint[run, lane], single[0, 0])


def test_a_step_changes_no_argument_and_repeats():
    state = torch.tensor([[[0.3, 0.1]]])
    action = torch.tensor([[77]])
    first, second = WORLD_11.step(state, action), WORLD_11.step(state, action)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(state, torch.tensor([[[0.3, 0.1]]]))


def test_mean_return_of_the_random_policy():
    """About -2.73 at 11 actuators; a standard deviation of 0.88 over 8,000 episodes is a standard error of 0.01."""
    generator = torch.Generator().manual_seed(0)
    state = WORLD_11.reset(torch.empty(1, 8000, 0))
    total, alive = torch.zeros(1, 8000), torch.ones(1, 8000, dtype=torch.bool)
    for _ in range(WORLD_11.episode_length):
        state, reward, terminated = WORLD_11.step(state, torch.randint(2048, (1, 8000), generator=generator))
        total += reward * alive
        alive &= ~terminated
    assert total.mean().item() == pytest.approx(-2.73, abs=0.05)
    assert (~alive).float().mean().item() == pytest.approx(0.11, abs=0.02)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"actuators": 0}, "actuators = 0: .* greater than or equal to 1"),
        ({"actuators": 15}, "actuators = 15: .* less than or equal to 14"),
        ({"bins": 1}, "bins = 1: "),
        ({"sub_steps": 0}, "sub_steps = 0: "),
        ({"goal_reward": math.inf}, "goal_reward = inf: "),
        ({"walls": [(0.5, 0.0, 0.4, 1.0)]}, r"walls\[0\] = .* is no rectangle"),
        ({"walls": [(0.5, 0.0, 0.5, 1.0)]}, r"walls\[0\] = .* with x0 < x1"),
        ({"walls": [(0.0, 0.0, 0.1, 0.1), (0.5, 0.0, 0.6)]}, r"walls\[1\] = \(0.5, 0.0, 0.6\): "),
        ({"goal": (0.5, 0.5, 0.6, 1.5)}, r"goal\[3\] = 1.5: "),
        ({"start": (0.3, 0.39)}, "start .* in a wall"),
        ({"start": (1.3, 0.39)}, r"start\[0\] = 1.3: "),
    ],
)
def test_bad_numbers_are_refused_with_a_sentence(changes, words):
    with pytest.raises(JsaeError, match=words):
        build("gridworld", GRIDWORLD | changes)


@pytest.mark.parametrize("discrete", [False, True])
def test_what_it_says_about_itself(discrete):
    world = gridworld(discrete=discrete)
    assert (world.one_hots, world.grid) == (int(discrete), 40)
    np.testing.assert_array_equal(world.action_effects(), motions(4))
    returns = world.reference_returns()
    assert returns.random < 0 < returns.optimal
