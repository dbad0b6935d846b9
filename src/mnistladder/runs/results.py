"""Result records, one immutable file each, and the leaderboard that is derived from them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from mnistladder import sealed
from mnistladder.data.holdout import words
from mnistladder.errors import CorruptError, UsageError
from mnistladder.runs.records import BoardRow, ResultRecord

AnyResult = TypeVar("AnyResult", bound=BoardRow)


def result_path(runs: Path, rung: str, result_id: str) -> Path:
    return runs / "results" / rung / f"{result_id}.json"


def load_result(path: Path) -> ResultRecord:
    """A result record. Raises CorruptError."""
    return ResultRecord.parse(_read(path), str(path))


def _read(path: Path) -> dict[str, object]:
    try:
        return sealed.unseal(path.read_bytes(), str(path))
    except OSError as error:
        raise CorruptError(f"{path}: cannot be read: {error.strerror}") from None


def find_result(runs: Path, rung: str, result_id: str) -> ResultRecord | None:
    """The stored record of that id, if there is one. Raises CorruptError."""
    path = result_path(runs, rung, result_id)
    return load_result(path) if path.exists() else None


def all_results(runs: Path) -> Iterator[ResultRecord]:
    """Every stored record, in order of rung, seed and id. Raises CorruptError."""
    yield from sorted((load_result(path) for path in result_paths(runs)), key=order)


def result_paths(runs: Path) -> list[Path]:
    return list((runs / "results").glob("*/*.json"))


def order(record: BoardRow) -> tuple[str, int, str]:
    return record.rung, record.seed, record.result_id


def on_holdout(results: Iterable[AnyResult], holdout: int | None) -> list[AnyResult]:
    """The results on a holdout of so many images; without a number, all."""
    return [result for result in results if holdout in (None, result.data.holdout)]


def named(runs: Path, reference: str, seed: int = 0, holdout: int | None = None) -> ResultRecord:
    """The one result a user means: a record's path, (the beginning of) an id, or a rung and seed.

    A rung's name means the result without overrides and, if no holdout is asked for, one on the
    test images before those on holdouts. Raises UsageError, CorruptError.
    """
    if reference.endswith(".json"):
        return _at_path(reference, holdout)
    every = on_holdout(all_results(runs), holdout)
    by_id = [r for r in every if len(reference) >= 4 and r.result_id.startswith(reference)]
    by_rung = [r for r in every if r.rung == reference and r.seed == seed and not r.overrides]
    fitting = by_id or [r for r in by_rung if r.data.holdout == holdout] or by_rung
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ids = ", ".join(record.result_id for record in fitting)
        raise UsageError(f"{reference}: several results fit; name one by its id: {ids}")
    where = " ".join([f"{runs}, with seed {seed}", *words(holdout)])
    raise UsageError(f"{reference}: no such result in {where}; see `mnistladder leaderboard`")


def _at_path(reference: str, holdout: int | None) -> ResultRecord:
    if not Path(reference).is_file():
        raise UsageError(f"{reference}: no such record")
    content = _read(Path(reference))
    if not content.keys() & {"rung", "member_keys"}:
        raise UsageError(f"{reference}: a record, but not that of a result")
    record = ResultRecord.parse(content, reference)
    if not on_holdout([record], holdout):
        raise UsageError(f"{reference}: not a result on a holdout of {holdout:,} images")
    return record
