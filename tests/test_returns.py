"""Returns and advantages against their definitions."""

import pytest
import torch

from jsae.agents.returns import first_episode_returns, generalised_advantages, normalised, rewards_to_go


def one(*values: float) -> torch.Tensor:
    """A trajectory of one run and one episode, `[1, T, 1]`."""
    return torch.tensor(values, dtype=torch.float64)[None, :, None]


def test_rewards_to_go_by_hand() -> None:
    # γ = 1/2; the second step terminates, the third is cut and bootstrapped with V(s_T) = 8.
    terminated = torch.tensor([False, True, False])[None, :, None]
    found = rewards_to_go(one(1, 2, 3), torch.tensor([[8.0]], dtype=torch.float64), terminated, 0.5)
    assert found.flatten().tolist() == [2.0, 2.0, 7.0]


def test_a_self_loop_is_worth_r_over_one_minus_gamma() -> None:
    worth = torch.tensor([[1 / (1 - 0.9)]], dtype=torch.float64)
    found = rewards_to_go(one(*[1.0] * 30), worth, torch.zeros(1, 30, 1, dtype=torch.bool), 0.9)
    torch.testing.assert_close(found, torch.full_like(found, 10.0))


@pytest.mark.parametrize("gae_lambda", [0.0, 0.5, 0.97, 1.0])
def test_generalised_advantage_is_the_lambda_return_minus_the_value(gae_lambda: float) -> None:
    """Â_t = Σ_n (1−λ) λ^(n−1) G_t^(n) − V(s_t), the last term with all the remaining weight."""
    gamma, steps = 0.9, 6
    generator = torch.Generator().manual_seed(0)
    reward, value = (torch.randn(1, steps, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    last = torch.randn(1, 1, generator=generator, dtype=torch.float64)
    terminated = torch.zeros(1, steps, 1, dtype=torch.bool)
    terminated[0, 3] = True
    values = [*value.flatten().tolist(), float(last)]
    rewards = reward.flatten().tolist()
    expected = []
    for t in range(steps):
        end = 4 if t <= 3 else steps  # the episode's last step is 3; the second one is cut at 6
        n_step = []
        for n in range(1, end - t + 1):
            total = sum(gamma**k * rewards[t + k] for k in range(n))
            bootstrapped = 0.0 if t + n == 4 else gamma**n * values[t + n]
            n_step.append(total + bootstrapped)
        weights = [(1 - gae_lambda) * gae_lambda ** (n - 1) for n in range(1, len(n_step))]
        weights.append(1 - sum(weights))
        expected.append(sum(w * g for w, g in zip(weights, n_step, strict=True)) - values[t])
    found = generalised_advantages(reward, value, last, terminated, gamma, gae_lambda)
    assert found.flatten().tolist() == pytest.approx(expected)


def test_normalised_advantages_have_mean_0_and_deviation_1_for_each_member() -> None:
    advantage = torch.randn(3, 50, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 7 + 3
    found = normalised(advantage).flatten(1)
    torch.testing.assert_close(found.mean(1), torch.zeros(3, dtype=torch.float64), atol=1e-7, rtol=0)
    torch.testing.assert_close(found.std(1, correction=0), torch.ones(3, dtype=torch.float64), atol=1e-6, rtol=0)


def test_only_the_first_episode_of_each_trajectory_counts() -> None:
    reward = torch.tensor([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])[None]
    terminated = torch.tensor([[False, False], [True, False], [False, False]])[None]
    assert first_episode_returns(reward, terminated).tolist() == [[3.0, 70.0]]
