"""Grey pictures as arrays: other sizes, and the threshold between two classes of values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Grey = NDArray[Any]  # of floats
Mask = NDArray[np.bool_]


def shrunk(picture: Grey, longest: int) -> Grey:
    """The picture with no side longer than that, averaged."""
    if (longer := max(picture.shape)) <= longest:
        return picture
    height, width = (max(1, round(side * longest / longer)) for side in picture.shape)
    return resized(picture, (width, height), Image.Resampling.BOX)


def resized(
    values: Grey | Mask,
    size: tuple[int, int],
    method: Image.Resampling = Image.Resampling.BILINEAR,
) -> Grey:
    """Values at another width and height."""
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, method), np.float64)


def box(mask: Mask, margin: float = 0.0) -> tuple[slice, slice]:
    """Rows and columns of the mask, and around it a margin in units of its longer side."""
    spans = [np.flatnonzero(mask.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    around = round(margin * max(last - first + 1 for first, last in spans))
    rows, columns = (slice(max(first - around, 0), last + 1 + around) for first, last in spans)
    return rows, columns


def otsu(values: Grey) -> float:
    """The threshold that parts values into the two most distinct classes (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    middles = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts)[:-1], counts.sum()
    sums = np.cumsum(counts * middles)
    between = (sums[-1] * below / total - sums[:-1]) ** 2 / np.maximum(below * (total - below), 1)
    return float(edges[1 + int(between.argmax())])


def stroke_width(mask: Mask) -> float:
    """The mean width of a stroke in pixels: four times the mean distance to its edge."""
    return 4 * float(ndimage.distance_transform_edt(np.pad(mask, 1)).sum() / mask.sum()) - 2
