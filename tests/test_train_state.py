"""All weights of a member are one tensor, and are stored and hashed whatever their layout."""

import pytest
import small
import torch
from torch import nn

from mnistladder.config.spec import Adam, Sgd
from mnistladder.engine import stacking
from mnistladder.engine.train_state import TrainState, hash_weights, join_weights, split_weights
from mnistladder.errors import UsageError
from mnistladder.model import network
from mnistladder.model.layers import Dense, Flatten

CPU = torch.device("cpu")
STATISTICS = (33.3, 78.6)


def test_joined_weights_and_gradients_are_those_of_the_parameters():
    built = network.build(small.LAYERS, 0, STATISTICS)
    before = hash_weights(built)
    weights = join_weights(built)
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
    weights = join_weights(built)
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


def test_forward_in_bfloat16_rounds_what_is_multiplied_and_gives_float32():
    config = small.tiny(model=(Flatten(), Dense(out=10)), precision="bfloat16")
    member = TrainState.new(config, 0, STATISTICS, CPU)
    images = torch.randint(0, 256, (4, 1, 28, 28), dtype=torch.uint8)
    logits = member.forward(images)
    rounded = member.network[1].weight.bfloat16().double()
    exact = images.double().flatten(1) @ rounded.T  # bytes up to 255 are exact in bfloat16
    assert logits.dtype == torch.float32
    assert torch.equal(logits.bfloat16().float(), logits)
    assert torch.allclose(logits.double(), exact, rtol=2**-8, atol=1e-2)
    assert not torch.equal(member.network(images.float()), logits)


@pytest.mark.parametrize("members", [1, 2])
def test_weights_and_updates_are_float32_in_bfloat16(members):
    config = small.tiny(precision="bfloat16")
    each = [TrainState.new(config, seed, STATISTICS, CPU) for seed in range(members)]
    member = stacking.join(config, each)
    member.backward(member.forward(torch.rand(4, members, 28, 28)).square().sum())
    member.optimizer.step()
    stored = [member.weights, member.weights.grad, *member.network.state_dict().values()]
    moments = list(member.optimizer.state[member.weights].values())
    kinds = {value.dtype for value in stored + moments if value is not None}
    assert kinds <= {torch.float32, torch.int64}  # a batch normalisation counts its batches
    assert member.weights.grad.abs().sum() > 0


def test_parameter_of_another_type_is_refused_by_name():
    with pytest.raises(UsageError, match=r"0.weight is torch.float64; a layer must have float32"):
        join_weights(nn.Sequential(nn.Linear(2, 3).double()))


def step(member):
    loss = member.network(torch.rand(4, 1, 28, 28)).square().sum()
    member.weights.grad.zero_()
    member.backward(loss)
    member.optimizer.param_groups[0]["lr"] = 1e-2
    member.optimizer.step()


@pytest.mark.parametrize("optimizer", [Adam(), Sgd(momentum=0.9), Sgd()], ids=lambda o: o.name)
def test_member_goes_on_from_its_bytes_as_if_never_stored(optimizer):
    config = small.tiny(optimizer=optimizer, model=(Flatten(), Dense(out=10)))
    first, second = (TrainState.new(config, seed, STATISTICS, CPU) for seed in (0, 1))
    step(first)
    second.load(first.save())
    hashes = []
    for member in (first, second):
        torch.manual_seed(0)
        step(member)
        hashes.append(hash_weights(member.network))
    assert hashes[0] == hashes[1]


def test_weights_hash_ignores_layout_and_sees_one_changed_weight():
    built = network.build(small.LAYERS, 0, STATISTICS)
    before = hash_weights(built)
    assert hash_weights(built.to(memory_format=torch.channels_last)) == before
    with torch.no_grad():
        built[2].weight[0, 0, 0, 0] += 1e-3
    assert hash_weights(built) != before
