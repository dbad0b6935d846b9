"""How the images of a data set look: bright ink or dark ink, upright or transposed."""

from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnistladder.data.datasets import MNIST_DIR, Split
from mnistladder.data.folders import locate, locate_training, read_split
from mnistladder.data.idx import Bytes, read_idx
from mnistladder.task import CLASSES

SAMPLE = 5_000  # images that are looked at, evenly spread
LEAST_CONTRAST = 32  # between the darkest and the brightest pixel; with less, an image is empty
MOST = 0.9  # of the images must agree
LEAST_CLASSES = 3  # for an orientation
# Of 20 MNIST digits as they are: 0.60, transposed: 0.14; of any turned or mislabelled: under 0.5.
LEAST_LIKENESS, LEAST_DIFFERENCE = 0.55, 0.25


class Polarity(StrEnum):
    """Which is brighter, the ink or the ground."""

    BRIGHT_INK = "bright-ink"
    DARK_INK = "dark-ink"

    @property
    def words(self) -> str:
        """What a message says."""
        if self is Polarity.BRIGHT_INK:
            return "bright ink on a dark ground"
        return "dark ink on a bright ground"


def see_polarity(images: Bytes) -> Polarity | None:
    """The polarity of images N x height x width; None where it differs or cannot be seen.

    The ground of an image is what its border shows, on average. It is bright if it is nearer to
    the brightest pixels than to the darkest ones.
    """
    sample = images[:: max(1, len(images) // SAMPLE)]
    lowest, highest = sample.min((1, 2)).astype(float), sample.max((1, 2)).astype(float)
    clear = highest - lowest >= LEAST_CONTRAST
    if not clear.any():
        return None
    sides = (sample[:, 0], sample[:, -1], sample[:, 1:-1, 0], sample[:, 1:-1, -1])
    border = np.concatenate(sides, axis=1).mean(1)
    bright = float((border > (lowest + highest) / 2)[clear].mean())
    if 1 - MOST < bright < MOST:
        return None
    return Polarity.DARK_INK if bright >= MOST else Polarity.BRIGHT_INK


def training_polarity(folder: Path) -> Polarity | None:
    """The polarity of a folder's training images; None if it cannot be seen. Raises DataError."""
    return see_polarity(read_idx(locate_training(folder).images))


class Orientation(StrEnum):
    """How digits stand, compared with MNIST's."""

    UPRIGHT = "upright"
    TRANSPOSED = "transposed"  # rows are columns, as in EMNIST's files


def see_orientation(split: Split) -> Orientation | None:
    """How the digits of a split stand; None where they are not like MNIST's digits in either way.

    Compared are the mean images of the classes, less the mean of them all.
    """
    present = [label for label in range(CLASSES) if (split.labels == label).any()]
    if len(present) < LEAST_CLASSES:
        return None
    ink = -1 if see_polarity(split.images) is Polarity.DARK_INK else 1
    seen = ink * _class_means(split, present)
    mnist = _class_means(Split(*read_split(locate(MNIST_DIR).test)), present)
    upright, transposed = _likeness(seen, mnist), _likeness(seen, mnist.transpose(0, 2, 1))
    if max(upright, transposed) < LEAST_LIKENESS or abs(upright - transposed) < LEAST_DIFFERENCE:
        return None
    return Orientation.UPRIGHT if upright > transposed else Orientation.TRANSPOSED


def _class_means(split: Split, labels: list[int]) -> NDArray[np.float64]:
    """The mean image of each class, less the mean of them all."""
    means = np.stack([split.images[split.labels == label].mean(0) for label in labels])
    return means - means.mean(0)


def _likeness(seen: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """The mean correlation of the classes' mean images; a class without any contrast counts 0."""
    products = (seen * expected).sum((1, 2))
    norms = np.sqrt((seen**2).sum((1, 2)) * (expected**2).sum((1, 2)))
    return float(np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0).mean())
