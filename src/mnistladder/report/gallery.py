"""The article's four views of a result: which test images to show, and what to say of each."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnistladder.data import contested
from mnistladder.runs.predictions import Predictions
from mnistladder.task import CLASSES

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
    def is_right(self) -> bool:
        return self.predicted == self.label

    @property
    def said(self) -> str:
        """The prediction; a wrong one after its label, with `?` if that is contested."""
        if self.is_right:
            return str(self.predicted)
        return f"{self.label}{'?' if self.contested else ''} as {self.predicted}"

    @property
    def sure(self) -> str:
        """The prediction's probability in percent."""
        return percent(self.probability)


@dataclass(frozen=True)
class View:
    """Pictures under a title, in rows of ten."""

    name: str
    title: str
    pictures: tuple[Picture, ...]


def percent(probability: float) -> str:
    """A probability as text; only a certain one is 100 %."""
    value = 100 * probability
    if value < 99.9:
        return f"{value:.1f} %"
    return "100 %" if probability == 1 else f"{min(value, 99.99):.2f} %"


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
