"""Batch normalisation's averages hold the batches that were seen, and nothing of their start."""

from contextlib import closing

import numpy as np
import pytest
import small
import torch
from torch import nn

from mnistladder.config.loading import load_rung
from mnistladder.data import datasets
from mnistladder.engine.averages import with_unbiased_averages
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.executors import InProcess

MOMENTUM = 0.01


def trained(batches, momentum=MOMENTUM, **options):
    """A normalisation of 3 channels, and the batches N x 3 that it saw in training."""
    generator = torch.Generator().manual_seed(0)
    seen = [5 * torch.randn(8, 3, generator=generator) + 2 for _ in range(batches)]
    module = nn.BatchNorm1d(3, momentum=momentum, **options).train()
    for batch in seen:
        module(batch)
    return nn.Sequential(module), seen


def weighted_mean(values, momentum=MOMENTUM):
    """The mean of a statistic over the batches: the newest weighs most, all weights add up to 1."""
    weights = torch.tensor([(1 - momentum) ** age for age in range(len(values))][::-1]).double()
    return (weights[:, None] * torch.stack(values).double()).sum(0) / weights.sum()


@pytest.mark.parametrize("batches", [1, 2, 16, 160])
def test_averages_are_the_weighted_means_over_the_batches(batches):
    network, seen = trained(batches)
    means = weighted_mean([batch.mean(0) for batch in seen])
    variances = weighted_mean([batch.var(0) for batch in seen])
    [averages] = with_unbiased_averages(network)
    assert averages.running_mean.double().numpy() == pytest.approx(means.numpy(), rel=1e-4)
    assert averages.running_var.double().numpy() == pytest.approx(variances.numpy(), rel=1e-4)
    raw = network[0].running_var.double().numpy()
    assert raw != pytest.approx(variances.numpy(), rel=0.05)  # its start value 1 is in it


def test_network_in_training_keeps_its_own_averages():
    network, _ = trained(16)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert with_unbiased_averages(network) is not network
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("batches", "momentum", "options"),
    [
        (0, MOMENTUM, {}),  # nothing to correct by
        (32, 0.5, {}),  # 2^-32 of the start is left
        (3, 1.0, {}),
        (3, None, {}),  # torch's plain mean over all batches
        (3, MOMENTUM, {"track_running_stats": False}),
    ],
)
def test_network_whose_start_does_not_show_comes_back_itself(batches, momentum, options):
    network, _ = trained(batches, momentum, **options)
    assert with_unbiased_averages(network) is network


def test_variance_of_constant_features_is_not_negative():
    module = nn.BatchNorm1d(1, momentum=1e-4).train()
    for _ in range(3):
        module(torch.full((8, 1), 7.0))
    [averages] = with_unbiased_averages(nn.Sequential(module))
    assert 0 <= averages.running_var.item() < 1e-2
    assert averages.running_mean.item() == pytest.approx(7, rel=1e-3)


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory):
    """Zeros and ones: 1,000 images to train on, 300 to test."""
    folder = tmp_path_factory.mktemp("data") / "zeros-and-ones"
    mnist = datasets.find("mnist").load()
    datasets.write_folder(folder, binary(mnist.train, 1000), binary(mnist.test, 300))
    return datasets.find("", folder)


def binary(split, count):
    chosen = np.flatnonzero(split.labels < 2)[:count]
    return datasets.Split(split.images[chosen], split.labels[chosen])


def test_two_classes_and_160_steps_are_enough_for_batch_normalisation(tmp_path, two_classes):
    rung = load_rung("model08_batchnorm")
    ladder = Ladder([Attempt(rung, seed, two_classes) for seed in range(3)], tmp_path)
    with closing(InProcess(tmp_path, small.CPU, lambda event: None)) as executor:
        errors = [outcome.record.errors for outcome in ladder.climb(executor, lambda event: None)]
    assert max(errors) < 10  # 123, 120 and 123 of 300 with the start values in the averages
