"""Result records, one immutable file each, and the leaderboard that is derived from them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mnistladder import sealed
from mnistladder.errors import CorruptError, UsageError
from mnistladder.runs.records import BoardRow, ResultRecord


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


def named(runs: Path, reference: str, seed: int = 0) -> ResultRecord:
    """The one result a user means: a record's path, (the beginning of) an id, or a rung and seed.

    A rung's name means the result without overrides. Raises UsageError, CorruptError.
    """
    if reference.endswith(".json"):
        if not Path(reference).is_file():
            raise UsageError(f"{reference}: no such record")
        content = _read(Path(reference))
        if not content.keys() & {"rung", "member_keys"}:
            raise UsageError(f"{reference}: a record, but not that of a result")
        return ResultRecord.parse(content, reference)
    every = list(all_results(runs))
    by_rung = [r for r in every if r.rung == reference and r.seed == seed and not r.overrides]
    if record := only_one(with_id(every, reference) or by_rung, reference):
        return record
    raise UsageError(
        f"{reference}: no such result in {runs}, with seed {seed}; see `mnistladder leaderboard`"
    )


def with_id(records: Iterable[ResultRecord], reference: str) -> list[ResultRecord]:
    """The records whose id begins so; four characters are needed."""
    return [r for r in records if len(reference) >= 4 and r.result_id.startswith(reference)]


def only_one(fitting: Sequence[ResultRecord], reference: str) -> ResultRecord | None:
    """The record that fits, if there is one. Raises UsageError if there are several."""
    if len(fitting) > 1:
        ids = ", ".join(record.result_id for record in fitting)
        raise UsageError(f"{reference}: several results fit; name one by its id: {ids}")
    return fitting[0] if fitting else None
