"""One result of seven images, two members and four stages, worked out by hand."""

import hashlib
from math import log

import numpy as np
import pytest
import small
from record_data import history_row, stage_record

from mnistladder.config.recipe import recipe, resolved
from mnistladder.config.spec import Published, Rung
from mnistladder.data import datasets
from mnistladder.data.datasets import MNIST_SHA256, Source, Split
from mnistladder.errors import CorruptError
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.scoring import make_result
from mnistladder.model.layers import Dense, Flatten, Normalize
from mnistladder.runs.stage_store import Progress, StageStore
from mnistladder.sealed import digest

LABELS = [7, 2, 1, 0, 4, 1, 9]
ONE_MEMBER = [{7: 1}, {3: 0.75, 2: 0.25}, {1: 1}, {6: 1}, {4: 1}, {1: 1}, {9: 0.75, 8: 0.25}]
OTHER = [{7: 1}, {2: 0.625, 3: 0.375}, {1: 1}, {6: 1}, {9: 0.75, 4: 0.25}, {1: 1}, {8: 1}]
PREDICTIONS = [7, 3, 1, 6, 4, 1, 8]  # of the mean: images 1, 3 and 6 are wrong
MEMBER_ERRORS = (2, 3)  # images 1 and 3; images 3, 4 and 6
CURVES = [  # loss and errors of each epoch; the first epoch is a stage, the others are the second
    [(1.0, 4), (0.5, 3), (0.25, 2)],
    [(2.0, 6), (1.0, 5), (0.5, 3)],
]


def table(rows):
    return np.array([[row.get(digit, 0) for digit in range(10)] for row in rows], np.float32)


def attempt(tmp_path, sha256="s", **changes):
    """Two networks of one dense layer, each trained in two stages, on seven test images."""
    split = Split(np.zeros((7, 28, 28), np.uint8), np.array(LABELS, np.uint8))
    datasets.write_folder(tmp_path / "data", split, split)
    plan = {
        "model": (Normalize(), Flatten(), Dense(out=10)),
        "members": 2,
        "phases": small.phases(1, 2, new_stage=True),
        **changes,
    }
    rung = Rung("mine", small.tiny(**plan), ("members=2",))
    return Attempt(rung, 5, Source("raw", tmp_path / "data", sha256))


def stored(tmp_path, attempted, *changes, errors=MEMBER_ERRORS):
    """The attempt's four stages, as if they had been trained; `changes` are those of each record.

    The order is by level, then by member.
    """
    store = StageStore(tmp_path / "runs")
    for index, stage in enumerate(attempted.stages):
        level, member = divmod(index, 2)
        epochs = CURVES[member][1:] if level else CURVES[member][:1]
        rows = [history_row(loss=loss, test_errors=wrong) for loss, wrong in epochs]
        fields = {"key": stage.key, "seed": stage.seed, "test_images": 7}
        fields["test_errors"] = errors[member] if level else rows[-1].test_errors
        record = stage_record(**fields, **(changes[index] if changes else {}))
        probabilities = table((ONE_MEMBER, OTHER)[member])
        store.finish(record, attempted.rung.config, Progress(b"weights", rows), probabilities)
    return store


def scored(tmp_path, *changes, **plan):
    attempted = attempt(tmp_path, **plan)
    return make_result(attempted, stored(tmp_path, attempted, *changes))


def mean_loss(*of_truth):
    """The mean of -ln p, to six digits."""
    return round(-sum(map(log, of_truth)) / len(of_truth), 6)


def test_scores_are_those_of_the_members_mean(tmp_path):
    result = scored(tmp_path)
    assert result.member_errors == MEMBER_ERRORS
    assert (result.errors, result.wrong_images) == (3, (1, 3, 6))
    assert (result.test_images, result.scored) == (7, (0, 7))
    assert result.accuracy == 57.1429  # 4 of 7
    assert result.loss == mean_loss(1, 0.4375, 1, 1e-7, 0.625, 1, 0.375)
    assert result.per_class_errors == (1, 0, 1, 0, 0, 0, 0, 0, 0, 1)  # truth: 2, 0 and 9
    assert result.dead_classes == 4  # 0, 2, 5 and 9
    assert result.predictions_sha256 == hashlib.sha256(bytes(PREDICTIONS)).hexdigest()


@pytest.mark.parametrize(
    ("pool", "scored_images", "wrong", "accuracy", "loss", "dead"),
    [
        ("test_second_half", (0, 3), (1,), 66.6667, mean_loss(1, 0.4375, 1), 7),
        ("test_first_half", (3, 7), (3, 6), 50.0, mean_loss(1e-7, 0.625, 1, 0.375), 6),
    ],
)
def test_only_the_half_that_is_not_the_pool_is_scored(
    tmp_path, pool, scored_images, wrong, accuracy, loss, dead
):
    result = scored(tmp_path, pool=pool)
    assert (result.scored, result.test_images) == (
        scored_images,
        scored_images[1] - scored_images[0],
    )
    assert (result.wrong_images, result.errors) == (wrong, len(wrong))
    assert (result.accuracy, result.loss, result.dead_classes) == (accuracy, loss, dead)
    assert result.predictions_sha256 == hashlib.sha256(bytes(PREDICTIONS)).hexdigest()


def test_curve_is_the_members_mean_through_all_stages(tmp_path):
    curve = scored(tmp_path).curve
    assert curve.loss == (1.5, 0.75, 0.375)
    right = [7 - 5, 7 - 4, 7 - 2.5]  # of seven, after each epoch
    assert curve.test_accuracy == pytest.approx([100 * count / 7 for count in right])


def test_effort_is_summed_over_all_stages_and_the_machine_is_the_last_ones(tmp_path):
    times = ["2026-01-02", "2026-01-01", "2026-01-04", "2026-01-03"]
    changes = [
        {
            "images_seen": 10 + index,
            "train_s": 0.0309,
            "total_s": 0.0617,
            "started": f"{day}T01:00:00+00:00",
            "ended": f"{day}T02:00:00+00:00",
            "device": "cuda" if index == 1 else "cpu",
            "device_name": f"machine {index}",
            "threads": index,
            "stacked": index == 2,
            "weights_sha256": f"w{index}",
        }
        for index, day in enumerate(times)
    ]
    result = scored(tmp_path, *changes)
    assert result.images_seen == 10 + 11 + 12 + 13
    assert (result.train_s, result.total_s) == (0.124, 0.247)
    assert result.images_per_s == 371  # 46 / 0.124 = 370.97
    assert (result.started, result.ended) == (
        "2026-01-01T01:00:00+00:00",
        "2026-01-04T02:00:00+00:00",
    )
    assert (result.device, result.device_name, result.threads) == ("cpu+cuda", "machine 3", 3)
    assert result.stacked == (False, False, True, False)
    assert result.weights_sha256 == ("w2", "w3")


def test_speed_is_finite_where_no_time_was_measured(tmp_path):
    result = scored(tmp_path, *[{"train_s": 0.0, "images_seen": 5}] * 4)
    assert (result.train_s, result.images_per_s) == (0, 20_000)  # as if it took a millisecond


def test_result_says_what_was_attempted(tmp_path):
    attempted = attempt(tmp_path)
    result = make_result(attempted, stored(tmp_path, attempted))
    config, last = attempted.rung.config, attempted.levels[-1]
    assert (result.result_id, result.rung, result.seed) == (attempted.result_id, "mine", 5)
    assert (result.title, result.overrides) == ("Tiny", ("members=2",))
    assert (result.config, result.config_sha256) == (resolved(config), digest(recipe(config)))
    assert (result.members, result.epochs, result.transductive) == (2, 3, False)
    assert (result.parameters, result.multiply_adds) == (784 * 10 + 10, 784 * 10)
    assert result.member_keys == tuple(stage.key for stage in last)
    assert result.member_seeds == tuple(stage.seed for stage in last)
    assert len({*result.member_keys}) == len({*result.member_seeds}) == 2


@pytest.mark.parametrize(
    ("sha256", "published", "accuracy"),
    [
        (MNIST_SHA256, Published(accuracy=92.44, remark="best of five"), 92.44),
        ("0", Published(accuracy=92.44, remark="best of five"), None),  # of other data
        ("z", Published(accuracy=92.44, remark="best of five"), None),
        (MNIST_SHA256, None, None),
    ],
)
def test_published_figure_is_of_mnist_alone(tmp_path, sha256, published, accuracy):
    result = scored(tmp_path, sha256=sha256, published=published)
    assert result.published_accuracy == accuracy
    assert result.published_remark == (published and "best of five")


@pytest.mark.parametrize("errors", [(2, 4), (1, 3), (3, 3), (2, 2)])
def test_errors_that_do_not_fit_the_probabilities_are_damage(tmp_path, errors):
    attempted = attempt(tmp_path)
    store = stored(tmp_path, attempted, errors=errors)
    with pytest.raises(CorruptError, match="stored errors do not fit the stored probabilities"):
        make_result(attempted, store)
