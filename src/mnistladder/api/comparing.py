"""Two groups of results beside each other: which results of each, and what the comparison says."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.errors import UsageError
from mnistladder.report.data_names import clashing, data_name
from mnistladder.report.groups import Identity, group, identity, newest
from mnistladder.report.pair import Pair, make_pair
from mnistladder.report.steps import p_after_holm, wrong_masks
from mnistladder.runs.records import ResultRecord

Candidates = Mapping[Identity, list[ResultRecord]]


class Compared(NamedTuple):
    """A comparison, the data that both were measured on, and the holdout, if it was one."""

    pair: Pair
    holdout: int | None
    data: str


def compared(
    what: str, before: Candidates, after: Candidates, stored: Iterable[ResultRecord]
) -> Compared:
    """The newest of both groups on one data set, compared. Raises UsageError.

    `what` is how a message names the comparison. `stored` are all results of the runs folder, which
    decide Holm's p of a step of the ladder.
    """
    known = group(stored)
    keys = _comparable(what, before, after)
    groups = [before[keys[0]], after[keys[1]]]
    if groups[0] == groups[1]:
        raise UsageError(f"{what}: both are the same; name two different ones")
    first, second = wrong_masks(*groups)
    if not first or not second:
        raise UsageError(f"{what}: no test image is scored by both")
    are_whole = groups == [known.get(key) for key in keys]
    p_holm = p_after_holm(known, *keys) if are_whole else None
    names = _label(groups[0], known), _label(groups[1], known)
    record = groups[0][0]
    data = data_name(record, clashing(newest_of[-1] for newest_of in known.values()))
    return Compared(make_pair(names, (first, second), p_holm), record.data.holdout, data)


def _comparable(what: str, before: Candidates, after: Candidates) -> tuple[Identity, Identity]:
    """The newest of both on one data set. Raises UsageError.

    That is MNIST if it may be, and a holdout only if it must be, or is asked for.
    """
    measured = [{key.data_sha256 for key in candidates} for candidates in (before, after)]
    held_out = {key.data_sha256 for key, alike in before.items() if alike[0].data.holdout}
    common = sorted(
        measured[0] & measured[1],
        key=lambda data: (data != MNIST_SHA256, data in held_out, data),
    )
    if not common:
        raise UsageError(f"{what}: they were measured on different data")
    return newest(before, common[0]), newest(after, common[0])


def _label(results_of_row: list[ResultRecord], known: Candidates) -> str:
    """The config's label; with its seed, if it is one result of several."""
    record = results_of_row[0]
    is_whole = results_of_row == known.get(identity(record))
    return " ".join([record.rung, *record.overrides]) if is_whole else record.label
