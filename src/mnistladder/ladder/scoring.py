"""Trained stages -> one result record: errors, what it took, and what it was."""

from itertools import chain

import numpy as np

from mnistladder import sealed
from mnistladder.config.cost import multiply_adds
from mnistladder.config.recipe import RECIPE_VERSION, recipe, resolved
from mnistladder.config.spec import Config
from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.errors import CorruptError
from mnistladder.ladder.attempts import Attempt
from mnistladder.model.layers import plugin_versions
from mnistladder.runs.records import HistoryRow, ResultRecord, StageRecord
from mnistladder.runs.stage_store import StageStore, mean_probabilities
from mnistladder.sealed import digest
from mnistladder.task import LEAST_PROBABILITY

FROM_LAST_STAGE = (
    "data",
    "device_name",
    "cpu_capability",
    "threads",
    "precision",
    "versions",
    "git",
)


def make_result(attempt: Attempt, store: StageStore) -> ResultRecord:
    """The record of an attempt whose stages are all stored. Raises CorruptError, DataError."""
    final = attempt.levels[-1]
    probabilities = [store.probabilities(stage.key) for stage in final]
    labels = attempt.source.test_labels()
    member_errors = [int((p.argmax(1) != labels).sum()) for p in probabilities]
    records = {stage.key: store.record(stage.key) for stage in attempt.stages}
    if member_errors != [records[stage.key].test_errors for stage in final]:
        raise CorruptError(f"{store.root}: stored errors do not fit the stored probabilities")
    content = {
        **_identity(attempt),
        "member_keys": [stage.key for stage in final],
        "member_seeds": [stage.seed for stage in final],
        "member_errors": member_errors,
        **scores(mean_probabilities(probabilities), labels, attempt.rung.config),
        "curve": _curve(
            [[store.history(stage.key) for stage in level] for level in attempt.levels],
            len(labels),
        ),
        "weights_sha256": [records[stage.key].weights_sha256 for stage in final],
        "stacked": [records[stage.key].stacked for stage in attempt.stages],
        **_effort([records[stage.key] for stage in attempt.stages]),
    }
    return ResultRecord.model_validate(content)


def _identity(attempt: Attempt) -> dict[str, object]:
    """What was attempted."""
    config = attempt.rung.config
    return {
        "result_id": attempt.result_id,
        "rung": attempt.rung.name,
        "overrides": list(attempt.rung.overrides),
        "title": config.title,
        "published_accuracy": _published(attempt),
        "published_remark": config.published.remark if config.published else None,
        "config": resolved(config),
        "config_sha256": digest(recipe(config)),
        "engine": RECIPE_VERSION,
        "plugins": plugin_versions(config.model),
        "seed": attempt.seed,
        "members": config.members,
        "parameters": config.parameters,
        "multiply_adds": multiply_adds(config),
        "epochs": config.epochs,
        "transductive": config.transductive,
        "views": config.views,
    }


def _effort(stages: list[StageRecord]) -> dict[str, object]:
    """What it took: sums over all stages of all members, and the machine of the last one."""
    images = sum(record.images_seen for record in stages)
    train_s = round(sum(record.train_s for record in stages), 3)
    return {
        "images_seen": images,
        "train_s": train_s,
        "total_s": round(sum(record.total_s for record in stages), 3),
        "images_per_s": round(images / max(train_s, 1e-3)),
        "device": "+".join(sorted({record.device for record in stages})),
        **{name: getattr(stages[-1], name) for name in FROM_LAST_STAGE},
        "started": min(record.started for record in stages),
        "ended": max(record.ended for record in stages),
    }


def _published(attempt: Attempt) -> float | None:
    """The article's figure, which says nothing of other data."""
    published = attempt.rung.config.published
    return published.accuracy if published and attempt.source.sha256 == MNIST_SHA256 else None


def scores(probabilities: np.ndarray, labels: np.ndarray, config: Config) -> dict[str, object]:
    """Errors, loss and what can be compared image by image, of averaged probabilities N x 10.

    In double precision without torch, while `engine.evaluate.score` keeps the float32 formula of
    histories, because `reproduce` compares their `test_loss` exactly.
    """
    every = probabilities.argmax(1).astype(np.uint8)
    part = config.scored_slice(len(labels))
    predictions, truth = every[part], labels[part]
    wrong = np.flatnonzero(predictions != truth)
    of_truth = probabilities[part][np.arange(len(truth)), truth].clip(LEAST_PROBABILITY)
    return {
        "test_images": len(truth),
        "scored": [part.start, part.stop],
        "errors": len(wrong),
        "accuracy": round(100 * (1 - len(wrong) / len(truth)), 4),
        "loss": round(float(-np.log(of_truth).mean()), 6),
        "per_class_errors": np.bincount(truth[wrong], minlength=10).tolist(),
        "dead_classes": int((np.bincount(predictions, minlength=10) == 0).sum()),
        "wrong_images": (wrong + part.start).tolist(),
        "predictions_sha256": sealed.hash_bytes(every.tobytes()),
    }


def _curve(levels: list[list[list[HistoryRow]]], images: int) -> dict[str, list[float]]:
    """Training loss and test accuracy in percent after each epoch, means over members."""
    by_member = [list(chain.from_iterable(parts)) for parts in zip(*levels, strict=True)]
    epochs = list(zip(*by_member, strict=True))
    return {
        "loss": [float(np.mean([row.loss for row in rows])) for rows in epochs],
        "test_accuracy": [
            100 * (1 - float(np.mean([row.test_errors for row in rows])) / images)
            for rows in epochs
        ],
    }
