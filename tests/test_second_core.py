"""A second core changes the time and no bit."""

from contextlib import nullcontext

import pytest
import small
import torch
from torch import nn

from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.second_core import SecondCore
from mnistladder.engine.train_state import TrainState
from mnistladder.ladder.trainer import Trainer
from mnistladder.model.layers import Conv, Dense, Flatten, MaxPool, Normalize, Relu
from mnistladder.runs.stage_store import StageStore

CPU = torch.device("cpu")
GROUPS = (
    Normalize(),
    Conv(out=4),
    Relu(),
    Conv(out=6, groups=2, bias=False),
    MaxPool(),
    Conv(out=4, kernel=5, padding="valid"),
    Conv(out=4, kernel=2, stride=2),
    Flatten(),
    Dense(out=10),
)


@pytest.fixture(autouse=True)
def _deterministic():
    make_deterministic()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model", [small.LAYERS, GROUPS], ids=["plain", "groups"])
def test_stage_on_two_cores_ends_with_the_bits_of_one(tmp_path, source, model, precision):
    stage = small.first_stage(small.tiny(model=model, precision=precision), source)
    alone, both = StageStore(tmp_path / "alone"), StageStore(tmp_path / "both")
    Trainer(alone, CPU, lambda event: None).train([stage])
    with SecondCore() as overlap:
        Trainer(both, CPU, lambda event: None, overlap).train([stage])
    assert both.checkpoint(stage.key) == alone.checkpoint(stage.key)
    assert both.probabilities(stage.key).tobytes() == alone.probabilities(stage.key).tobytes()


def gradients(attach):
    state = TrainState.new(small.tiny(model=GROUPS), 0, (33.3, 78.6), CPU)
    with SecondCore() as overlap:
        torch.manual_seed(0)
        with overlap.lent_to(state) if attach else nullcontext():
            state.backward(state.network(torch.rand(8, 1, 28, 28)).square().sum())
    return state.weights.grad


def test_every_gradient_is_there_when_backward_returns():
    assert torch.equal(gradients(True), gradients(False))
    assert gradients(True).abs().sum() > 0


def test_error_on_the_thread_is_raised_by_backward():
    state = TrainState.new(small.tiny(model=GROUPS), 0, (33.3, 78.6), CPU)
    with SecondCore() as overlap, overlap.lent_to(state):
        loss = state.network(torch.rand(8, 1, 28, 28)).square().sum()
        state.network[3].weight.grad = None
        with pytest.raises(AttributeError, match="add_"):
            state.backward(loss)


@pytest.mark.parametrize("options", [{"padding_mode": "circular"}, {"padding": "same"}])
def test_convolution_padded_in_another_way_keeps_its_own_backward_pass(options):
    """As a layer of another package may bring it."""
    torch.manual_seed(0)
    state = TrainState.new(small.tiny(model=GROUPS), 0, (33.3, 78.6), CPU)
    state.network[1] = nn.Conv2d(1, 4, 3, **{"padding": 1, **options})
    images = torch.rand(8, 1, 28, 28)
    found = []
    with SecondCore() as overlap:
        for attach in (False, True):
            state.network[1].zero_grad()
            with overlap.lent_to(state) if attach else nullcontext():
                state.backward(state.network(images).square().sum())
            found.append(state.network[1].weight.grad.clone())
    assert torch.equal(*found)
    assert found[0].abs().sum() > 0


def test_input_changed_in_place_is_an_error_as_it_is_without_the_thread():
    state = TrainState.new(small.tiny(model=GROUPS), 0, (33.3, 78.6), CPU)
    with SecondCore() as overlap, overlap.lent_to(state):
        first, second = state.network[1], state.network[3]
        values = first(torch.rand(8, 1, 28, 28))
        loss = second(values).square().sum()
        values.detach().add_(0)
        with pytest.raises(RuntimeError, match=r"in.?place"):
            state.backward(loss)


@pytest.mark.parametrize("forward_inside", [False, True])
def test_plain_backward_after_the_context_gives_all_gradients(forward_inside):
    """The loss may have been computed before the context ended."""
    state = TrainState.new(small.tiny(model=GROUPS), 0, (33.3, 78.6), CPU)
    torch.manual_seed(0)
    images = torch.rand(8, 1, 28, 28)
    state.network(images).square().sum().backward()
    expected = state.weights.grad.clone()
    state.weights.grad.zero_()
    with SecondCore() as overlap, overlap.lent_to(state):
        loss = state.network(images).square().sum()
    loss = loss if forward_inside else state.network(images).square().sum()
    loss.backward()
    assert torch.equal(state.weights.grad, expected)
    assert state.network[3].weight.grad.abs().sum() > 0
    assert state.backward is torch.Tensor.backward


def test_thread_leaves_the_flags_of_the_process_alone(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    with SecondCore():
        pass
    assert torch.backends.cudnn.benchmark
    make_deterministic()
    assert not torch.backends.cudnn.benchmark
