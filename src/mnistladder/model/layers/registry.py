"""The layers that a config may name: ours in LAYERS, those of other packages by entry points."""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points

from mnistladder.errors import UsageError
from mnistladder.model.layers import activation, convolution, dense, dropout, normalisation, pooling
from mnistladder.model.layers.base import Layer

ENTRY_POINTS = "mnistladder.layers"

LAYERS: dict[str, type[Layer]] = {
    "normalize": normalisation.Normalize,
    "flatten": dense.Flatten,
    "dense": dense.Dense,
    "conv": convolution.Conv,
    "maxpool": pooling.MaxPool,
    "avgpool": pooling.AvgPool,
    "globalavgpool": pooling.GlobalAvgPool,
    "globalmaxpool": pooling.GlobalMaxPool,
    "batchnorm": normalisation.BatchNorm,
    "dropout": dropout.Dropout,
    "relu": activation.Relu,
    "sigmoid": activation.Sigmoid,
    "tanh": activation.Tanh,
    "gelu": activation.Gelu,
    "silu": activation.Silu,
    "leaky_relu": activation.LeakyRelu,
}


@cache
def installed_layers() -> dict[str, type[Layer]]:
    """The layers of other installed packages, by their names; they cannot replace ours.

    Raises UsageError if an entry point names something that is not a layer.
    """
    kinds: dict[str, type[Layer]] = {}
    for point in entry_points(group=ENTRY_POINTS):
        if point.name in LAYERS:
            continue
        kind = point.load()
        if not (isinstance(kind, type) and issubclass(kind, Layer)):
            raise UsageError(
                f"entry point `{point.name}` = {point.value} is not a subclass of "
                "mnistladder.model.layers.Layer"
            )
        kinds[point.name] = kind
    return kinds


def plugin_versions(layers: Iterable[Layer]) -> dict[str, str]:
    """The names of those layers that other packages supply, with the versions of the packages."""
    names = {layer_name(layer) for layer in layers} - LAYERS.keys()
    points = entry_points(group=ENTRY_POINTS) if names else ()
    return {p.name: p.dist.version if p.dist else "" for p in points if p.name in names}


def find_layer(name: str) -> type[Layer] | None:
    """The layer of that name; other packages are searched only if we have no such layer."""
    return LAYERS.get(name) or installed_layers().get(name)


def layer_name(layer: Layer) -> str:
    """The name of this layer in a config."""
    known = LAYERS if type(layer) in LAYERS.values() else {**LAYERS, **installed_layers()}
    return next(name for name, kind in known.items() if kind is type(layer))
