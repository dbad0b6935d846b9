"""The loss and the optimizer, each against a plain formula."""

import math

import pytest
import small
import torch
from torch import nn
from torch.nn import functional

from mnistladder.config.loading import load_rung
from mnistladder.config.schedule import learning_rates
from mnistladder.config.spec import OPTIMIZERS, Adadelta, Adam, AdamW, RmsProp, Sgd
from mnistladder.engine import optim
from mnistladder.engine.joined_weights import join_weights
from mnistladder.model import network


def test_clipped_loss_is_that_of_clipped_probabilities():
    torch.manual_seed(0)
    logits, labels = torch.randn(50, 10) * 20, torch.arange(50) % 10
    shares = (logits.double().exp() / logits.double().exp().sum(1, keepdim=True)).clip(
        1e-7, 1 - 1e-7
    )
    expected = -shares[torch.arange(50), labels].log().mean().item()
    found = optim.clipped_cross_entropy(logits, labels).item()
    assert found == pytest.approx(expected, rel=1e-4)
    stable = functional.cross_entropy(logits, labels).item()
    assert abs(stable - expected) > 0.1  # so the clip was at work


def test_saturated_wrong_example_has_no_gradient_in_the_clipped_loss_only():
    gradients = []
    for loss in (optim.clipped_cross_entropy, functional.cross_entropy):
        logits = torch.tensor([[200.0] + [0.0] * 9], requires_grad=True)
        loss(logits, torch.tensor([3])).backward()
        gradients.append(logits.grad.abs().sum().item())
    assert gradients == [0, pytest.approx(2)]


def test_saturated_wrong_example_costs_minus_log_of_epsilon():
    loss = optim.clipped_cross_entropy(torch.tensor([[200.0] + [0.0] * 9]), torch.tensor([3]))
    assert loss.item() == pytest.approx(-math.log(1e-7), rel=1e-6)


def test_make_loss_follows_the_config():
    logits, labels = torch.randn(4, 10), torch.tensor([1, 2, 3, 4])
    smooth = optim.make_loss(small.tiny(label_smoothing=0.2))(logits, labels)
    shares = logits.log_softmax(1)
    expected = -0.8 * shares[range(4), labels].mean() - 0.2 * shares.mean()
    assert smooth.item() == pytest.approx(expected.item(), rel=1e-5)
    clipped = optim.make_loss(small.tiny(loss="clipped_cross_entropy"))
    assert clipped is optim.clipped_cross_entropy


@pytest.mark.parametrize(
    ("chosen", "kind", "constants"),
    [
        (Adam(), torch.optim.Adam, {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}),
        (AdamW(), torch.optim.AdamW, {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}),
        (
            Adam(beta1=0.5, beta2=0.6, eps=0.1, weight_decay=0.2),
            torch.optim.Adam,
            {"betas": (0.5, 0.6), "eps": 0.1, "weight_decay": 0.2, "amsgrad": False},
        ),
        (Sgd(), torch.optim.SGD, {"momentum": 0, "nesterov": False, "weight_decay": 0}),
        (
            Sgd(momentum=0.9, nesterov=True, weight_decay=0.1),
            torch.optim.SGD,
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "dampening": 0},
        ),
        (
            RmsProp(),
            torch.optim.RMSprop,
            {"alpha": 0.99, "eps": 1e-8, "momentum": 0, "centered": False, "weight_decay": 0},
        ),
        (
            RmsProp(alpha=0.9, eps=1e-3, momentum=0.5, centered=True, weight_decay=0.1),
            torch.optim.RMSprop,
            {"alpha": 0.9, "eps": 1e-3, "momentum": 0.5, "centered": True, "weight_decay": 0.1},
        ),
        (Adadelta(), torch.optim.Adadelta, {"rho": 0.9, "eps": 1e-6, "weight_decay": 0}),
        (
            Adadelta(rho=0.8, eps=1e-3, weight_decay=0.1),
            torch.optim.Adadelta,
            {"rho": 0.8, "eps": 1e-3, "weight_decay": 0.1},
        ),
    ],
)
def test_optimizer_has_the_constants_of_the_config(chosen, kind, constants):
    joined = join_weights(nn.Linear(3, 2))
    optimizer = optim.make_optimizer(small.tiny(optimizer=chosen), joined)
    [group] = optimizer.param_groups
    assert type(optimizer) is kind
    assert {name: group[name] for name in constants} == constants
    assert len(group["params"]) == 1


def test_defaults_of_new_optimizers_are_those_of_torch():
    """Older ones keep the defaults of their papers, which are torch's as well."""
    for name, kind in OPTIMIZERS.items():
        chosen = kind()
        assert chosen.name == name
        ours = chosen.build([nn.Parameter(torch.ones(3))])
        [group] = ours.param_groups
        plain = type(ours)([nn.Parameter(torch.ones(3))], lr=1.0).defaults
        speed = {"lr", "fused", "foreach"}
        keys = plain.keys() - speed
        assert {key: group[key] for key in keys} == {key: plain[key] for key in keys}


def test_optimizer_without_build_is_a_mistake_of_its_author():
    class Unfinished(OPTIMIZERS["sgd"].__bases__[0]):
        name: str = "unfinished"

    with pytest.raises(TypeError, match="Unfinished must define `build`"):
        Unfinished().build([])


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([], set()),
        (["bias"], {"03_conv.bias", "05_conv.1.bias", "10_dense.bias"}),
        (["norm"], {"07_batchnorm.weight", "07_batchnorm.bias"}),
    ],
)
@pytest.mark.parametrize("networks", [1, 3])
def test_parameters_without_decay_are_those_of_the_kinds(kinds, expected, networks):
    built = network.build(small.LAYERS, 0, (33.3, 78.6))
    if networks > 1:
        built = network.build_stacked(small.LAYERS, networks)
    exempt = optim.without_decay(built, kinds)
    assert {name for name, p in built.named_parameters() if p in exempt} == expected


MNIST_EXAMPLE = """
title: PyTorch's MNIST example
model: [flatten, dense: {out: 10}]
optimizer: {name: adadelta}
batch_size: 64
phases:
  - epochs: 14
    lr: {from: 1.0, to: 0.009688901040699992, shape: exponential, per: epoch}  # 0.7 ** 13
"""


def test_rate_that_falls_by_a_factor_each_epoch_is_that_of_torch(tmp_path):
    """The example's schedule: Adadelta from 1.0, times 0.7 after each of its 14 epochs."""
    path = tmp_path / "example.yaml"
    path.write_text(MNIST_EXAMPLE)
    [phase] = load_rung(str(path)).config.phases
    optimizer = Adadelta().build([nn.Parameter(torch.ones(3))])
    optimizer.param_groups[0]["lr"] = 1.0
    theirs = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(14):
        expected = [optimizer.param_groups[0]["lr"]] * 3
        assert learning_rates(phase, epoch, 3) == pytest.approx(expected, rel=1e-12)
        optimizer.step()
        theirs.step()
