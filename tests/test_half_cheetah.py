"""Half-Cheetah: bit by bit Gymnasium's, clipped actions, reset noise, independent episodes."""

import math

import gymnasium
import numpy as np
import pytest
import torch

from jsae.environments.half_cheetah import HalfCheetah
from jsae.nn import compiled

CHEETAH = HalfCheetah(episode_length=250)


@pytest.fixture
def reference(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo logs a deprecation in the model's file to the working directory
    environment = gymnasium.make("HalfCheetah-v5").unwrapped
    yield environment
    environment.close()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def start(shape, generator):
    return CHEETAH.reset(torch.rand(*shape, 18, dtype=torch.float64, generator=generator))


@pytest.mark.parametrize("plain", [False, True])
def test_whole_episodes_equal_gymnasium_bit_by_bit(plain, reference, generator, monkeypatch):
    """MuJoCo called by compiled code, and a state at a time from Python."""
    if plain:
        monkeypatch.setattr(compiled, "library", lambda source: None)
    state = start((1, 2), generator)
    actions = 3 * torch.rand(250, 1, 2, 6, dtype=torch.float64, generator=generator) - 1.5
    ours = []
    lane_state = state
    for action in actions:
        lane_state, reward, terminated = CHEETAH.step(lane_state, action)
        assert not terminated.any()
        ours.append((lane_state, CHEETAH.observe(lane_state), reward))
    for lane in range(2):
        reference.reset(seed=0)
        reference.set_state(state[0, lane, :9].numpy(), state[0, lane, 9:18].numpy())
        for action, (next_state, observation, reward) in zip(actions, ours, strict=True):
            expected = reference.step(action[0, lane].clamp(-1, 1).numpy())
            positions_velocities = np.concatenate([reference.data.qpos, reference.data.qvel])
            np.testing.assert_array_equal(next_state[0, lane, :18].numpy(), positions_velocities)
            np.testing.assert_array_equal(observation[0, lane].numpy(), expected[0].astype(np.float32))
            assert reward[0, lane].item() == pytest.approx(expected[1], rel=1e-6, abs=1e-6)


def test_rewards_of_standing_still_are_the_control_cost(generator):
    state = start((1, 1), generator)
    zero, full = torch.zeros(1, 1, 6), torch.full((1, 1, 6), -7.0)
    next_state, reward, _ = CHEETAH.step(state, zero)
    assert reward.item() == pytest.approx((next_state[0, 0, 0] - state[0, 0, 0]).item() / 0.05, rel=1e-5)
    next_state, reward, _ = CHEETAH.step(state, full)
    assert reward.item() == pytest.approx((next_state[0, 0, 0] - state[0, 0, 0]).item() / 0.05 - 0.6, rel=1e-5)


def test_reset_noise_from_given_uniforms():
    uniforms = torch.full((1, 3, 18), 0.5, dtype=torch.float64)
    uniforms[0, 1] = 0.75
    uniforms[0, 2] = 0.0
    state = CHEETAH.reset(uniforms)
    torch.testing.assert_close(state[0, 0], torch.zeros(27, dtype=torch.float64))
    torch.testing.assert_close(state[0, 1, :9], torch.full((9,), 0.05, dtype=torch.float64))
    torch.testing.assert_close(state[0, 1, 9:18], torch.full((9,), 0.0674489750196, dtype=torch.float64))
    assert state[0, 2].isfinite().all()


def test_reset_noise_has_gymnasiums_moments(generator):
    state = start((1, 20_000), generator)[0]
    torch.testing.assert_close(state[:, :9].std(0), torch.full((9,), 0.1 / math.sqrt(3)).double(), rtol=0.02, atol=0)
    torch.testing.assert_close(state[:, 9:18].std(0), torch.full((9,), 0.1).double(), rtol=0.02, atol=0)
    torch.testing.assert_close(state[:, 18:], torch.zeros(20_000, 9).double())


def test_episodes_are_independent(generator):
    state = start((2, 3), generator)
    action = torch.rand(5, 2, 3, 6, generator=generator) * 2 - 1
    together = state
    for k in range(5):
        together, reward, _ = CHEETAH.step(together, action[k])
    alone = state[1, 2][None, None]
    for k in range(5):
        alone, single_reward, _ = CHEETAH.step(alone, action[k, 1, 2][None, None])
    assert torch.equal(together[1, 2], alone[0, 0])
    assert reward[1, 2] == single_reward[0, 0]


def test_a_step_changes_no_argument(generator):
    state = start((1, 2), generator)
    kept = state.clone()
    first = CHEETAH.step(state, torch.ones(1, 2, 6))
    second = CHEETAH.step(state, torch.ones(1, 2, 6))
    assert torch.equal(state, kept)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_loading_the_model_writes_no_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    HalfCheetah(episode_length=1)
    assert list(tmp_path.iterdir()) == []
