"""A whole runs folder looked at: every fault, what mends it, and the mending itself."""

import os
import shlex
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mnistladder import sealed, storage
from mnistladder.data import datasets
from mnistladder.errors import CorruptError, DataError
from mnistladder.runs import leaderboard, predictions
from mnistladder.runs.results import Stored, load_result, result_paths, stored_results
from mnistladder.runs.stage_store import PROGRESS, RECORD, StageStore

FOLDERS = ("results", "members", "predictions", "data")


@dataclass(frozen=True)
class Thing:
    """Something stored: where it is, how it is checked and what mends it."""

    path: Path
    check: Callable[[], object]  # raises CorruptError or DataError
    remedy: str  # a command, or what to do, after the repair
    repair: Callable[[], list[Path]]  # sets it aside; where it is then
    lock: Path | None = None  # what its writers hold

    def fault(self) -> str | None:
        """What is wrong with it; None if it is whole.

        It is looked at twice, as a process that trains may have replaced it while it was read.
        """
        for look in (self.check, self.check):
            text = _complaint(look)
            if text is None:
                return None
        return text


@dataclass(frozen=True)
class Fault:
    """A thing that is not whole, and in what."""

    thing: Thing
    text: str


@dataclass(frozen=True)
class Inspection:
    """What is in a runs folder."""

    results: int  # that are whole
    networks: int  # that are finished, whole or not
    begun: int  # networks in training
    faults: tuple[Fault, ...]
    leftovers: tuple[Path, ...]  # of killed writers, and what was set aside; nothing reads them


def inspect(runs: Path) -> Inspection:
    """Reads every stored file of a runs folder, and writes nothing."""
    stored, store = stored_results(runs), StageStore(runs)
    keys = [folder.name for folder in _folders(store.root)]
    finished = [key for key in keys if store.is_stored(key)]
    begun = [key for key in keys if os.path.lexists(store.root / key / PROGRESS)]
    faults = ((thing, thing.fault()) for thing in _things(runs, stored))
    return Inspection(
        results=len(stored.records),
        networks=len(finished),
        begun=len(set(begun) - set(finished)),
        faults=tuple(Fault(thing, text) for thing, text in faults if text),
        leftovers=tuple(sorted(_leftovers(runs))),
    )


def mend(fault: Fault) -> list[Path]:
    """Sets aside what is still damaged, or rebuilds the board; where the old files are now.

    Raises ResourceError.
    """
    thing = fault.thing
    if thing.lock is None:
        return thing.repair() if thing.fault() else []
    with storage.lock(thing.lock):
        return thing.repair() if thing.fault() else []


def _complaint(check: Callable[[], object]) -> str | None:
    try:
        check()
    except (CorruptError, DataError) as error:
        return str(error)
    return None


def _things(runs: Path, stored: Stored) -> Iterator[Thing]:
    """All that is stored: locks before what they lock, the board last, as it follows from all."""
    for name in FOLDERS:
        if os.path.lexists(runs / name) and not (runs / name).is_dir():
            folder = runs / name
            yield Thing(
                folder, partial(_refuse_file, folder), "a run makes it again", _setter(folder)
            )
    locks = [*runs.glob("*.lock"), *runs.glob("members/*.lock"), *runs.glob("data/*.lock")]
    for path in sorted(locks):
        yield Thing(path, partial(_check_lock, path), "the next run makes it", _setter(path))
    yield from _networks(runs, stored)
    yield from map(partial(_result, runs), sorted(result_paths(runs)))
    yield from map(_published, sorted((runs / "predictions").glob("*.json")))
    yield from map(_data_copy, _folders(runs / "data"))
    if os.path.lexists(path := runs / "calibration.json"):
        yield Thing(path, partial(_check_sealed, path), "it is measured again", _setter(path))
    board = runs / leaderboard.BOARD
    rebuild = shlex.join(["mnistladder", "leaderboard", "--rebuild", "--runs-dir", str(runs)])
    yield Thing(board, partial(_check_board, runs), rebuild, partial(_rebuild, runs))


def _result(runs: Path, path: Path) -> Thing:
    again = shlex.join(["mnistladder", "run", path.parent.name, "--runs-dir", str(runs)])
    return Thing(path, partial(load_result, path), f"{again}, with its --seed", _setter(path))


def _networks(runs: Path, stored: Stored) -> Iterator[Thing]:
    """Finished networks, and those in training. Results say which seeds they are of."""
    store = StageStore(runs)
    seeds = {
        key: seed
        for record in stored.records
        for key, seed in zip(record.member_keys, record.member_seeds, strict=False)
    }
    for folder in _folders(store.root):
        key, seed = folder.name, seeds.get(folder.name)
        again = "a run of a rung that needs the network trains it again"
        check, lock = partial(store.check_files, key, seed), store.lock_path(key)
        yield Thing(folder, check, again, _setter(folder), lock)
        progress = folder / PROGRESS
        if not folder.is_symlink() and os.path.lexists(progress) and not store.is_stored(key):
            again = "the same run begins the network again"
            drop = partial(store.drop_progress, key)
            yield Thing(progress, partial(store.progress, key, seed), again, drop, lock)


def _published(path: Path) -> Thing:
    again = "the predictions are then computed from the networks, where these are stored"
    return Thing(path, partial(predictions.read_published, path), again, _setter(path))


def _data_copy(folder: Path) -> Thing:
    lock = folder.with_name(f"{folder.name}.lock")
    again = "the next run copies the data again"
    return Thing(folder, partial(_check_data, folder), again, _setter(folder), lock)


def _setter(path: Path) -> Callable[[], list[Path]]:
    return lambda: [storage.set_aside(path)]


def _rebuild(runs: Path) -> list[Path]:
    aside = leaderboard.rebuild_board(runs).aside
    return [aside] if aside else []


def _check_board(runs: Path) -> None:
    """Raises CorruptError unless the board lists exactly the records that are whole."""
    path = runs / leaderboard.BOARD
    listed = leaderboard.identities(leaderboard.load_board(path))
    whole = leaderboard.identities(stored_results(runs).records)
    if gone := listed - whole:
        raise CorruptError(f"{path}: lists {_ids(gone)}: no whole record is there")
    if lacking := whole - listed:
        raise CorruptError(f"{path}: lacks {_ids(lacking)}")


def _ids(identities: set[tuple[str, str]]) -> str:
    ids = [f"{result_id} of {rung}" for rung, result_id in sorted(identities)]
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")


def _check_sealed(path: Path) -> None:
    sealed.unseal(sealed.read(path, sealed.Limit.RECORD), str(path))


def _check_data(folder: Path) -> None:
    """Raises CorruptError or DataError unless the folder has the data that it is named after."""
    found = datasets.read_folder(folder, folder.name).sha256
    if not found.startswith(folder.name):
        raise CorruptError(f"{folder}: damaged: the SHA-256 of its arrays is {found[:12]}...")


def _check_lock(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise CorruptError(f"{path}: not a regular file")


def _refuse_file(path: Path) -> None:
    raise CorruptError(f"{path}: not a folder")


def _folders(parent: Path) -> list[Path]:
    """What lies among the networks or data copies: folders, and what is in the place of one."""
    paths = parent.iterdir() if parent.is_dir() else iter(())
    return sorted(path for path in paths if path.suffix != ".lock" and not _is_leftover(path))


def _is_leftover(path: Path) -> bool:
    return storage.is_temporary(path) or ".corrupt-" in path.name


def _leftovers(runs: Path) -> Iterator[Path]:
    """Files of killed writers, checkpoints that nothing names, and what was set aside."""
    for pattern in ("*", "*/*", "results/*/*", "members/*/*"):
        yield from (path for path in runs.glob(pattern) if _is_leftover(path))
    for folder in _folders(runs / "members"):
        if os.path.lexists(folder / RECORD) or not os.path.lexists(folder / PROGRESS):
            yield from folder.glob("epoch-*.safetensors")
