"""A network's weights follow from its seed alone."""

import pytest
import small
import torch

from mnistladder import network
from mnistladder.layers import Dense, Flatten, Normalize, Relu
from mnistladder.trainer import hash_weights

STATISTICS = (33.31842, 78.56749)


def test_same_seed_gives_the_same_weights_and_another_seed_others():
    hashes = [hash_weights(network.build(small.LAYERS, seed, STATISTICS)) for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_weights_do_not_depend_on_the_global_generator():
    torch.manual_seed(1)
    first = hash_weights(network.build(small.LAYERS, 0, STATISTICS))
    torch.manual_seed(2)
    assert hash_weights(network.build(small.LAYERS, 0, STATISTICS)) == first


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    network.build(small.LAYERS, 0, STATISTICS)
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_are_glorot_uniform_and_biases_zero():
    built = network.build((Flatten(), Dense(out=100), Relu(), Dense(out=10)), 0, STATISTICS)
    for layer, fans in ((built[1], 784 + 100), (built[3], 100 + 10)):
        bound = (6 / fans) ** 0.5
        assert 0.98 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert not layer.bias.any()


def test_normalize_takes_the_statistics_of_the_training_pixels():
    built = network.build((Normalize(), Flatten()), 0, STATISTICS)
    pixels = torch.tensor([33.31842, 33.31842 + 78.56749]).reshape(1, 1, 1, 2)
    assert built(pixels).flatten().tolist() == pytest.approx([0, 1], abs=1e-6)


def test_modules_are_named_by_number_and_layer():
    names = [name for name, _ in network.build(small.LAYERS, 0, STATISTICS).named_children()]
    assert names[:3] == ["01_normalize", "02_maxpool", "03_conv"]
    assert names[-1] == "10_dense"


def test_equal_layers_start_from_different_weights():
    built = network.build((Flatten(), Dense(out=784), Dense(out=784)), 0, STATISTICS)
    assert not torch.equal(built[1].weight, built[2].weight)
