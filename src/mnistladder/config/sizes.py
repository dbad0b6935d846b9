"""How many images are handled at a time, and how many an epoch has."""

from typing import NamedTuple

PART = 1024  # images of each network that are made at a time in training
EVALUATED = 500  # images at a time in evaluation: the fastest on a CPU; changes no result
EVALUATED_ON_CUDA = 10_000  # a test set at once, if it fits


class EpochSize(NamedTuple):
    """An epoch's batches, and the images in them, those of the pool counted."""

    steps: int
    images: int


def epoch_size(train_images: int, batch_size: int, pseudo_per_batch: int = 0) -> EpochSize:
    """The size of one pass over the training images, with so many of the pool in each batch.

    The last batch may be short. It is left out if it would be a single image, because batch
    normalisation has no variance of one.
    """
    real = batch_size - pseudo_per_batch
    full, rest = divmod(train_images, real)
    steps = full + (rest > 0 and rest + pseudo_per_batch > 1)
    return EpochSize(steps, min(train_images, steps * real) + steps * pseudo_per_batch)
