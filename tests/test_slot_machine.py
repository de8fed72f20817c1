"""Slot machine: hand-computed spins and rewards, distinct effects, independent episodes."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from jsae.config.errors import JsaeError
from jsae.environments.slot_machine import advances, rewards
from jsae.experience.environment import build
from tests.made_worlds import REELS, SLOT_MACHINE, slot_machine

MACHINE = slot_machine()


def number(digits, base):
    """A number from its digits, most significant first."""
    return sum(digit * base**k for k, digit in enumerate(reversed(digits)))


def spin(places, moves):
    """Places and reward after one step from places with a move for each reel."""
    state, action = torch.tensor([[[number(places, 6)]]]), torch.tensor([[number(moves, 8)]])
    next_state, reward, terminated = MACHINE.step(state, action)
    assert not terminated.item()
    return tuple(next_state.item() // 6**k % 6 for k in (3, 2, 1, 0)), reward.item()


def test_sizes():
    assert (MACHINE.n_actions, MACHINE.observation_size, MACHINE.n_targets) == (4096, 1296, 1296)


def test_advances_of_eight_tenths_of_a_turn_on_six_values():
    assert advances(8, 0.1, 6).tolist() == [0, 0, 1, 1, 2, 3, 3, 4]
    assert advances(11, 0.1, 10).tolist() == list(range(11))


@pytest.mark.parametrize(
    ("places", "moves", "next_places", "reward"),
    [
        pytest.param((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), 0, id="shows 2 3 1 5"),
        pytest.param((0, 0, 0, 0), (0, 1, 0, 1), (0, 0, 0, 0), 0, id="a tenth of a turn advances nothing"),
        pytest.param((0, 0, 0, 0), (4, 4, 2, 7), (2, 2, 1, 4), 24, id="shows 6 6 6 6, one step from the start"),
        pytest.param((5, 5, 5, 5), (7, 7, 7, 7), (3, 3, 3, 3), 0, id="turns past the last place: 7 2 3 2"),
        pytest.param((3, 5, 5, 0), (0, 1, 0, 0), (3, 5, 5, 0), 21, id="holds 7 7 7 5"),
        pytest.param((2, 2, 1, 1), (0, 0, 0, 3), (2, 2, 1, 2), 18, id="shows 6 6 6 4"),
        pytest.param((2, 2, 0, 0), (0, 0, 0, 0), (2, 2, 0, 0), 0, id="a pair pays nothing: 6 6 1 5"),
    ],
)
def test_step_by_hand(places, moves, next_places, reward):
    assert spin(places, moves) == (next_places, reward)


def test_reward_of_every_combination():
    table = rewards(REELS, 3)
    for places in itertools.product(range(6), repeat=4):
        shown = [reel[place] for reel, place in zip(REELS, places, strict=True)]
        assert table[number(places, 6)] == sum(value for value in shown if shown.count(value) >= 3)
    assert np.count_nonzero(table) == 66
    assert table.max() == 24


def test_625_of_4096_actions_are_distinct_from_any_state():
    action = torch.arange(4096).unsqueeze(0)
    for state in (0, 777, 1295):
        next_state, _, _ = MACHINE.step(torch.full((1, 4096, 1), state), action)
        assert next_state.unique().numel() == 625


@given(st.tuples(*[st.integers(0, 5)] * 4), st.tuples(*[st.integers(0, 7)] * 4))
def test_each_reel_turns_by_itself(places, moves):
    next_places, _ = spin(places, moves)
    turn = [0, 0, 1, 1, 2, 3, 3, 4]
    assert next_places == tuple((place + turn[move]) % 6 for place, move in zip(places, moves, strict=True))


def test_start_and_observation():
    state = MACHINE.reset(torch.empty(2, 3, 0))
    assert torch.equal(state, torch.zeros(2, 3, 1, dtype=torch.int64))
    later, _, _ = MACHINE.step(state, torch.full((2, 3), 4095))
    assert torch.equal(MACHINE.observe(later), later)
    assert MACHINE.target(later).tolist() == [[number((4, 4, 4, 4), 6)] * 3] * 2


def test_episodes_are_independent():
    generator = torch.Generator().manual_seed(0)
    state = torch.randint(1296, (3, 4, 1), generator=generator)
    action = torch.randint(4096, (3, 4), generator=generator)
    together = MACHINE.step(state, action)
    for run in range(3):
        for lane in range(4):
            alone = MACHINE.step(state[run, lane][None, None], action[run, lane][None, None])
            for joint, single in zip(together, alone, strict=True):
                assert torch.equal(joint[run, lane], single[0, 0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reels": []}, r"reels = \[\]: "),
        ({"reels": [[1, 2], [1]]}, r"reels have \[2, 1\] values"),
        ({"reels": [[1, -2], [1, 2]]}, r"reels\[0\]\[1\] = -2: "),
        ({"moves": 0}, "moves = 0: "),
        ({"fraction": 0.0}, "fraction = 0.0: "),
        ({"moves": 12}, "moves = 12 by fraction = 0.1 end at 1.1 turns, more than one; lower either"),
        ({"minimum_count": 5}, "minimum_count = 5 is more than the 4 reels.*give at most 4"),
    ],
)
def test_bad_numbers_are_refused_with_a_sentence(changes, words):
    with pytest.raises(JsaeError, match=words):
        build("slot_machine", SLOT_MACHINE | changes)


def test_what_it_says_about_itself():
    assert (MACHINE.one_hots, MACHINE.grid, MACHINE.action_effects()) == (1, None, None)
    assert MACHINE.reference_returns().optimal == 480
