"""Stored stages: `members/<key>/` with the finished network, or how far its training got.

A finished stage is what its record.json says; a begun one is what progress.json says. Each is
written last and names the other files by hash, so that no crash leaves a half-truth.
"""

import contextlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnistladder import sealed, storage
from mnistladder.config import yaml_reader
from mnistladder.config.recipe import resolved
from mnistladder.config.spec import Config
from mnistladder.data.datasets import Source
from mnistladder.errors import CorruptError, UsageError
from mnistladder.runs.records import BoardRow, HistoryRow, StageProgress, StageRecord

RECORD, PROGRESS = "record.json", "progress.json"
HISTORY, PROBABILITIES, CHECKPOINT = "history.jsonl", "probabilities.npy", "checkpoint.safetensors"


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

    def data_folder(self, source: Source) -> Path:
        """Where the workers' common copy of the data set is."""
        return self.root.parent / "data" / source.sha256[:32]

    def lock_path(self, key: str) -> Path:
        return self.root / f"{key}.lock"

    def is_stored(self, key: str) -> bool:
        return (self.root / key / RECORD).exists()

    def need(self, keys: Iterable[str], result: BoardRow) -> None:
        """Raises UsageError unless these stages of a result are all stored."""
        if lacking := sum(not self.is_stored(key) for key in keys):
            verb = "is" if lacking == 1 else "are"
            raise UsageError(
                f"{result.rung} seed {result.seed}: {lacking} of its networks {verb} not in "
                f"{self.root}. This command trains them again and prints their folder: "
                f"mnistladder reproduce {result.result_id} --runs-dir {self.root.parent}"
            )

    def record(self, key: str) -> StageRecord:
        """The record of a finished stage. Raises CorruptError."""
        path = self.root / key / RECORD
        try:
            content = sealed.unseal(path.read_bytes(), str(path))
        except OSError as error:
            raise CorruptError(f"{path}: cannot be read: {error.strerror}") from None
        return StageRecord.parse(content, str(path))

    def _file(self, key: str, name: str) -> bytes:
        path = self.root / key / name
        files = self.record(key).files
        if name not in files:
            raise CorruptError(f"{path.with_name(RECORD)}: field `files` does not name {name}")
        return storage.read_verified(path, files[name])

    def check_files(self, key: str) -> None:
        """Reads all files of a finished stage. Raises CorruptError if one was changed."""
        for name in self.record(key).files:
            self._file(key, name)

    def probabilities(self, key: str) -> NDArray[np.float32]:
        """Softmax outputs of a finished stage on the test images, N x 10. Raises CorruptError."""
        return np.load(io.BytesIO(self._file(key, PROBABILITIES)), allow_pickle=False)

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
        path = self.root / key / PROGRESS
        with contextlib.suppress(FileNotFoundError):  # another process may finish it now
            return list(_stage_progress(path).history)
        return self.history(key) if self.is_stored(key) else []

    def progress(self, key: str) -> Progress:
        """How far a stage got; nothing if it was never begun. Raises CorruptError."""
        path = self.root / key / PROGRESS
        if not path.exists():
            return Progress()
        stored = _stage_progress(path)
        checkpoint = storage.read_verified(path.parent / stored.file, stored.file_sha256)
        return Progress(checkpoint, list(stored.history), stored.resumed, stored.stacked)

    def save_progress(self, key: str, progress: Progress) -> None:
        """Stores an epoch's end; the checkpoint before it goes only when this one stands."""
        folder = self.root / key
        name = f"epoch-{progress.history[-1].epoch:04d}.safetensors"
        storage.write(folder / name, progress.checkpoint)
        content = StageProgress(
            file=name,
            file_sha256=storage.hash_bytes(progress.checkpoint),
            history=tuple(progress.history),
            resumed=progress.resumed,
            stacked=progress.stacked,
        )
        storage.write(folder / PROGRESS, sealed.seal(content.plain()))
        self._sweep(folder, keep=name)

    def drop_progress(self, key: str) -> list[Path]:
        """Sets the files of a damaged progress aside; returns where they are now."""
        folder = self.root / key
        damaged = [folder / PROGRESS, *folder.glob("epoch-*.safetensors")]
        return [storage.set_aside(path) for path in damaged if path.exists()]

    def finish(
        self,
        record: StageRecord,
        config: Config,
        progress: Progress,
        probabilities: NDArray[np.float32],
    ) -> None:
        """Stores a finished stage; its record, with the files' hashes, is last: then it exists."""
        folder = self.root / record.key
        packed = io.BytesIO()
        np.save(packed, probabilities, allow_pickle=False)
        rows = "".join(json.dumps(row.plain()) + "\n" for row in progress.history)
        files = {
            CHECKPOINT: progress.checkpoint,
            PROBABILITIES: packed.getvalue(),
            HISTORY: rows.encode(),
            "config.yaml": yaml_reader.dump(resolved(config)).encode(),
        }
        for name, content in files.items():
            storage.write(folder / name, content)
        hashes = {name: storage.hash_bytes(content) for name, content in files.items()}
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


def _stage_progress(path: Path) -> StageProgress:
    return StageProgress.parse(sealed.unseal(path.read_bytes(), str(path)), str(path))


def mean_probabilities(each: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """The members' mean, N x 10, added in their order in double precision."""
    return np.sum(np.stack(each).astype(np.float64), axis=0) / len(each)
