"""The article's four views of a result: which test images to show, and what to say of each."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnistladder import contested
from mnistladder.config import CLASSES
from mnistladder.predictions import Predictions

COUNT = 10  # of random picks, and of each digit's most confident


@dataclass(frozen=True)
class Picture:
    """A test image and what was said of it."""

    id: int
    pixels: NDArray[np.uint8]  # 28 x 28
    label: int
    predicted: int
    probability: float
    contested: bool = False

    @property
    def title(self) -> str:
        """The prediction and its probability; what it should have been, if it is wrong."""
        sure = percent(self.probability)
        if self.predicted == self.label:
            return f"{self.predicted}  {sure}"
        mark = "?" if self.contested else ""
        return f"{self.label}{mark} as {self.predicted}  {sure}"


@dataclass(frozen=True)
class View:
    """Pictures under a title, in rows of ten."""

    name: str
    title: str
    pictures: tuple[Picture, ...]


def percent(probability: float) -> str:
    """A probability as text; only a certain one is 100 %."""
    return f"{min(100 * probability, 99.99 if probability < 1 else 100):.4g} %"


def views(found: Predictions, seed: int) -> list[View]:
    """Ten right and ten wrong at random, each digit's ten most confident right and wrong ones.

    `seed` decides the random picks alone. There may be fewer wrong ones than asked for.
    """
    draws = np.random.default_rng(seed)
    right, wrong = np.flatnonzero(~found.wrong), np.flatnonzero(found.wrong)
    random_right, random_wrong = (_some(draws, places) for places in (right, wrong))
    return [
        View("random-right", "Right, at random", _pictures(found, random_right)),
        View("random-wrong", "Wrong, at random", _pictures(found, random_wrong)),
        View("sure-right", "Right, each digit's surest", _pictures(found, _surest(found, right))),
        View("sure-wrong", "Wrong, each digit's surest", _pictures(found, _surest(found, wrong))),
    ]


def every_error(found: Predictions) -> tuple[Picture, ...]:
    """All wrong ones, by digit, the surest first."""
    wrong = np.flatnonzero(found.wrong)
    return _pictures(found, _surest(found, wrong, count=len(wrong)))


def _some(draws: np.random.Generator, places: NDArray[np.int64]) -> NDArray[np.int64]:
    return draws.permutation(places)[:COUNT]


def _surest(found: Predictions, places: NDArray[np.int64], count: int = COUNT) -> list[int]:
    """Of each digit shown, the places with the highest probabilities, the first ones of equals."""
    ordered = places[np.argsort(-found.confidence[places], kind="stable")]
    digits = found.labels[ordered]
    return [int(place) for digit in range(CLASSES) for place in ordered[digits == digit][:count]]


def _pictures(found: Predictions, places: Iterable[int]) -> tuple[Picture, ...]:
    return tuple(
        Picture(
            int(found.ids[place]),
            found.images[place],
            int(found.labels[place]),
            int(found.predicted[place]),
            float(found.confidence[place]),
            found.is_mnist and int(found.ids[place]) in contested.ids(),
        )
        for place in places
    )
