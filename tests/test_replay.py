"""A step as a CUDA graph, on a CPU that plays CUDA: `graph_on_cpu.py` says how."""

import pytest
import small
import torch
from graph_on_cpu import Graph, graphs_on_cpu

from mnistladder.config import spec
from mnistladder.config.loading import load_rung
from mnistladder.engine import inputs, loop, optim, replay, stacking
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.tensors import Images
from mnistladder.engine.train_state import TrainState, hash_weights

CPU = torch.device("cpu")
RATES = [1e-2 / (1 + step) for step in range(8)]
OPTIMIZERS = [kind() for kind in spec.OPTIMIZERS.values()]
OPTIMIZERS += [spec.Sgd(momentum=0.9, nesterov=True), spec.AdamW(no_decay=("bias", "norm"))]
OPTIMIZERS += [spec.RmsProp(momentum=0.9, centered=True)]


def images(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Images(
        torch.randint(256, (count, 1, 28, 28), generator=generator).byte(),
        torch.randint(10, (count,), generator=generator),
    )


def trained(config, networks=1, epochs=2, rates=RATES):
    """Hashes of the weights, losses and moments after some epochs, each with a short last batch."""
    make_deterministic()
    states = [TrainState.new(config, seed, (33.3, 78.6), CPU) for seed in range(networks)]
    count = len(rates) * config.batch_size - 5
    for epoch in range(epochs):
        stack = stacking.join(config, states)
        losses = loop.run_epoch(
            stack,
            optim.make_loss(config),
            [images(count, seed) for seed in range(networks)],
            config.batch_size,
            rates,
            [inputs.stream(seed, "dropout", epoch) for seed in range(networks)],
            config.clip_norm,
        )
        stacking.split(stack, states)
    moments = [value for state in states for value in state.moments().values()]
    return [hash_weights(state.network) for state in states], losses.tolist(), moments


def assert_replayed_is_called(monkeypatch, config, networks=1):
    """A graph gives the bits of plain calls, and is used."""
    graphs_on_cpu(monkeypatch, wanted=False)
    called = trained(config, networks)
    graphs_on_cpu(monkeypatch)
    made = Graph.made
    replayed = trained(config, networks)
    assert Graph.made == made + 2  # one an epoch
    assert replayed[:2] == called[:2]
    assert all(map(torch.equal, replayed[2], called[2]))
    assert trained(config, networks, rates=RATES[:4] + RATES[:4])[0] != called[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_replayed_steps_have_the_bits_of_called_ones(monkeypatch, optimizer):
    assert_replayed_is_called(monkeypatch, small.tiny(optimizer=optimizer, batch_size=16))


@pytest.mark.parametrize(
    "changes",
    [{"clip_norm": 0.1}, {"precision": "bfloat16"}, {"loss": "clipped_cross_entropy"}],
    ids=str,
)
def test_replayed_steps_have_the_bits_of_called_ones_with_each_option(monkeypatch, changes):
    assert_replayed_is_called(monkeypatch, small.tiny(batch_size=16, **changes), 3)


@pytest.mark.parametrize("name", ["model02_normalized", "model09_dropout"])
def test_replayed_steps_of_a_rung_have_the_bits_of_called_ones(monkeypatch, name):
    assert_replayed_is_called(monkeypatch, load_rung(name, ["batch_size=8"]).config)


def test_a_rate_of_the_device_is_that_of_the_host_to_rounding(monkeypatch):
    plain = trained(small.tiny())
    graphs_on_cpu(monkeypatch, wanted=False)
    on_device = trained(small.tiny())
    assert on_device[1] == pytest.approx(plain[1], rel=1e-5)


def test_groups_of_an_optimizer_are_as_before_after_an_epoch(monkeypatch):
    graphs_on_cpu(monkeypatch)
    state = TrainState.new(small.tiny(optimizer=spec.RmsProp()), 0, (33.3, 78.6), CPU)
    before = [dict(group) for group in state.optimizer.param_groups]
    with replay.state_on_device(state.optimizer, CPU):
        assert state.optimizer.param_groups[0]["capturable"]
    assert state.optimizer.param_groups == before


def test_a_graph_is_made_only_where_it_is_asked_for(monkeypatch):
    optimizer = TrainState.new(small.tiny(), 0, (33.3, 78.6), CPU).optimizer
    cuda = torch.device("cuda")

    def step(*_):
        pass

    assert replay.replayed(step, optimizer, cuda) is step
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", object)
    monkeypatch.setenv(replay.VARIABLE, "1")
    assert isinstance(replay.replayed(step, optimizer, cuda), replay.Replayed)
    assert replay.replayed(step, optimizer, CPU) is step


# Twins that must fail: what a graph gets wrong, the graph of this test gets wrong too.


def test_a_number_of_the_host_is_recorded_once_and_for_all(monkeypatch):
    graphs_on_cpu(monkeypatch)
    seen, total, count = [], torch.zeros(()), [0]

    def step(value):
        count[0] += 1
        total.add_(value * count[0])
        seen.append(total.item())

    run = replay.Replayed(step)
    for value in (1.0, 1.0, 1.0, 1.0, 10.0, 100.0):
        run(torch.tensor(value))
    assert len(seen) == 4
    assert total == 6 + 4 + 40 + 400
