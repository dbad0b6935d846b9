"""Stored stages: written whole, verified when read, never half there."""

import json
from pathlib import Path

import numpy as np
import pytest
import small
import yaml
from record_data import history_row, stage_record

from mnistladder.config.loading import load_rung
from mnistladder.config.recipe import resolved
from mnistladder.errors import CorruptError
from mnistladder.runs.stage_store import Progress, StageStore, mean_probabilities

PROBABILITIES = np.full((4, 10), 0.1, np.float32)


@pytest.fixture
def store(tmp_path):
    return StageStore(tmp_path)


@pytest.fixture
def stage(source):
    return small.first_stage(small.tiny(), source)


def cut(path):
    path.write_bytes(path.read_bytes()[:-9])


def flip_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def progress(epochs):
    rows = [history_row(epoch=epoch) for epoch in range(1, epochs + 1)]
    return Progress(f"checkpoint {epochs}".encode(), rows, resumed=1)


def finish(store, stage):
    record = stage_record(key=stage.key, seed=stage.seed, test_errors=3)
    store.finish(record, stage.config, progress(2), PROBABILITIES)
    return store.root / stage.key


def test_stage_that_was_never_begun_has_no_progress(store, stage):
    assert store.progress(stage.key) == Progress()
    assert not store.is_stored(stage.key)


def test_saved_progress_is_read_again_and_replaces_the_one_before(store, stage):
    for epochs in (1, 2):
        store.save_progress(stage.key, progress(epochs))
        assert store.progress(stage.key) == progress(epochs)
    names = {path.name for path in (store.root / stage.key).iterdir()}
    assert names == {"progress.json", "epoch-0002.safetensors"}
    assert not store.is_stored(stage.key)


def test_finished_stage_is_read_again_and_leaves_no_progress(store, stage):
    store.save_progress(stage.key, progress(2))
    folder = finish(store, stage)
    assert store.is_stored(stage.key)
    assert store.checkpoint(stage.key) == b"checkpoint 2"
    assert store.history(stage.key) == progress(2).history
    assert np.array_equal(store.probabilities(stage.key), PROBABILITIES)
    assert store.record(stage.key).test_errors == 3
    names = "record.json history.jsonl probabilities.npy checkpoint.safetensors config.yaml"
    assert {path.name for path in folder.iterdir()} == set(names.split())


def test_stored_config_loads_to_the_config(store, stage):
    path = finish(store, stage) / "config.yaml"
    assert load_rung(str(path)).config == stage.config
    assert yaml.safe_load(path.read_text())["model"] == resolved(stage.config)["model"]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("checkpoint.safetensors", StageStore.checkpoint),
        ("history.jsonl", StageStore.history),
        ("probabilities.npy", StageStore.probabilities),
        ("record.json", StageStore.record),
    ],
)
@pytest.mark.parametrize("damage", [cut, flip_byte, Path.unlink])
def test_damage_to_any_file_is_an_error(store, stage, name, read, damage):
    path = finish(store, stage) / name
    read(store, stage.key)
    damage(path)
    with pytest.raises(CorruptError, match=name):
        read(store, stage.key)


def test_edited_record_is_an_error(store, stage):
    path = finish(store, stage) / "record.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "test_errors": 0}))
    with pytest.raises(CorruptError, match="damaged or edited"):
        store.record(stage.key)


def test_dropped_progress_is_kept_aside(store, stage):
    for number in (1, 2):
        store.save_progress(stage.key, progress(1))
        moved = {path.name for path in store.drop_progress(stage.key)}
        assert moved == {
            f"progress.json.corrupt-{number}",
            f"epoch-0001.safetensors.corrupt-{number}",
        }
    assert store.progress(stage.key) == Progress()


def test_mean_probabilities_is_the_mean_in_double_precision():
    each = [np.random.default_rng(seed).random((5, 10), np.float32) for seed in range(3)]
    found = mean_probabilities(each)
    assert found.dtype == np.float64
    assert np.allclose(found, (each[0].astype(float) + each[1] + each[2]) / 3, atol=1e-15)
    assert np.array_equal(mean_probabilities(each[:1]), each[0])
