"""The mean over shifted images against a plain loop, wherever a network is evaluated."""

from contextlib import closing

import commands
import numpy as np
import pytest
import small
import torch
from record_data import RESULT

from mnistladder.config.spec import Average, Rung
from mnistladder.engine import evaluate, export
from mnistladder.engine.tensors import load_digits
from mnistladder.engine.train_state import TrainState, hash_weights
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.executors import InProcess
from mnistladder.model import network
from mnistladder.model.views import with_views
from mnistladder.report.notes import notes
from mnistladder.report.summary import make_rows
from mnistladder.report.tables import cells
from mnistladder.runs import ensembles
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore

CPU = torch.device("cpu")
STATISTICS = (33.3, 78.6)


def shifted(image, rows, columns):
    """An image H x W whose pixels moved down and right; the edge pixels are repeated."""
    moved = np.empty_like(image)
    for row, column in np.ndindex(*image.shape):
        source = (min(max(row - rows, 0), 27), min(max(column - columns, 0), 27))
        moved[row, column] = image[source]
    return moved


def slow(built, images, shifts):
    """The mean probabilities N x 10 over the shifts."""
    views = [np.stack([shifted(image, *by) for image in images]) for by in shifts]
    tensors = [torch.from_numpy(view)[:, None].float() for view in views]
    with torch.inference_mode():
        return np.mean([built(view).softmax(1).double().numpy() for view in tensors], axis=0)


ALL = [(y, x) for y in (0, 1, -1) for x in (0, 1, -1)]
SHIFTS = {1: [(0, 0)], 5: [(y, x) for y, x in ALL if not (y and x)], 9: ALL}


@pytest.mark.parametrize("views", SHIFTS)
def test_views_are_the_mean_over_shifted_images(views):
    built = network.build(small.LAYERS, 0, STATISTICS).eval()
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    found = evaluate.probabilities(with_views(built, views), torch.from_numpy(images)[:, None])
    expected = slow(built, images, SHIFTS[views])
    assert found.double().numpy() == pytest.approx(expected, abs=1e-6)
    assert expected != pytest.approx(slow(built, images, ALL[2:4]), abs=1e-3)


def test_network_with_views_has_the_same_weights_and_hash():
    built = network.build(small.LAYERS, 0, STATISTICS)
    viewed = with_views(built, 5)
    assert hash_weights(viewed) == hash_weights(built)
    assert with_views(built, 1) is built


@pytest.fixture(scope="module")
def trained(tmp_path_factory, source):
    """A runs folder, and the record of two networks with an average and five views."""
    runs = tmp_path_factory.mktemp("runs")
    config = small.tiny(views=5, members=2, average=Average(decay=0.5))
    ladder = Ladder([Attempt(Rung("viewed", config), 0, source)], runs)
    with closing(InProcess(runs, small.CPU, lambda event: None)) as executor:
        [outcome] = ladder.climb(executor, lambda event: None)
    return runs, outcome.record


def test_stored_probabilities_are_those_of_all_views(trained, source):
    runs, record = trained
    store = StageStore(runs)
    digits = load_digits(source, store.data_folder(source), CPU)
    state = TrainState.new(small.tiny(average=Average(decay=0.5)), 0, STATISTICS, CPU)
    state.load(store.checkpoint(record.member_keys[0]))
    stored = store.probabilities(record.member_keys[0])
    images = digits.test.images[:50, 0].numpy()
    assert stored[:50] == pytest.approx(slow(state.evaluated.eval(), images, SHIFTS[5]), abs=1e-5)
    one = evaluate.probabilities(state.evaluated, digits.test.images).numpy()
    assert stored != pytest.approx(one, abs=1e-3)
    assert record.weights_sha256[0] == hash_weights(state.evaluated)


def test_predictions_and_exports_use_all_views(trained, source):
    runs, record = trained
    store = StageStore(runs)
    digits = load_digits(source, store.data_folder(source), CPU)
    expected = np.mean([store.probabilities(key) for key in record.member_keys], 0)[:20]
    images = digits.test.images[:20]
    ensemble = ensembles.load(record, store, CPU)
    with torch.inference_mode():
        assert ensemble(images.float()).numpy() == pytest.approx(expected, abs=1e-5)
    for kind in ("safetensors", "pt2"):
        content = export.WRITERS[kind](ensemble, record.plain())
        found = export.probabilities(content, kind, images[:, 0].numpy())
        assert found == pytest.approx(expected, abs=1e-5)


def test_row_says_how_many_views():
    records = [ResultRecord.model_validate({**RESULT, "views": views}) for views in (1, 5)]
    plain, viewed = (make_rows([record])[0] for record in records)
    assert "(5 views)" in " ".join(cells(viewed))
    assert "views" not in " ".join(cells(plain))
    assert any(line.startswith("Views:") for line in notes([viewed]))
    assert not any("iews" in line for line in notes([plain]))
    older = {key: value for key, value in RESULT.items() if key != "views"}
    assert ResultRecord.model_validate(older).views == 1


def test_show_says_what_is_evaluated(tmp_path):
    overrides = ["--set", "views=5", "--set", "average.decay=0.9", "--set", "average.every=4"]
    shown = commands.call("show", "5", *overrides, cwd=tmp_path).stdout
    assert "average of the weights, every 4 steps, decay 0.9; 5 views of each image" in shown
    assert "evaluated" not in commands.call("show", "5", cwd=tmp_path).stdout
