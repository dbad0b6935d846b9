"""What a config costs: multiply-adds, memory, and time by the speed measured on this machine."""

from math import prod

from mnistladder.config.spec import Config
from mnistladder.model.layers import Conv, Dense
from mnistladder.model.shapes import layer_table
from mnistladder.task import INPUT_SHAPE

PART = 1024  # images of each network that are made at a time in training
OPTIMIZER_MIB = 150  # what torch loads when the first optimizer is made
EVALUATED = 500  # images at a time, as `predict` does
OVERHEAD = 50_000  # multiply-adds that an image costs besides: fetching it, small layers


def multiply_adds(config: Config) -> int:
    """Multiply-adds of one image's forward pass through dense layers and convolutions.

    A convolution counts its zero border; training costs about three times the forward pass.
    """
    total, shape = 0, INPUT_SHAPE
    for layer, row in zip(config.model, layer_table(config.model), strict=True):
        if isinstance(layer, Dense):
            total += shape[0] * layer.out
        elif isinstance(layer, Conv):
            total += prod(row.output_shape) * layer.kernel**2 * shape[0] // layer.groups
        shape = row.output_shape
    return total


def activation_bytes(config: Config) -> int:
    """Memory of one batch's layer outputs in float32, kept until the backward pass."""
    values = prod(INPUT_SHAPE) + sum(prod(row.output_shape) for row in layer_table(config.model))
    return 4 * config.batch_size * values


def images_to_train(config: Config, count: int = 60_000) -> int:
    """Images, repeats counted, that all members see; `count` is the training set's size."""
    total = 0.0
    for phase in config.phases:
        real = config.batch_size - phase.pseudo_per_batch
        total += phase.epochs * count * config.batch_size / real
    return round(total * config.members)


def peak_mib(config: Config, networks: int, images: int, start_mib: float) -> float:
    """Memory that a process needs at most to train so many of the config's networks as one.

    `images` counts training and test images, which are there once, as bytes. A part of an epoch is
    there as floats for each network, and side by side; activations and their gradients are there at
    a time for the backward pass, or for the evaluation of one network.
    """
    pixels = prod(INPUT_SHAPE)
    data = pixels * images + 2 * networks * 4 * pixels * PART
    weights = 4 * config.parameters * networks * 8  # weight, gradient, two moments, and a copy
    step = 2 * networks * activation_bytes(config)
    evaluation = 2 * activation_bytes(config) * EVALUATED // config.batch_size
    return start_mib + OPTIMIZER_MIB + (data + weights + max(step, evaluation)) / 2**20
