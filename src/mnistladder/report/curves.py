"""Our epochs beside those of the article's log."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mnistladder.config.loading import rung_of
from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.report.groups import group
from mnistladder.runs.records import BoardRow, ResultRecord

ABOUT = (
    "Ours are means over seeds and members. Distance: the mean of |log(our loss / published loss)| "
    "over the epochs that both have; 0.1 is about ten percent."
)

NO_LOG: dict[str, list[float]] = {"loss": [], "test_accuracy": []}


@cache
def published() -> dict[str, dict[str, list[float]]]:
    """By rung, the log's training loss and test accuracy in percent after each epoch."""
    data = json.loads(Path(__file__).with_name("published.json").read_text())
    curves: dict[str, dict[str, list[float]]] = data["curves"]
    return curves


def distance(ours: list[float], theirs: list[float]) -> float | None:
    """Mean absolute log-ratio over the epochs both have; None where there are none."""
    pairs = list(zip(ours, theirs, strict=False))
    if not pairs:
        return None
    return sum(abs(math.log(a / b)) for a, b in pairs) / len(pairs)


@dataclass(frozen=True)
class CurveEpoch:
    """An epoch: training loss, and test accuracy in percent; the log may lack it."""

    epoch: int  # from 1
    loss: float
    published_loss: float | None
    test_accuracy: float
    published_accuracy: float | None


@dataclass(frozen=True)
class CurveTable:
    """The epochs of one rung, means over its results, and the distance from the log."""

    rung: str
    title: str
    n: int
    epochs: tuple[CurveEpoch, ...]
    distance: float | None  # of the losses; None without a log
    holdout: int | None = None  # so many training images that the accuracy is of


EPOCH_HEADINGS = {
    "epoch": "epoch",
    "loss": "loss",
    "published_loss": "published loss",
    "test_accuracy": "test accuracy %",
    "published_accuracy": "published accuracy %",
}


def as_json(table: CurveTable) -> dict[str, Any]:
    """A table as plain data; an epoch's keys are the headings of its columns."""
    epochs = [
        {EPOCH_HEADINGS[name]: value for name, value in asdict(epoch).items()}
        for epoch in table.epochs
    ]
    return {**asdict(table), "epochs": epochs}


def beside_published(results: Sequence[BoardRow]) -> list[CurveTable]:
    """A table for each rung; other data, older configs and engines have tables of their own."""
    known = [r for r in results if isinstance(r, ResultRecord) and not r.overrides]
    return [table(records) for records in group(known).values()]


def table(records: list[ResultRecord]) -> CurveTable:
    """A row an epoch and the distance, of one rung's records; a variant is beside its rung's log.

    The log is of MNIST: other data have none.
    """
    name = records[0].rung
    loss = _mean([record.curve.loss for record in records])
    accuracy = _mean([record.curve.test_accuracy for record in records])
    has_log = records[0].data.sha256 == MNIST_SHA256
    log = published().get(rung_of(name) or name, NO_LOG) if has_log else NO_LOG
    return CurveTable(
        rung=name,
        title=records[0].title,
        n=len(records),
        epochs=tuple(
            CurveEpoch(
                epoch=index + 1,
                loss=loss[index],
                published_loss=_at(log["loss"], index),
                test_accuracy=accuracy[index],
                published_accuracy=_at(log["test_accuracy"], index),
            )
            for index in range(len(loss))
        ),
        distance=distance(loss, log["loss"]),
        holdout=records[0].data.holdout,
    )


def _mean(curves: Sequence[Sequence[float]]) -> list[float]:
    return [float(value) for value in np.mean(curves, axis=0)]


def _at(values: list[float], epoch: int) -> float | None:
    return values[epoch] if epoch < len(values) else None
