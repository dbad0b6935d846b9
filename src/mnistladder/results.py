"""Result records, one immutable file each, and the leaderboard that is derived from them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mnistladder import records, storage
from mnistladder.errors import CorruptError, UsageError
from mnistladder.records import Record

BOARD = "leaderboard.json"
NOT_ON_THE_BOARD = ("wrong_images", "config", "curve")  # large, and to be had from the record


def result_path(runs: Path, rung: str, result_id: str) -> Path:
    return runs / "results" / rung / f"{result_id}.json"


def load_result(path: Path) -> Record:
    """A result record. Raises CorruptError."""
    try:
        return records.unseal(path.read_bytes(), str(path))
    except OSError as error:
        raise CorruptError(f"{path}: cannot be read: {error.strerror}") from None


def find_result(runs: Path, rung: str, result_id: str) -> Record | None:
    """The stored record of that id, if there is one. Raises CorruptError."""
    path = result_path(runs, rung, result_id)
    return load_result(path) if path.exists() else None


def add_result(runs: Path, result: Record) -> Path | None:
    """Stores a new record, once, and lists it on the leaderboard.

    Returns where a damaged leaderboard was set aside, if there was one. Raises ResourceError.
    """
    path = result_path(runs, result["rung"], result["result_id"])
    with storage.lock(runs / f"{BOARD}.lock"):
        storage.sweep(path.parent)
        storage.create(path, records.seal(result))
        return _write_board(runs, load_result(path))


def all_results(runs: Path) -> Iterator[Record]:
    """Every stored record, in order of rung, seed and id. Raises CorruptError."""
    yield from sorted((load_result(path) for path in _result_paths(runs)), key=_order)


def _result_paths(runs: Path) -> list[Path]:
    return list((runs / "results").glob("*/*.json"))


def _order(record: Record) -> tuple[str, int, str]:
    return record["rung"], record["seed"], record["result_id"]


def named(runs: Path, reference: str, seed: int = 0) -> Record:
    """The one result a user means: a record's path, (the beginning of) an id, or a rung and seed.

    A rung's name means the result without overrides. Raises UsageError, CorruptError.
    """
    if reference.endswith(".json"):
        if not Path(reference).is_file():
            raise UsageError(f"{reference}: no such record")
        found = load_result(Path(reference))
        if not found.keys() >= {"result_id", "rung", "seed", "data", "config"}:
            raise UsageError(f"{reference}: a record, but not that of a result")
        return found
    every = list(all_results(runs))
    by_id = [r for r in every if len(reference) >= 4 and r["result_id"].startswith(reference)]
    by_rung = [
        r for r in every if r["rung"] == reference and r["seed"] == seed and not r["overrides"]
    ]
    fitting = by_id or by_rung
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ids = ", ".join(record["result_id"] for record in fitting)
        raise UsageError(f"{reference}: several results fit; name one by its id: {ids}")
    raise UsageError(
        f"{reference}: no such result in {runs}, with seed {seed}; see `mnistladder leaderboard`"
    )


def rebuild_board(runs: Path) -> Path | None:
    """Derives leaderboard.json from the records, the same bytes from the same records.

    Returns where a damaged one was set aside, if there was one. Raises CorruptError, ResourceError.
    """
    with storage.lock(runs / f"{BOARD}.lock"):
        return _write_board(runs)


def _write_board(runs: Path, added: Record | None = None) -> Path | None:
    """Writes the leaderboard: the old one and what was added to it, if that is all there is."""
    path, aside, listed = runs / BOARD, None, list[Record]()
    try:
        listed = load_board(path)
    except CorruptError:
        aside = storage.set_aside(path)
    is_new = added and all(row["result_id"] != added["result_id"] for row in listed)
    if added and is_new and len(listed) + 1 == len(_result_paths(runs)):
        rows = sorted([*listed, _short(added)], key=_order)
    else:
        rows = [_short(record) for record in all_results(runs)]
        for folder in (runs / "results").glob("*"):
            storage.sweep(folder)
    storage.sweep(runs, BOARD)
    storage.write(path, records.seal({"results": rows}))
    return aside


def _short(record: Record) -> Record:
    return {key: value for key, value in record.items() if key not in NOT_ON_THE_BOARD}


def lists(runs: Path, wanted: Iterable[str]) -> bool:
    """Whether the leaderboard has these result ids: a crash may have come before it did."""
    try:
        board = load_board(runs / BOARD)
    except CorruptError:
        return False
    return {record["result_id"] for record in board} >= set(wanted)


def load_board(path: Path) -> list[Record]:
    """The leaderboard's results; none where there is no board. Raises CorruptError, UsageError."""
    if not path.exists():
        return []
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    results = records.unseal(raw, str(path)).get("results")
    if not isinstance(results, list):
        raise CorruptError(f"{path}: no leaderboard of mnistladder")
    return results
