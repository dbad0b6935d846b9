"""The digit in a grey picture -> 28 x 28 pixels in MNIST's manner.

MNIST's makers fitted each digit into a box of 20 x 20 pixels, its proportions kept and its edges
smoothed, and put its centre of mass into the middle of 28 x 28 (LeCun et al. 1998, "Gradient-based
learning applied to document recognition"). Before that the stroke must be found: it is what differs
from its surroundings, whatever the light, and whichever of the two is darker.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

WORKING = 240  # pixels of the longer side, in which a stroke is looked for
SIDE, BOX = 28, 20
LEAST_CONTRAST = 0.06  # of black to white: below it, paper
CLEAR = 3.5  # standard deviations of the ground between ground and ink: below it, noise
# Widths of strokes as parts of the digit's longer side; nine in ten of MNIST's: 0.08 to 0.21.
THIN, USUAL, THICK = 0.085, 0.125, 0.2
Grey = NDArray[Any]  # of floats
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """Ink from 0 to 1 of a whole picture, none of it outside the digit, and what is its stroke."""

    ink: Grey
    mask: Mask

    def box(self, margin: float = 0.0) -> tuple[slice, slice]:
        """Rows and columns of the ink, and around it a margin in units of its longer side."""
        spans = [np.flatnonzero((self.ink > 0).any(axis=axis))[[0, -1]] for axis in (1, 0)]
        around = round(margin * max(last - first + 1 for first, last in spans))
        rows, columns = (slice(max(first - around, 0), last + 1 + around) for first, last in spans)
        return rows, columns


def digit(picture: Grey) -> NDArray[np.uint8] | None:
    """A picture's digit, light on dark, 28 x 28; None where there is none.

    Brightness is from 0 to 1. It looks twice: at all of it, then closer at where the digit is.
    """
    small = shrunk(picture, WORKING)
    if (found := find(small)) is None:
        return None
    near = _scaled(found.box(0.3), picture.shape, small.shape)
    found = find(shrunk(picture[near], WORKING)) or found
    found = with_usual_width(found)
    return centred(fitted(found.ink[found.box()]))


def shrunk(picture: Grey, longest: int) -> Grey:
    """The picture with no side longer than that, averaged."""
    if (longer := max(picture.shape)) <= longest:
        return picture
    height, width = (max(1, round(side * longest / longer)) for side in picture.shape)
    return _resized(picture, (width, height), Image.Resampling.BOX)


def _resized(values: Grey, size: tuple[int, int], method: Image.Resampling) -> Grey:
    """Values at another width and height."""
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, method), np.float64)


def _scaled(
    box: tuple[slice, slice], shape: tuple[int, ...], within: tuple[int, ...]
) -> tuple[slice, slice]:
    """The part of a picture that a box in its shrunk copy is."""
    rows, columns = (
        slice(part.start * side // small, -(-part.stop * side // small))
        for part, side, small in zip(box, shape, within, strict=True)
    )
    return rows, columns


def find(picture: Grey) -> Found | None:
    """The ink of a picture's digit; None where nothing differs clearly from its surroundings."""
    if min(picture.shape) < 3:
        return None
    soft = ndimage.gaussian_filter(picture, max(picture.shape) / 300)
    soft = soft if ground_is_light(soft) else 1 - soft
    # A closing fills what is darker than its surroundings and narrower than its window.
    window = max(picture.shape) // 2 | 1
    ground = ndimage.grey_closing(np.pad(soft, window, mode="edge"), (window, window))
    ink = ground[window:-window, window:-window] - soft
    if np.ptp(ink) < LEAST_CONTRAST:
        return None
    is_ink = ink > otsu(ink)
    low, high = float(ink[~is_ink].mean()), float(np.median(ink[is_ink]))
    if high - low < max(LEAST_CONTRAST, CLEAR * float(ink[~is_ink].std())):
        return None
    ink = ((ink - low) / (high - low)).clip(0, 1)
    mask = without_specks(is_ink)
    reach = max(1, max(picture.shape) // 40)
    near = ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=reach)
    return Found(np.where((near & (ink > 0.15)) | mask, ink, 0), mask)


def ground_is_light(picture: Grey) -> bool:
    """Whether the border, less how the light falls, is lighter than Otsu's threshold.

    Three surfaces fitted to the border vote: a plane, one that bends (the edges of a photo are
    darker), and one that bends and heeds outliers little (shadows, a digit cut out closely).
    """
    border = np.ones(picture.shape, bool)
    inset = [max(1, side // 20) for side in picture.shape]
    border[inset[0] : -inset[0], inset[1] : -inset[1]] = False
    y, x = (2 * at / max(picture.shape) for at in np.indices(picture.shape))
    surface = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    votes = 0
    for terms, rounds in ((3, 1), (6, 1), (6, 6)):
        light = surface[..., :terms] @ _fit(surface[border][:, :terms], picture[border], rounds)
        votes += bool(np.median((picture - light)[border]) > otsu(picture - light))
    return votes >= 2


def _fit(terms: Grey, values: Grey, rounds: int) -> Grey:
    """Coefficients of least squares; after more rounds, of least absolute differences."""
    weights, ridge = np.ones(len(values)), 1e-9 * np.eye(terms.shape[1])
    for _ in range(rounds):  # the normal equations: numpy's lstsq starts a thread a core
        weighted = terms.T * weights
        found = np.linalg.solve(weighted @ terms + ridge, weighted @ values)
        weights = 1 / np.maximum(np.abs(values - terms @ found), 0.02)
    return found


def otsu(values: Grey) -> float:
    """The threshold that parts values into the two most distinct classes (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    middles = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts)[:-1], counts.sum()
    sums = np.cumsum(counts * middles)
    between = (sums[-1] * below / total - sums[:-1]) ** 2 / np.maximum(below * (total - below), 1)
    return float(edges[1 + int(between.argmax())])


def without_specks(mask: Mask) -> Mask:
    """Parts that are not much smaller than the largest one, and not cut off by the picture's edge.

    Shadows, lines and the edges of a page reach the picture's edge. Where all that is large does,
    it is a digit cut out closely.
    """
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    inside = sizes.copy()
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        inside[edge] = 0
    if inside.max() >= sizes.max() / 10:
        sizes = inside
    return (sizes >= sizes.max() / 20)[labels] & mask


def width(mask: Mask) -> float:
    """The mean width of a stroke in pixels: four times the mean distance to its edge."""
    return 4 * float(ndimage.distance_transform_edt(np.pad(mask, 1)).sum() / mask.sum()) - 2


def with_usual_width(found: Found) -> Found:
    """The digit with its stroke widened if it is thin for MNIST, narrowed if it is thick.

    Scaled to 20 pixels, a ball pen's line would all but vanish, and a marker's loops would fill.
    """
    rows, columns = found.box()
    longer = max(rows.stop - rows.start, columns.stop - columns.start)
    part = width(found.mask) / longer
    wanted = USUAL if part < THIN else min(part, THICK)
    radius = round(abs(wanted - part) * longer / 2)
    if radius == 0:
        return found
    row, column = np.indices((2 * radius + 1,) * 2) - radius
    disk = row**2 + column**2 <= radius**2
    change = ndimage.grey_dilation if wanted > part else ndimage.grey_erosion
    ink = change(np.pad(found.ink, radius), footprint=disk)
    return Found(ink, ink > 0.5) if (ink > 0.5).any() else found


def fitted(ink: Grey) -> Grey:
    """The ink scaled, with its proportions, so that its longer side is 20 pixels."""
    scale = BOX / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    small = _resized(ink, (width, height), method)
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
