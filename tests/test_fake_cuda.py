"""The training code on a fake CUDA device: right devices, no waiting. `fake_cuda.py` says how."""

import pytest
import small
import torch
from fake_cuda import CUDA, fake_cuda
from torch import nn

from mnistladder.config import spec
from mnistladder.config.loading import load_rung, shipped_names, variant_names
from mnistladder.config.spec import Augment
from mnistladder.engine import evaluate
from mnistladder.engine.tensors import Images
from mnistladder.engine.train_state import TrainState
from mnistladder.model import layers

STATISTICS = (33.3, 78.6)
COUNTS = pytest.mark.parametrize("count", [1, 3], ids=["alone", "stacked"])


@pytest.fixture
def cuda(monkeypatch):
    """A watch over all operations of a test."""
    with fake_cuda(monkeypatch) as watch:
        yield watch


def images(count, device=CUDA):
    return Images(
        torch.zeros(count, 1, 28, 28, dtype=torch.uint8).to(device),
        torch.zeros(count, dtype=torch.int64).to(device),
    )


def kinds_of_phases(config):
    """The config cut down to a single phase, for one phase of each kind that it has."""
    kinds = {(phase.augment, phase.pseudo_per_batch): phase for phase in config.phases}
    return [config.model_copy(update={"phases": (phase,)}) for phase in kinds.values()]


def train(cuda, config, count, states=None):
    """One epoch of some steps, the last one short; the networks afterwards."""
    seeds = range(count)
    states = states or [TrainState.new(config, seed, STATISTICS, CUDA) for seed in seeds]
    pool = images(70) if config.phases[0].pseudo_per_batch else None
    losses = small.epoch_losses(config, states, seeds, images(150), pool, during=cuda.steps)
    assert (losses.device, losses.shape) == (CUDA, (count,))
    return states


def assert_all_on_the_device(state):
    """Weights, buffers, gradients and the optimizer's state."""
    network = state.network
    assert {value.device for value in network.parameters()} == {CUDA}
    assert {value.grad.device for value in network.parameters()} == {CUDA}
    assert {value.device for value in network.buffers()} <= {CUDA}
    moments = [value for group in state.optimizer.state.values() for value in group.values()]
    tensors = [value for value in moments if torch.is_tensor(value)]
    if not state.optimizer.defaults.get("fused"):  # torch counts the steps on the CPU then
        tensors = [value for value in tensors if value.dim()]
    assert {value.device for value in tensors} <= {CUDA}


@COUNTS
@pytest.mark.parametrize("name", [*shipped_names(), *variant_names()])
def test_every_rung_trains_on_the_device_and_never_waits(cuda, name, count):
    for config in kinds_of_phases(load_rung(name).config):
        for state in train(cuda, config, count):
            assert_all_on_the_device(state)
    answers = evaluate.probabilities(state.network, images(600).images)
    assert (answers.device, answers.shape) == (CUDA, (600, 10))


OPTIMIZERS = [kind() for kind in spec.OPTIMIZERS.values()]
OPTIMIZERS += [spec.Sgd(momentum=0.9, nesterov=True, weight_decay=1e-4)]
OPTIMIZERS += [spec.Muon(last_layer=True, no_decay=("bias",))]
OPTIMIZERS += [spec.AdamW(no_decay=("bias", "norm")), spec.RmsProp(momentum=0.9, centered=True)]


@COUNTS
def test_an_average_of_the_weights_never_waits(cuda, count):
    for state in train(cuda, small.tiny(average=spec.Average(decay=0.9, every=2)), count):
        assert_all_on_the_device(state)
        assert {value.device for value in state.average.values.values()} == {CUDA}
        assert state.average.updates == 1


@COUNTS
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_optimizer_steps_on_the_device_and_never_waits(cuda, optimizer, count):
    for state in train(cuda, small.tiny(optimizer=optimizer), count):
        assert_all_on_the_device(state)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("loss", ["cross_entropy", "clipped_cross_entropy"])
def test_every_loss_and_precision_trains_on_the_device(cuda, loss, precision):
    train(cuda, small.tiny(loss=loss, precision=precision), 3)


def test_a_limit_of_the_gradient_never_waits(cuda):
    train(cuda, small.tiny(clip_norm=0.1), 1)


def test_label_smoothing_and_distortion_by_nearest_pixels_never_wait(cuda):
    augment = Augment(rotate_deg=10, shift_px=2, interpolation="nearest")
    plan = small.phases(1, augment=True)
    train(cuda, small.tiny(label_smoothing=0.1, augment=augment, phases=plan), 3)


def test_elastic_displacement_and_erasing_never_wait(cuda):
    plan = small.phases(1, augment=True)
    augment = Augment(rotate_deg=10, elastic_px=1, erase=0.5)
    train(cuda, small.tiny(augment=augment, phases=plan), 3)


MAPS = (
    layers.Normalize(),
    layers.Conv(out=4),
    layers.MaxPool(),
    layers.Relu(),
    layers.Conv(out=8, groups=2, bias=False),
    layers.BatchNorm(),
    layers.Gelu(),
    layers.Silu(),
    layers.LeakyRelu(),
    layers.AvgPool(),
    layers.Tanh(),
)
FEATURES = (layers.BatchNorm(), layers.Dropout(p=0.5), layers.Sigmoid(), layers.Dense(out=10))
BETWEEN = (layers.Flatten(), layers.GlobalAvgPool(), layers.GlobalMaxPool())


def test_every_layer_of_the_registry_is_in_the_next_test():
    assert {type(layer) for layer in MAPS + BETWEEN + FEATURES} == {*layers.LAYERS.values()}


@COUNTS
@pytest.mark.parametrize("between", BETWEEN, ids=layers.layer_name)
def test_every_layer_trains_on_the_device_and_never_waits(cuda, between, count):
    train(cuda, small.tiny(model=(*MAPS, between, *FEATURES)), count)


class Scale(layers.Layer):
    """A layer that somebody else wrote: one learnt factor for each image."""

    def parameters(self, shape):
        return 1

    def module(self, shape):
        return Scaled()


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1))

    def forward(self, values):
        return values * self.factor


class Forgetful(Scaled):
    """A mistake: its factor is made anew on the CPU."""

    def forward(self, values):
        return values * torch.ones(values.shape[1:])


class Forgets(Scale):
    def module(self, shape):
        return Forgetful()


def with_plug_in(monkeypatch, layer):
    """A config whose second layer somebody else wrote."""
    monkeypatch.setitem(layers.LAYERS, "plug_in", type(layer))
    return small.tiny(model=(layers.Normalize(), layer, *small.LAYERS[1:]))


def test_a_plug_in_layer_trains_on_the_device(cuda, monkeypatch):
    train(cuda, with_plug_in(monkeypatch, Scale()), 1)


def test_a_plug_in_layer_that_makes_tensors_on_the_cpu_is_found(cuda, monkeypatch):
    with pytest.raises((AssertionError, RuntimeError), match="device"):
        train(cuda, with_plug_in(monkeypatch, Forgets()), 1)


@pytest.fixture(scope="module", params=[spec.Adam(), spec.RmsProp()], ids=lambda kind: kind.name)
def checkpoint(request):
    """A real network on the CPU after a few steps, stored."""
    config = load_rung("model09_dropout").config.model_copy(update={"optimizer": request.param})
    state = TrainState.new(config, 0, STATISTICS, torch.device("cpu"))
    small.epoch_losses(config, [state], [0], images(64, "cpu"))
    return config, state.save()


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
def test_a_checkpoint_of_a_cpu_goes_on_on_the_device(checkpoint, cuda):
    config, stored = checkpoint
    state = TrainState.new(config, 0, STATISTICS, CUDA)
    state.load(stored)
    assert_all_on_the_device(state)
    train(cuda, config, 1, [state])


# Twins that must fail: each is a mistake that no CPU shows.


@pytest.mark.parametrize(
    "mistake",
    [
        lambda values: values * torch.ones(3),
        lambda values: values[torch.zeros(2, dtype=torch.int64)],
        lambda values: torch.cat([values, torch.ones(3)]),
        lambda values: torch.nn.functional.linear(values, torch.ones(2, 3)),
    ],
    ids=["product", "index", "cat", "linear"],
)
def test_the_watch_finds_a_tensor_left_on_the_cpu(cuda, mistake):
    with pytest.raises((AssertionError, RuntimeError), match="device"):
        mistake(torch.ones(3, device=CUDA))


def test_the_watch_finds_a_generator_of_the_cpu(cuda):
    with pytest.raises(AssertionError, match="generator of cpu"):
        torch.empty(3, device=CUDA).uniform_(generator=torch.Generator())


WAITING = {
    "item": lambda values: values.sum().item(),
    "tolist": lambda values: values.tolist(),
    "if": lambda values: bool(values[0]),
    "cpu": lambda values: values.cpu(),
    "mask": lambda values: values[values > 0],
    "nonzero": lambda values: values.nonzero(),
    "from the host": lambda values: values + torch.tensor([1.0, 2, 3]).to(CUDA),
}


@pytest.mark.parametrize("ask", WAITING.values(), ids=WAITING)
def test_the_watch_finds_a_wait_in_a_step_and_allows_it_elsewhere(cuda, ask):
    values = torch.ones(3, device=CUDA)
    with cuda.steps(), pytest.raises(Exception, match=r"waits|_local_scalar_dense|nonzero"):
        ask(values)
