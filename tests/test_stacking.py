"""Networks side by side learn what each would learn alone."""

import pytest
import small
import torch
from torch import nn

from mnistladder.config.loading import load_rung, shipped_names
from mnistladder.config.spec import Adadelta, Adam, AdamW, Average, Muon, RmsProp, Sgd
from mnistladder.engine import stacking
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.tensors import Images, load_digits
from mnistladder.engine.train_state import TrainState
from mnistladder.errors import UsageError
from mnistladder.ladder.stages import Stage
from mnistladder.model import layers
from mnistladder.model.modules import Dropout

CPU = torch.device("cpu")
STATISTICS = (33.3, 78.6)
TOLERANCE = 1e-5  # relative, of one step: sums may be rounded in another order

# Every layer of the registry: its arguments, and a shape that may enter.
EXAMPLES = {
    "normalize": ({}, (1, 28, 28)),
    "flatten": ({}, (3, 4, 4)),
    "dense": ({"out": 5}, (7,)),
    "conv": ({"out": 6, "groups": 3}, (3, 8, 8)),
    "maxpool": ({}, (3, 8, 8)),
    "avgpool": ({"size": 3, "stride": 2}, (3, 8, 8)),
    "globalavgpool": ({}, (3, 8, 8)),
    "globalmaxpool": ({}, (3, 8, 8)),
    "batchnorm": ({}, (3, 8, 8)),
    "dropout": ({}, (3, 8, 8)),
    "relu": ({}, (7,)),
    "sigmoid": ({}, (7,)),
    "tanh": ({}, (7,)),
    "gelu": ({}, (7,)),
    "silu": ({}, (7,)),
    "leaky_relu": ({}, (7,)),
}
MORE = [
    ("dense", {"out": 5, "bias": False}, (7,)),
    ("conv", {"out": 4, "kernel": 2, "stride": 2, "bias": False}, (2, 7, 7)),
    ("conv", {"out": 4, "kernel": 4}, (2, 8, 8)),  # zeros on one side more than on the other
    ("batchnorm", {}, (7,)),
    ("dropout", {}, (7,)),
]
ALL = [(name, *EXAMPLES[name]) for name in EXAMPLES] + MORE


@pytest.fixture(autouse=True)
def _deterministic():
    make_deterministic()


@pytest.fixture
def few(source, tmp_path):
    """Digits enough for a few steps."""
    digits = load_digits(source, tmp_path, CPU)
    return Images(digits.train.images[:200], digits.train.labels[:200])


def test_every_layer_of_the_registry_is_tried():
    assert EXAMPLES.keys() == layers.LAYERS.keys()


@pytest.mark.parametrize(("name", "arguments", "shape"), ALL, ids=str)
def test_layer_stacked_is_the_layer_alone_for_each(name, arguments, shape):
    layer = layers.LAYERS[name](**arguments)
    torch.manual_seed(0)
    alone = [layer.module(shape) for _ in range(3)]
    whole = layer.stacked(shape, 3)
    state = whole.state_dict()
    for key, value in state.items():
        parts = [module.state_dict()[key] for module in alone]
        joined = torch.cat(parts) if value.dim() else parts[0]
        value[: len(joined)].copy_(joined) if value.dim() else value.copy_(joined)
    inputs = [torch.randn(4, *shape, requires_grad=True) for _ in alone]
    if name == "dropout":
        for module, number in zip(alone, range(3), strict=True):
            module.mask = next(module.masks(4, [torch.Generator().manual_seed(number)]))
        whole.mask = next(whole.masks(4, [torch.Generator().manual_seed(n) for n in range(3)]))
    expected = torch.cat([module(x) for module, x in zip(alone, inputs, strict=True)], 1)
    found = whole(torch.cat(inputs, 1))
    assert torch.allclose(found, expected, rtol=TOLERANCE, atol=1e-6)
    weights = torch.randn_like(expected)
    gradients = [torch.autograd.grad((y * weights).sum(), inputs) for y in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, rtol=TOLERANCE, atol=1e-5)


def trained(config, images, seeds, together, epochs=1):
    """Networks after their epochs, and their losses: stacked `together` at a time, or alone."""
    states = [TrainState.new(config, seed, STATISTICS, CPU) for seed in seeds]
    losses = []
    for first in range(0, len(seeds), together):
        group, group_seeds = (some[first : first + together] for some in (states, seeds))
        for epoch in range(epochs):
            losses += small.train_epoch(config, group, group_seeds, images, epoch=epoch)
    return states, losses


def values_of(state):
    return torch.cat([value.flatten().float() for value in state.network.state_dict().values()])


@pytest.mark.parametrize("name", shipped_names())
def test_members_of_a_rung_stacked_are_the_members_alone(name, few):
    # Plain descent shows rounding as it is; Adam divides a gradient of nearly zero by its size.
    config = load_rung(name, ["batch_size=50"]).config.model_copy(update={"optimizer": Sgd()})
    alone, expected = trained(config, few, [0, 1, 2], together=1)
    stacked, found = trained(config, few, [0, 1, 2], together=3)
    assert found == pytest.approx(expected, rel=1e-4)  # after up to four steps
    for one, other, seed in zip(stacked, alone, [0, 1, 2], strict=True):
        moved = (values_of(other) - values_of(TrainState.new(config, seed, STATISTICS, CPU))).norm()
        assert (values_of(one) - values_of(other)).norm() < 1e-3 * moved


@pytest.mark.parametrize("name", shipped_names())
def test_shortened_plan_of_a_rung_has_the_same_losses_stacked(name, few):
    # Two steps an epoch: Adam makes what is rounded otherwise ten times as large in four more.
    config = load_rung(name, ["batch_size=100"]).config
    _, expected = trained(config, few, [0, 1], together=1, epochs=2)
    _, found = trained(config, few, [0, 1], together=2, epochs=2)
    assert sorted(found) == pytest.approx(sorted(expected), rel=1e-3)


PLANS = {
    "adam": small.tiny(optimizer=Adam()),
    "sgd": small.tiny(optimizer=Sgd(momentum=0.9)),
    "rmsprop": small.tiny(optimizer=RmsProp(momentum=0.9, centered=True)),
    "adadelta": small.tiny(optimizer=Adadelta(weight_decay=0.01)),
    "no decay": small.tiny(optimizer=AdamW(weight_decay=0.1, no_decay=["bias", "norm"])),
    "muon": small.tiny(optimizer=Muon(last_layer=True)),
    "muon, no decay": small.tiny(optimizer=Muon(no_decay=["bias", "norm"]), precision="bfloat16"),
    "average": small.tiny(average=Average(decay=0.7, every=3)),
    "rung 9 adadelta": load_rung("model09_dropout", ["optimizer={name: adadelta}"]).config,
    "rung 9 rmsprop": load_rung("model09_dropout", ["optimizer={name: rmsprop}"]).config,
    "rung 9": load_rung("model09_dropout").config,
    "rung 1": load_rung("model01_linear").config,
    "bfloat16": load_rung("model09_dropout", ["precision=bfloat16"]).config,
}


@pytest.mark.parametrize("name", PLANS)
def test_bits_do_not_depend_on_how_many_are_stacked_and_where(few, name):
    by_three, _ = trained(PLANS[name], few, [0, 1, 2], together=3)
    by_two, _ = trained(PLANS[name], few, [2, 0, 1, 1], together=2)
    for one, other in zip(by_three, (by_two[1], by_two[2], by_two[0]), strict=True):
        assert one.save() == other.save()


def test_members_do_not_mix(few):
    config = small.tiny()
    with_one, _ = trained(config, few, [0, 1], together=2)
    with_other, _ = trained(config, few, [0, 7], together=2)
    assert with_one[0].save() == with_other[0].save()
    assert with_one[1].save() != with_other[1].save()


def test_stack_of_one_is_the_member_itself():
    state = TrainState.new(small.tiny(), 0, STATISTICS, CPU)
    assert stacking.join(small.tiny(), [state]) is state


@pytest.mark.parametrize("name", PLANS)
def test_join_and_split_change_nothing(few, name):
    config = PLANS[name]
    states, _ = trained(config, few, [0, 1], together=1)
    before = [state.save() for state in states]
    stacking.split(stacking.join(config, states), states)
    assert [state.save() for state in states] == before


def test_masks_of_a_stack_are_those_of_its_networks():
    module = Dropout(0.5, (3, 4, 4))
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    found = next(module.masks(2, generators))
    alone = [next(module.masks(2, [torch.Generator().manual_seed(seed)])) for seed in (0, 1)]
    assert torch.equal(found, torch.cat(alone, 1))
    assert found.is_contiguous(memory_format=torch.channels_last)


class Scaled(layers.Relu):
    """A layer of another package with constants, stored or not."""

    stored: bool = False
    stackable = True

    def module(self, shape):
        module = nn.ReLU()
        module.register_buffer("constants", torch.tensor([3.0, 5.0]), persistent=self.stored)
        return module


@pytest.fixture
def _plugin(monkeypatch):
    monkeypatch.setitem(layers.LAYERS, "scaled", Scaled)


@pytest.mark.usefixtures("_plugin")
def test_constants_of_a_layer_are_those_of_a_member():
    config = small.tiny(model=(layers.Flatten(), Scaled(), layers.Dense(out=10)))
    states = [TrainState.new(config, seed, STATISTICS, CPU) for seed in range(3)]
    whole = stacking.join(config, states)
    assert dict(whole.network.named_buffers())["02_scaled.constants"].tolist() == [3.0, 5.0]


@pytest.mark.usefixtures("_plugin")
def test_layer_that_is_stackable_in_name_only_is_told():
    config = small.tiny(model=(layers.Flatten(), Scaled(stored=True), layers.Dense(out=10)))
    states = [TrainState.new(config, seed, STATISTICS, CPU) for seed in range(3)]
    with pytest.raises(UsageError, match=r"constants: \(2,\) alone, \(2,\) stacked"):
        stacking.join(config, states)


def test_layer_that_draws_is_never_stacked(source):
    class Quiet(layers.Relu):
        pass

    class Drawing(layers.Relu):
        draws = True

    for kind, expected in ((Quiet, True), (Drawing, False)):
        config = small.tiny(model=(layers.Flatten(), kind(), layers.Dense(out=10)))
        stage = Stage(config, 0, 1, source)
        assert stage.is_stackable is expected
