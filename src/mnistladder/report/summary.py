"""Results -> one row for each rung: means, intervals, verdicts, and what each step is worth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mnistladder import sealed
from mnistladder.config.loading import rung_of
from mnistladder.config.recipe import RECIPE_VERSION
from mnistladder.data import contested
from mnistladder.data.holdout import words
from mnistladder.report import statistics
from mnistladder.report.data_names import clashing, data_name
from mnistladder.report.groups import Identity, group, whole_records
from mnistladder.report.statistics import Interval
from mnistladder.report.steps import Step, make_steps
from mnistladder.report.tested import tested, times_tested
from mnistladder.runs.records import BoardRow

Verdict = Literal["reproduced", "better", "worse", "too few seeds"]
FEWEST_SEEDS = 3  # for a verdict on a published figure
WIDEST_INTERVAL = 0.5  # for a verdict, as a part of the published errors


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
    published_accuracy: float | None  # None with overrides: it is the rung's, not this config's
    published_remark: str | None
    train_s_mean: float
    device: str
    device_name: str
    data: str
    holdout: int | None  # so many training images that these results were tested on
    transductive: bool
    variant_of: str | None
    config_sha256: str
    ended: str
    views: int = 1  # of each test image, averaged
    tested: int | None = None  # recipes of this name with results on these test images
    step: Step | None = None

    @property
    def difference(self) -> float | None:
        """Points of accuracy above the published figure."""
        if self.published_accuracy is None:
            return None
        return self.accuracy_mean - self.published_accuracy

    @property
    def verdict(self) -> Verdict | None:
        """Whether the interval covers the published figure, or on which side of it we are.

        An interval that is wide, or of few seeds, covers nearly everything: then we cannot say.
        """
        if self.published_errors is None:
            return None
        low, high = self.errors_interval
        if self.n < FEWEST_SEEDS or high - low > WIDEST_INTERVAL * self.published_errors:
            return "too few seeds"
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


def make_rows(results: Iterable[BoardRow]) -> list[Row]:
    """One row for each rung as configured, in the order of `group`; every stored seed counts.

    Steps are compared where the results are whole records; a board alone lacks the wrong images.
    """
    groups = group(results)
    clashes = clashing(found[-1] for found in groups.values())
    steps, times = make_steps(groups), times_tested(groups)
    rows = {
        key: replace(_row(found, clashes), step=steps.get(key), tested=tested(found[-1], times))
        for key, found in groups.items()
    }
    return _told_apart(rows)


def _told_apart(rows: Mapping[Identity, Row]) -> list[Row]:
    """The rows; those with the name of a later one are marked by the hash of their identity."""
    latest = {row.rung: row for row in sorted(rows.values(), key=lambda row: row.ended)}
    return [
        row
        if row is latest[row.rung]
        else replace(row, rung=f"{row.rung} [earlier config {sealed.digest(list(key))[:6]}]")
        for key, row in rows.items()
    ]


def _row(results: list[BoardRow], clashes: frozenset[str]) -> Row:
    last = results[-1]
    errors = [record.errors for record in results]
    accuracies = [record.accuracy for record in results]
    return Row(
        name=last.rung,
        rung=label(last, clashes),
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
        errors_sd=deviation(errors),
        errors_interval=errors_interval(errors, last.test_images),
        uncontested_mean=_uncontested(results),
        accuracy_mean=round(float(np.mean(accuracies)), 6),
        accuracy_sd=deviation(accuracies),
        published_accuracy=None if last.overrides else last.published_accuracy,
        published_remark=None if last.overrides else last.published_remark,
        train_s_mean=round(float(np.mean([record.train_s for record in results])), 3),
        device="+".join(sorted({record.device for record in results})),
        device_name=last.device_name,
        data=data_name(last, clashes),
        holdout=last.data.holdout,
        transductive=last.transductive,
        variant_of=rung_of(last.rung),
        config_sha256=last.config_sha256,
        ended=max(record.ended for record in results),
        views=last.views,
    )


def label(record: BoardRow, clashes: frozenset[str]) -> str:
    """The rung's name with overrides, other data than MNIST, a holdout, and an engine not ours.

    `clashes` are the hashes of data sets that share their name with another one.
    """
    data, engine = data_name(record, clashes), record.engine
    other_data = [f"[{data}]"] if data != "mnist" else []
    other_engine = [f"[engine {engine}]"] if engine != RECIPE_VERSION else []
    marks = [*other_data, *words(record.data.holdout), *other_engine]
    return " ".join([record.rung, *record.overrides, *marks])


def deviation(values: Sequence[float]) -> float | None:
    """The standard deviation of one seed; None for a single one."""
    return round(float(np.std(values, ddof=1)), 6) if len(values) > 1 else None


def errors_interval(errors: Sequence[int], images: int) -> Interval:
    """Of the mean over seeds: Student's, or for a single seed the exact binomial one."""
    if len(errors) > 1:
        low, high = statistics.mean_interval(errors)
        return max(low, 0.0), high
    return statistics.count_interval(errors[0], images)


def _uncontested(results: list[BoardRow]) -> float | None:
    whole = whole_records(results)
    if not whole or not contested.applies(whole[0].data.sha256):
        return None
    counts = [len(set(record.wrong_images) - contested.ids()) for record in whole]
    return float(np.mean(counts))


def expected_band(row: Row) -> tuple[int, int]:
    """Where the mean of other seeds should lie: three standard deviations of one seed each way.

    For few seeds the deviation is at least sqrt(errors / 2), which holds well for networks of this
    kind (arXiv:2304.01910).
    """
    deviation = max(row.errors_sd or 0.0, (row.errors_mean / 2) ** 0.5)
    return max(0, round(row.errors_mean - 3 * deviation)), round(row.errors_mean + 3 * deviation)
