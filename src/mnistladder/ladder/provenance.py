"""Whether a stored result is what it says: its networks looked at again, or trained again."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mnistladder.config.spec import Rung
from mnistladder.config.validate import recorded_config
from mnistladder.data.datasets import Source
from mnistladder.errors import UsageError
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.scoring import make_result, scores
from mnistladder.ladder.stages import Stage
from mnistladder.runs import predictions, stage_store
from mnistladder.runs.records import BoardRow, ResultRecord
from mnistladder.runs.stage_store import StageStore

if TYPE_CHECKING:
    import torch

WHERE_IT_WAS_MADE = ("device", "device_name", "cpu_capability", "versions")
COMPARED = ("phase", "lr", "images", "loss", "test_loss", "test_errors", "test_accuracy")
Trace = Mapping[str, Sequence[Mapping[str, object]]]  # by network, the fields of each epoch


def attempt_of(record: ResultRecord, source: Source) -> Attempt:
    """What was attempted for a result, from its record. Raises UsageError, CorruptError."""
    if source.sha256 != record.data.sha256:
        raise UsageError(f"{record.where}: {source.name} is not the data it was measured on")
    rung = Rung(record.rung, recorded_config(record.config, record.where), record.overrides)
    attempt = Attempt(rung, record.seed, source)
    if attempt.result_id != record.result_id:
        raise UsageError(
            f"{record.where}: was made by another engine, which this version does not have"
        )
    return attempt


@dataclass(frozen=True)
class NetworkCheck:
    """A stored network, evaluated anew and compared with its stored probabilities."""

    stage: Stage
    changed: int  # test images with another prediction
    largest: float  # the largest change of a probability
    is_recorded: bool  # whether its weights are those that its record names


def check_networks(
    attempt: Attempt, store: StageStore, device: "torch.device", known: Container[str] = ()
) -> Iterator[NetworkCheck]:
    """Evaluates each stored network anew, except the stages whose keys are in `known`.

    Writes nothing. Raises CorruptError for a damaged file.
    """
    from mnistladder.engine import evaluate
    from mnistladder.engine.tensors import load_digits
    from mnistladder.engine.train_state import TrainState, hash_weights

    digits = load_digits(attempt.source, None, device)
    for stage in attempt.stages:
        if stage.key in known:
            continue
        store.check_files(stage.key)
        state = TrainState.new(stage.config, stage.seed, digits.statistics, device)
        state.load(store.checkpoint(stage.key))
        now = evaluate.probabilities(state.evaluated, digits.test.images).cpu().numpy()
        stored = store.probabilities(stage.key)
        changed, largest = evaluate.difference(now, stored)
        recorded = store.record(stage.key).weights_sha256
        yield NetworkCheck(stage, changed, largest, hash_weights(state.evaluated) == recorded)


class ReadyCheck(NamedTuple):
    """Ready networks, evaluated anew: what changed, and fields of the record that are not so."""

    changed: int  # test images with another prediction
    largest: float  # the largest change of the probability of a prediction
    wrong_fields: list[str]


def check_ready(
    record: ResultRecord, source: Source, store: StageStore, device: "torch.device"
) -> ReadyCheck:
    """Evaluates a result's ready networks, whose hashes are checked when they are loaded.

    Raises UsageError, DataError, CorruptError.
    """
    from mnistladder.engine import evaluate
    from mnistladder.engine.tensors import load_digits
    from mnistladder.runs import ensembles

    digits, config = load_digits(source, None, device), attempt_of(record, source).rung.config
    networks = ensembles.load(record, store, device).networks
    each = [evaluate.probabilities(one, digits.test.images).cpu().numpy() for one in networks]
    mean = stage_store.mean_probabilities(each)
    labels = source.test_labels()
    found = {
        **scores(mean, labels, config),
        "member_errors": [int((one.argmax(1) != labels).sum()) for one in each],
    }
    stated = record.plain()
    wrong = [name for name, value in found.items() if stated.get(name) != value]
    return ReadyCheck(*predictions.difference(mean, record, store), wrong)


def wrong_fields(record: ResultRecord, attempt: Attempt, store: StageStore) -> list[str]:
    """Fields of the record that its stored networks do not bear out. Raises CorruptError.

    Not `config`: all is derived from it, and it lacks the keys that came after the record. A field
    that a newer version added is wrong here: nothing in this version can derive it.
    """
    derived = make_result(attempt, store).plain()
    stated = {k: value for k, value in record.plain().items() if k not in ("schema", "config")}
    return [name for name, value in stated.items() if value != derived.get(name)]


@dataclass(frozen=True)
class Difference:
    """Where two trainings part: the first epoch, and the field that shows it."""

    network: str
    epoch: int
    field: str
    before: object
    after: object


def trace(attempt: Attempt, store: StageStore) -> Trace:
    """The history rows of each network, through all its stages. Raises CorruptError."""
    rows: dict[str, list[Mapping[str, object]]] = {}
    for stage in attempt.stages:
        history = [row.plain() for row in store.history(stage.key)]
        rows.setdefault(f"network {stage.seed}", []).extend(history)
    return rows


def mean_trace(record: ResultRecord) -> Trace:
    """What a record alone has of its networks' histories: their mean."""
    rows = [
        {"loss": loss, "test_accuracy": accuracy}
        for loss, accuracy in zip(record.curve.loss, record.curve.test_accuracy, strict=True)
    ]
    return {"mean of the networks": rows}


def first_difference(before: Trace, after: Trace) -> Difference | None:
    """The earliest epoch and field in which two traces differ, or None."""
    differences = []
    missing: Mapping[str, object] = {}
    for network, rows in before.items():
        pairs = zip_longest(rows, after[network], fillvalue=missing)
        for epoch, (old, new) in enumerate(pairs, start=1):
            differences += [
                Difference(network, epoch, field, old.get(field), new.get(field))
                for field in COMPARED
                if old.get(field) != new.get(field)
            ]
    return min(differences, key=lambda difference: difference.epoch, default=None)


def other_machine(before: BoardRow, after: BoardRow) -> dict[str, tuple[object, object]]:
    """What differs of where two results were made; then their bits may differ."""
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in WHERE_IT_WAS_MADE}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}


def fresh_folder(runs: Path, attempt: Attempt) -> Path:
    """Where to train a result anew: the first folder in which that is not done yet."""
    number = 1
    while True:
        folder = runs / "reproduced" / f"{attempt.result_id}-{number}"
        if not (folder / "results").exists():
            return folder
        number += 1
