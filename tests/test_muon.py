"""Muon against torch's own on single matrices, and against singular values."""

import numpy as np
import pytest
import small
import torch
from torch import nn

from mnistladder.config.spec import AdamW, Muon
from mnistladder.data import datasets
from mnistladder.engine import inputs, loop, optim
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.tensors import Images
from mnistladder.engine.train_state import TrainState
from mnistladder.model import network
from mnistladder.model.layers import Dense, Flatten
from mnistladder.model.muon import orthogonalized

CPU = torch.device("cpu")
STATISTICS = (33.3, 78.6)
SHAPES = [(24, 25), (48, 432), (10, 300), (64, 9), (5, 5), (1, 7)]


@pytest.fixture(autouse=True)
def _deterministic():
    make_deterministic()


def matrices(count, shape):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(0))


def by_singular_values(matrix):
    """The five rounds on the singular values of a matrix, in double precision."""
    left, values, right = np.linalg.svd(matrix.double().numpy(), full_matrices=False)
    values = values / np.sqrt((values**2).sum())
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return left @ np.diag(values) @ right


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonalized_matrix_has_its_singular_values_mapped(shape):
    given = matrices(3, shape)
    for found, matrix in zip(orthogonalized(given), given, strict=True):
        expected = by_singular_values(matrix)
        assert found.numpy() == pytest.approx(expected, abs=2e-4 * np.abs(expected).max())
        values = np.linalg.svd(found.numpy(), compute_uv=False)
        assert 0.6 < values[0] < 1.3


def test_zero_matrix_stays_zero():
    assert not orthogonalized(torch.zeros(2, 3, 4)).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_matrix_has_the_same_bits_alone_and_among_any_number(shape):
    given = matrices(9, shape)
    whole = orthogonalized(given)
    for count in (1, 2, 3, 5, 8):
        assert torch.equal(orthogonalized(given[1 : 1 + count].clone()), whole[1 : 1 + count])
    assert not torch.equal(whole[0], whole[1])


def own_steps(section, weight, gradients, rate):
    """A dense layer's weight after steps of our optimizer; its bias is AdamW's."""
    built = nn.Linear(weight.shape[1], weight.shape[0])
    built.weight.data = weight.clone()
    config = small.tiny(optimizer=section)
    state = TrainState.of(config, nn.Sequential(built))
    for gradient in gradients:
        built.weight.grad.copy_(gradient)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        state.optimizer.step()
    return built.weight.detach()


@pytest.mark.parametrize("shape", [(24, 25), (48, 432), (64, 9)])
@pytest.mark.parametrize("nesterov", [True, False])
def test_steps_are_those_of_torchs_muon(shape, nesterov):
    """Torch's rounds are in bfloat16, which is off by some percent of a step."""
    weight, *gradients = matrices(6, shape)
    weight = 0.05 * weight
    section = Muon(last_layer=True, nesterov=nesterov, momentum=0.8, weight_decay=0.3)
    found = own_steps(section, weight, gradients, 0.05)
    theirs = nn.Parameter(weight.clone())
    optimizer = torch.optim.Muon(
        [theirs], lr=0.05, nesterov=nesterov, momentum=0.8, weight_decay=0.3
    )
    for gradient in gradients:
        theirs.grad = gradient.clone()
        optimizer.step()
    moved = (theirs - weight).norm()
    assert (found - theirs).norm() < 0.02 * moved
    other = own_steps(section.model_copy(update={"momentum": 0.5}), weight, gradients, 0.05)
    assert (other - theirs).norm() > 0.05 * moved


def test_defaults_are_those_of_torchs_muon():
    ours, theirs = Muon(), torch.optim.Muon([nn.Parameter(torch.ones(2, 2))]).defaults
    for key in ("weight_decay", "momentum", "nesterov"):
        assert getattr(ours, key) == theirs[key]
    assert theirs["ns_coefficients"] == (3.4445, -4.7750, 2.0315)
    assert theirs["ns_steps"] == 5


@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("last_layer", [True, False])
def test_matrices_are_those_of_each_network(networks, last_layer):
    built = network.build(small.LAYERS, 0, STATISTICS)
    if networks > 1:
        built = network.build_stacked(small.LAYERS, networks).to_empty(device=CPU)
    state = TrainState.of(small.tiny(optimizer=Muon(last_layer=last_layer)), built, networks)
    places = state.optimizer.param_groups[0]["matrices"]
    shapes = [(4, 9), (6, 36), (10, 294)][: 3 if last_layer else 2]
    assert [(place.networks, place.rows, place.columns) for place in places] == [
        (networks, *shape) for shape in shapes
    ]
    assert [group["matrices"] for group in state.optimizer.param_groups[1:]] == [()]
    filters = dict(built.named_parameters())["03_conv.weight"]
    with torch.no_grad():
        filters.copy_(torch.arange(filters.numel()).view_as(filters))
    [*_, last] = places[0].of(state.joined.segments[0].data)
    own_filters = filters[-4:].detach().movedim(1, -1).flatten(1)  # channels last
    assert torch.equal(last, own_filters)


def test_network_without_matrices_is_adamws(digits_dir):
    train = datasets.read_folder(digits_dir, "digits").train
    images = Images(torch.from_numpy(train.images.copy())[:, None], torch.arange(512) % 10)
    plans = {
        Muon(adam_lr_ratio=0.25): 2**-8,
        AdamW(weight_decay=0.1): 2**-10,
        AdamW(weight_decay=0.2): 2**-10,
    }
    weights = []
    for optimizer, rate in plans.items():
        config = small.tiny(model=(Flatten(), Dense(out=10)), optimizer=optimizer)
        state = TrainState.new(config, 0, STATISTICS, CPU)
        epoch = inputs.assemble_epoch(images, None, config, config.phases[0], 0, 0)
        generators = [inputs.stream(0, "dropout", 0)]
        loop.run_epoch(state, optim.make_loss(config), [epoch], 64, [rate] * 8, generators)
        weights.append(state.weights.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
