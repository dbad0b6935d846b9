"""What results say of each test image: from networks, or as published with the board."""

import json
from pathlib import Path

import numpy as np
import pytest
import small
from test_board import UNTRAINED

from mnistladder import sealed
from mnistladder.api import naming
from mnistladder.config.loading import shipped_names, variant_names
from mnistladder.config.spec import Rung
from mnistladder.data import datasets
from mnistladder.errors import CorruptError, UsageError
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.executors import InProcess
from mnistladder.runs import predictions
from mnistladder.runs.stage_store import StageStore

BOARD = Path(__file__).parents[1] / "results"
MNIST = datasets.find("mnist")


@pytest.fixture(scope="module")
def climbed(tmp_path_factory, source):
    """The record of two averaged networks, and their folder."""
    runs = tmp_path_factory.mktemp("climbed") / "runs"
    attempt = Attempt(Rung("two", small.tiny(members=2)), 0, source)
    executor = InProcess(runs, small.CPU, lambda event: None)
    [outcome] = Ladder([attempt], runs).climb(executor, lambda event: None)
    return outcome.record, runs


def test_predictions_are_those_of_the_averaged_networks(climbed, source):
    record, runs = climbed
    found = predictions.load(record, runs, source)
    each = [StageStore(runs).probabilities(key) for key in record.member_keys]
    mean = (each[0].astype(float) + each[1]) / 2
    assert (found.predicted == mean.argmax(1)).all()
    assert found.confidence == pytest.approx(mean.max(1), abs=1e-7)
    assert found.ids[found.wrong].tolist() == list(record.wrong_images)
    assert found.confusion.sum() == 256
    assert np.diag(found.confusion).sum() == 256 - record.errors
    shown, said = found.labels[5], found.predicted[5]
    assert (
        found.confusion[shown, said] == ((found.labels == shown) & (found.predicted == said)).sum()
    )
    assert not found.is_mnist


def test_published_predictions_are_the_same_without_the_networks(climbed, source, tmp_path):
    record, runs = climbed
    with pytest.raises(UsageError, match="2 of its networks are not in"):
        predictions.load(record, tmp_path, source)
    predictions.publish(record, runs, tmp_path)
    here, there = (predictions.load(record, folder, source) for folder in (tmp_path, runs))
    for name in ("ids", "images", "labels", "predicted", "confidence"):
        assert (getattr(here, name) == getattr(there, name)).all()


def test_published_predictions_of_another_result_are_refused(climbed, source, tmp_path):
    record, runs = climbed
    predictions.publish(record, runs, tmp_path)
    [path] = (tmp_path / "predictions").iterdir()
    content = sealed.unseal(path.read_bytes(), "")
    first = content["predicted"][0]
    content["predicted"] = ("1" if first == "0" else "0") + content["predicted"][1:]
    path.write_bytes(sealed.seal(content))
    with pytest.raises(CorruptError, match="other predictions than its record names"):
        predictions.load(record, tmp_path, source)
    path.write_bytes(sealed.seal({**content, "result_id": "0" * 16}))
    with pytest.raises(CorruptError, match="in the wrong place: it is of result 0000000000000000"):
        predictions.load(record, tmp_path, source)
    path.write_bytes(path.read_bytes().replace(b'"predicted"', b'"predictee"'))
    with pytest.raises(CorruptError, match="damaged or edited"):
        predictions.load(record, tmp_path, source)


ON_BOARD = [name for name in [*shipped_names(), *variant_names()] if name not in UNTRAINED]


@pytest.mark.parametrize("name", ON_BOARD)
def test_board_has_the_predictions_of_each_first_seed(name):
    record = naming.result(name, BOARD)
    found = predictions.load(record, BOARD, MNIST)
    assert found.ids[found.wrong].tolist() == list(record.wrong_images)
    per_class = found.confusion.sum(1) - np.diag(found.confusion)
    assert per_class.tolist() == list(record.per_class_errors)
    assert len(found.ids) == record.test_images
    assert found.confidence.min() >= 0.1 - 1e-6
    assert found.confidence.max() <= 1


def test_board_has_no_other_predictions():
    known = {json.loads(path.read_text())["result_id"] for path in BOARD.glob("predictions/*")}
    firsts = {naming.result(name, BOARD).result_id for name in ON_BOARD}
    assert known == firsts
