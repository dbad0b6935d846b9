"""The digits in a grey picture -> 28 x 28 pixels each, in MNIST's manner, from left to right.

First the surface that is written on, then the ink on it, then which of the ink is a digit: not
frames, lines, specks and what the picture's edge cuts off.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mnistladder.data import ink, mnist_form, parts, surface
from mnistladder.data.ink import Ink
from mnistladder.data.pixels import Grey, Mask, box, resized, shrunk

WORKING = 240  # pixels of the longer side, in which a stroke is looked for


def digits(picture: Grey) -> list[NDArray[np.uint8]]:
    """A picture's digits, light on dark, 28 x 28; none where none is clear.

    Brightness is from 0 to 1. It looks twice: at all of it, then closer at where each digit is.
    """
    picture = surface.innermost(picture)
    small = shrunk(picture, WORKING)
    if min(small.shape) < 3:
        return []
    on_light = ink.ground_is_light(small)
    page, masks = _look(small, on_light)
    # Ink without a digit is an empty form: the paper in its boxes would look like light ink.
    if page is None or (masks and not _is_confirmed(small, page, masks)):
        other, other_masks = _look(small, not on_light)
        if other and _is_confirmed(small, other, other_masks):
            page, masks = other, other_masks
    return [_closer(picture, page, mask) for mask in masks] if page else []


def _look(small: Grey, on_light: bool) -> tuple[Ink | None, list[Mask]]:
    """The ink on a light or a dark ground, and the digits among it."""
    page = ink.find(small, on_light)
    return page, parts.digits(page.mask) if page else []


def _is_confirmed(small: Grey, page: Ink, masks: list[Mask]) -> bool:
    """Whether what is next to the digits is as light or as dark as the ground is taken to be.

    The picture's border misleads where a shadow lies on it.
    """
    votes = [
        ink.ground_is_light(_alone(small, page, mask, box(mask, 0.3))) == page.on_light
        for mask in masks
    ]
    return 2 * sum(votes) > len(votes)


def _closer(picture: Grey, page: Ink, mask: Mask) -> NDArray[np.uint8]:
    """The digit in a mask of the page, seen in as much detail as the picture has."""
    place = box(mask, 0.3)
    alone = _alone(picture, page, mask, place)
    closer = ink.find(shrunk(alone, WORKING), page.on_light)
    if closer is not None:
        size = (closer.mask.shape[1], closer.mask.shape[0])
        seen = _overlapping(ink.without_specks(closer.mask), resized(mask[place], size) > 0.3)
        if seen.any():
            return mnist_form.formed(ink.near(closer, seen), seen)
    return mnist_form.formed(ink.near(page, mask), mask)


def _alone(picture: Grey, page: Ink, mask: Mask, place: tuple[slice, slice]) -> Grey:
    """A place of the page, as the picture shows it, with the ground instead of other ink.

    The edges of other ink are replaced too, those of the digit in the mask are not.
    """
    part = picture[_scaled(place, picture.shape, mask.shape)]
    others = ndimage.binary_dilation(page.mask & ~mask, np.ones((3, 3)), iterations=2)
    others = (others & ~ndimage.binary_dilation(mask, np.ones((3, 3))))[place]
    if not others.any():
        return part
    size = (part.shape[1], part.shape[0])
    return np.where(resized(others, size) > 0.5, resized(page.ground[place], size), part)


def _overlapping(mask: Mask, wanted: Mask) -> Mask:
    """Connected parts of a mask that are, for a good part, where they are wanted."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    overlap = np.bincount(labels[wanted], minlength=len(sizes))
    overlap[0] = 0
    return (overlap > 0.2 * sizes)[labels]


def _scaled(
    place: tuple[slice, slice], shape: tuple[int, ...], within: tuple[int, ...]
) -> tuple[slice, slice]:
    """The part of a picture that a box in its shrunk copy is."""
    rows, columns = (
        slice(part.start * side // small, -(-part.stop * side // small))
        for part, side, small in zip(place, shape, within, strict=True)
    )
    return rows, columns
