"""Plain data of whole records, to be changed by the tests, and the records made of it."""

from mnistladder.config.recipe import RECIPE_VERSION
from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.runs.records import HistoryRow, ResultRecord, StageRecord

MACHINE = {
    "device_name": "A processor",
    "cpu_capability": "AVX2",
    "threads": 1,
    "precision": "float32",
    "versions": {"python": "3.11.7", "torch": "2.15.0"},
    "git": {"commit": None, "dirty": None},
}

RESULT = {
    "result_id": "0123456789abcdef",
    "rung": "model02_normalized",
    "overrides": [],
    "title": "Normalisation",
    "published_accuracy": 92.44,
    "published_remark": None,
    "config": {"title": "Normalisation"},
    "config_sha256": "a",
    "engine": RECIPE_VERSION,
    "plugins": {},
    "seed": 0,
    "members": 1,
    "parameters": 7850,
    "multiply_adds": 7840,
    "epochs": 5,
    "transductive": False,
    "member_keys": ["k"],
    "member_seeds": [0],
    "member_errors": [800],
    "test_images": 10_000,
    "scored": [0, 10_000],
    "errors": 800,
    "accuracy": 92.0,
    "loss": 0.25,
    "per_class_errors": [80] * 10,
    "dead_classes": 0,
    "wrong_images": [1, 2],
    "predictions_sha256": "p",
    "curve": {"loss": [0.5], "test_accuracy": [92.0]},
    "weights_sha256": ["w"],
    "stacked": [False],
    "images_seen": 300_000,
    "train_s": 3.0,
    "total_s": 4.0,
    "images_per_s": 100_000,
    "device": "cpu",
    "data": {"name": "mnist", "sha256": MNIST_SHA256},
    **MACHINE,
    "started": "2026-01-02T03:00:05+00:00",
    "ended": "2026-01-02T03:04:05+00:00",
}

ROW = {
    "loss": 1.5,
    "test_loss": 1.25,
    "test_errors": 64,
    "eval_s": 0.5,
    "epoch": 1,
    "phase": 0,
    "lr": 0.001,
    "images": 512,
    "train_s": 2.0,
}

STAGE = {
    "key": "k",
    "seed": 0,
    "epochs": 2,
    "images_seen": 1024,
    "train_s": 4.0,
    "total_s": 5.0,
    "test_errors": 3,
    "weights_sha256": "w",
    "data": {"name": "mnist", "sha256": MNIST_SHA256},
    "test_images": 256,
    "resumed": 0,
    "stacked": False,
    "previous": None,
    "teachers": [],
    "started": "2026-01-02T03:00:05+00:00",
    "ended": "2026-01-02T03:04:05+00:00",
    "precision": "float32",
    "device": "cpu",
    **MACHINE,
}


def result(**changes):
    return ResultRecord.parse({**RESULT, **changes}, "test")


def wrong_result(rung, seed, wrong, **changes):
    """A result with these wrong images."""
    errors = len(wrong)
    scores = {"errors": errors, "accuracy": 100 - errors / 100, "wrong_images": sorted(wrong)}
    return result(**{"rung": rung, "seed": seed, **scores, **changes})


def history_row(**changes):
    return HistoryRow.parse({**ROW, **changes}, "test")


def stage_record(**changes):
    return StageRecord.parse({**STAGE, **changes}, "test")
