"""Whether a stored result is what it says: its networks looked at again, or trained again."""

import json
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistladder.config.spec import Rung
from mnistladder.config.validate import recorded_config
from mnistladder.data.datasets import Source
from mnistladder.errors import UsageError
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.scoring import make_result
from mnistladder.ladder.stages import Stage
from mnistladder.runs.stage_store import StageStore
from mnistladder.sealed import Record

if TYPE_CHECKING:
    import torch

MACHINE = ("device", "device_name", "cpu_capability", "versions")
COMPARED = ("phase", "lr", "images", "loss", "test_loss", "test_errors", "test_accuracy")


def attempt_of(record: Record, source: Source) -> Attempt:
    """What was climbed for a result, from its record. Raises UsageError, CorruptError."""
    where = f"{record['rung']} seed {record['seed']} ({record['result_id']})"
    if source.sha256 != record["data"]["sha256"]:
        raise UsageError(f"{where}: {source.name} is not the data it was measured on")
    rung = Rung(record["rung"], recorded_config(record), tuple(record["overrides"]))
    attempt = Attempt(rung, record["seed"], source)
    if attempt.result_id != record["result_id"]:
        raise UsageError(f"{where}: was made by another engine, which this mnistladder has not")
    return attempt


@dataclass(frozen=True)
class Look:
    """A stored network looked at again: images it now says otherwise, largest change of p.

    `is_recorded` says whether its weights are those that its record names.
    """

    stage: Stage
    changed: int
    largest: float
    is_recorded: bool


def look_again(
    attempt: Attempt, store: StageStore, device: "torch.device", known: Container[str] = ()
) -> Iterator[Look]:
    """Evaluates each stored network anew, but those already known.

    Raises CorruptError for a damaged file.
    """
    from mnistladder.engine import evaluate
    from mnistladder.engine.tensors import load_digits
    from mnistladder.engine.train_state import TrainState, hash_weights

    digits = load_digits(attempt.source, store.data_folder(attempt.source), device)
    for stage in attempt.stages:
        if stage.key in known:
            continue
        store.check_files(stage.key)
        member = TrainState.new(stage.config, stage.seed, digits.statistics, device)
        member.load(store.checkpoint(stage.key))
        found = evaluate.probabilities(member.evaluated, digits.test.images).cpu().numpy()
        stored = store.probabilities(stage.key)
        changed = int((found.argmax(1) != stored.argmax(1)).sum())
        largest = float(np.abs(found - stored).max())
        recorded = store.record(stage.key)["weights_sha256"]
        yield Look(stage, changed, largest, hash_weights(member.evaluated) == recorded)


def wrong_fields(record: Record, attempt: Attempt, store: StageStore) -> list[str]:
    """Fields of the record that its stored networks do not bear out. Raises CorruptError.

    Not `config`: all is derived from it, and it lacks the keys that came after the record.
    """
    derived = json.loads(json.dumps(make_result(attempt, store)))  # tuples are lists in a record
    others = {name: record[name] for name in record if name not in ("schema", "config")}
    return [name for name, value in others.items() if value != derived.get(name)]


@dataclass(frozen=True)
class Difference:
    """Where two trainings part: the first epoch, and the field that shows it."""

    network: str
    epoch: int
    field: str
    before: Any
    after: Any


def trace(attempt: Attempt, store: StageStore) -> dict[str, list[Record]]:
    """The history rows of each network, through all its stages. Raises CorruptError."""
    rows: dict[str, list[Record]] = {}
    for stage in attempt.stages:
        rows.setdefault(f"network {stage.seed}", []).extend(store.history(stage.key))
    return rows


def mean_trace(record: Record) -> dict[str, list[Record]]:
    """What a record alone has of its networks' histories: their mean."""
    rows = [
        {"loss": loss, "test_accuracy": accuracy}
        for loss, accuracy in zip(*record["curve"].values(), strict=True)
    ]
    return {"mean of the networks": rows}


def first_difference(
    before: dict[str, list[Record]], after: dict[str, list[Record]]
) -> Difference | None:
    """The earliest epoch and field in which two traces differ, or None."""
    found = []
    for network, rows in before.items():
        pairs = zip_longest(rows, after[network], fillvalue=Record())
        for epoch, (old, new) in enumerate(pairs, start=1):
            found += [
                Difference(network, epoch, field, old.get(field), new.get(field))
                for field in COMPARED
                if old.get(field) != new.get(field)
            ]
    return min(found, key=lambda difference: difference.epoch, default=None)


def other_machine(before: Record, after: Record) -> dict[str, tuple[Any, Any]]:
    """What differs of where two results were made; then their bits may differ."""
    return {name: (before[name], after[name]) for name in MACHINE if before[name] != after[name]}


def fresh_folder(runs: Path, attempt: Attempt) -> Path:
    """Where to train a result anew: the first folder in which that is not done yet."""
    number = 1
    while True:
        folder = runs / "reproduced" / f"{attempt.result_id}-{number}"
        if not (folder / "results").exists():
            return folder
        number += 1
