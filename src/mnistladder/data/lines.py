"""Straight lines in a mask: underlines, rules, margins."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mnistladder.data.pixels import Mask, box, stroke_width

STRAIGHT = 0.1  # of a line's length: its width, at most


class Line(NamedTuple):
    """Whether ink is one straight thin line, and whether it lies rather than stands."""

    is_straight: bool
    lies: bool


def of(mask: Mask) -> Line:
    """What the second moments of the ink say."""
    points = np.argwhere(mask).astype(float)
    spread, axes = np.linalg.eigh(np.cov(points.T, bias=True) + np.eye(2) / 12)
    ratio = float(np.sqrt(spread[0] / spread[1]))
    down, right = np.abs(axes[:, 1])
    lies = bool(down < 0.5 * right)
    return Line(ratio < STRAIGHT * (1.4 if lies else 1), lies)


def without_underline(ink: Mask) -> Mask | None:
    """Ink, cut to its box, without the line that it stands on; None where there is none.

    The line is as wide as all of the ink and longer than the rest at both sides. The foot of a 2
    is a little longer too, but as thick as its stroke.
    """
    height, width = ink.shape
    if width < 10 or height < 10:
        return None
    line = _lying_line(ink, round(0.85 * width))
    if not line.any():
        return None
    rest = _largest(ink & ~ndimage.binary_dilation(line, np.ones((3, 1))))
    if not rest.any():
        return None
    rows, columns = box(rest)
    sides = (columns.start, width - columns.stop)
    tall = rows.stop - rows.start
    at_foot = float(np.argwhere(line)[:, 0].mean()) > 0.8 * height
    thin = np.count_nonzero(line) < 0.25 * width * tall
    thinner = np.count_nonzero(line) / width < 0.6 * stroke_width(rest)
    overshoots = min(sides) > (0.08 if thinner else 0.2) * width
    return rest if overshoots and tall > 0.5 * height and at_foot and thin else None


def _lying_line(ink: Mask, length: int) -> Mask:
    """Runs of ink of at least that length, in directions up to 8 degrees from level."""
    rows, columns = np.mgrid[: ink.shape[0], : ink.shape[1]]
    found = np.zeros_like(ink)
    for slope in np.tan(np.radians(np.arange(-8, 9))):
        shift = np.round(columns * slope).astype(int)
        at = rows + shift
        inside = (at >= 0) & (at < ink.shape[0])
        sheared = ink[at.clip(0, ink.shape[0] - 1), columns] & inside
        runs = ndimage.binary_opening(sheared, np.ones((1, length)))
        found[at[runs], columns[runs]] = True
    return found


def _largest(mask: Mask) -> Mask:
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (labels == sizes.argmax()) & mask
