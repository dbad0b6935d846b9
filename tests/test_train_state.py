"""All weights of a network are one tensor, and are stored and hashed whatever their layout."""

import pytest
import small
import torch
from safetensors import torch as safetensors

from mnistladder.config.spec import Adadelta, Adam, Muon, RmsProp, Sgd
from mnistladder.engine import stacking
from mnistladder.engine.train_state import TrainState, hash_weights
from mnistladder.errors import CorruptError
from mnistladder.model import network
from mnistladder.model.layers import Dense, Flatten

CPU = torch.device("cpu")
STATISTICS = (33.3, 78.6)


def test_forward_in_bfloat16_rounds_what_is_multiplied_and_gives_float32():
    config = small.tiny(model=(Flatten(), Dense(out=10)), precision="bfloat16")
    state = TrainState.new(config, 0, STATISTICS, CPU)
    images = torch.randint(0, 256, (4, 1, 28, 28), dtype=torch.uint8)
    logits = state.forward(images)
    rounded = state.network[1].weight.bfloat16().double()
    exact = images.double().flatten(1) @ rounded.T  # bytes up to 255 are exact in bfloat16
    assert logits.dtype == torch.float32
    assert torch.equal(logits.bfloat16().float(), logits)
    assert torch.allclose(logits.double(), exact, rtol=2**-8, atol=1e-2)
    assert not torch.equal(state.network(images.float()), logits)


@pytest.mark.parametrize("networks", [1, 2])
def test_weights_and_updates_are_float32_in_bfloat16(networks):
    config = small.tiny(precision="bfloat16")
    each = [TrainState.new(config, seed, STATISTICS, CPU) for seed in range(networks)]
    state = stacking.join(config, each)
    state.backward(state.forward(torch.rand(4, networks, 28, 28)).square().sum())
    state.optimizer.step()
    stored = [state.weights, state.weights.grad, *state.network.state_dict().values()]
    moments = list(state.moments().values())
    kinds = {value.dtype for value in stored + moments}
    assert kinds <= {torch.float32, torch.int64}  # a batch normalisation counts its batches
    assert state.weights.grad.abs().sum() > 0


def step(state):
    loss = state.network(torch.rand(4, 1, 28, 28)).square().sum()
    state.weights.grad.zero_()
    state.backward(loss)
    state.optimizer.param_groups[0]["lr"] = 1e-2
    state.optimizer.step()


@pytest.mark.parametrize(
    "optimizer",
    [
        Adam(),
        Sgd(momentum=0.9),
        Sgd(),
        RmsProp(momentum=0.9, centered=True),
        Adadelta(),
        Muon(last_layer=True),
        Adam(weight_decay=0.1, no_decay=["bias"]),
    ],
    ids=str,
)
def test_member_goes_on_from_its_bytes_as_if_never_stored(optimizer):
    config = small.tiny(optimizer=optimizer, model=(Flatten(), Dense(out=10)))
    first, second = (TrainState.new(config, seed, STATISTICS, CPU) for seed in (0, 1))
    step(first)
    second.load(first.save())
    hashes = []
    for state in (first, second):
        torch.manual_seed(0)
        step(state)
        hashes.append(hash_weights(state.network))
    assert hashes[0] == hashes[1]


def test_weights_hash_ignores_layout_and_sees_one_changed_weight():
    built = network.build(small.LAYERS, 0, STATISTICS)
    before = hash_weights(built)
    assert hash_weights(built.to(memory_format=torch.channels_last)) == before
    with torch.no_grad():
        built[2].weight[0, 0, 0, 0] += 1e-3
    assert hash_weights(built) != before


def test_checkpoint_written_without_exempt_parameters_is_that_of_older_versions():
    """One tensor of each moment, laid out as the parameters come."""
    state = TrainState.new(small.tiny(model=(Flatten(), Dense(out=10))), 0, STATISTICS, CPU)
    step(state)
    tensors = safetensors.load(state.save())
    assert {name: len(value) for name, value in tensors.items() if value.dim() == 1} == {
        "weight/02_dense.bias": 10,
        "optimizer/exp_avg": 7840 + 16,
        "optimizer/exp_avg_sq": 7840 + 16,
    }
    exempt = small.tiny(
        model=(Flatten(), Dense(out=10)), optimizer=Adam(weight_decay=0.1, no_decay=["bias"])
    )
    other = TrainState.new(exempt, 1, STATISTICS, CPU)
    other.load(state.save())
    assert other.save() == state.save()


@pytest.mark.parametrize("kind", ["no safetensors", "empty", "cut", "endless header", "integers"])
def test_checkpoint_that_is_none_is_corrupt(kind):
    """A hash that fits does not make it one."""
    state = TrainState.new(small.tiny(model=(Flatten(), Dense(out=10))), 0, STATISTICS, CPU)
    step(state)
    whole = state.save()
    moments = {name: value.int() for name, value in safetensors.load(whole).items()}
    forged = {
        "no safetensors": b"not a checkpoint",
        "empty": b"",
        "cut": whole[:-1],
        "endless header": (1 << 62).to_bytes(8, "little") + whole[8:],
        "integers": safetensors.save(moments),
    }
    with pytest.raises(CorruptError, match="a checkpoint"):
        state.load(forged[kind])
    state.load(whole)


@pytest.mark.parametrize(
    "optimizer", [Adam(), Sgd(momentum=0.9), RmsProp(centered=True), Adadelta()], ids=repr
)
def test_checkpoint_that_lacks_a_moment_is_corrupt(optimizer):
    model = (Flatten(), Dense(out=10))
    state = TrainState.new(small.tiny(model=model, optimizer=optimizer), 0, STATISTICS, CPU)
    step(state)
    whole = safetensors.load(state.save())
    moments = [name for name in whole if name.startswith("optimizer/")]
    assert moments
    for name in moments:
        forged = {other: value for other, value in whole.items() if other != name}
        with pytest.raises(CorruptError, match="a checkpoint that lacks"):
            state.load(safetensors.save(forged))
    state.load(state.save())


def test_optimizer_without_moments_needs_none():
    config = small.tiny(model=(Flatten(), Dense(out=10)), optimizer=Sgd())
    state = TrainState.new(config, 0, STATISTICS, CPU)
    step(state)
    state.load(state.save())
