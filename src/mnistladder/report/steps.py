"""Steps: each rung compared with the rung before it, each variant with its rung."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mnistladder.config.loading import rung_of, shipped_names, variant_names
from mnistladder.report import statistics
from mnistladder.report.groups import Identity, latest, whole_records
from mnistladder.report.statistics import Comparison
from mnistladder.runs.records import BoardRow, ResultRecord


@dataclass(frozen=True)
class Step:
    """A row compared with the rung before it, or a variant with its rung.

    `p` is Holm's over all steps between rungs; a variant's is its own.
    """

    rung: str
    comparison: Comparison
    p: float

    @property
    def is_significant(self) -> bool:
        """Whether both rungs' seeds and the images show it."""
        return self.p < 1 - statistics.LEVEL and self.comparison.covers_seeds


def wrong_masks(
    results: Iterable[ResultRecord], others: Iterable[ResultRecord]
) -> list[list[NDArray[np.bool_]]]:
    """Of both groups, for each seed, which of the test images that all score it got wrong."""
    groups = [list(results), list(others)]
    every = [record for group in groups for record in group]
    spans = [record.span for record in every]
    first, end = max(span[0] for span in spans), min(span[1] for span in spans)
    images = np.arange(first, end)
    return [
        [np.isin(images, record.wrong_images) for record in group if end > first]
        for group in groups
    ]


def make_steps(groups: Mapping[Identity, Sequence[BoardRow]]) -> dict[Identity, Step]:
    """Steps of each data set: rung by rung, after Holm, and each variant from its rung."""
    steps: dict[Identity, Step] = {}
    for data in sorted({key.data_sha256 for key in groups}):
        main = [key for name in shipped_names() if (key := latest(groups, name, data))]
        found = {
            after: step
            for before, after in pairwise(main)
            if (step := _step(groups, before, after))
        }
        adjusted = statistics.holm([step.p for step in found.values()])
        steps |= {
            key: replace(step, p=p) for (key, step), p in zip(found.items(), adjusted, strict=True)
        }
        for name in variant_names():
            before, after = (latest(groups, each, data) for each in (str(rung_of(name)), name))
            if before and after and (step := _step(groups, before, after)):
                steps[after] = step
    return steps


def _step(
    groups: Mapping[Identity, Sequence[BoardRow]], before: Identity, after: Identity
) -> Step | None:
    old, new = whole_records(groups[before]), whole_records(groups[after])
    if old is None or new is None:
        return None
    comparison = statistics.compare(*wrong_masks(old, new))
    return Step(before.rung, comparison, comparison.p)
