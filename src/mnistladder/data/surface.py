"""What is written on: a sheet on a table, a page between bars, a board in its frame.

A surface is a large, nearly convex region of one class of brightness with a sharp edge. Its hull
is a quadrilateral, or is cut off by the picture's edge; a digit's hull is round or slender.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from mnistladder.data.pixels import Grey, Mask, box, otsu, resized, shrunk

WORKING = 160  # pixels of the longer side
LEAST, MOST = 0.08, 0.97  # parts of the picture that a surface covers
LEAST_STEP = 0.12  # in brightness, between a surface and what it lies on
DEPTH = 2  # a photo with bars of a sheet on a table


def innermost(picture: Grey) -> Grey:
    """The part of a picture that is the surface written on; all of it where none is seen.

    Around a tilted surface it is continued.
    """
    for _ in range(DEPTH):
        small = shrunk(picture, WORKING)
        region = find(small)
        if region is None:
            return picture
        picture = _continued(picture, small, region)
    return picture


def find(picture: Grey) -> Mask | None:
    """Where the surface is, all that is written on it included."""
    soft = ndimage.gaussian_filter(picture, 0.7)
    if min(picture.shape) < 20 or np.ptp(soft) < LEAST_STEP:
        return None
    light = soft > otsu(soft)
    regions = [_largest(light), _largest(~light)]
    contrast = abs(float(np.median(soft[light]) - np.median(soft[~light])))
    if contrast < LEAST_STEP:
        return None
    seen = [both for both in regions if _is_surface(*both, soft, contrast)]
    if not seen:
        return None
    # Two parts of a picture beside each other: the one that something is written on.
    return max(seen, key=lambda both: np.count_nonzero(both[0] & ~both[1]))[0]


def _largest(mask: Mask) -> tuple[Mask, Mask]:
    """The largest connected part of a mask with its holes filled, and as it is."""
    labels, _ = ndimage.label(ndimage.binary_opening(mask, iterations=1))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    part = labels == sizes.argmax() if sizes.max() else np.zeros_like(mask)
    return ndimage.binary_fill_holes(part), part


def _is_surface(whole: Mask, part: Mask, soft: Grey, contrast: float) -> bool:
    area = np.count_nonzero(whole)
    if not LEAST * whole.size <= area <= MOST * whole.size:
        return False
    if np.count_nonzero(part) < 0.6 * area:  # a ring, a frame
        return False
    hull_area, rectangle, slender = hull(whole)
    at_edge = whole[0].any() or whole[-1].any() or whole[:, 0].any() or whole[:, -1].any()
    if area < 0.93 * hull_area or slender < 0.35 or (not at_edge and hull_area < 0.87 * rectangle):
        return False
    inner = whole & ~ndimage.binary_erosion(whole, iterations=3, border_value=1)
    outer = ndimage.binary_dilation(whole, iterations=3) & ~whole
    step = abs(float(np.median(soft[inner]) - np.median(soft[outer])))
    return step > 0.6 * contrast


def hull(mask: Mask) -> tuple[float, float, float]:
    """Areas of a mask's convex hull and of the smallest rectangle around it; its sides' ratio."""
    points = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    corners = (points[:, None] + [[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]]).reshape(
        -1, 2
    )
    try:
        convex = ConvexHull(corners)
    except QhullError:
        return 0.0, 1.0, 0.0
    turned = corners[convex.vertices] @ _directions()
    sides = np.ptp(turned, axis=1)
    areas = sides[:, 0] * sides[:, 1]
    best = sides[int(areas.argmin())]
    return float(convex.volume), float(areas.min()), float(best.min() / best.max())


def _directions() -> NDArray[np.float64]:
    """Two axes of each of 45 turns within a quarter turn, 45 x 2 x 2."""
    angles = np.radians(np.arange(0, 90, 2))
    return np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).T


def _continued(picture: Grey, small: Grey, region: Mask) -> Grey:
    """The picture cut to the region; around the region, its edge goes on."""
    kept = ndimage.binary_erosion(region, iterations=2, border_value=1)
    kept = kept if kept.any() else region
    nearest = ndimage.distance_transform_edt(~kept, return_distances=False, return_indices=True)
    soft = ndimage.median_filter(small, 5)
    size = (picture.shape[1], picture.shape[0])
    outside = resized(~kept, size) > 0.2
    whole = np.where(outside, resized(soft[tuple(nearest)], size), picture)
    return whole[box(~outside)]
