"""Ink in a grey picture: what differs from the ground around it, whatever the light."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mnistladder.data.pixels import Grey, Mask, otsu

LEAST_CONTRAST = 0.06  # of black to white: below it, paper
CLEAR = 3.5  # standard deviations of the ground between ground and ink: below it, noise
FAINT = 0.15  # of the ink's strength: the edge of a stroke


class Ink(NamedTuple):
    """Strength of ink from 0 to 1, where it is ink, the ground, and whether the ground is light."""

    strength: Grey
    mask: Mask
    ground: Grey
    on_light: bool


def find(picture: Grey, on_light: bool) -> Ink | None:
    """All ink on a light, or a dark, ground; None where nothing differs clearly from it."""
    if min(picture.shape) < 3:
        return None
    soft = _softened(picture)
    soft = soft if on_light else 1 - soft
    # A closing fills what is darker than its surroundings and narrower than its window.
    window = max(picture.shape) // 2 | 1
    closed = ndimage.grey_closing(np.pad(soft, window, mode="edge"), (window, window))
    ground = closed[window:-window, window:-window]
    ink = ground - soft
    if np.ptp(ink) < LEAST_CONTRAST:
        return None
    mask = ink > otsu(ink)
    low, high = float(ink[~mask].mean()), float(np.median(ink[mask]))
    if high - low < max(LEAST_CONTRAST, CLEAR * float(ink[~mask].std())):
        return None
    strength = ((ink - low) / (high - low)).clip(0, 1)
    return Ink(strength, mask, ground if on_light else 1 - ground, on_light)


def _softened(picture: Grey) -> Grey:
    soft: Grey = ndimage.gaussian_filter(picture, max(picture.shape) / 300)
    return soft


def near(ink: Ink, mask: Mask) -> Grey:
    """The strength of ink that is in the mask or is the faint edge of a stroke in it."""
    reach = max(1, max(mask.shape) // 40)
    around = ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=reach)
    return np.where((around & (ink.strength > FAINT)) | mask, ink.strength, 0)


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


def ground_is_light(picture: Grey) -> bool:
    """Whether the border, less how the light falls, is lighter than Otsu's threshold.

    Three surfaces fitted to the border vote: a plane, one that bends (the edges of a photo are
    darker), and one that bends and heeds outliers little (shadows, a digit cut out closely).
    """
    picture = _softened(picture)
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
