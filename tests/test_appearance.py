"""Polarity and orientation are seen where they can be, and left out where they cannot."""

import json

import numpy as np
import pytest
from commands import call

from mnistladder.data import datasets, idx
from mnistladder.data.appearance import Orientation, Polarity, see_orientation, see_polarity


@pytest.fixture(scope="module")
def digits(digits_dir):
    """512 training digits of MNIST."""
    return datasets.read_folder(digits_dir, "").train


def turned(split, *axes):
    return datasets.Split(split.images.transpose(*axes), split.labels)


def test_polarity_is_seen_at_the_border(digits):
    assert see_polarity(digits.images) is Polarity.BRIGHT_INK
    assert see_polarity(255 - digits.images) is Polarity.DARK_INK
    assert see_polarity(digits.images // 4 + 150) is Polarity.BRIGHT_INK  # grey on grey
    assert see_polarity(180 - digits.images // 4) is Polarity.DARK_INK


def test_mixed_and_empty_images_have_no_polarity(digits):
    mixed = np.concatenate([digits.images, 255 - digits.images])
    assert see_polarity(mixed) is None
    assert see_polarity(np.full((5, 28, 28), 7, np.uint8)) is None
    few = np.concatenate([digits.images, 255 - digits.images[:20]])
    assert see_polarity(few) is Polarity.BRIGHT_INK


@pytest.mark.parametrize("count", [30, 100, 512])
@pytest.mark.parametrize("ink", [1, -1])
def test_transposed_digits_differ_from_upright_ones(digits, count, ink):
    images = digits.images[:count] if ink == 1 else 255 - digits.images[:count]
    part = datasets.Split(images, digits.labels[:count])
    assert see_orientation(part) is Orientation.UPRIGHT
    assert see_orientation(turned(part, 0, 2, 1)) is Orientation.TRANSPOSED


def test_what_is_not_like_digits_has_no_orientation(digits):
    images, labels = digits.images, digits.labels
    random = np.random.default_rng(0)
    others = [
        *(datasets.Split(np.rot90(images, times, (1, 2)), labels) for times in (1, 2, 3)),
        datasets.Split(images[:, ::-1], labels),
        datasets.Split(images[:, :, ::-1], labels),
        datasets.Split(images, random.permutation(labels)),
        datasets.Split(images, (labels + 1) % 10),
        datasets.Split(random.integers(0, 256, images.shape, np.uint8), labels),
        datasets.Split(np.zeros_like(images), labels),
        datasets.Split(images[labels < 2], labels[labels < 2]),
    ]
    assert [see_orientation(other) for other in others] == [None] * len(others)


def test_data_shows_polarity_orientation_and_labels(tmp_path, digits):
    lying = np.ascontiguousarray(255 - digits.images.transpose(0, 2, 1))
    for images_name, labels_name in datasets.FILES.values():
        (tmp_path / images_name).write_bytes(idx.encode_idx(lying))
        (tmp_path / labels_name).write_bytes(idx.encode_idx(digits.labels))
    shown = call("data", "--data-dir", tmp_path, cwd=tmp_path).stdout
    assert "  polarity: dark ink on a bright ground\n" in shown
    assert "  orientation: looks transposed: rows are columns, as in EMNIST's files; " in shown
    assert "  labels: 0 to 9; a folder does not say what they mean\n" in shown
    [row] = json.loads(call("data", "--data-dir", tmp_path, "--json", cwd=tmp_path).stdout)
    assert (row["polarity"], row["orientation"]) == ("dark-ink", "transposed")
    shown = call("data", "mnist", cwd=tmp_path).stdout
    assert "  orientation: upright, as MNIST's digits\n  labels: the digits 0 to 9\n" in shown
