"""The digits that tell the rungs apart."""

import numpy as np

from mnistladder.report.first_right import first_right
from mnistladder.runs.predictions import Predictions

LABELS = np.array([7, 2, 1, 0, 4, 1, 4, 9], np.uint8)


def rung(*predicted):
    images = np.arange(8 * 784, dtype=np.uint32).reshape(8, 28, 28).astype(np.uint8)
    said = np.array(predicted, np.uint8)
    return Predictions(np.arange(100, 108), images, LABELS, said, np.ones(8, np.float32))


RUNGS = [
    rung(7, 3, 1, 6, 4, 2, 9, 9),
    rung(0, 2, 1, 6, 4, 2, 4, 9),
    rung(7, 2, 1, 0, 9, 2, 4, 4),
]


def test_each_digit_is_the_first_that_a_rung_and_all_after_it_read():
    digits = first_right(RUNGS)
    assert [(digit.first, digit.id) for digit in digits] == [
        (0, 102),
        (1, 101),
        (2, 103),
        (None, 105),
    ]
    assert [digit.said for digit in digits] == [(1, 1, 1), (3, 2, 2), (6, 6, 0), (2, 2, 2)]
    assert [digit.label for digit in digits] == [1, 2, 0, 1]
    assert (digits[1].pixels == RUNGS[0].images[1]).all()


def test_rung_that_adds_nothing_is_left_out():
    assert [digit.first for digit in first_right([RUNGS[0], RUNGS[0]])] == [0, None]


def test_single_rung_has_nothing_to_tell_apart():
    assert first_right(RUNGS[:1]) == first_right([]) == []
