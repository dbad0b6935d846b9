"""One digit through all rungs: the first test image that a rung and all after it read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnistladder.runs.predictions import Predictions


@dataclass(frozen=True)
class Digit:
    """A test image, and what each rung says of it."""

    id: int
    pixels: NDArray[np.uint8]  # 28 x 28
    label: int
    said: tuple[int, ...]  # by each rung, in order
    first: int | None  # place of the rung from which on all are right; None: no rung is


def first_right(rungs: Sequence[Predictions]) -> list[Digit]:
    """For each rung the first image that it and all after it read, and no rung before it.

    Then the first one that no rung reads. A rung without such an image is left out. All rungs have
    predictions of the same images; there are none for a single rung.
    """
    if len(rungs) < 2:
        return []
    right = np.array([~found.wrong for found in rungs])  # rungs x images
    digits = []
    for place in range(len(rungs) + 1):
        pattern = np.arange(len(rungs)) >= place
        [fitting] = np.nonzero((right == pattern[:, None]).all(axis=0))
        if len(fitting):
            digits.append(_digit(rungs, int(fitting[0]), place if place < len(rungs) else None))
    return digits


def _digit(rungs: Sequence[Predictions], image: int, first: int | None) -> Digit:
    one = rungs[0]
    return Digit(
        id=int(one.ids[image]),
        pixels=one.images[image],
        label=int(one.labels[image]),
        said=tuple(int(found.predicted[image]) for found in rungs),
        first=first,
    )
