"""All weights of a network are one tensor, of which the parameters are views."""

import pytest
import small
import torch
from torch import nn

from mnistladder.engine.joined_weights import join_weights, split_weights
from mnistladder.engine.train_state import hash_weights
from mnistladder.errors import UsageError
from mnistladder.model import network

STATISTICS = (33.3, 78.6)


def test_joined_weights_and_gradients_are_those_of_the_parameters():
    built = network.build(small.LAYERS, 0, STATISTICS)
    before = hash_weights(built)
    weights = join_weights(built).values
    assert hash_weights(built) == before
    built(torch.rand(4, 1, 28, 28)).square().sum().backward()
    for name, parameter in built.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    parts = [parameter.grad for parameter in built.parameters()]
    total = sum(part.double().square().sum() for part in parts)
    assert weights.grad.double().square().sum() == pytest.approx(total.item())
    with torch.no_grad():
        weights.fill_(2)
        weights.grad.zero_()
    assert all((parameter == 2).all() for parameter in built.parameters())
    assert not any(parameter.grad.any() for parameter in built.parameters())


def test_parts_of_joined_weights_are_channels_last_and_start_cache_lines():
    built = network.build(small.LAYERS, 0, STATISTICS)
    weights = join_weights(built).values
    for parameter in built.parameters():
        assert (parameter.data_ptr() - weights.data_ptr()) % 64 == 0
        if parameter.dim() == 4:
            assert parameter.is_contiguous(memory_format=torch.channels_last)


def test_parts_of_many_joined_weights_are_those_of_each():
    parameters = [nn.Parameter(torch.empty(4, 3, 2, 2)), nn.Parameter(torch.empty(5))]
    joined = torch.rand(2, 48 + 16)
    of_both = list(split_weights(joined, parameters))
    assert [part.shape for part in of_both] == [(2, 4, 3, 2, 2), (2, 5)]
    for index in (0, 1):
        for part, alone in zip(of_both, split_weights(joined[index], parameters), strict=True):
            assert torch.equal(part[index], alone)
            assert part[index].data_ptr() == alone.data_ptr()


def test_parameter_of_another_type_is_refused_by_name():
    with pytest.raises(UsageError, match=r"0.weight is torch.float64; a layer must have float32"):
        join_weights(nn.Sequential(nn.Linear(2, 3).double()))


def test_exempt_parameters_lie_behind_the_others_in_a_segment_of_their_own():
    built = network.build(small.LAYERS, 0, STATISTICS)
    before = hash_weights(built)
    exempt = {p for name, p in built.named_parameters() if name.endswith("bias")}
    joined = join_weights(built, exempt)
    assert hash_weights(built) == before
    decaying, rest = joined.segments
    assert joined.decays == [True, False]
    assert len(decaying) + len(rest) == len(joined.values)
    for parameter in built.parameters():
        segment = rest if parameter in exempt else decaying
        start = parameter.data_ptr() - segment.data_ptr()
        assert 0 <= start < 4 * len(segment)
        assert parameter.grad.data_ptr() - segment.grad.data_ptr() == start
    with torch.no_grad():
        rest.fill_(3)
        rest.grad.fill_(5)
    for parameter in built.parameters():
        assert bool((parameter == 3).all()) is (parameter in exempt)
        assert bool((parameter.grad == 5).all()) is (parameter in exempt)


def test_network_whose_parameters_are_all_exempt_has_one_segment():
    built = nn.Sequential(nn.Linear(3, 2))
    joined = join_weights(built, set(built.parameters()))
    assert joined.segments == [joined.values]
    assert joined.decays == [False]
