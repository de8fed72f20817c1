"""What a few seeds allow to say: intervals, comparisons, equivalence, aggregates over environments.

The seed is the unit of replication. With five of them a percentile bootstrap covers the mean in about 85 % of cases
instead of 95 %, so intervals of one cell are Student's t; the bootstrap is kept for aggregates over many cells, whose
strata are the environments (Agarwal et al., 2021, *Deep reinforcement learning at the edge of the statistical
precipice*). Every function refuses NaN and infinities: a run that broke is no sample.

Arrays of scores have shape [n] (seeds of one cell) or [n, m] (seeds × environments).
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from jsae.config.errors import JsaeError

__all__ = [
    "CONFIDENCE",
    "Difference",
    "Interval",
    "Scores",
    "exact_share",
    "fewer_p",
    "holm",
    "interquartile_mean",
    "mean_interval",
    "performance_profile",
    "permutation_p",
    "scores",
    "seeds_needed",
    "stratified_bootstrap",
    "welch",
]

Scores = NDArray[np.float64]

CONFIDENCE = 0.95
"""Of an interval where nothing else is said."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """A difference of means with its standard error and degrees of freedom: all that its tests need."""

    estimate: float
    error: float
    freedom: float

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """Two-sided Student-t interval of the difference."""
        half = self.error * float(stdtrit(self.freedom, (1 + confidence) / 2)) if self.error else 0.0
        return Interval(self.estimate, self.estimate - half, self.estimate + half)

    def p_above(self, bound: float) -> float:
        """One-sided p-value of "the difference is at most `bound`": small speaks for a larger one."""
        if self.error == 0:
            return 0.0 if self.estimate > bound else 1.0
        return float(stdtr(self.freedom, -(self.estimate - bound) / self.error))

    def p_below(self, bound: float) -> float:
        """One-sided p-value of "the difference is at least `bound`": small speaks for a smaller one."""
        return Difference(-self.estimate, self.error, self.freedom).p_above(-bound)

    def p_within(self, margin: float) -> float:
        """p-value of two one-sided tests (Schuirmann, 1987): small speaks for a difference inside ±margin."""
        if not margin > 0:
            raise JsaeError(f"an equivalence margin must be above 0, not {margin}")
        return max(self.p_above(-margin), self.p_below(margin))

    def minus(self, other: "Difference") -> "Difference":
        """The difference of two independent differences, with Welch's and Satterthwaite's degrees of freedom."""
        parts = np.array([self.error, other.error]) ** 2
        variance = float(parts.sum())
        shares = parts / variance if variance else np.array([0.5, 0.5])
        freedom = 1 / float((shares**2 / np.array([self.freedom, other.freedom])).sum())
        return Difference(self.estimate - other.estimate, variance**0.5, freedom)


def scores(values: ArrayLike, least: int = 1) -> Scores:
    """`values` as float64. Raises JsaeError for NaN, infinities or fewer than `least` along the first axis."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or len(array) < least:
        raise JsaeError(f"{array.size} seeds are too few: this needs at least {least}")
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise JsaeError(f"score {place} is {array[place]}: a broken run is no sample")
    return array


def mean_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Student-t interval of the mean of [n] scores: x̄ ± t(n − 1) s / √n."""
    return _mean(values).interval(confidence)


def welch(first: ArrayLike, second: ArrayLike) -> Difference:
    """Difference mean(first) − mean(second) of unpaired scores with unequal variances (Welch, 1947)."""
    return _mean(first).minus(_mean(second))


def _mean(values: ArrayLike) -> Difference:
    """The mean of [n] scores, as a difference from zero."""
    x = scores(values, least=2)
    return Difference(float(x.mean()), float(x.std(ddof=1)) / len(x) ** 0.5, len(x) - 1)


def permutation_p(first: ArrayLike, second: ArrayLike, repetitions: int = 10_000) -> float:
    """Two-sided p-value of a permutation test of the difference of means; the same permutations each time."""
    found = scipy.stats.permutation_test(
        (scores(first, least=2), scores(second, least=2)),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        n_resamples=repetitions,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def exact_share(successes: int, runs: int, confidence: float = CONFIDENCE) -> Interval:
    """The share of runs that succeed, with its exact interval (Clopper & Pearson, 1934)."""
    found = scipy.stats.binomtest(successes, runs).proportion_ci(confidence, method="exact")
    return Interval(successes / runs, float(found.low), float(found.high))


def fewer_p(counts: Sequence[int], runs: Sequence[int]) -> float:
    """One-sided p-value of Fisher's exact test: small speaks for a smaller share of the first."""
    table = np.array([[count, n - count] for count, n in zip(counts, runs, strict=True)])
    return float(scipy.stats.fisher_exact(table, alternative="less").pvalue)


def interquartile_mean(*environments: ArrayLike, axis: int = -1) -> NDArray[np.float64]:
    """Mean of all scores after a quarter of them is cut off at either end (as rliable and scipy cut: ⌊n/4⌋)."""
    return np.asarray(scipy.stats.trim_mean(np.concatenate(environments, axis=axis), 0.25, axis=axis))


def stratified_bootstrap(values: ArrayLike, repetitions: int = 20_000) -> Interval:
    """The interquartile mean of [n, m] scores with its percentile interval.

    Seeds are drawn again within each of the m environments; the same draws each time.
    """
    columns = tuple(scores(values, least=2).T)
    found = scipy.stats.bootstrap(
        columns,
        interquartile_mean,
        n_resamples=repetitions,
        batch=2_000,
        method="percentile",
        confidence_level=CONFIDENCE,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(float(interquartile_mean(*columns)), float(found.low), float(found.high))


def performance_profile(values: ArrayLike, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Share of runs whose score is above each threshold: [n, m] scores (seeds, environments), [t] thresholds → [t]."""
    x = scores(values)
    x = x[:, None] if x.ndim == 1 else x
    return np.asarray((x[..., None] > np.asarray(thresholds)).mean(axis=0).mean(axis=0))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm, 1979): at most α of a family is rejected falsely, however dependent."""
    p = scores(p_values) if len(p_values) else np.zeros(0)
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    result = np.empty(len(p))
    result[order] = np.minimum(adjusted, 1.0)
    return [float(value) for value in result]


def seeds_needed(
    distances: Sequence[float],
    deviations: tuple[float, float],
    level: float = 0.025,
    power: float = 0.8,
    most: int = 100_000,
) -> int | None:
    """Seeds a cell that would show a difference with probability `power`, if it and the spreads are as observed.

    A test passes with probability T(d √n / s − t(level)), T Student's distribution with 2 n − 2 degrees of freedom and
    s² = s₁² + s₂²; several must all pass, so what they fail adds up.

    Args:
        distances: how far inside each bound that it must pass (0, a margin) the true difference lies.
        deviations: standard deviations of the two cells.
        level: of each one-sided test.
        most: None is returned where more seeds are needed, as for a distance of 0 or below.
    """
    spread = float(np.square(scores(deviations)).sum()) ** 0.5

    def enough(n: int) -> bool:
        if min(distances) <= 0 or spread == 0:
            return min(distances) > 0
        shifts = np.array(distances) * n**0.5 / spread - float(stdtrit(2 * n - 2, 1 - level))
        return bool(1 - (1 - stdtr(2 * n - 2, shifts)).sum() >= power)

    if not enough(most):
        return None
    return bisect.bisect_left(range(2, most + 1), True, key=enough) + 2
