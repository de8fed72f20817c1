"""The recommender environment against its specification, closed forms and its own probabilities."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jsae.config.errors import JsaeError
from jsae.environments.recommender import Start
from jsae.experience.environment import build
from jsae.purchases import ngram
from tests.made_shops import PRICES, SHOP, all_states, boosted, counted, make, uniforms


def test_shapes_and_types() -> None:
    shop = make(SHOP)
    state = shop.reset(uniforms(3, 7, shop.reset_noise))
    assert (state.shape, state.dtype) == ((3, 7, 2), torch.int64)
    state, reward, terminated = shop.step(state, torch.ones(3, 7, dtype=torch.int64), uniforms(3, 7, shop.step_noise))
    assert (state.shape, state.dtype) == ((3, 7, 2), torch.int64)
    assert (reward.shape, reward.dtype) == ((3, 7), torch.float32)
    assert (terminated.shape, terminated.dtype) == ((3, 7), torch.bool)
    assert not terminated.any()
    assert (shop.observation_size, shop.n_actions, shop.n_targets, shop.action_size) == (8, 4, 4, 0)


def test_observation_is_two_hot_and_target_is_the_newest_item() -> None:
    shop = make(SHOP)
    state = torch.tensor([[[3, 1]]])
    assert shop.observe(state).tolist() == [[[3, 4 + 1]]]
    assert shop.target(state).tolist() == [[1]]


def test_reward_is_the_price_of_the_item_that_enters_the_state() -> None:
    shop = make(SHOP)
    state = shop.reset(uniforms(1, 500, 2))
    after, reward, _ = shop.step(state, torch.zeros(1, 500, dtype=torch.int64), uniforms(1, 500, 3, seed=1))
    assert (after[..., 0] == state[..., 1]).all()
    assert reward.tolist() == [[PRICES[item + 1] for item in after[0, :, 1].tolist()]]


def test_mixture_is_the_mean_of_the_orders() -> None:
    """1 2 3 and 2 1: after 2 come 3 and 1 (1/2 each); after (1, 2) comes 3. So P(.|1, 2) = (1/4, 0, 3/4)."""
    shop = make([[1, 2, 3], [2, 1]])
    assert shop.probabilities(torch.tensor([[[0, 1]]])).tolist() == [[[0.25, 0.0, 0.75]]]
    assert shop.probabilities(torch.tensor([[[2, 1]]])).tolist() == [[[0.5, 0.0, 0.5]]]  # (3, 2) was never seen


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=7), min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(0, 3),
    st.booleans(),
    st.floats(1, 10),
    st.floats(0, 1),
)
def test_rows_sum_to_one_and_recommending_never_lowers_an_item(
    sequences: list[list[int]],
    n: int,
    window: int,
    similarity: bool,
    boost: float,
    bonus: float,
) -> None:
    shop = make(sequences, n=n, window=window, boost=boost, bonus=bonus, similarity=similarity)
    state = all_states(shop)
    p = shop.probabilities(state)
    torch.testing.assert_close(p.sum(-1), torch.ones_like(p[..., 0]))
    assert (p >= 0).all()
    for action in range(shop.n_items):
        assert (boosted(shop, state, action)[..., action] >= p[..., action] - 1e-12).all()


@pytest.mark.parametrize(("boost", "bonus", "similarity"), [(3.0, 0.0, False), (3.0, 0.05, False), (2.0, 0.01, True)])
def test_items_sold_follow_the_boosted_distribution(boost: float, bonus: float, similarity: bool) -> None:
    """Chi-square of 20,000 draws from every state, at every action: no p-value below 1e-4 / tests."""
    shop = make(SHOP, window=1, boost=boost, bonus=bonus, similarity=similarity)
    draws = 20_000
    state = all_states(shop).transpose(0, 1).expand(-1, draws, -1)  # [states, draws, 2]
    p_values = []
    for action in range(shop.n_items):
        chosen = torch.full(state.shape[:2], action)
        after, _, _ = shop.step(state, chosen, uniforms(*state.shape[:2], 3, seed=action))
        expected = boosted(shop, state[:, :1], action)[:, 0] * draws
        for sold, wanted in zip(after[..., -1], expected, strict=True):
            counts = torch.bincount(sold, minlength=shop.n_items)
            assert not counts[wanted == 0].any()
            positive = wanted > 0
            if positive.sum() > 1:
                p_values.append(stats.chisquare(counts[positive].numpy(), wanted[positive].numpy()).pvalue)
    assert min(p_values) > 1e-4 / len(p_values)


@pytest.mark.parametrize("n", [2, 3])
def test_the_environment_mixes_as_the_model_does(n: int) -> None:
    """With similarity, at every history: the library without torch and the environment have the same distribution."""
    shop = make(SHOP, n=n, similarity=True)
    model = counted(SHOP, n=n, similarity=True)
    states = all_states(shop)
    rows, weights = ngram.mixture(model, states[0].numpy())
    for item in range(shop.n_items):
        p = (ngram.row_probabilities(model, rows, np.full(rows.shape, item)) * weights).sum(axis=1)
        np.testing.assert_allclose(shop.probabilities(states)[0, :, item].numpy(), p, atol=1e-12)


def test_an_item_that_never_followed_is_sold_only_by_the_bonus() -> None:
    """After 1 always comes 2: recommending 3 changes nothing without a bonus; with b its share is b / (1 + b)."""
    state = torch.zeros(1, 1000, 2, dtype=torch.int64)
    recommended = torch.full((1, 1000), 2)
    shop = make([[1, 2, 3], [1, 2, 3]])
    after, _, _ = shop.step(state, recommended, uniforms(1, 1000, 3))
    assert (after[..., 1] == 1).all()
    pushed = make([[1, 2, 3], [1, 2, 3]], bonus=0.25)
    draws = uniforms(1, 1000, 3)
    after, _, _ = pushed.step(state, recommended, draws)
    assert ((after[..., 1] == 2) == (draws[..., 0] < 0.25 / 1.25)).all()


def test_boosted_probability_in_closed_form() -> None:
    """Two items after 1, 1/2 each: recommended with α = 3 one has 3p / (1 + 2p) = 3/4."""
    shop = make([[1, 2], [1, 3]], n=1)
    state = torch.zeros(1, 40_000, 1, dtype=torch.int64)
    after, _, _ = shop.step(state, torch.full((1, 40_000), 1), uniforms(1, 40_000, 3))
    share = (after[..., 0] == 1).double().mean().item()
    assert share == pytest.approx(0.75, abs=4 * (0.75 * 0.25 / 40_000) ** 0.5)


@pytest.mark.parametrize(("start", "shares"), [("uniform", [1 / 3] * 3), ("popularity", [3 / 6, 2 / 6, 1 / 6])])
def test_start_items_are_independent(start: Start, shares: list[float]) -> None:
    shop = make([[1, 2, 1, 3, 1, 2]], start=start)
    state = shop.reset(uniforms(1, 90_000, 2))[0]
    pairs = torch.bincount(state[:, 0] * 3 + state[:, 1], minlength=9)
    expected = torch.outer(torch.tensor(shares), torch.tensor(shares)).flatten().double()
    assert stats.chisquare(pairs.numpy(), (expected / expected.sum()).numpy() * 90_000).pvalue > 1e-4


def test_the_largest_uniform_stays_within_the_row() -> None:
    """Just below 1, row + uniform rounds up to the next row; the last item of the right row must be drawn."""
    shop = make(SHOP, window=2)
    state = all_states(shop)
    largest = torch.full((*state.shape[:2], 3), 1 - 2**-53, dtype=torch.float64)
    after, _, _ = shop.step(state, torch.zeros(state.shape[:2], dtype=torch.int64), largest)
    assert (shop.probabilities(state).gather(-1, after[..., -1:]) > 0).all()
    assert (shop.reset(largest) == shop.n_items - 1).all()


def test_a_wrong_file_or_number_is_refused() -> None:
    numbers = {"boost": 3.0, "bonus": 0.0, "start": "uniform", "episode_length": 20}
    with pytest.raises(JsaeError, match="model is no n-gram model, 'keys_0' is missing"):
        build("recommender", {**numbers, "model": {"weights": torch.zeros(3)}})
    with pytest.raises(JsaeError, match=r"boost = 0\.5: input should be greater than or equal to 1"):
        build("recommender", {**numbers, "model": {}, "boost": 0.5})
