"""Costs against figures worked out by hand."""

import pytest
import small

from mnistladder.config import cost
from mnistladder.config.loading import load_rung
from mnistladder.config.spec import Average
from mnistladder.model.layers import Conv, Dense, Flatten


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


@pytest.mark.parametrize("name", ["model04_deep", "model09_dropout"])
def test_multiply_adds_of_layers_sum_to_those_of_the_network(name):
    config = load_rung(name).config
    counts = cost.layer_multiply_adds(config)
    assert sum(counts) == cost.multiply_adds(config)
    working = [isinstance(layer, Conv | Dense) for layer in config.model]
    assert [count > 0 for count in counts] == working


def test_channels_in_groups_see_only_their_own_group():
    layers = (Conv(out=4), Conv(out=6, groups=2), Flatten(), Dense(out=10))
    found = cost.multiply_adds(small.tiny(model=layers))
    assert found == 784 * 9 * (4 * 1 + 6 * 2) + 784 * 6 * 10
    assert isinstance(found, int)


def test_activations_of_a_batch_in_float32():
    assert cost.activation_bytes(load_rung("model01_linear").config) == 4 * 32 * (784 + 784 + 10)


def test_images_to_train_count_members_and_pool():
    per_member = 28 * 60_000 + 5 * 80_000  # 16 of 64 come from the pool
    assert cost.images_to_train(load_rung("model13_pseudolabel").config) == 5 * per_member


def test_images_of_an_epoch_with_a_pool_count_whole_steps():
    plan = small.phases(2, pseudo_per_batch=16)
    config = small.tiny(pool="test", phases=plan)
    assert cost.images_to_train(config, 100) == 2 * (100 + 3 * 16)  # of 48, 48 and 4


def test_average_of_the_weights_takes_their_memory_twice():
    plain = small.tiny()
    averaged = small.tiny(average=Average(decay=0.9))
    more = cost.peak_mib(averaged, 3, 1000, 0) - cost.peak_mib(plain, 3, 1000, 0)
    assert more * 2**20 == pytest.approx(3 * 2 * 4 * plain.parameters)


@pytest.mark.parametrize(
    ("networks", "batch"),  # evaluation takes more than training, or less
    [(2, 2 * 4 * 1578 * 500), (20, 2 * 20 * 4 * 32 * 1578)],
)
def test_peak_memory_is_data_weights_and_the_larger_of_training_and_evaluation(networks, batch):
    data = 784 * 1000 + 2 * networks * 4 * 784 * 1024
    weights = 4 * 7850 * networks * 8
    found = cost.peak_mib(load_rung("model01_linear").config, networks, 1000, 100.0)
    assert found == pytest.approx(100 + 150 + (data + weights + batch) / 2**20, rel=1e-9)
