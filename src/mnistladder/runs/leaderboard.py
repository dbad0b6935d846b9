"""The leaderboard: a list of all results, derived from their records."""

from collections.abc import Iterable
from pathlib import Path

from mnistladder import sealed, storage
from mnistladder.errors import CorruptError, UsageError
from mnistladder.runs.records import BoardRow, ResultRecord
from mnistladder.runs.results import all_results, load_result, order, result_path, result_paths

BOARD = "leaderboard.json"


def rebuild_board(runs: Path) -> Path | None:
    """Derives leaderboard.json from the records, the same bytes from the same records.

    Returns where a damaged one was set aside, if there was one. Raises CorruptError, ResourceError.
    """
    with storage.lock(runs / f"{BOARD}.lock"):
        return _write_board(runs)


def _write_board(runs: Path, added: ResultRecord | None = None) -> Path | None:
    """Writes the leaderboard: the old one and what was added to it, if that is all there is."""
    path, aside, listed = runs / BOARD, None, list[BoardRow]()
    try:
        listed = load_board(path)
    except CorruptError:
        aside = storage.set_aside(path)
    is_new = added and all(row.result_id != added.result_id for row in listed)
    if added and is_new and len(listed) + 1 == len(result_paths(runs)):
        rows = sorted([*listed, added.listed()], key=order)
    else:
        rows = [record.listed() for record in all_results(runs)]
        for folder in (runs / "results").glob("*"):
            storage.sweep(folder)
    storage.sweep(runs, BOARD)
    storage.write(path, sealed.seal({"results": [row.plain() for row in rows]}))
    return aside


def lists(runs: Path, wanted: Iterable[str]) -> bool:
    """Whether the leaderboard has these result ids: a crash may have come before it did."""
    try:
        board = load_board(runs / BOARD)
    except CorruptError:
        return False
    return {row.result_id for row in board} >= set(wanted)


def load_board(path: Path) -> list[BoardRow]:
    """The leaderboard's results; none where there is no board. Raises CorruptError, UsageError."""
    if not path.exists():
        return []
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    rows = sealed.unseal(raw, str(path)).get("results")
    if not isinstance(rows, list):
        raise CorruptError(f"{path}: no leaderboard of mnistladder")
    return [BoardRow.parse(row, f"{path}: result {i}") for i, row in enumerate(rows, start=1)]


def add_result(runs: Path, result: ResultRecord) -> Path | None:
    """Stores a new record, once, and lists it on the leaderboard.

    Returns where a damaged leaderboard was set aside, if there was one. Raises ResourceError.
    """
    path = result_path(runs, result.rung, result.result_id)
    with storage.lock(runs / f"{BOARD}.lock"):
        storage.sweep(path.parent)
        storage.create(path, sealed.seal(result.plain()))
        return _write_board(runs, load_result(path))
