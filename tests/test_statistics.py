"""Statistics against closed forms, published values and simulations of what they promise."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from jsae.analysis import statistics
from jsae.config.errors import JsaeError

# The two score matrices (runs × tasks) of rliable's own tests, with the values published there.
X = [[1, 2], [2, 2], [1, 1], [2, 1]]
Y = [[1, 1], [2, 2], [3, 3]]

finite = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))
samples = st.lists(finite, min_size=2, max_size=12)


def test_interval_of_the_mean_by_hand():
    """1, 2, 3, 4, 5: mean 3, s = √2.5, t(4) = 2.776445: 3 ± 2.776445 √0.5."""
    interval = statistics.mean_interval([1, 2, 3, 4, 5])
    assert interval.estimate == 3.0
    assert interval.high - 3 == pytest.approx(2.7764451052 * math.sqrt(0.5))
    assert 3 - interval.low == pytest.approx(2.7764451052 * math.sqrt(0.5))


@given(samples, samples)
def test_welch_agrees_with_scipy(x, y):
    assume(min(np.var(x), np.var(y)) > 1e-6)
    difference = statistics.welch(x, y)
    expected = scipy.stats.ttest_ind(x, y, equal_var=False, alternative="greater")
    assert difference.freedom == pytest.approx(expected.df, rel=1e-6)
    assert difference.p_above(0) == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    interval = difference.interval()
    low, high = scipy.stats.ttest_ind(x, y, equal_var=False).confidence_interval()
    assert (interval.low, interval.high) == (pytest.approx(low, rel=1e-6), pytest.approx(high, rel=1e-6))


@given(samples, samples, st.floats(0.01, 50))
def test_equivalence_at_2_5_percent_is_the_95_percent_interval_inside_the_margin(x, y, margin):
    difference = statistics.welch(x, y)
    interval = difference.interval(0.95)
    assume(min(abs(interval.low + margin), abs(interval.high - margin)) > 1e-6)
    assert (difference.p_within(margin) <= 0.025) == (-margin < interval.low and interval.high < margin)


def test_without_spread_the_difference_is_certain():
    difference = statistics.welch([2.0, 2.0], [1.0, 1.0])
    assert difference.interval() == statistics.Interval(1.0, 1.0, 1.0)
    assert difference.p_above(0) == 0.0
    assert difference.p_within(0.5) == 1.0


@pytest.mark.parametrize("margin", [0.0, -1.0, math.nan])
def test_an_equivalence_margin_must_be_positive(margin):
    with pytest.raises(JsaeError, match="margin"):
        statistics.welch([1, 2], [1, 2]).p_within(margin)


def test_interquartile_mean_has_rliables_published_values():
    assert statistics.interquartile_mean(np.ravel(X)) == 1.5
    assert statistics.interquartile_mean(*np.transpose(Y)) == 2.0


def test_bootstrap_intervals_contain_the_estimate_as_rliables_tests_demand():
    interval = statistics.stratified_bootstrap(np.arange(5 * 16.0).reshape(5, 16), 500)
    assert interval.low < interval.estimate < interval.high


def test_the_bootstrap_resamples_within_environments_only():
    """With one environment at 0 and one at 1, every resample's mean is a half: strata are never mixed."""
    interval = statistics.stratified_bootstrap(np.tile([0.0, 1.0], (4, 1)), 200)
    assert interval == statistics.Interval(0.5, 0.5, 0.5)


def test_performance_profile_is_a_falling_share_of_runs():
    profile = statistics.performance_profile([[0.0, 1.0], [2.0, 3.0]], [-1.0, 0.0, 1.0, 2.5, 3.0])
    np.testing.assert_allclose(profile, [1.0, 0.75, 0.5, 0.25, 0.0])


def test_holm_by_hand():
    """0.01 × 4, 0.02 × 3, 0.03 × 2, 0.04 × 1, then never falling: 0.04, 0.06, 0.06, 0.06."""
    assert statistics.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert statistics.holm([0.7, 0.9]) == pytest.approx([1.0, 1.0])
    assert statistics.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p):
    adjusted = np.array(statistics.holm(p))
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_seeds_needed_has_the_textbook_value():
    """A difference of one standard deviation at two-sided 5 % and power 80 % takes 17 a group (Cohen, 1988)."""
    assert statistics.seeds_needed([1.0], (1.0, 1.0)) == 17
    assert statistics.seeds_needed([0.5], (1.0, 1.0)) == 64
    assert statistics.seeds_needed([0.0], (1.0, 1.0)) is None
    assert statistics.seeds_needed([1e-6], (1.0, 1.0)) is None


def test_seeds_needed_give_the_promised_power():
    n = statistics.seeds_needed([1.5], (2.0, 1.0))
    rng = np.random.default_rng(11)
    x, y = rng.normal(1.5, 2.0, (4_000, n)), rng.normal(0.0, 1.0, (4_000, n))
    shown = np.mean([statistics.welch(a, b).p_above(0) <= 0.025 for a, b in zip(x, y, strict=True)])
    assert 0.78 < shown < 0.86


@pytest.mark.parametrize("effect", [0.0, 0.1, 0.25])
def test_seeds_needed_give_the_promised_power_to_show_equality(effect):
    n = statistics.seeds_needed([0.5 - effect, 0.5 + effect], (0.6, 0.4))
    rng = np.random.default_rng(12)
    x, y = rng.normal(effect, 0.6, (4_000, n)), rng.normal(0.0, 0.4, (4_000, n))
    shown = np.mean([statistics.welch(a, b).p_within(0.5) <= 0.025 for a, b in zip(x, y, strict=True)])
    assert 0.77 < shown < 0.87


@pytest.mark.parametrize(
    "call",
    [
        lambda bad: statistics.mean_interval(bad),
        lambda bad: statistics.welch(bad, [1.0, 2.0]),
        lambda bad: statistics.welch([1.0, 2.0], bad),
        lambda bad: statistics.performance_profile(bad, [0.0]),
        lambda bad: statistics.stratified_bootstrap(np.reshape(bad, (-1, 1)), 10),
        lambda bad: statistics.holm(bad),
        lambda bad: statistics.seeds_needed([1.0], tuple(bad[:2])),
    ],
)
@pytest.mark.parametrize("bad", [[1.0, math.nan, 2.0], [math.inf, 1.0, 2.0]])
def test_a_broken_run_is_an_error(call, bad):
    with pytest.raises(JsaeError, match="broken run"):
        call(bad)


def test_one_seed_has_no_interval():
    with pytest.raises(JsaeError, match="at least 2"):
        statistics.mean_interval([1.0])


def normal(rng, shape):
    return rng.normal(size=shape), 0.0


def failing(rng, shape):
    """One seed in five fails and ends four standard deviations lower."""
    return rng.normal(size=shape) - 4 * (rng.random(shape) < 0.2), -0.8


@pytest.mark.parametrize(
    ("kind", "n", "low", "high"),
    [(normal, 5, 0.93, 0.97), (normal, 10, 0.93, 0.97), (failing, 5, 0.82, 0.92), (failing, 10, 0.88, 0.95)],
)
def test_coverage_of_nominal_95_percent_intervals(kind, n, low, high):
    x, mean = kind(np.random.default_rng(n), (1_500, n))
    intervals = [statistics.mean_interval(row) for row in x]
    assert low < np.mean([interval.low <= mean <= interval.high for interval in intervals]) < high


def test_false_claims_of_a_difference_are_as_rare_as_promised():
    rng = np.random.default_rng(2)
    x, y = rng.normal(0, 1, (4_000, 5)), rng.normal(0, 3, (4_000, 5))
    wrong = np.mean([statistics.welch(a, b).p_above(0) <= 0.025 for a, b in zip(x, y, strict=True)])
    assert wrong < 0.035


def test_false_claims_of_equivalence_are_as_rare_as_promised():
    rng = np.random.default_rng(4)
    x, y = rng.normal(1.0, 0.3, (4_000, 5)), rng.normal(0, 0.3, (4_000, 5))
    wrong = np.mean([statistics.welch(a, b).p_within(1.0) <= 0.025 for a, b in zip(x, y, strict=True)])
    assert wrong < 0.035
