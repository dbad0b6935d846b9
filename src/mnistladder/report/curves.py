"""Our epochs beside those of the article's log."""

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mnistladder.config.loading import rung_of
from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.report.summary import group
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


def beside_published(results: Sequence[BoardRow]) -> list[dict[str, Any]]:
    """A table for each rung; other data, older configs and engines have tables of their own."""
    known = [r for r in results if isinstance(r, ResultRecord) and not r.overrides]
    return [table(records) for records in group(known).values()]


def table(records: list[ResultRecord]) -> dict[str, Any]:
    """A row an epoch and the distance, of one rung's records; a variant is beside its rung's log.

    The log is of MNIST: other data have none.
    """
    name = records[0].rung
    loss = _mean([record.curve.loss for record in records])
    accuracy = _mean([record.curve.test_accuracy for record in records])
    has_log = records[0].data.sha256 == MNIST_SHA256
    log = published().get(rung_of(name) or name, NO_LOG) if has_log else NO_LOG
    return {
        "rung": name,
        "title": records[0].title,
        "n": len(records),
        "epochs": [
            {
                "epoch": epoch + 1,
                "loss": loss[epoch],
                "published loss": _at(log["loss"], epoch),
                "test accuracy %": accuracy[epoch],
                "published accuracy %": _at(log["test_accuracy"], epoch),
            }
            for epoch in range(len(loss))
        ],
        "distance": distance(loss, log["loss"]),
    }


def _mean(curves: Sequence[Sequence[float]]) -> list[float]:
    return [float(value) for value in np.mean(curves, axis=0)]


def _at(values: list[float], epoch: int) -> float | None:
    return values[epoch] if epoch < len(values) else None
