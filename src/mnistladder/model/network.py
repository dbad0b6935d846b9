"""Layer specs -> torch network with its initial weights."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn

from mnistladder.model.layers import BatchNorm, Conv, Dense, Layer, MaxPool, Relu, Shape, layer_name
from mnistladder.model.modules import StackedBatchNorm, Standardize
from mnistladder.seeds import derive_seed
from mnistladder.task import INPUT_SHAPE

OVERWRITABLE = (Conv, Dense, BatchNorm, MaxPool)  # their backward pass does not read their output


def build(
    layers: tuple[Layer, ...],
    seed: int,
    statistics: tuple[float, float],
    shape: Shape = INPUT_SHAPE,
) -> nn.Sequential:
    """A network on the CPU, logits N x 10 from raw pixels N x 1 x 28 x 28.

    Weights are drawn on the CPU from the network's init stream, so every device starts from the
    same ones. `statistics` are the training pixels' mean and standard deviation.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "init"))
        for number, layer in enumerate(layers, 1):
            modules[f"{number:02d}_{layer_name(layer)}"] = layer.module(shape)
            shape = layer.output_shape(shape)
    network = nn.Sequential(_cheapest_order(layers, modules))
    for module in network.modules():
        if isinstance(module, Standardize):
            module.fit(*statistics)
    return network


def build_stacked(
    layers: tuple[Layer, ...], networks: int, device: torch.device | str = "cpu"
) -> nn.Sequential:
    """So many networks side by side, logits N x 10*networks from pixels N x networks x 28 x 28.

    It is made for the device, takes no memory yet and has no values (torch's meta device). Names
    are those of `build`; each weight and buffer is that of the networks joined along the first
    dimension, with spare channels behind them where a CPU needs some.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    shape = INPUT_SHAPE
    with torch.device("meta"):
        for number, layer in enumerate(layers, 1):
            module = layer.stacked(shape, networks)
            if isinstance(module, StackedBatchNorm) and torch.device(device).type == "cpu":
                module.fill_vectors()
            modules[f"{number:02d}_{layer_name(layer)}"] = module
            shape = layer.output_shape(shape)
    return nn.Sequential(_cheapest_order(layers, modules))


def _cheapest_order(
    layers: tuple[Layer, ...], modules: OrderedDict[str, nn.Module]
) -> OrderedDict[str, nn.Module]:
    """The same function in fewer operations: the same bits out, and the same gradients.

    ReLU moves behind the max-pool that follows it, where a quarter of the values is left. It
    overwrites its input if the layer before does not need it.
    """
    named = list(zip(layers, modules.items(), strict=True))
    for place in range(len(named) - 1):
        if isinstance(named[place][0], Relu) and isinstance(named[place + 1][0], MaxPool):
            named[place], named[place + 1] = named[place + 1], named[place]
    for (before, _), (_, (_, module)) in pairwise(named):
        if isinstance(module, nn.ReLU) and isinstance(before, OVERWRITABLE):
            module.inplace = True
    return OrderedDict(item for _, item in named)
