"""Labels that begin at one: named, with both of their public meanings, and corrected on request."""

import numpy as np
import pytest

from mnistladder.data import datasets, folders, idx, labels
from mnistladder.data.download import NAMES
from mnistladder.data.labels import LabelMeaning
from mnistladder.errors import DataError


def array(*values):
    return np.array(values, np.uint8)


@pytest.mark.parametrize(
    ("present", "words"),
    [
        (range(1, 11), "1 to 10"),
        ((7, 3, 3, 0), "0, 3, 7"),
        ((10, 9), "9, 10"),
        (range(0, 60, 2), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, ..."),
    ],
)
def test_labels_are_put_into_words(present, words):
    assert labels.in_words(array(*present)) == words


@pytest.mark.parametrize(
    ("meaning", "expected"),
    [
        (LabelMeaning.AS_IS, [10, 1, 9]),
        (LabelMeaning.MINUS_ONE, [9, 0, 8]),
        (LabelMeaning.TEN_IS_ZERO, [0, 1, 9]),
    ],
)
def test_meaning_decides_the_digits(meaning, expected):
    found = labels.corrected(array(10, 1, 9), meaning)
    assert (found.tolist(), found.dtype) == (expected, np.uint8)


@pytest.mark.parametrize("meaning", [LabelMeaning.MINUS_ONE, LabelMeaning.TEN_IS_ZERO])
def test_meaning_that_cannot_be_is_refused(meaning):
    with pytest.raises(
        DataError, match=f"labels 0 to 10; `--labels {meaning}` is for labels from 1"
    ):
        labels.corrected(array(*range(11)), meaning)


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (
            range(1, 11),
            r"labels 1 to 10; expected 0 to 9; .*`--labels minus-one` if each is one too high, "
            r"or with `--labels ten-is-zero` if 10 means 0$",
        ),
        (
            range(1, 27),
            r"labels 1 to 26; expected 0 to 9; each seems to be one too high \(`--labels",
        ),
        (range(11), r"labels 0 to 10; expected 0 to 9$"),
    ],
)
@pytest.mark.parametrize("split", ["train", "test"])
def test_labels_file_is_blamed_with_its_labels(tmp_path, present, expected, split):
    for part, (images_name, labels_name) in folders.FILES.items():
        values = array(*present) if part == split else array(*range(10))
        images = np.zeros((len(values), 28, 28), np.uint8)
        (tmp_path / images_name).write_bytes(idx.encode_idx(images))
        (tmp_path / labels_name).write_bytes(idx.encode_idx(values))
    with pytest.raises(DataError, match=f"{folders.FILES[split][1]}: {expected}"):
        datasets.find("", tmp_path)


def test_digits_have_no_problem():
    assert labels.label_problem(array(*range(10))) is None


def test_every_named_data_set_says_what_its_labels_mean():
    assert set(labels.MEANINGS) == set(NAMES)
