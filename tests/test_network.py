"""A network's weights follow from its seed alone."""

import pytest
import small
import torch
from torch import nn

from mnistladder.engine.train_state import hash_weights
from mnistladder.model import network
from mnistladder.model.layers import (
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Normalize,
    Relu,
    Sigmoid,
)

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


def built_with_pool(order):
    layers = {"conv": Conv(out=5), "relu": Relu(), "pool": MaxPool(size=3, stride=2)}
    model = (Normalize(), *[layers[name] for name in order], Flatten(), Dense(out=10))
    return network.build(model, 0, STATISTICS)


def test_relu_follows_the_pool_that_follows_it():
    names = [name for name, _ in built_with_pool(["conv", "relu", "pool"]).named_children()]
    assert names == ["01_normalize", "02_conv", "04_maxpool", "03_relu", "05_flatten", "06_dense"]


def test_pool_before_relu_has_the_bits_and_gradients_of_relu_before_pool():
    fast = built_with_pool(["conv", "relu", "pool"])
    plain = nn.Sequential(
        *[fast[place] for place in (0, 1)], nn.ReLU(), *list(fast)[2::2][:1], *list(fast)[4:]
    )
    images = (torch.rand(32, 1, 28, 28, generator=torch.Generator().manual_seed(0)) - 0.3) * 255
    images[:16].clamp_(0)  # flat background: ties in every window
    found = []
    for built in (fast, plain):
        built.zero_grad()
        logits = built(images)
        logits.square().sum().backward()
        found.append([logits, *[parameter.grad.clone() for parameter in fast.parameters()]])
    assert len(found[0]) == 5
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("before", "overwrites"),
    [
        (Conv(out=3), True),
        (BatchNorm(), True),
        (Sigmoid(), False),
        (Dropout(), False),
        (None, False),
    ],
)
def test_relu_overwrites_only_what_no_backward_pass_reads(before, overwrites):
    model = (Normalize(), *([before] if before else []), Relu(), Flatten(), Dense(out=10))
    built = network.build(model, 0, STATISTICS)
    [relu] = [module for module in built if isinstance(module, nn.ReLU)]
    assert relu.inplace is overwrites
    images = torch.rand(4, 1, 28, 28, requires_grad=True)
    built(images).square().sum().backward()
    assert images.grad.isfinite().all()
