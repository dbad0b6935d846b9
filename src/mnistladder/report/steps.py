"""Steps: each rung compared with the rung before it, each variant with its rung."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mnistladder.config.loading import rung_of, shipped_names, variant_names
from mnistladder.report import confounders, statistics
from mnistladder.report.groups import Identity, latest, whole_records
from mnistladder.report.statistics import Comparison
from mnistladder.runs.records import BoardRow, ResultRecord


@dataclass(frozen=True)
class ControlledStep:
    """A step from or to a control variant, in which the rung's technique alone is new."""

    before: str
    after: str
    comparison: Comparison

    @property
    def is_significant(self) -> bool:
        """Whether it is shown, by its own p: it is no step of the ladder."""
        return self.comparison.p < 1 - statistics.LEVEL and self.comparison.covers_seeds


@dataclass(frozen=True)
class Step:
    """A row compared with the rung before it, or a variant with its rung."""

    rung: str
    comparison: Comparison
    p_holm: float | None  # over all steps between rungs; a variant is no step of the ladder
    confounded_by: tuple[str, ...] = ()  # what else changed, in words: `batch 32 -> 128`
    control: ControlledStep | None = None  # where the board has the variants for it

    @property
    def p(self) -> float:
        """The p that counts on a board of all steps: Holm's, and a variant's own."""
        return self.comparison.p if self.p_holm is None else self.p_holm

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
        steps |= _ladder_steps(groups, data)
        for name in variant_names():
            rung, variant = (latest(groups, each, data) for each in (str(rung_of(name)), name))
            if rung and variant and (comparison := _compare(groups, rung, variant)):
                steps[variant] = Step(rung.rung, comparison, None)
    return steps


def _ladder_steps(groups: Mapping[Identity, Sequence[BoardRow]], data: str) -> dict[Identity, Step]:
    """The steps from rung to rung on the data set with this hash, after Holm."""
    rungs = [key for name in shipped_names() if (key := latest(groups, name, data))]
    compared = {
        (before, after): comparison
        for before, after in pairwise(rungs)
        if (comparison := _compare(groups, before, after))
    }
    adjusted = statistics.holm([comparison.p for comparison in compared.values()])
    return {
        after: Step(
            before.rung,
            comparison,
            p_holm,
            confounders.also_changed(before.rung, after.rung),
            _control(groups, before, after),
        )
        for ((before, after), comparison), p_holm in zip(compared.items(), adjusted, strict=True)
    }


def _control(
    groups: Mapping[Identity, Sequence[BoardRow]], before: Identity, after: Identity
) -> ControlledStep | None:
    """The step that isolates the technique of a confounded one, if the board has its results."""
    names = confounders.controlled_step(before.rung, after.rung)
    if names is None:
        return None
    old, new = (latest(groups, name, after.data_sha256) for name in names)
    comparison = _compare(groups, old, new) if old and new else None
    return ControlledStep(*names, comparison) if comparison else None


def p_after_holm(
    groups: Mapping[Identity, Sequence[BoardRow]], one: Identity, other: Identity
) -> float | None:
    """Holm's p of the ladder's step between both, in either order; None if there is none."""
    steps = _ladder_steps(groups, one.data_sha256)
    for before, after in ((one, other), (other, one)):
        step = steps.get(after)
        if step and latest(groups, step.rung, after.data_sha256) == before:
            return step.p_holm
    return None


def _compare(
    groups: Mapping[Identity, Sequence[BoardRow]], before: Identity, after: Identity
) -> Comparison | None:
    old, new = whole_records(groups[before]), whole_records(groups[after])
    if old is None or new is None:
        return None
    return statistics.compare(*wrong_masks(old, new))
