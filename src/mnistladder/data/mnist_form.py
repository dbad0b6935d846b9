"""The ink of one digit -> 28 x 28 pixels in MNIST's manner.

MNIST's makers fitted each digit into a box of 20 x 20 pixels, its proportions kept and its edges
smoothed, and put its centre of mass into the middle of 28 x 28 (LeCun et al. 1998, "Gradient-based
learning applied to document recognition").
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from mnistladder.data.pixels import Grey, Mask, box, resized, stroke_width

SIDE, BOX = 28, 20
# Widths of strokes as parts of the digit's longer side; nine in ten of MNIST's: 0.08 to 0.21.
THIN, USUAL, THICK = 0.085, 0.125, 0.2


def formed(ink: Grey, mask: Mask) -> NDArray[np.uint8]:
    """The digit, light on dark, of its ink from 0 to 1 and the mask of its strokes."""
    ink = with_usual_width(ink, mask)
    return centred(fitted(ink[box(ink > 0)]))


def with_usual_width(ink: Grey, mask: Mask) -> Grey:
    """The digit with its stroke widened if it is thin for MNIST, narrowed if it is thick.

    `mask` says which of the ink is stroke, for its width. Scaled to 20 pixels, a ball pen's line
    would all but vanish, and a marker's loops would fill.
    """
    rows, columns = box(ink > 0)
    longer = max(rows.stop - rows.start, columns.stop - columns.start)
    part = stroke_width(mask) / longer
    wanted = USUAL if part < THIN else min(part, THICK)
    radius = round(abs(wanted - part) * longer / 2)
    if radius == 0:
        return ink
    row, column = np.indices((2 * radius + 1,) * 2) - radius
    disk = row**2 + column**2 <= radius**2
    change = ndimage.grey_dilation if wanted > part else ndimage.grey_erosion
    changed: Grey = change(np.pad(ink, radius), footprint=disk)
    return changed if (changed > 0.5).any() else ink


def fitted(ink: Grey) -> Grey:
    """The ink scaled, with its proportions, so that its longer side is 20 pixels."""
    scale = BOX / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    small = resized(ink, (width, height), method)
    return (small / max(float(small.max()), 1e-9)).clip(0, 1)


def centred(small: Grey) -> NDArray[np.uint8]:
    """The fitted digit in 28 x 28, its centre of mass in the middle as far as there is room."""
    canvas = np.zeros((SIDE, SIDE))
    top, left = (
        int(np.clip(round(SIDE // 2 - centre), 0, SIDE - side))
        for centre, side in zip(ndimage.center_of_mass(small), small.shape, strict=True)
    )
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return np.round(255 * canvas).astype(np.uint8)
