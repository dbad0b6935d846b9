"""Which rungs of the ladder get which test image right."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mnistladder.config.loading import shipped_names
from mnistladder.report.groups import group, latest
from mnistladder.runs.records import ResultRecord


@dataclass(frozen=True)
class Difficulty:
    """For each measured rung of the ladder, in order, whether it gets each test image right.

    A rung does so where more than half of its seeds do.
    """

    rungs: tuple[str, ...]
    right: NDArray[np.bool_]  # rungs x images

    def first_right(self, image: int) -> str | None:
        """The first rung that gets the image right; None where none does."""
        return next(
            (name for name, right in zip(self.rungs, self.right, strict=True) if right[image]),
            None,
        )

    @property
    def never_right(self) -> list[int]:
        """Images that no rung gets right; none where no rung is measured."""
        if not self.rungs:
            return []
        return [int(image) for image in np.flatnonzero(~self.right.any(axis=0))]


def measure(results: Iterable[ResultRecord], data: str) -> Difficulty:
    """From the whole records of all rungs, without overrides, on the data of that hash."""
    groups = group(results)
    measured = {
        name: groups[key] for name in shipped_names() if (key := latest(groups, name, data))
    }
    return Difficulty(
        tuple(measured), np.array([_mostly_right(each) for each in measured.values()])
    )


def _mostly_right(results: list[ResultRecord]) -> NDArray[np.bool_]:
    wrong = np.zeros(results[0].span[1], int)
    for record in results:
        wrong[list(record.wrong_images)] += 1
    return 2 * wrong < len(results)
