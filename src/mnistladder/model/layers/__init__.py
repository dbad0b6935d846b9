"""The layers of a network, without torch. `base` says what a layer is, `registry` which there are.

To add one, write its class in the module of its kind and its name in `registry.LAYERS`.
"""

from mnistladder.model.layers.activation import Gelu, LeakyRelu, Relu, Sigmoid, Silu, Tanh
from mnistladder.model.layers.base import Layer, Shape, StackableLayer, show
from mnistladder.model.layers.convolution import Conv
from mnistladder.model.layers.dense import Dense, Flatten
from mnistladder.model.layers.dropout import Dropout
from mnistladder.model.layers.normalisation import BatchNorm, Normalize
from mnistladder.model.layers.pooling import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from mnistladder.model.layers.registry import (
    LAYERS,
    find_layer,
    installed_layers,
    layer_name,
    plugin_versions,
)

__all__ = [
    "LAYERS",
    "AvgPool",
    "BatchNorm",
    "Conv",
    "Dense",
    "Dropout",
    "Flatten",
    "Gelu",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "Layer",
    "LeakyRelu",
    "MaxPool",
    "Normalize",
    "Relu",
    "Shape",
    "Sigmoid",
    "Silu",
    "StackableLayer",
    "Tanh",
    "find_layer",
    "installed_layers",
    "layer_name",
    "plugin_versions",
    "show",
]
