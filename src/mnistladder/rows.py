"""Results -> one row for each rung: means, intervals, verdicts, and what each step is worth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mnistladder import contested, statistics
from mnistladder.loading import rung_of, shipped_names
from mnistladder.records import Record
from mnistladder.statistics import Comparison, Interval

Verdict = Literal["reproduced", "better", "worse"]


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
        return self.p < 1 - statistics.LEVEL


@dataclass(frozen=True)
class Row:
    """All results of one rung and one config on one data set, aggregated."""

    rung: str
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


def make_rows(results: Iterable[Record]) -> list[Row]:
    """One row for each rung as configured, in order of name; every stored seed counts.

    Steps are compared where the results are whole records; a board alone lacks the wrong images.
    """

    def identity(record: Record) -> list[str]:
        return [record["rung"], record["data"]["sha256"], record["config_sha256"]]

    ordered = sorted(results, key=lambda record: [*identity(record), record["seed"]])
    groups = [list(group) for _, group in groupby(ordered, identity)]
    rows = [_row(group) for group in groups]
    return _with_steps(rows, dict(zip((row.rung for row in rows), groups, strict=True)))


def _row(results: list[Record]) -> Row:
    last = results[-1]
    errors = [record["errors"] for record in results]
    accuracies = [record["accuracy"] for record in results]
    return Row(
        rung=_label(last),
        title=last["title"],
        n=len(results),
        seeds=tuple(record["seed"] for record in results),
        members=last["members"],
        parameters=last["parameters"],
        epochs=last["epochs"],
        test_images=last["test_images"],
        errors=tuple(errors),
        dead_classes=tuple(record.get("dead_classes", 0) for record in results),
        errors_mean=float(np.mean(errors)),
        errors_sd=_deviation(errors),
        errors_interval=_interval(errors, last["test_images"]),
        uncontested_mean=_uncontested(results),
        accuracy_mean=round(float(np.mean(accuracies)), 6),
        accuracy_sd=_deviation(accuracies),
        published_accuracy=last["published_accuracy"],
        published_remark=last.get("published_remark"),
        train_s_mean=round(float(np.mean([record["train_s"] for record in results])), 3),
        device="+".join(sorted({record["device"] for record in results})),
        device_name=last["device_name"],
        data=last["data"]["name"],
        transductive=last["transductive"],
        variant_of=rung_of(last["rung"]),
        config_sha256=last["config_sha256"],
        ended=max(record["ended"] for record in results),
    )


def _label(record: Record) -> str:
    """The rung's name, with the overrides it was trained with and the data if it is not MNIST."""
    data = record["data"]["name"]
    return " ".join(
        [record["rung"], *record["overrides"], *([f"[{data}]"] if data != "mnist" else [])]
    )


def _deviation(values: Sequence[float]) -> float | None:
    return round(float(np.std(values, ddof=1)), 6) if len(values) > 1 else None


def _interval(errors: list[int], images: int) -> Interval:
    if len(errors) > 1:
        low, high = statistics.mean_interval(errors)
        return max(low, 0.0), high
    return statistics.count_interval(errors[0], images)


def _uncontested(results: list[Record]) -> float | None:
    if not all("wrong_images" in record and contested.applies(record) for record in results):
        return None
    counts = [len(set(record["wrong_images"]) - contested.ids()) for record in results]
    return float(np.mean(counts))


def wrong_masks(
    results: Iterable[Record], others: Iterable[Record]
) -> list[list[NDArray[np.bool_]]]:
    """Of both groups, for each seed, which of the test images that all score it got wrong."""
    groups = [list(results), list(others)]
    every = [record for group in groups for record in group]
    spans = [record.get("scored", [0, record["test_images"]]) for record in every]
    first, end = max(span[0] for span in spans), min(span[1] for span in spans)
    images = np.arange(first, end)
    return [
        [np.isin(images, record["wrong_images"]) for record in group if end > first]
        for group in groups
    ]


def _with_steps(rows: list[Row], groups: dict[str, list[Record]]) -> list[Row]:
    """The rows with their steps: rung by rung, and each variant from its rung."""
    main = [name for name in shipped_names() if name in groups]
    pairs = [(after, before) for before, after in pairwise(main)]
    found = {after: _step(groups, before, after) for after, before in pairs}
    steps = {name: step for name, step in found.items() if step}
    adjusted = statistics.holm([step.p for step in steps.values()])
    told = {
        name: replace(step, p=p) for (name, step), p in zip(steps.items(), adjusted, strict=True)
    }
    for row in rows:
        if row.variant_of in groups and (step := _step(groups, str(row.variant_of), row.rung)):
            told[row.rung] = step
    return [replace(row, step=told.get(row.rung)) for row in rows]


def _step(groups: dict[str, list[Record]], before: str, after: str) -> Step | None:
    records = [*groups[before], *groups[after]]
    if not all("wrong_images" in record for record in records):
        return None
    if len({record["data"]["sha256"] for record in records}) > 1:
        return None
    comparison = statistics.compare(*wrong_masks(groups[before], groups[after]))
    return Step(before, comparison, comparison.p)


def expected_band(row: Row) -> tuple[int, int]:
    """Where the mean of other seeds should lie: three standard deviations of one seed each way.

    For few seeds the deviation is at least sqrt(errors / 2), which holds well for networks of this
    kind (arXiv:2304.01910).
    """
    deviation = max(row.errors_sd or 0.0, (row.errors_mean / 2) ** 0.5)
    return max(0, round(row.errors_mean - 3 * deviation)), round(row.errors_mean + 3 * deviation)
