"""Result records, one immutable file each, and the leaderboard that is derived from them."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from mnistladder import sealed
from mnistladder.data.holdout import words
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


def named(
    runs: Path,
    reference: str,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
    holdout: int | None = None,
) -> ResultRecord:
    """The one result a user means: a record's path, (the beginning of) an id, or a rung and seed.

    A rung's name means the result without overrides and, if no holdout is asked for, one on the
    test images before those on holdouts. Damaged records are passed over; `tell` takes a line for
    each. Raises UsageError, and CorruptError if a damaged one may be meant.
    """
    if reference.endswith(".json"):
        return _from_file(Path(reference), holdout)
    stored, damaged = stored_results(runs, tell)
    every = on_holdout(stored, holdout)
    by_id = [r for r in every if len(reference) >= 4 and r.result_id.startswith(reference)]
    by_rung = [r for r in every if r.rung == reference and r.seed == seed and not r.overrides]
    fitting = by_id or [r for r in by_rung if r.data.holdout == holdout] or by_rung
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ids = ", ".join(record.result_id for record in fitting)
        raise UsageError(f"{reference}: several results fit; name one by its id: {ids}")
    if damaged:
        raise CorruptError(f"{reference}: no such result among the {len(every)} that can be read")
    where = " ".join([f"{runs}, with seed {seed}", *words(holdout)])
    raise UsageError(f"{reference}: no such result in {where}; see `mnistladder leaderboard`")


def _from_file(path: Path, holdout: int | None) -> ResultRecord:
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
