"""What a result's networks, averaged, say of each test image they are scored on."""

import base64
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnistladder import sealed, storage
from mnistladder.data import contested
from mnistladder.data.datasets import Source
from mnistladder.errors import CorruptError
from mnistladder.runs.records import PublishedPredictions, ResultRecord
from mnistladder.runs.stage_store import StageStore, mean_probabilities
from mnistladder.task import CLASSES

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Predictions:
    """Arrays over the scored test images: number in the test set, truth, prediction and its p."""

    ids: NDArray[np.int64]
    images: Bytes  # N x 28 x 28
    labels: Bytes
    predicted: Bytes
    confidence: NDArray[np.float32]
    is_mnist: bool = False  # whose contested labels are known

    @cached_property
    def wrong(self) -> Mask:
        return self.predicted != self.labels

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Counts 10 x 10: rows are the digits shown, columns the digits said."""
        pairs = CLASSES * self.labels.astype(np.int64) + self.predicted
        return np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def load(record: ResultRecord, runs: Path, source: Source) -> Predictions:
    """A result's predictions, of its networks or, where those are elsewhere, as published.

    Raises UsageError where neither is stored, CorruptError, DataError.
    """
    published = _path(runs, record)
    predicted, confidence = (
        read_published(published)
        if os.path.lexists(published)
        else _averaged(record, StageStore(runs))
    )
    if sealed.hash_bytes(predicted.tobytes()) != record.predictions_sha256:
        raise CorruptError(f"{record.result_id}: other predictions than its record names")
    test = source.load().test
    part = slice(*record.span)
    return Predictions(
        np.arange(len(predicted))[part],
        test.images[part],
        test.labels[part],
        predicted[part],
        confidence[part],
        contested.applies(record.data.sha256),
    )


def publish(record: ResultRecord, runs: Path, board: Path) -> None:
    """Stores what the networks in `runs` say with the board, 64 KB, so that they may stay away.

    Raises UsageError where they are not there, CorruptError, ResourceError.
    """
    predicted, confidence = _averaged(record, StageStore(runs))
    content = PublishedPredictions(
        result_id=record.result_id,
        predicted="".join(map(str, predicted)),
        confidence=base64.b64encode(confidence.astype("<f4").tobytes()).decode(),
    )
    storage.write(_path(board, record), sealed.seal(content.plain()))


def _path(runs: Path, record: ResultRecord) -> Path:
    return runs / "predictions" / f"{record.result_id}.json"


def read_published(path: Path) -> tuple[Bytes, NDArray[np.float32]]:
    """Each test image's prediction and its probability, from one file. Raises CorruptError."""
    stored = PublishedPredictions.read(path)
    if stored.result_id != path.stem:
        raise CorruptError(f"{path}: in the wrong place: it is of result {stored.result_id}")
    predicted = np.frombuffer(stored.predicted.encode(), np.uint8) - ord("0")
    try:
        confidence = np.frombuffer(base64.b64decode(stored.confidence, validate=True), "<f4")
    except ValueError:
        raise CorruptError(f"{path}: field `confidence` should be base64 of float32") from None
    if len(confidence) != len(predicted):
        raise CorruptError(f"{path}: field `confidence` should have a number for each prediction")
    return predicted, confidence


def averaged(record: ResultRecord, store: StageStore) -> NDArray[np.float64]:
    """The mean of the networks' stored probabilities, of all test images x 10.

    Raises UsageError where they are not stored, CorruptError.
    """
    store.need(record.member_keys, record)
    return mean_probabilities([store.probabilities(key) for key in record.member_keys])


def difference(
    now: NDArray[np.float64], record: ResultRecord, store: StageStore
) -> tuple[int, float]:
    """Of probabilities N x 10: how many predictions are others than stored, and the largest change.

    Where only the probability of each prediction is stored, as with ready networks, that is
    compared. Raises UsageError where nothing is stored, CorruptError.
    """
    published = _path(store.root.parent, record)
    if os.path.lexists(published):
        predicted, confidence = read_published(published)
        changed, change = now.argmax(1) != predicted, now.max(1) - confidence
    else:
        stored = averaged(record, store)
        changed, change = now.argmax(1) != stored.argmax(1), now - stored
    return int(changed.sum()), float(np.abs(change).max())


def _averaged(record: ResultRecord, store: StageStore) -> tuple[Bytes, NDArray[np.float32]]:
    mean = averaged(record, store)
    return mean.argmax(1).astype(np.uint8), mean.max(1).astype(np.float32)
