"""Every layer keeps its promises about shape and parameters, and learns with all of them."""

import sys

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from mnistladder.config.loading import load_rung
from mnistladder.errors import UsageError
from mnistladder.model import layers, network
from mnistladder.model.layers import LAYERS, Conv, Dense, find_layer, layer_name
from mnistladder.model.modules import INITIALIZERS, initialized
from mnistladder.model.shapes import ShapeError, layer_table

MAPS, ROW = (6, 9, 8), (12,)  # no side equals another, so that mixing them up shows
CASES = [
    ("normalize", {}, MAPS),
    ("normalize", {"mean": 3.0}, ROW),
    ("flatten", {}, MAPS),
    ("flatten", {}, ROW),
    ("dense", {"out": 5}, ROW),
    ("dense", {"out": 5, "bias": False}, ROW),
    ("conv", {"out": 4}, MAPS),
    ("conv", {"out": 4, "bias": False}, MAPS),
    ("conv", {"out": 4, "stride": 2}, MAPS),
    ("conv", {"out": 4, "stride": 3}, MAPS),
    ("conv", {"out": 4, "kernel": 2}, MAPS),
    ("conv", {"out": 4, "kernel": 4, "stride": 3}, MAPS),
    ("conv", {"out": 4, "kernel": 1, "stride": 2}, MAPS),
    ("conv", {"out": 4, "kernel": 11}, MAPS),
    ("conv", {"out": 4, "padding": "valid"}, MAPS),
    ("conv", {"out": 4, "padding": "valid", "kernel": 8, "stride": 5}, MAPS),
    ("conv", {"out": 4, "groups": 2}, MAPS),
    ("conv", {"out": 6, "groups": 6, "kernel": 2, "stride": 2, "bias": False}, MAPS),
    ("maxpool", {}, MAPS),
    ("maxpool", {"size": 3}, MAPS),
    ("maxpool", {"size": 3, "stride": 1}, MAPS),
    ("avgpool", {}, MAPS),
    ("avgpool", {"size": 3, "stride": 2}, MAPS),
    ("globalavgpool", {}, MAPS),
    ("globalmaxpool", {}, MAPS),
    ("batchnorm", {}, MAPS),
    ("batchnorm", {"eps": 1e-5, "momentum": 0.1}, ROW),
    ("dropout", {}, MAPS),
    ("dropout", {"p": 0.0}, ROW),
    ("relu", {}, MAPS),
    ("sigmoid", {}, ROW),
    ("tanh", {}, MAPS),
    ("gelu", {}, ROW),
    ("silu", {}, MAPS),
    ("leaky_relu", {"slope": 0.2}, ROW),
]


def test_every_layer_has_a_case():
    assert {name for name, _, _ in CASES} == set(LAYERS)


@pytest.mark.parametrize(("name", "fields", "shape"), CASES)
def test_layer_gives_the_promised_shape_and_parameters(name, fields, shape):
    layer = LAYERS[name](**fields)
    module = layer.module(shape)
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert tuple(module(torch.rand(2, *shape)).shape) == (2, *layer.output_shape(shape))
    assert trainable == layer.parameters(shape)
    assert layer_name(layer) == name


@pytest.mark.parametrize(("name", "fields", "shape"), CASES)
def test_gradient_reaches_every_parameter_and_the_input(name, fields, shape):
    torch.manual_seed(0)
    module = LAYERS[name](**fields).module(shape)
    inputs = torch.rand(4, *shape, requires_grad=True)
    outputs = module(inputs)
    (outputs * torch.rand_like(outputs)).sum().backward()
    assert inputs.grad.abs().sum() > 0
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.parameters())


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_layer_has_a_description(name):
    assert (LAYERS[name].__doc__ or "").strip()


@pytest.mark.parametrize(
    ("kernel", "stride", "side", "before", "after"),
    [
        (3, 1, 28, 1, 1),
        (5, 1, 28, 2, 2),
        (1, 1, 28, 0, 0),
        (2, 1, 28, 0, 1),
        (4, 1, 28, 1, 2),
        (3, 2, 28, 0, 1),
        (3, 2, 7, 1, 1),
        (5, 2, 28, 1, 2),
        (2, 2, 7, 0, 1),
        (1, 2, 28, 0, 0),
        (3, 3, 28, 1, 1),
        (2, 3, 28, 0, 1),
    ],
)
def test_same_padding_has_the_sizes_of_keras(kernel, stride, side, before, after):
    """A kernel of ones over an image of ones counts how much of each window is no padding."""
    layer = Conv(out=1, kernel=kernel, stride=stride, bias=False)
    module = layer.module((1, side, side))
    nn.init.ones_(next(module.parameters()))
    found = module(torch.ones(1, 1, side, side))[0, 0]
    assert len(found) == -(-side // stride)
    assert found[0, 0] == (kernel - before) ** 2
    assert found[-1, -1] == (kernel - after) ** 2


@pytest.mark.parametrize(
    ("name", "fields", "shape", "expected"),
    [
        (
            "dense",
            {"out": 3},
            MAPS,
            "needs one row of features, but its input is 6x9x8; put `flatten` before it",
        ),
        (
            "conv",
            {"out": 3},
            ROW,
            r"needs feature maps \(channels x height x width\), but its input is 12",
        ),
        (
            "conv",
            {"out": 4, "groups": 4},
            MAPS,
            r"`groups` \(4\) must divide both the input channels \(6\) and `out` \(4\)",
        ),
        (
            "conv",
            {"out": 4, "kernel": 9, "padding": "valid"},
            MAPS,
            "side 9 does not fit into an input of side 8",
        ),
        ("maxpool", {"size": 9}, MAPS, "a window of side 9 does not fit into an input of side 8"),
        ("avgpool", {}, ROW, "needs feature maps"),
        ("globalavgpool", {}, ROW, "needs feature maps"),
        ("globalmaxpool", {}, ROW, "needs feature maps"),
    ],
)
def test_shape_that_does_not_fit_is_a_value_error(name, fields, shape, expected):
    with pytest.raises(ValueError, match=expected):
        LAYERS[name](**fields).output_shape(shape)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("dense", {}),
        ("dense", {"out": 0}),
        ("dense", {"out": 1.0}),
        ("dense", {"out": True}),
        ("conv", {"out": 3, "padding": "full"}),
        ("conv", {"out": 3, "init": "zeros"}),
        ("dropout", {"p": 1.0}),
        ("batchnorm", {"eps": 0.0}),
        ("batchnorm", {"momentum": 2.0}),
        ("normalize", {"std": 0.0}),
        ("normalize", {"mean": float("nan")}),
        ("relu", {"x": 1}),
        ("maxpool", {"stride": 0}),
        ("leaky_relu", {"slope": -1.0}),
    ],
)
def test_wrong_field_is_refused(name, fields):
    with pytest.raises(ValidationError):
        LAYERS[name](**fields)


# variance x fan, and the largest |weight| x sqrt(fan) of the uniform ones, as published
INITIAL = {
    "glorot_uniform": (lambda i, o: 2 / (i + o), 3**0.5),
    "glorot_normal": (lambda i, o: 2 / (i + o), None),
    "he_uniform": (lambda i, o: 2 / i, 3**0.5),
    "he_normal": (lambda i, o: 2 / i, None),
    "lecun_normal": (lambda i, o: 1 / i, None),
    "orthogonal": (lambda i, o: 1 / max(i, o), None),
}


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_initializer_has_its_published_variance(name):
    torch.manual_seed(0)
    variance, bound = INITIAL[name]
    weight = initialized(nn.Linear(300, 200), name).weight
    expected = variance(300, 200) ** 0.5
    assert weight.std().item() == pytest.approx(expected, rel=0.03)
    assert abs(weight.mean().item()) < expected / 50
    if bound:
        assert 0.99 * bound * expected < weight.abs().max() <= bound * expected


def test_orthogonal_initializer_gives_orthogonal_rows():
    weight = initialized(nn.Linear(30, 20), "orthogonal").weight
    assert torch.allclose(weight @ weight.T, torch.eye(20), atol=1e-5)


@pytest.mark.parametrize("layer", [Dense(out=5), Conv(out=5, kernel=2)])
@pytest.mark.parametrize("name", sorted(INITIALIZERS))
def test_layer_uses_its_initializer_and_zero_biases(layer, name):
    shape = ROW if isinstance(layer, Dense) else MAPS
    torch.manual_seed(3)
    weight, bias = layer.model_copy(update={"init": name}).module(shape).parameters()
    torch.manual_seed(3)
    other, _ = layer.model_copy(update={"init": "glorot_normal"}).module(shape).parameters()
    assert torch.equal(weight, other) is (name == "glorot_normal")
    assert not bias.any()


def test_grouped_convolution_counts_its_fan_per_group():
    weight, _ = Conv(out=64, groups=32).module((64, 9, 9)).parameters()
    assert weight.shape == (64, 2, 3, 3)
    assert weight.abs().max() <= (6 / (2 * 9 + 64 * 9)) ** 0.5


def test_batchnorm_has_the_constants_of_keras_1():
    module = LAYERS["batchnorm"]().module((3, 4, 4))
    images = torch.rand(5, 3, 4, 4)
    module(images)
    assert (module.eps, module.momentum) == (1e-3, 0.01)
    assert torch.allclose(module.running_mean, 0.01 * images.mean((0, 2, 3)))
    assert torch.allclose(module.running_var, 0.99 + 0.01 * images.var((0, 2, 3)))


def test_batch_weight_is_pytorchs_momentum_and_both_names_have_the_same_recipe():
    kind = find_layer("batchnorm")
    ours, records = (kind.model_validate({key: 0.1}) for key in ("batch_weight", "momentum"))
    assert ours == records
    assert ours.module((4,)).momentum == 0.1
    assert ours.model_dump(exclude_defaults=True) == {"momentum": 0.1}  # hashed in result ids


def test_dropout_scales_what_is_left_and_is_off_in_evaluation():
    torch.manual_seed(0)
    module = LAYERS["dropout"](p=0.25).module((1000,))
    dropped = module(torch.ones(1, 1000))
    assert dropped.unique().tolist() == [0, pytest.approx(4 / 3)]
    assert dropped.mean().item() == pytest.approx(1, abs=0.06)
    assert torch.equal(module.eval()(torch.ones(1, 1000)), torch.ones(1, 1000))


def test_pooling_takes_maximum_and_mean_of_each_window():
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    found = {
        name: LAYERS[name]().module((1, 4, 4))(maps).flatten().tolist()
        for name in LAYERS
        if "pool" in name
    }
    assert found == {
        "maxpool": [5, 7, 13, 15],
        "avgpool": [2.5, 4.5, 10.5, 12.5],
        "globalavgpool": [7.5],
        "globalmaxpool": [15],
    }


def test_normalize_fits_only_what_the_config_left_open():
    built = network.build((LAYERS["normalize"](std=2.0),), 0, (5.0, 7.0))
    assert (built[0].mean.item(), built[0].std.item()) == (5.0, 2.0)
    assert built(torch.tensor([[9.0]])).item() == 2.0


def test_normalize_keeps_the_scale_of_constant_images():
    built = network.build((LAYERS["normalize"](),), 0, (5.0, 0.0))
    assert built(torch.tensor([[9.0]])).item() == 4.0


def test_layer_table_names_the_layer_that_does_not_fit():
    with pytest.raises(ShapeError, match="dense: needs one row of features") as caught:
        layer_table((Conv(out=3), Dense(out=10)))
    assert caught.value.index == 1


PLUGIN = '''
from mnistladder.model.layers import Layer
class Double(Layer):
    """Twice the input."""
    times: int = 2
    def module(self, shape):
        from torch import nn
        class Times(nn.Module):
            def forward(module, x):
                return self.times * x
        return Times()
class Mine(Layer):
    """Not ours to replace."""
not_a_layer = 3
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Installs a package that offers layers by the given entry points."""

    def install(*points):
        (tmp_path / "ladder_plugin.py").write_text(PLUGIN)
        info = tmp_path / "ladder_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ladder-plugin\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = ladder_plugin:{target}" for name, target in points)
        (info / "entry_points.txt").write_text(f"[mnistladder.layers]\n{lines}\n")
        monkeypatch.syspath_prepend(tmp_path)
        layers.installed_layers.cache_clear()

    yield install
    layers.installed_layers.cache_clear()
    sys.modules.pop("ladder_plugin", None)


def test_layer_of_another_package_is_found_by_its_entry_point(plugin, tmp_path):
    assert find_layer("double") is None
    plugin(("double", "Double"))
    path = tmp_path / "x.yaml"
    path.write_text(
        "title: T\nmodel: [double: {times: 3}, flatten, dense: {out: 10}]\n"
        "phases: [{epochs: 1, lr: 1}]\n"
    )
    model = load_rung(str(path)).config.model
    assert layer_name(model[0]) == "double"
    built = network.build(model, 0, (0.0, 1.0))
    assert torch.equal(built[0](torch.ones(1, 1, 28, 28)), torch.full((1, 1, 28, 28), 3.0))


def test_entry_point_cannot_replace_a_layer_of_ours(plugin):
    plugin(("relu", "Mine"), ("double", "Double"))
    assert find_layer("relu") is LAYERS["relu"]
    assert set(layers.installed_layers()) == {"double"}


def test_entry_point_that_is_no_layer_is_told(plugin):
    plugin(("wrong", "not_a_layer"))
    with pytest.raises(
        UsageError, match="entry point `wrong` = ladder_plugin:not_a_layer is not a subclass"
    ):
        find_layer("anything")
