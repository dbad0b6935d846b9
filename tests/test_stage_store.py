"""Stored stages: written whole, verified when read, never half there."""

import json
from pathlib import Path

import numpy as np
import pytest
import small
import yaml

from mnistladder.config.loading import load_rung
from mnistladder.config.recipe import resolved
from mnistladder.errors import CorruptError
from mnistladder.runs.stage_store import Members, Progress, mean_probabilities

PROBABILITIES = np.full((4, 10), 0.1, np.float32)


@pytest.fixture
def members(tmp_path):
    return Members(tmp_path)


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
    rows = [{"epoch": epoch, "loss": 1.5} for epoch in range(1, epochs + 1)]
    return Progress(f"checkpoint {epochs}".encode(), rows, resumed=1)


def finish(members, stage):
    members.finish(
        stage.key, stage.seed, stage.config, progress(2), PROBABILITIES, {"test_errors": 3}
    )
    return members.root / stage.key


def test_stage_that_was_never_begun_has_no_progress(members, stage):
    assert members.progress(stage.key) == Progress()
    assert not members.is_stored(stage.key)


def test_saved_progress_is_read_again_and_replaces_the_one_before(members, stage):
    for epochs in (1, 2):
        members.save_progress(stage.key, progress(epochs))
        assert members.progress(stage.key) == progress(epochs)
    names = {path.name for path in (members.root / stage.key).iterdir()}
    assert names == {"progress.json", "epoch-0002.safetensors"}
    assert not members.is_stored(stage.key)


def test_finished_stage_is_read_again_and_leaves_no_progress(members, stage):
    members.save_progress(stage.key, progress(2))
    folder = finish(members, stage)
    assert members.is_stored(stage.key)
    assert members.checkpoint(stage.key) == b"checkpoint 2"
    assert members.history(stage.key) == progress(2).history
    assert np.array_equal(members.probabilities(stage.key), PROBABILITIES)
    assert members.record(stage.key)["test_errors"] == 3
    names = "record.json history.jsonl probabilities.npy checkpoint.safetensors config.yaml"
    assert {path.name for path in folder.iterdir()} == set(names.split())


def test_stored_config_loads_to_the_config(members, stage):
    path = finish(members, stage) / "config.yaml"
    assert load_rung(str(path)).config == stage.config
    assert yaml.safe_load(path.read_text())["model"] == resolved(stage.config)["model"]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("checkpoint.safetensors", Members.checkpoint), ("history.jsonl", Members.history),
        ("probabilities.npy", Members.probabilities), ("record.json", Members.record),
    ],
)  # fmt: skip
@pytest.mark.parametrize("damage", [cut, flip_byte, Path.unlink])
def test_damage_to_any_file_is_an_error(members, stage, name, read, damage):
    path = finish(members, stage) / name
    read(members, stage.key)
    damage(path)
    with pytest.raises(CorruptError, match=name):
        read(members, stage.key)


def test_edited_record_is_an_error(members, stage):
    path = finish(members, stage) / "record.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "test_errors": 0}))
    with pytest.raises(CorruptError, match="damaged or edited"):
        members.record(stage.key)


def test_dropped_progress_is_kept_aside(members, stage):
    for number in (1, 2):
        members.save_progress(stage.key, progress(1))
        moved = {path.name for path in members.drop_progress(stage.key)}
        assert moved == {
            f"progress.json.corrupt-{number}",
            f"epoch-0001.safetensors.corrupt-{number}",
        }
    assert members.progress(stage.key) == Progress()


def test_mean_probabilities_is_the_mean_in_double_precision():
    each = [np.random.default_rng(seed).random((5, 10), np.float32) for seed in range(3)]
    found = mean_probabilities(each)
    assert found.dtype == np.float64
    assert np.allclose(found, (each[0].astype(float) + each[1] + each[2]) / 3, atol=1e-15)
    assert np.array_equal(mean_probabilities(each[:1]), each[0])
