"""The leaderboard: a list of all results, derived from their records."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mnistladder import sealed, storage
from mnistladder.errors import CorruptError
from mnistladder.runs.contradictions import checked
from mnistladder.runs.records import BoardRow, ResultRecord
from mnistladder.runs.results import load_result, order, result_path, result_paths, stored_results

BOARD = "leaderboard.json"


class Written(NamedTuple):
    """What was met while a leaderboard was written."""

    aside: Path | None  # where the old one is, if it was damaged
    damaged: tuple[str, ...]  # what is wrong with records that it therefore lacks


def rebuild_board(runs: Path) -> Written:
    """Derives leaderboard.json from the records that are whole: always with the same bytes.

    Raises ResourceError.
    """
    with storage.lock(runs / f"{BOARD}.lock"):
        return _write_board(runs)


def _write_board(runs: Path, added: ResultRecord | None = None) -> Written:
    """Writes the leaderboard: the old one and what was added to it, if that is all there is."""
    path, aside, listed, damaged = runs / BOARD, None, list[BoardRow](), dict[Path, str]()
    try:
        listed = load_board(path)
    except CorruptError:
        aside = storage.set_aside(path)
    known = identities(listed)
    is_new = added is not None and not identities([added]) & known
    if added and is_new and known | identities([added]) == stored_identities(runs):
        rows = sorted([*listed, added.listed()], key=order)
    else:
        records, damaged = stored_results(runs)
        rows = [record.listed() for record in records]
        for folder in (runs / "results").glob("*"):
            storage.sweep(folder)
    storage.sweep(runs, BOARD)
    storage.write(path, sealed.seal({"results": [row.plain() for row in rows]}))
    return Written(aside, tuple(damaged.values()))


def identities(rows: Iterable[BoardRow]) -> set[tuple[str, str]]:
    """The rung and the id of each result."""
    return {(row.rung, row.result_id) for row in rows}


def stored_identities(runs: Path) -> set[tuple[str, str]]:
    """The rung and the id of each result record, by the places of the files alone."""
    return {(path.parent.name, path.stem) for path in result_paths(runs)}


def is_current(runs: Path, wanted: Iterable[ResultRecord]) -> bool:
    """Whether the leaderboard has these results, and none that is gone.

    A crash may have come before it was written, and people delete records.
    """
    try:
        listed = identities(load_board(runs / BOARD))
    except CorruptError:
        return False
    return identities(wanted) <= listed <= stored_identities(runs)


def load_board(path: Path) -> list[BoardRow]:
    """The leaderboard's results; none where there is no board. Raises CorruptError."""
    if not os.path.lexists(path):
        return []
    rows = sealed.unseal(sealed.read(path, sealed.Limit.BOARD), str(path)).get("results")
    if not isinstance(rows, list):
        raise CorruptError(f"{path}: no leaderboard of mnistladder")
    places = [f"{path}: result {number}" for number in range(1, len(rows) + 1)]
    return [
        checked(BoardRow.parse(row, place), place) for row, place in zip(rows, places, strict=True)
    ]


def add_result(runs: Path, result: ResultRecord) -> Written:
    """Stores a new record, once, and lists it on the leaderboard.

    Raises ResourceError, and CorruptError where something else lies in the record's place.
    """
    path = result_path(runs, result.rung, result.result_id)
    with storage.lock(runs / f"{BOARD}.lock"):
        storage.sweep(path.parent)
        storage.create(path, sealed.seal(result.plain()))
        return _write_board(runs, load_result(path))
