"""How the images of a data set look: bright ink or dark ink, upright or transposed."""

from enum import StrEnum

import numpy as np

from mnistladder.data.idx import Bytes

SAMPLE = 5_000  # images that are looked at, evenly spread
LEAST_CONTRAST = 32  # between the darkest and the brightest pixel; with less, an image is empty
MOST = 0.9  # of the images must agree


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
