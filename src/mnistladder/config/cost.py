"""What a config costs: multiply-adds and memory."""

from math import prod

from mnistladder.config.sizes import EVALUATED, PART, epoch_size
from mnistladder.config.spec import Config
from mnistladder.model.layers import Conv, Dense
from mnistladder.model.shapes import layer_table
from mnistladder.task import INPUT_SHAPE

OPTIMIZER_MIB = 150  # what torch loads when the first optimizer is made
OVERHEAD = 50_000  # multiply-adds that an image costs besides: fetching it, small layers


def multiply_adds(config: Config) -> int:
    """Multiply-adds of one image in the forward pass: dense layers and convolutions alone.

    Products with the zeros of the padding count too. Training costs about three times as much.
    """
    return sum(layer_multiply_adds(config))


def layer_multiply_adds(config: Config) -> list[int]:
    """Multiply-adds of each layer, as `multiply_adds` counts them."""
    counts, shape = [], INPUT_SHAPE
    for layer, row in zip(config.model, layer_table(config.model), strict=True):
        count = 0
        if isinstance(layer, Dense):
            count = shape[0] * layer.out
        elif isinstance(layer, Conv):
            count = prod(row.output_shape) * layer.kernel**2 * shape[0] // layer.groups
        counts.append(count)
        shape = row.output_shape
    return counts


def activation_bytes(config: Config) -> int:
    """Bytes of the layer outputs of one batch in float32; the backward pass needs them all."""
    values = prod(INPUT_SHAPE) + sum(prod(row.output_shape) for row in layer_table(config.model))
    return 4 * config.batch_size * values


def images_to_train(config: Config, count: int = 60_000) -> int:
    """Images, repeats counted, that all members see; `count` is the training set's size."""
    images = (
        phase.epochs * epoch_size(count, config.batch_size, phase.pseudo_per_batch).images
        for phase in config.phases
    )
    return config.members * sum(images)


def peak_mib(config: Config, networks: int, images: int, start_mib: float) -> float:
    """The most memory, in MiB, that a process needs to train `networks` networks as one.

    `images` counts the training and test images; a process holds them once, as bytes. It holds a
    part of an epoch as floats, for each network and for all side by side. Activations and their
    gradients count for one batch of all networks, or for one network in evaluation.
    """
    pixels = prod(INPUT_SHAPE)
    data = pixels * images + 2 * networks * 4 * pixels * PART
    # Weight, gradient, two moments, and the average if there is one; and a copy of all.
    weights = 4 * config.parameters * networks * (10 if config.average else 8)
    step = 2 * networks * activation_bytes(config)
    evaluation = 2 * activation_bytes(config) * EVALUATED // config.batch_size
    return start_mib + OPTIMIZER_MIB + (data + weights + max(step, evaluation)) / 2**20
