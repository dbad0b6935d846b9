"""Our epochs beside the published ones."""

import math

import pytest
from record_data import result

from mnistladder.config.loading import load_rung, shipped_names
from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.report import curves


def record(rung, losses, seed=0, **changes):
    curve = {"loss": losses, "test_accuracy": [90.0] * len(losses)}
    known = {"data": {"name": "mnist", "sha256": MNIST_SHA256}, "config_sha256": "a"}
    return result(**{"rung": rung, "seed": seed, "curve": curve, **known, **changes})


def test_distance_is_the_mean_log_ratio_over_common_epochs():
    assert curves.distance([2.0, 1.0, 7.0], [1.0, 1.0]) == pytest.approx(math.log(2) / 2)
    assert curves.distance([1.0, 3.0], [1.0, 3.0]) == 0
    assert curves.distance([1.0], []) is None


def test_published_log_has_the_epochs_that_our_configs_train():
    assert curves.published().keys() == set(shipped_names()[:11])
    for name, log in curves.published().items():
        assert len(log["loss"]) == len(log["test_accuracy"]) == load_rung(name).config.epochs
        assert all(0 < accuracy < 100 for accuracy in log["test_accuracy"])


def test_variant_stands_beside_the_log_of_its_rung():
    log = curves.published()["model11_annealing"]["loss"]
    [table] = curves.beside_published([record("model11_annealing_constant", log)])
    assert table.distance == 0
    assert table.epochs[3].published_loss == log[3]


def test_seeds_are_averaged_and_what_has_no_log_has_no_distance():
    both = [record("model12_averaging", [1.0], 0), record("model12_averaging", [3.0], 1)]
    [table] = curves.beside_published(both)
    assert (table.n, table.epochs[0].loss, table.distance) == (2, 2.0, None)
    assert table.epochs[0].published_loss is None


def test_other_data_and_edited_configs_have_tables_of_their_own():
    log = curves.published()["model02_normalized"]["loss"]
    other = {"data": {"name": "other", "sha256": "0"}}
    first, second, third = curves.beside_published(
        [
            record("model02_normalized", log[:4], config_sha256="b"),
            record("model02_normalized", log),
            record("model02_normalized", log, **other),
        ]
    )
    distances = [table.distance for table in (first, second, third)]
    assert sorted(distances, key=str) == [0, 0, None]


def test_json_of_a_table_has_the_headings_as_keys():
    log = curves.published()["model02_normalized"]
    [table] = curves.beside_published([record("model02_normalized", [0.5, 0.25])])
    plain = curves.as_json(table)
    assert list(plain) == ["rung", "title", "n", "epochs", "distance", "holdout"]
    assert plain["epochs"][1] == {
        "epoch": 2,
        "loss": 0.25,
        "published loss": log["loss"][1],
        "test accuracy %": 90.0,
        "published accuracy %": log["test_accuracy"][1],
    }
