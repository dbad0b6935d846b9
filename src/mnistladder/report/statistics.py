"""Intervals and tests for error counts, over seeds and over test images.

Distributions are those of `scipy.special`, which loads in a tenth of the time of `scipy.stats`.
It is imported where it is used: `--help` can do without the tenth of a second that it takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
POWER = 0.8
FLIPS = 9_999  # random sign flips of the permutation test: p is at least 1e-4
Interval = tuple[float, float]


def t_quantile(df: float, level: float = LEVEL) -> float:
    """Half the width of a two-sided t interval, in standard errors."""
    from scipy import special

    return float(special.stdtrit(df, (1 + level) / 2))


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Student's interval of the mean of at least two values."""
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / sqrt(len(values))
    half = t_quantile(len(values) - 1, level) * error
    return mean - half, mean + half


def count_interval(count: int, total: int, level: float = LEVEL) -> Interval:
    """Clopper and Pearson's exact interval of an expected count, from one draw of a binomial."""
    from scipy import special

    tail = (1 - level) / 2
    low = special.betaincinv(count, total - count + 1, tail) if count else 0.0
    high = special.betaincinv(count + 1, total - count, 1 - tail) if count < total else 1.0
    return float(total * low), float(total * high)


def prediction_interval(values: Sequence[float], level: float) -> Interval:
    """Where one more draw lies with that probability, from at least two normal values."""
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    half = t_quantile(len(values) - 1, level) * deviation * sqrt(1 + 1 / len(values))
    return mean - half, mean + half


@dataclass(frozen=True)
class Comparison:
    """Our errors minus the other's: a mean over seeds, its interval, and p by test name.

    Fewer errors of ours are a negative difference. `p` is the largest of the tests that apply: both
    the images and the seeds must show it. With one seed of either, p speaks of these networks only;
    other seeds of the rungs may differ otherwise.
    """

    difference: float
    interval: Interval
    tests: dict[str, float]
    seeds_needed: int | None  # of each, to see this difference; None where seeds are too few to say

    @property
    def p(self) -> float:
        return max(self.tests.values())

    @property
    def covers_seeds(self) -> bool:
        """Whether p speaks of the rungs, not only of the networks that were trained."""
        return "Welch" in self.tests


def compare(other: Sequence[NDArray[np.bool_]], ours: Sequence[NDArray[np.bool_]]) -> Comparison:
    """Compares two rungs by which test images each seed got wrong: a mask over images a seed.

    One seed each: McNemar's exact test. Otherwise a sign-flip test over images of the difference of
    error rates and, with two seeds or more of each, Welch's t test of the seeds' error counts.
    """
    counts = [[float(mask.sum()) for mask in masks] for masks in (ours, other)]
    difference = float(np.mean(counts[0]) - np.mean(counts[1]))
    if len(ours) == len(other) == 1:
        p, interval = mcnemar(ours[0], other[0])
        return Comparison(difference, interval, {"McNemar": p}, None)
    rates = np.mean(ours, axis=0) - np.mean(other, axis=0)
    tests = {"permutation": sign_flip_p(rates)}
    if min(len(ours), len(other)) == 1:
        half = t_quantile(np.inf) * float(np.std(rates)) * sqrt(len(rates))
        return Comparison(difference, (difference - half, difference + half), tests, None)
    tests["Welch"], interval = welch(*counts)
    return Comparison(difference, interval, tests, seeds_needed(*counts))


def mcnemar(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> tuple[float, Interval]:
    """Exact two-sided p, and the interval of A's errors minus B's.

    The interval is Clopper and Pearson's, given how many images only one of both got wrong.
    """
    from scipy import special

    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    total = only_a + only_b
    if not total:
        return 1.0, (0.0, 0.0)
    p = min(1.0, 2 * float(special.bdtr(min(only_a, only_b), total, 0.5)))
    low, high = count_interval(only_a, total)
    return p, (2 * low - total, 2 * high - total)


BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)  # of each byte, 256 x 8


def sign_flip_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p that paired differences are symmetric about 0, by random flips (seed 0).

    A byte flips eight differences at once: their sums for all 256 bytes are looked up in a table.
    """
    changed = differences[differences != 0]
    if not len(changed):
        return 1.0
    draws, reached = np.random.default_rng(0), 0
    observed = abs(changed.sum()) * (1 - 1e-6)  # a sum in another order is the same sum
    size = -(-len(changed) // 8)
    eights = np.pad(changed, (0, 8 * size - len(changed))).reshape(size, 8)
    table, places = eights @ BITS.T.astype(np.float64), np.arange(size)
    for start in range(0, FLIPS, 1000):
        flips = draws.integers(0, 256, (min(1000, FLIPS - start), size), np.uint8)
        sums = 2 * table[places, flips].sum(axis=1) - changed.sum()
        reached += int((np.abs(sums) >= observed).sum())
    return (1 + reached) / (1 + FLIPS)


def welch(a: Sequence[float], b: Sequence[float]) -> tuple[float, Interval]:
    """Welch's two-sided p, and the interval of mean(a) - mean(b)."""
    from scipy import special

    difference = float(np.mean(a) - np.mean(b))
    squares = [float(np.var(values, ddof=1)) / len(values) for values in (a, b)]
    error = sqrt(sum(squares))
    if not error:
        return (1.0 if difference == 0 else 0.0), (difference, difference)
    parts = (square**2 / (len(values) - 1) for square, values in zip(squares, (a, b), strict=True))
    df = sum(squares) ** 2 / sum(parts)
    p = 2 * float(special.stdtr(df, -abs(difference) / error))
    half = t_quantile(df) * error
    return p, (difference - half, difference + half)


def seeds_needed(a: Sequence[float], b: Sequence[float]) -> int | None:
    """Seeds of each so that Welch's test finds a true difference of this size, 4 times in 5.

    The power is that of the noncentral t distribution, for normal counts of the spreads seen. None
    where the means are equal, or more than 10,000 would be needed.
    """
    difference = abs(float(np.mean(a) - np.mean(b)))
    variances = [float(np.var(values, ddof=1)) for values in (a, b)]
    if not difference:
        return None
    return next((n for n in range(2, 10_001) if _power(n, difference, variances) >= POWER), None)


def _power(n: int, difference: float, variances: Sequence[float]) -> float:
    """How often Welch's test of n seeds each finds the difference."""
    from scipy import special

    total = sum(variances)
    if not total:
        return 1.0
    df = (n - 1) * total**2 / sum(variance**2 for variance in variances)
    limit, shift = t_quantile(df), difference / sqrt(total / n)
    return float(1 - special.nctdtr(df, shift, limit) + special.nctdtr(df, shift, -limit))


def bonferroni(p_values: Sequence[float]) -> list[float]:
    """Each p times their number."""
    return [min(1.0, len(p_values) * p) for p in p_values]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in the order given."""
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
