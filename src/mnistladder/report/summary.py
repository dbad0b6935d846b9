"""Results -> one row for each rung: means, intervals, verdicts, and what each step is worth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mnistladder import sealed
from mnistladder.config.loading import rung_of, shipped_names, variant_names
from mnistladder.config.recipe import RECIPE_VERSION
from mnistladder.data import contested
from mnistladder.report import statistics
from mnistladder.report.statistics import Comparison, Interval
from mnistladder.runs.records import BoardRow, ResultRecord

Verdict = Literal["reproduced", "better", "worse"]
AnyResult = TypeVar("AnyResult", bound=BoardRow)


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


@dataclass(frozen=True)
class Row:
    """All results of one rung and one config on one data set, aggregated."""

    name: str
    rung: str  # the name with what tells this row from others of it
    title: str
    n: int
    seeds: tuple[int, ...]
    members: int
    parameters: int
    epochs: int
    test_images: int
    errors: tuple[int, ...]  # of each seed
    dead_classes: tuple[int, ...]
    errors_mean: float
    errors_sd: float | None  # None for a single seed
    errors_interval: Interval  # of the mean: Student's, or for a single seed the exact binomial one
    uncontested_mean: float | None  # errors among images whose label nobody contests
    accuracy_mean: float
    accuracy_sd: float | None
    published_accuracy: float | None
    published_remark: str | None
    train_s_mean: float
    device: str
    device_name: str
    data: str
    transductive: bool
    variant_of: str | None
    config_sha256: str
    ended: str
    step: Step | None = None

    @property
    def difference(self) -> float | None:
        """Points of accuracy above the published figure."""
        if self.published_accuracy is None:
            return None
        return self.accuracy_mean - self.published_accuracy

    @property
    def verdict(self) -> Verdict | None:
        """Whether the interval covers the published figure, or on which side of it we are."""
        if self.published_errors is None:
            return None
        low, high = self.errors_interval
        if low <= self.published_errors <= high:
            return "reproduced"
        return "better" if self.errors_mean < self.published_errors else "worse"

    @property
    def published_errors(self) -> float | None:
        if self.published_accuracy is None:
            return None
        return round(self.test_images * (1 - self.published_accuracy / 100), 6)

    @property
    def may_be_one_run(self) -> bool:
        """Whether one more run of ours, as the published one is, may be that far off by chance."""
        if self.n == 1 or self.published_errors is None:
            return False
        low, high = statistics.prediction_interval(self.errors, statistics.LEVEL)
        return low <= self.published_errors <= high


class Identity(NamedTuple):
    """What results must have in common to be one row; the order of the rows."""

    rung: str
    data_sha256: str
    config_sha256: str
    engine: int
    plugins_sha256: str


def identity(record: BoardRow) -> Identity:
    """The row that a result belongs to."""
    return Identity(
        rung=record.rung,
        data_sha256=record.data.sha256,
        config_sha256=record.config_sha256,
        engine=record.engine,
        plugins_sha256=sealed.digest(record.plugins),
    )


def group(results: Iterable[AnyResult]) -> dict[Identity, list[AnyResult]]:
    """Results by identity, each group in order of seed."""
    ordered = sorted(results, key=lambda record: (identity(record), record.seed))
    return {key: list(alike) for key, alike in groupby(ordered, identity)}


def latest(groups: Mapping[Identity, Sequence[BoardRow]], rung: str, data: str) -> Identity | None:
    """Of a rung without overrides, the group of the newest engine and the latest config."""
    fitting = [
        (key.engine, max(record.ended for record in group), key)
        for key, group in groups.items()
        if (key.rung, key.data_sha256) == (rung, data) and not group[0].overrides
    ]
    return max(fitting)[2] if fitting else None


def make_rows(results: Iterable[BoardRow]) -> list[Row]:
    """One row for each rung as configured, in order of name; every stored seed counts.

    Steps are compared where the results are whole records; a board alone lacks the wrong images.
    """
    groups = group(results)
    steps = _steps(groups)
    return [replace(_row(found), step=steps.get(key)) for key, found in groups.items()]


def _row(results: list[BoardRow]) -> Row:
    last = results[-1]
    errors = [record.errors for record in results]
    accuracies = [record.accuracy for record in results]
    return Row(
        name=last.rung,
        rung=_label(last),
        title=last.title,
        n=len(results),
        seeds=tuple(record.seed for record in results),
        members=last.members,
        parameters=last.parameters,
        epochs=last.epochs,
        test_images=last.test_images,
        errors=tuple(errors),
        dead_classes=tuple(record.dead_classes for record in results),
        errors_mean=float(np.mean(errors)),
        errors_sd=_deviation(errors),
        errors_interval=_interval(errors, last.test_images),
        uncontested_mean=_uncontested(results),
        accuracy_mean=round(float(np.mean(accuracies)), 6),
        accuracy_sd=_deviation(accuracies),
        published_accuracy=last.published_accuracy,
        published_remark=last.published_remark,
        train_s_mean=round(float(np.mean([record.train_s for record in results])), 3),
        device="+".join(sorted({record.device for record in results})),
        device_name=last.device_name,
        data=last.data.name,
        transductive=last.transductive,
        variant_of=rung_of(last.rung),
        config_sha256=last.config_sha256,
        ended=max(record.ended for record in results),
    )


def _label(record: BoardRow) -> str:
    """The rung's name, its overrides, the data if it is not MNIST, the engine if it is not ours."""
    data, engine = record.data.name, record.engine
    other_data = [f"[{data}]"] if data != "mnist" else []
    other_engine = [f"[engine {engine}]"] if engine != RECIPE_VERSION else []
    return " ".join([record.rung, *record.overrides, *other_data, *other_engine])


def _deviation(values: Sequence[float]) -> float | None:
    return round(float(np.std(values, ddof=1)), 6) if len(values) > 1 else None


def _interval(errors: list[int], images: int) -> Interval:
    if len(errors) > 1:
        low, high = statistics.mean_interval(errors)
        return max(low, 0.0), high
    return statistics.count_interval(errors[0], images)


def _whole(results: Iterable[BoardRow]) -> list[ResultRecord] | None:
    """The results, if all are whole records; the rows of a board are not."""
    every = list(results)
    whole = [record for record in every if isinstance(record, ResultRecord)]
    return whole if len(whole) == len(every) else None


def _uncontested(results: list[BoardRow]) -> float | None:
    whole = _whole(results)
    if not whole or not contested.applies(whole[0].data.sha256):
        return None
    counts = [len(set(record.wrong_images) - contested.ids()) for record in whole]
    return float(np.mean(counts))


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


def _steps(groups: Mapping[Identity, Sequence[BoardRow]]) -> dict[Identity, Step]:
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
    old, new = _whole(groups[before]), _whole(groups[after])
    if old is None or new is None:
        return None
    comparison = statistics.compare(*wrong_masks(old, new))
    return Step(before.rung, comparison, comparison.p)


def expected_band(row: Row) -> tuple[int, int]:
    """Where the mean of other seeds should lie: three standard deviations of one seed each way.

    For few seeds the deviation is at least sqrt(errors / 2), which holds well for networks of this
    kind (arXiv:2304.01910).
    """
    deviation = max(row.errors_sd or 0.0, (row.errors_mean / 2) ** 0.5)
    return max(0, round(row.errors_mean - 3 * deviation)), round(row.errors_mean + 3 * deviation)
