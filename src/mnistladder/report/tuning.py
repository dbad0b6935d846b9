"""Changes of one config beside each other: what each is worth against a reference, and how sure.

`sweep` compares each with the best, `ablate` each with the whole config.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mnistladder.report import statistics
from mnistladder.report.statistics import Comparison, Interval
from mnistladder.report.steps import wrong_masks
from mnistladder.report.summary import deviation, errors_interval
from mnistladder.report.tables import interval_text, mean_text
from mnistladder.runs.records import ResultRecord


@dataclass(frozen=True)
class Candidate:
    """One change of a config, and the results that it has."""

    change: str  # as the table names it
    overrides: tuple[str, ...]
    records: tuple[ResultRecord, ...]

    @property
    def mean(self) -> float:
        """Mean share of the scored images that are wrong; it needs a result."""
        return float(np.mean([record.errors / record.test_images for record in self.records]))


@dataclass(frozen=True)
class TuningRow:
    """A candidate's results, and its difference from the reference; names are those of the JSON."""

    change: str
    overrides: tuple[str, ...]
    n: int
    seeds: tuple[int, ...]
    errors: tuple[int, ...]  # of each seed
    result_ids: tuple[str, ...]
    errors_mean: float | None  # None without a result
    errors_sd: float | None  # None for fewer than two seeds
    errors_interval: Interval | None
    is_reference: bool = False
    difference: float | None = None  # errors minus the reference's; fewer are negative
    interval: Interval | None = None  # of the difference alone
    p: float | None = None  # corrected for the number of rows
    differs: bool | None = None  # shown by images and seeds; None without a comparison

    def plain(self) -> dict[str, Any]:
        """The row as JSON data."""
        return asdict(self)


def against_best(candidates: Sequence[Candidate]) -> list[TuningRow]:
    """Rows with the fewest errors first, each compared with the first of the most seeds.

    p is that of the comparison times the number of the others (Bonferroni). So the rows that do not
    differ from the best contain the truly best one with a probability of 95 %, although the best
    was chosen by its own result (J. C. Hsu, multiple comparisons with the best, Annals of
    Statistics 12, 1984).
    """
    tried = sorted((each for each in candidates if each.records), key=lambda each: each.mean)
    if not tried:
        return [_row(each) for each in candidates]
    most = max(len(each.records) for each in tried)
    best = next(each for each in tried if len(each.records) == most)
    return _rows(best, [*tried, *_untried(candidates)], statistics.bonferroni)


def against_whole(whole: Candidate, parts: Sequence[Candidate]) -> list[TuningRow]:
    """The whole first, then without each part, the most errors first; p is Holm's over the rows."""
    tried = [each for each in parts if each.records]
    tried.sort(key=lambda each: each.mean, reverse=True)
    every = [whole, *tried, *_untried(parts)]
    return _rows(whole, every, statistics.holm) if whole.records else [_row(each) for each in every]


def _untried(candidates: Sequence[Candidate]) -> list[Candidate]:
    return [each for each in candidates if not each.records]


def _rows(
    reference: Candidate,
    candidates: Sequence[Candidate],
    corrected: Callable[[Sequence[float]], list[float]],
) -> list[TuningRow]:
    """A row for each candidate in this order, compared with the reference, which is one of them."""
    found = [(each, _compare(reference, each)) for each in candidates]
    p_values = iter(corrected([compared.p for _, compared in found if compared]))
    return [
        _compared(_row(each), compared, next(p_values))
        if compared
        else replace(_row(each), is_reference=each is reference)
        for each, compared in found
    ]


def _compare(reference: Candidate, other: Candidate) -> Comparison | None:
    """The other minus the reference; None where nothing can be compared."""
    if other is reference or not other.records:
        return None
    before, after = wrong_masks(reference.records, other.records)
    return statistics.compare(before, after) if before and after else None


def _row(candidate: Candidate) -> TuningRow:
    records = candidate.records
    errors = tuple(record.errors for record in records)
    return TuningRow(
        change=candidate.change,
        overrides=candidate.overrides,
        n=len(records),
        seeds=tuple(record.seed for record in records),
        errors=errors,
        result_ids=tuple(record.result_id for record in records),
        errors_mean=float(np.mean(errors)) if errors else None,
        errors_sd=deviation(errors) if errors else None,
        errors_interval=errors_interval(errors, records[0].test_images) if errors else None,
    )


def _compared(row: TuningRow, comparison: Comparison, p: float) -> TuningRow:
    return replace(
        row,
        difference=comparison.difference,
        interval=comparison.interval,
        p=p,
        differs=p < 1 - statistics.LEVEL and comparison.covers_seeds,
    )


def cells(row: TuningRow, reference: str) -> list[str]:
    """A row as text: change, n, errors, their interval, and what it is beside the reference."""
    if row.errors_mean is None or row.errors_interval is None:
        return [row.change, "0", "-", "-", "-"]
    return [
        row.change,
        str(row.n),
        mean_text(row.errors_mean, row.errors_sd, 1 if row.n > 1 else 0),
        interval_text(row.errors_interval, row.errors_mean) + ("*" if row.n == 1 else ""),
        reference if row.is_reference else _difference(row),
    ]


def _difference(row: TuningRow) -> str:
    if row.difference is None:
        return "-"
    return f"{'' if row.differs else '~ '}{row.difference:+.1f}"
