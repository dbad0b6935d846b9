"""What `compare` says of two groups: the figures by hand, and each sentence where it belongs."""

import numpy as np
import pytest

from mnistladder.report import statistics
from mnistladder.report.pair import Pair, make_pair
from mnistladder.report.statistics import Comparison


def mask(*wrong):
    return np.isin(np.arange(20), wrong)


def test_pair_is_the_second_group_against_the_first():
    before, after = [mask(1, 2, 3), mask(1, 2, 3, 4, 5)], [mask(1), mask(1, 2), mask(1, 2, 3)]
    pair = make_pair(("a", "b"), (before, after), 0.25)
    assert (pair.before, pair.after, pair.p_holm) == ("a", "b", 0.25)
    assert (pair.n, pair.images, pair.errors) == ((2, 3), 20, (4.0, 2.0))
    assert pair.comparison == statistics.compare(before, after)
    assert pair.comparison.difference == -2


def pair(p=0.025, difference=-23.1, seeds_needed=12, p_holm=None, tests=("Welch", "permutation")):
    half = 20
    interval = (difference - half, difference + half)
    comparison = Comparison(difference, interval, dict.fromkeys(tests, p), seeds_needed)
    return Pair("one", "other", (10, 9), 10_000, (123.1, 123.1 + difference), comparison, p_holm)


def test_pair_as_data():
    assert pair(p_holm=0.5).plain() == {
        "before": "one",
        "after": "other",
        "n": [10, 9],
        "images": 10_000,
        "errors": [123.1, 100.0],
        "difference": -23.1,
        "interval": [-43.1, -3.1000000000000014],
        "tests": {"Welch": 0.025, "permutation": 0.025},
        "p": 0.025,
        "p_holm": 0.5,
        "seeds_needed": 12,
    }


def test_pair_in_sentences():
    assert str(pair(p_holm=0.04)).splitlines() == [
        "one: 123.1 errors of 10,000 (n=10); other: 100.0 (n=9)",
        "Difference: -23.1 errors, 95 % interval -43.1 to -3.1; the second makes fewer",
        "p = 0.025: this comparison alone (Welch = 0.025, permutation = 0.025)",
        "p = 0.040: after Holm over the ladder, as `report` has it",
        "The difference is shown.",
        "For a true difference of this size, 12 seeds each would show it alone 4 times in 5.",
    ]


def test_what_is_not_known_has_no_sentence():
    text = str(pair(seeds_needed=None))
    assert "Holm" not in text
    assert "seeds each" not in text
    assert text.splitlines()[-1] == "The difference is shown."


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (-0.5, "the second makes fewer"),
        (0.0, "as many errors"),
        (0.5, "the second makes more"),
        (1.0, "the second makes more"),
    ],
)
def test_the_sign_is_said_in_words(difference, words):
    assert str(pair(difference=difference)).splitlines()[1].endswith(f"; {words}")


SHOWN, NOT_SHOWN = "The difference is shown.", "~ No difference is shown."
THESE = "~ These networks differ; whether the rungs do, one seed cannot say."


@pytest.mark.parametrize(
    ("p", "p_holm", "tests", "conclusion", "explains"),
    [
        (0.01, None, ["Welch"], SHOWN, False),
        (0.06, None, ["Welch"], NOT_SHOWN, False),
        (1 - statistics.LEVEL, None, ["Welch"], NOT_SHOWN, False),
        (0.01, 0.04, ["Welch"], SHOWN, False),
        (0.01, 0.06, ["Welch"], NOT_SHOWN, True),
        (0.06, 0.07, ["Welch"], NOT_SHOWN, False),
        (0.01, None, ["McNemar"], THESE, False),
        (0.01, 0.06, ["McNemar"], NOT_SHOWN, True),
    ],
)
def test_conclusion_is_by_the_p_that_counts(p, p_holm, tests, conclusion, explains):
    [line] = [
        line
        for line in str(pair(p, p_holm=p_holm, tests=tests, seeds_needed=None)).splitlines()
        if line.startswith(conclusion)
    ]
    assert (line != conclusion) == explains
    assert ("The p after Holm counts when you look at all steps" in line) == explains
