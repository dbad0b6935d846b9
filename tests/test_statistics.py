"""Each figure against scipy.stats or a published table, and false alarms by simulation."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from mnistladder.report import statistics

VALUES = [90.0, 224.0, 108.0, 131.0, 97.0]
OTHERS = [101.0, 99.0, 100.0, 118.0]


def masks(seeds, images, rate, generator):
    """Wrong images of some seeds; `rate` is a number, or one for each image."""
    return list(generator.random((seeds, images)) < rate)


def test_interval_of_a_mean_is_students():
    expected = stats.t.interval(0.95, 4, np.mean(VALUES), stats.sem(VALUES))
    assert statistics.mean_interval(VALUES) == pytest.approx(expected)


@pytest.mark.parametrize("count", [0, 1, 34, 9999, 10000])
def test_interval_of_a_count_is_clopper_pearsons(count):
    found = stats.binomtest(count, 10_000).proportion_ci(0.95, "exact")
    expected = (10_000 * found.low, 10_000 * found.high)
    assert statistics.count_interval(count, 10_000) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),  # significant or not, as in the tables of the exact sign test
    [
        (6, 0, 0.031),
        (8, 1, 0.039),
        (10, 2, 0.039),
        (15, 5, 0.041),
        (25, 12, 0.047),
        (12, 4, 0.077),
        (20, 10, 0.099),
        (0, 0, 1.0),
        (3, 3, 1.0),
    ],
)
def test_mcnemar_gives_the_tables_p(only_a, only_b, p):
    a = np.arange(100) < only_a
    b = (np.arange(100) >= 50) & (np.arange(100) < 50 + only_b)
    found, (low, high) = statistics.mcnemar(a, b)
    assert found == pytest.approx(p, abs=5e-4)
    assert low <= only_a - only_b <= high
    assert (low > 0) == (found < 0.05)  # test and interval agree


def test_welch_is_scipys():
    expected = stats.ttest_ind(VALUES, OTHERS, equal_var=False)
    p, interval = statistics.welch(VALUES, OTHERS)
    assert p == pytest.approx(expected.pvalue)
    assert interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert statistics.welch([3.0, 3.0], [3.0, 3.0])[0] == 1
    assert statistics.welch([3.0, 3.0], [4.0, 4.0])[0] == 0


def test_sign_flip_is_scipys_permutation_test():
    generator = np.random.default_rng(3)
    rates = [np.mean(masks(4, 300, rate, generator), axis=0) for rate in (0.10, 0.07)]
    expected = stats.permutation_test(
        rates,
        lambda a, b, axis: (a - b).sum(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9_999,
        rng=np.random.default_rng(1),
    ).pvalue
    found = statistics.sign_flip_p(rates[0] - rates[1])
    assert found == pytest.approx(expected, abs=0.02)
    assert statistics.sign_flip_p(np.zeros(9)) == 1
    assert statistics.sign_flip_p(np.full(60, 0.5)) == pytest.approx(1e-4)


@pytest.mark.parametrize("ratio", [3.0, 1.5, 1.0, 0.7])
def test_seeds_needed_find_the_difference_four_times_in_five_and_one_less_does_not(ratio):
    """By simulation: the normal approximation promises too much where few seeds are needed."""
    spread = np.array([-1.0, 1.0]) / np.sqrt(2)  # standard deviation 1
    needed = statistics.seeds_needed(ratio + spread, spread)
    powers = []
    for n in (needed - 1, needed):
        if n < 2:
            powers.append(0.0)
            continue
        draws = np.random.default_rng(n).normal(size=(2, 4000, n))
        found = [statistics.welch(a + ratio, b)[0] < 0.05 for a, b in zip(*draws, strict=True)]
        powers.append(np.mean(found))
    assert powers[0] < 0.82
    assert powers[1] > 0.78
    assert powers[0] < powers[1]


def test_seeds_needed_follow_the_tables_where_many_are_needed():
    """n = 15.7 (sd / difference)^2, as in the tables of two samples with power 80 %."""
    spread = np.array([-1.0, 1.0]) / np.sqrt(2)
    for sd, difference, expected in [(4.5, 1, 318), (2.8, 0.5, 492)]:
        found = statistics.seeds_needed(difference + sd * spread, sd * spread)
        assert found == pytest.approx(expected, rel=0.01)
    assert statistics.seeds_needed([1.0, 2.0], [2.0, 1.0]) is None


def test_holm_follows_the_textbook():
    found = statistics.holm([0.01, 0.04, 0.03, 0.005])
    assert found == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]) == []
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]


def test_prediction_interval_holds_the_next_draw_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(100, 5, (2000, 6))
    held = [
        low <= row[5] <= high
        for row in draws
        for low, high in [statistics.prediction_interval(row[:5], 0.9)]
    ]
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("seeds", [(1, 1), (1, 3), (3, 3)])
def test_equal_rungs_are_rarely_called_different(seeds):
    generator = np.random.default_rng(5)
    rates = generator.beta(0.05, 2, 600)  # a few hard images, many easy ones
    alarms = [
        statistics.compare(*(masks(count, 600, rates, generator) for count in seeds)).p < 0.05
        for _ in range(400)
    ]
    assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_seeds_that_vary_as_a_whole_raise_no_false_alarm():
    """A seed that went badly errs everywhere; the images alone would call that a difference."""
    generator = np.random.default_rng(7)
    alarms = {"permutation": 0, "both": 0}
    for _ in range(200):
        rates = generator.choice([0.02, 0.08], (2, 3))
        rungs = [[masks(1, 500, rate, generator)[0] for rate in seeds] for seeds in rates]
        found = statistics.compare(*rungs)
        alarms["permutation"] += found.tests["permutation"] < 0.05
        alarms["both"] += found.p < 0.05
    assert alarms["both"] <= 0.08 * 200
    assert alarms["permutation"] > 0.2 * 200


@pytest.mark.parametrize("seeds", [(1, 1), (1, 3), (10, 1)])
def test_one_seed_never_speaks_for_its_rung(seeds):
    """McNemar's test would call half of such pairs different."""
    generator = np.random.default_rng(8)
    pairs = []
    for _ in range(50):
        rates = [generator.choice([0.02, 0.08], count) for count in seeds]
        rungs = [[masks(1, 500, rate, generator)[0] for rate in each] for each in rates]
        pairs.append(statistics.compare(*rungs))
    assert not any(pair.covers_seeds for pair in pairs)
    assert sum(pair.p < 0.05 for pair in pairs) > 10


def test_null_ladder_after_holm_rarely_shows_any_step():
    generator = np.random.default_rng(11)
    rates = generator.beta(0.05, 2, 400)
    ladders = 100
    shown = 0
    for _ in range(ladders):
        rungs = [masks(3, 400, rates, generator) for _ in range(6)]
        steps = [statistics.compare(a, b).p for a, b in pairwise(rungs)]
        shown += min(statistics.holm(steps)) < 0.05
    assert shown <= ladders * 0.05 + 2 * np.sqrt(ladders * 0.05 * 0.95)


def test_true_step_is_seen_and_its_interval_holds_it():
    generator = np.random.default_rng(13)
    found = statistics.compare(*(masks(6, 2000, rate, generator) for rate in (0.06, 0.03)))
    assert found.p < 0.01
    assert found.interval[0] < -2000 * 0.03 < found.interval[1]
    assert found.difference == pytest.approx(-2000 * 0.03, abs=15)


@pytest.mark.parametrize("seeds", [(1, 1), (1, 3), (4, 3)])
def test_difference_is_ours_minus_the_other_and_changes_its_sign_with_the_order(seeds):
    generator = np.random.default_rng(14)
    worse, better = (
        masks(count, 2000, rate, generator) for count, rate in zip(seeds, (0.2, 0.1), strict=True)
    )
    found, turned = statistics.compare(worse, better), statistics.compare(better, worse)
    assert found.difference < found.interval[1] < 0
    assert turned.difference == -found.difference
    assert turned.interval == pytest.approx([-limit for limit in reversed(found.interval)])
    assert turned.p == pytest.approx(found.p)
