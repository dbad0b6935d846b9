"""Layer specs -> torch network with its initial weights."""

from collections import OrderedDict

import torch
from torch import nn

from mnistladder.config import INPUT_SHAPE
from mnistladder.layers import Layer, Shape, layer_name
from mnistladder.modules import Standardize
from mnistladder.streams import derive_seed


def build(
    layers: tuple[Layer, ...],
    seed: int,
    statistics: tuple[float, float],
    shape: Shape = INPUT_SHAPE,
) -> nn.Sequential:
    """A network on the CPU, logits N x 10 from raw pixels N x 1 x 28 x 28.

    Weights are drawn on the CPU from the member's init stream, so every device starts from the
    same ones. `statistics` are the training pixels' mean and standard deviation.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "init"))
        for number, layer in enumerate(layers, 1):
            modules[f"{number:02d}_{layer_name(layer)}"] = layer.module(shape)
            shape = layer.output_shape(shape)
    network = nn.Sequential(modules)
    for module in network.modules():
        if isinstance(module, Standardize):
            module.fit(*statistics)
    return network
