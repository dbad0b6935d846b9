"""Result records, one immutable file each, and the leaderboard that is derived from them."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from mnistladder import sealed
from mnistladder.errors import CorruptError, UsageError
from mnistladder.runs.contradictions import checked
from mnistladder.runs.records import BoardRow, ResultRecord

MOST_TOLD = 5  # damaged records, each with a line of its own
AnyResult = TypeVar("AnyResult", bound=BoardRow)


def result_path(runs: Path, rung: str, result_id: str) -> Path:
    return runs / "results" / rung / f"{result_id}.json"


def load_result(path: Path) -> ResultRecord:
    """The result record in its place. Raises CorruptError, also where it is another result's."""
    record = checked(ResultRecord.read(path), str(path))
    if (record.rung, record.result_id) != (path.parent.name, path.stem):
        raise CorruptError(
            f"{path}: in the wrong place: it is result {record.result_id} of {record.rung}"
        )
    return record


def find_result(runs: Path, rung: str, result_id: str) -> ResultRecord | None:
    """The stored record of that id, if there is one. Raises CorruptError."""
    path = result_path(runs, rung, result_id)
    return load_result(path) if os.path.lexists(path) else None  # a link to nowhere is damaged


def all_results(runs: Path) -> Iterator[ResultRecord]:
    """Every stored record, in order of rung, seed and id. Raises CorruptError."""
    yield from sorted((load_result(path) for path in result_paths(runs)), key=order)


class Stored(NamedTuple):
    """What a runs folder has of results."""

    records: list[ResultRecord]  # in order of rung, seed and id
    damaged: dict[Path, str]  # the other files, with what is wrong with them


def stored_results(runs: Path, tell: Callable[[str], None] = lambda text: None) -> Stored:
    """Every record that is whole. `tell` takes a line for each damaged one, a few at most."""
    records, damaged = list[ResultRecord](), dict[Path, str]()
    for path in sorted(result_paths(runs)):
        try:
            records.append(load_result(path))
        except CorruptError as error:
            damaged[path] = str(error)
    for text in list(damaged.values())[:MOST_TOLD]:
        tell(f"{text}; passed over")
    if damaged:
        more = max(0, len(damaged) - MOST_TOLD)
        others = f"{more} more damaged records; " if more else ""
        tell(f"{others}what mends them: mnistladder check --runs-dir {runs}")
    return Stored(sorted(records, key=order), damaged)


def result_paths(runs: Path) -> list[Path]:
    return list((runs / "results").glob("*/*.json"))


def order(record: BoardRow) -> tuple[str, int, str]:
    return record.rung, record.seed, record.result_id


def on_holdout(results: Iterable[AnyResult], holdout: int | None) -> list[AnyResult]:
    """The results on a holdout of so many images; without a number, all."""
    return [result for result in results if holdout in (None, result.data.holdout)]


def from_file(path: Path, holdout: int | None = None) -> ResultRecord:
    """A record that may lie anywhere. Raises UsageError, CorruptError."""
    if not path.is_file():
        raise UsageError(f"{path}: no such record")
    content = sealed.unseal(sealed.read(path, sealed.Limit.RECORD), str(path))
    if not content.keys() & {"rung", "member_keys"}:
        raise UsageError(f"{path}: a record, but not that of a result")
    record = ResultRecord.parse(content, str(path))
    if not on_holdout([record], holdout):
        raise UsageError(f"{path}: not a result on a holdout of {holdout:,} images")
    return record


def with_id(records: Iterable[ResultRecord], reference: str) -> list[ResultRecord]:
    """The records whose id begins so; four characters are needed."""
    return [r for r in records if len(reference) >= 4 and r.result_id.startswith(reference)]


def only_one(fitting: Sequence[ResultRecord], reference: str) -> ResultRecord | None:
    """The record that fits, if there is one. Raises UsageError if there are several."""
    if len(fitting) > 1:
        ids = ", ".join(record.result_id for record in fitting)
        raise UsageError(f"{reference}: several results fit; name one by its id: {ids}")
    return fitting[0] if fitting else None
