"""Stored stages: `members/<key>/` with the finished network, or how far its training got.

A finished stage is what its record.json says; a begun one is what progress.json says. Each is
written last and names the other files by hash, so that no crash leaves a half-truth.
"""

import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mnistladder import sealed, storage
from mnistladder.config import yaml_reader
from mnistladder.config.recipe import resolved
from mnistladder.config.spec import Config
from mnistladder.data.datasets import Source
from mnistladder.errors import CorruptError, UsageError
from mnistladder.runs import npy
from mnistladder.runs.records import (
    BoardRow,
    DataIdentity,
    FileName,
    HistoryRow,
    StageProgress,
    StageRecord,
)
from mnistladder.sealed import Limit
from mnistladder.task import CLASSES

RECORD, PROGRESS = "record.json", "progress.json"
HISTORY: Final = "history.jsonl"
PROBABILITIES: Final = "probabilities.npy"
CHECKPOINT: Final = "checkpoint.safetensors"
CONFIG: Final = "config.yaml"
LIMITS: dict[FileName, Limit] = {
    HISTORY: Limit.RECORD,
    PROBABILITIES: Limit.PROBABILITIES,
    CHECKPOINT: Limit.CHECKPOINT,
    CONFIG: Limit.RECORD,
}


@dataclass
class Progress:
    """A stage up to its last finished epoch: a checkpoint's bytes and one history row an epoch.

    `stacked` says whether it trains side by side with others, which rounds some sums otherwise.
    """

    checkpoint: bytes = b""
    history: list[HistoryRow] = field(default_factory=list)
    resumed: int = 0
    stacked: bool = False


class StageStore:
    """The stages stored under a runs folder."""

    def __init__(self, runs: Path) -> None:
        self.root = runs / "members"

    def data_folder(self, data: Source | DataIdentity) -> Path:
        """Where the workers' common copy of the data set is."""
        return self.root.parent / "data" / data.sha256[:32]

    def lock_path(self, key: str) -> Path:
        return self.root / f"{key}.lock"

    def is_stored(self, key: str) -> bool:
        return os.path.lexists(self.root / key / RECORD)  # a link to nowhere is a damaged record

    def need(self, keys: Iterable[str], result: BoardRow) -> None:
        """Raises UsageError unless these stages of a result are all stored."""
        if lacking := sum(not self.is_stored(key) for key in keys):
            verb = "is" if lacking == 1 else "are"
            raise UsageError(
                f"{result.rung} seed {result.seed}: {lacking} of its networks {verb} not in "
                f"{self.root}. This command trains them again and prints their folder: "
                f"mnistladder reproduce {result.result_id} --runs-dir {self.root.parent}"
            )

    def folder(self, key: str) -> Path:
        """The folder of a stage, which may not exist yet.

        Raises CorruptError where a link or a file is in its place: behind a link, other people's
        files would be written and deleted.
        """
        folder = self.root / key
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise CorruptError(f"{folder}: not a folder, but a link or a file")
        return folder

    def record(self, key: str) -> StageRecord:
        """The record of a finished stage. Raises CorruptError, also where it is another stage's."""
        path = self.folder(key) / RECORD
        record = StageRecord.read(path)
        if record.key != key:
            raise CorruptError(f"{path}: in the wrong place: it is of network {record.key}")
        return record

    def _file(self, key: str, name: FileName) -> bytes:
        path = self.root / key / name
        files = self.record(key).files
        if name not in files:
            raise CorruptError(f"{path.with_name(RECORD)}: field `files` does not name {name}")
        return sealed.read_verified(path, files[name], LIMITS[name])

    def check_files(self, key: str, seed: int | None = None) -> None:
        """Reads all files of a stage, if it is finished. Raises CorruptError if one was changed.

        With `seed`, the record must be of a network of that seed.
        """
        self.folder(key)
        if not self.is_stored(key):
            return
        record = self.record(key)
        _check_seed(self.root / key / RECORD, record.seed, seed)
        names: set[FileName] = {CHECKPOINT, *record.files}
        for name in names - {PROBABILITIES, HISTORY}:
            self._file(key, name)
        self.probabilities(key)
        self.history(key)

    def probabilities(self, key: str) -> NDArray[np.float32]:
        """Softmax outputs of a finished stage on the test images, N x 10. Raises CorruptError."""
        content, images = self._file(key, PROBABILITIES), self.record(key).test_images
        return npy.parse(content, (images, CLASSES), self.root / key / PROBABILITIES)

    def checkpoint(self, key: str) -> bytes:
        """Weights and optimizer state of a finished stage. Raises CorruptError."""
        return self._file(key, CHECKPOINT)

    def history(self, key: str) -> list[HistoryRow]:
        """One row for each epoch of a finished stage. Raises CorruptError."""
        path = self.root / key / HISTORY
        lines = self._file(key, HISTORY).splitlines()
        try:
            rows = [json.loads(line) for line in lines]
        except (ValueError, RecursionError):
            raise CorruptError(f"{path}: its lines are not JSON") from None
        return [HistoryRow.parse(row, f"{path}:{i}") for i, row in enumerate(rows, start=1)]

    def history_so_far(self, key: str) -> list[HistoryRow]:
        """One row for each stored epoch, whether finished or in training. Raises CorruptError."""
        if stored := self._stored_progress(key):
            return list(stored.history)
        return self.history(key) if self.is_stored(key) else []

    def progress(self, key: str, seed: int | None = None) -> Progress:
        """How far a stage got; nothing if it was never begun.

        Raises CorruptError, also where it is another stage's, or of another seed than `seed`.
        """
        stored = self._stored_progress(key)
        if stored is None:
            return Progress()
        if stored.seed is not None:
            _check_seed(self.root / key / PROGRESS, stored.seed, seed)
        checkpoint = sealed.read_verified(self.root / key / stored.file, stored.file_sha256)
        return Progress(checkpoint, list(stored.history), stored.resumed, stored.stacked)

    def _stored_progress(self, key: str) -> StageProgress | None:
        """What progress.json says, if there is one. Raises CorruptError."""
        path = self.folder(key) / PROGRESS
        try:
            stored = StageProgress.read(path)
        except CorruptError:
            if not os.path.lexists(path):  # never begun, or another process has just finished it
                return None
            raise
        if stored.key not in (None, key):
            raise CorruptError(f"{path}: in the wrong place: it is of network {stored.key}")
        return stored

    def save_progress(self, key: str, seed: int, progress: Progress) -> None:
        """Stores an epoch's end; the checkpoint before it goes only when this one stands."""
        folder = self.folder(key)
        name = f"epoch-{progress.history[-1].epoch:04d}.safetensors"
        storage.write(folder / name, progress.checkpoint)
        content = StageProgress(
            key=key,
            seed=seed,
            file=name,
            file_sha256=sealed.hash_bytes(progress.checkpoint),
            history=tuple(progress.history),
            resumed=progress.resumed,
            stacked=progress.stacked,
        )
        storage.write(folder / PROGRESS, sealed.seal(content.plain()))
        self._sweep(folder, keep=name)

    def drop_progress(self, key: str) -> list[Path]:
        """Sets the files of a damaged progress aside; returns where they are now."""
        folder = self.root / key
        if folder.is_symlink() or not folder.is_dir():
            return [storage.set_aside(folder)]
        damaged = [folder / PROGRESS, *folder.glob("epoch-*.safetensors")]
        return [storage.set_aside(path) for path in damaged if os.path.lexists(path)]

    def finish(
        self,
        record: StageRecord,
        config: Config,
        progress: Progress,
        probabilities: NDArray[np.float32],
    ) -> None:
        """Stores a finished stage; its record, with the files' hashes, is last: then it exists."""
        folder = self.folder(record.key)
        packed = io.BytesIO()
        np.save(packed, probabilities, allow_pickle=False)
        rows = "".join(json.dumps(row.plain()) + "\n" for row in progress.history)
        files: dict[FileName, bytes] = {
            CHECKPOINT: progress.checkpoint,
            PROBABILITIES: packed.getvalue(),
            HISTORY: rows.encode(),
            CONFIG: yaml_reader.dump(resolved(config)).encode(),
        }
        for name, content in files.items():
            storage.write(folder / name, content)
        hashes = {name: sealed.hash_bytes(content) for name, content in files.items()}
        whole = record.model_copy(update={"files": hashes})
        storage.write(folder / RECORD, sealed.seal(whole.plain()))
        storage.remove(folder / PROGRESS)
        self._sweep(folder, keep="")

    def _sweep(self, folder: Path, keep: str) -> None:
        """Removes checkpoints before `keep`, and temporary files of writers that were killed.

        The stage's lock is held, so that no other process is writing here.
        """
        storage.sweep(folder)
        for path in folder.glob("epoch-*.safetensors"):
            if path.name != keep:
                storage.remove(path)


def _check_seed(path: Path, stated: int, wanted: int | None) -> None:
    """Raises CorruptError where a file is of another seed."""
    if wanted not in (None, stated):
        raise CorruptError(f"{path}: in the wrong place: it is of seed {stated}, not of {wanted}")


def mean_probabilities(each: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """The members' mean, N x 10, added in their order in double precision."""
    return np.sum(np.stack(each).astype(np.float64), axis=0) / len(each)
