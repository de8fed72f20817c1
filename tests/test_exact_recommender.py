"""Exact returns of small shops against a linear solve, exhaustive search and closed forms."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from jsae.environments import reference_returns as exact
from jsae.environments.recommender import Recommender
from jsae.purchases import ngram
from tests.made_shops import PRICES, SHOP, all_states, boosted, make, uniforms


def transition_matrices(shop: Recommender) -> tuple[Tensor, Tensor]:
    """P(s' | s, a) as [A, S, S] and the expected price as [A, S], written out from the specification."""
    states = all_states(shop)
    size = states.shape[1]
    number = {tuple(state): index for index, state in enumerate(states[0].tolist())}
    matrices = torch.zeros(shop.n_items, size, size, dtype=torch.float64)
    rewards = torch.zeros(shop.n_items, size, dtype=torch.float64)
    for action in range(shop.n_items):
        p = boosted(shop, states, action)[0]
        for index, state in enumerate(states[0].tolist()):
            for item in range(shop.n_items):
                matrices[action, index, number[(*state[1:], item)]] += p[index, item]
        rewards[action] = p @ shop.prices.double()
    return matrices, rewards


@pytest.mark.parametrize(("n", "window", "bonus"), [(1, 0, 0.0), (2, 0, 0.0), (2, 2, 0.05), (3, 1, 0.0)])
def test_random_return_is_a_linear_solve(n: int, window: int, bonus: float) -> None:
    """v_t = r + P v_{t+1} under the uniform policy, all twenty steps as one system."""
    shop = make(SHOP, n=n, window=window, bonus=bonus)
    matrices, rewards = transition_matrices(shop)
    p, r = matrices.mean(0), rewards.mean(0)
    system = torch.eye(20 * len(r), dtype=torch.float64)
    for t in range(19):
        system[t * len(r) : (t + 1) * len(r), (t + 1) * len(r) : (t + 2) * len(r)] = -p
    value = torch.linalg.solve(system, r.repeat(20))[: len(r)]
    assert exact.recommender(shop).random == pytest.approx(value.mean().item(), rel=1e-12)


def search(matrices: Tensor, rewards: Tensor, steps: int) -> Tensor:
    """Best expected return of `steps` steps from each state, by trying every action at every history: [S]."""
    if not steps:
        return torch.zeros(rewards.shape[1], dtype=torch.float64)
    after = search(matrices, rewards, steps - 1)
    return torch.stack([r + p @ after for p, r in zip(matrices, rewards, strict=True)]).amax(0)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 4), min_size=2, max_size=7), min_size=1, max_size=4),
    st.integers(1, 2),
    st.integers(0, 2),
    st.floats(1, 6),
    st.sampled_from([0.0, 0.05]),
    st.booleans(),
)
def test_optimal_return_is_that_of_exhaustive_search(
    sequences: list[list[int]],
    n: int,
    window: int,
    boost: float,
    bonus: float,
    similarity: bool,
) -> None:
    shop = make(sequences, n=n, window=window, boost=boost, bonus=bonus, similarity=similarity)
    shop.episode_length = 4
    bounds = exact.recommender(shop)
    assert bounds.optimal == pytest.approx(search(*transition_matrices(shop), 4).mean().item(), rel=1e-6)
    assert bounds.optimal >= bounds.random - 1e-9


@pytest.mark.parametrize(("bonus", "similarity"), [(0.0, False), (0.01, False), (0.0, True)])
def test_a_shop_of_many_items_against_all_actions_at_all_histories(bonus: float, similarity: bool) -> None:
    """Ten items, most pairs never seen: dynamic programming over full matrices, twenty steps."""
    draw = np.random.default_rng(1)
    users, items = np.repeat(np.arange(12), 6), draw.zipf(1.5, 72) % 10
    table = pl.DataFrame({"user": users, "item": items, "price": 1 + items * 7.0 % 10})
    model = ngram.tensors(ngram.build(table, n=2, window=1, similarity=similarity))
    shop = Recommender(model, boost=3.0, bonus=bonus, start="uniform", episode_length=20)
    matrices, rewards = transition_matrices(shop)
    random = optimal = torch.zeros(rewards.shape[1], dtype=torch.float64)
    for _ in range(20):
        random = (rewards + matrices @ random).mean(0)
        optimal = (rewards + matrices @ optimal).amax(0)
    expected = (random.mean().item(), optimal.mean().item(), 0.0)
    assert exact.recommender(shop) == pytest.approx(expected, rel=1e-12)


def test_a_shop_in_closed_form() -> None:
    """After any item come 1 ($10) and 2 ($20), 1/2 each: $15 a step at random; always recommending 2 sells it 3/4.

    A random recommendation sells 1 with 3/4 or 2 with 3/4: 15 on average. Best: 20 · (3/4 · 20 + 1/4 · 10) = 350.
    """
    shop = make([[1, 1, 2], [2, 1], [2, 2], [1]], n=1)
    bounds = exact.recommender(shop)
    assert bounds.random == pytest.approx(20 * 15)
    assert bounds.optimal == pytest.approx(20 * 17.5)


def test_without_influence_all_policies_are_worth_the_same() -> None:
    bounds = exact.recommender(make(SHOP, boost=1.0))
    assert bounds.random == pytest.approx(bounds.optimal)


def test_the_start_distribution_weighs_the_histories() -> None:
    """Episodes of one step: the return is the mean price of the next item over the start's distribution."""
    for start in ("uniform", "popularity"):
        shop = make(SHOP, boost=1.0, start=start)
        shop.episode_length = 1
        first = shop.start_probabilities()
        p = shop.probabilities(all_states(shop)).view(4, 4, 4)
        expected = torch.einsum("i,j,ijx,x", first, first, p, shop.prices.double())
        assert exact.recommender(shop).random == pytest.approx(expected.item())


def simulated(shop: Recommender, policy: Callable[[Tensor], Tensor], lanes: int) -> float:
    state, total = shop.reset(uniforms(1, lanes, shop.n)), torch.zeros(1, lanes)
    for step in range(shop.episode_length):
        state, reward, _ = shop.step(state, policy(state), uniforms(1, lanes, 3, seed=step + 1))
        total += reward
    return total.mean().item()


def test_simulation_agrees_with_the_random_bound() -> None:
    """20,000 episodes: five standard errors, if a price varies by no more than the dearest one."""
    shop = make(SHOP, window=1)
    generator = torch.Generator().manual_seed(5)
    mean = simulated(shop, lambda state: torch.randint(0, 4, state.shape[:2], generator=generator), 20_000)
    assert mean == pytest.approx(exact.recommender(shop).random, abs=5 * max(PRICES.values()) * (20 / 20_000) ** 0.5)
