"""Costs against figures worked out by hand."""

import pytest

from mnistladder.config import cost
from mnistladder.config.loading import load_rung


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model01_linear", 7_840),
        ("model04_deep", 784 * 200 + 2 * 200 * 200 + 2000),
        ("model05_conv", 28 * 28 * 9 * (7 + 49 + 49) + 7 * 784 * 10),
        ("model09_dropout", 2_419_752),
    ],
)
def test_multiply_adds_count_convolutions_and_dense_layers(name, expected):
    assert cost.multiply_adds(load_rung(name).config) == expected


def test_activations_of_a_batch_in_float32():
    assert cost.activation_bytes(load_rung("model01_linear").config) == 4 * 32 * (784 + 784 + 10)


def test_images_to_train_count_members_and_pool():
    per_member = 28 * 60_000 + 5 * 80_000  # 16 of 64 come from the pool
    assert cost.images_to_train(load_rung("model13_pseudolabel").config) == 5 * per_member
