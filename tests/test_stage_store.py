"""Stored stages: written whole, verified when read, never half there."""

import json
from pathlib import Path

import numpy as np
import pytest
import small
import yaml
from record_data import history_row, stage_record

from mnistladder import sealed
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
    images = len(PROBABILITIES)
    record = stage_record(key=stage.key, seed=stage.seed, test_errors=3, test_images=images)
    store.finish(record, stage.config, progress(2), PROBABILITIES)
    return store.root / stage.key


def test_stage_that_was_never_begun_has_no_progress(store, stage):
    assert store.progress(stage.key) == Progress()
    assert not store.is_stored(stage.key)


def test_saved_progress_is_read_again_and_replaces_the_one_before(store, stage):
    for epochs in (1, 2):
        store.save_progress(stage.key, 0, progress(epochs))
        assert store.progress(stage.key) == progress(epochs)
    names = {path.name for path in (store.root / stage.key).iterdir()}
    assert names == {"progress.json", "epoch-0002.safetensors"}
    assert not store.is_stored(stage.key)


def test_finished_stage_is_read_again_and_leaves_no_progress(store, stage):
    store.save_progress(stage.key, 0, progress(2))
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
        store.save_progress(stage.key, 0, progress(1))
        moved = {path.name for path in store.drop_progress(stage.key)}
        assert moved == {
            f"progress.json.corrupt-{number}",
            f"epoch-0001.safetensors.corrupt-{number}",
        }
    assert store.progress(stage.key) == Progress()


def other_stage(source):
    return small.first_stage(small.tiny(), source, seed=1)


def swap(first, second):
    kept = first.with_name("kept")
    first.rename(kept)
    second.rename(first)
    kept.rename(second)


def test_swapped_folders_are_not_believed(store, stage, source):
    other = other_stage(source)
    swap(finish(store, stage), finish(store, other))
    for read in (store.record, store.checkpoint, store.probabilities, store.check_files):
        with pytest.raises(CorruptError, match=f"wrong place: it is of network {other.key}"):
            read(stage.key)


def test_swapped_folders_of_begun_networks_are_not_believed(store, stage, source):
    other = other_stage(source)
    for number, each in enumerate((stage, other)):
        store.save_progress(each.key, number, progress(1))
    swap(store.root / stage.key, store.root / other.key)
    for read in (store.progress, store.history_so_far):
        with pytest.raises(CorruptError, match=f"wrong place: it is of network {other.key}"):
            read(stage.key)


def test_network_of_another_seed_is_not_believed(store, stage):
    store.save_progress(stage.key, 1, progress(1))
    assert store.progress(stage.key, 1) == progress(1)
    with pytest.raises(CorruptError, match="it is of seed 1, not of 0"):
        store.progress(stage.key, 0)
    finish(store, stage)
    store.check_files(stage.key, 0)
    with pytest.raises(CorruptError, match="it is of seed 0, not of 1"):
        store.check_files(stage.key, 1)


def reseal(path, **changes):
    content = sealed.unseal(path.read_bytes(), "") | changes
    path.write_bytes(sealed.seal({k: v for k, v in content.items() if v != "gone"}))


def test_progress_of_an_older_version_says_no_key_and_goes_on(store, stage):
    store.save_progress(stage.key, 0, progress(1))
    reseal(store.root / stage.key / "progress.json", key="gone", seed="gone")
    assert store.progress(stage.key, 0) == progress(1)


@pytest.mark.parametrize("name", ["/dev/zero", "../x", "x.npy", "record.json"])
def test_file_of_another_name_is_never_opened(store, stage, name):
    folder = finish(store, stage)
    files = {**store.record(stage.key).files, name: sealed.hash_bytes(b"")}
    reseal(folder / "record.json", files=files)
    with pytest.raises(CorruptError, match=r"record\.json: field `files\."):
        store.check_files(stage.key)


def test_record_without_a_checkpoint_is_not_whole(store, stage):
    folder = finish(store, stage)
    files = {k: v for k, v in store.record(stage.key).files.items() if "check" not in k}
    reseal(folder / "record.json", files=files)
    with pytest.raises(CorruptError, match="does not name checkpoint"):
        store.check_files(stage.key)


def npy_header(shape="(4, 10)", kind="<f4"):
    """The beginning of a .npy file of version 1.0, by its specification."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        npy_header("(1_000_000_000_000, 10)"),
        npy_header("(1_000_000_000_000, 10)") + PROBABILITIES.tobytes(),
        npy_header("(10, 4)") + PROBABILITIES.tobytes(),
        npy_header(kind="|O") + PROBABILITIES.tobytes(),
        npy_header(kind="<i4") + PROBABILITIES.tobytes(),
        npy_header() + PROBABILITIES.tobytes()[:-4],
        npy_header("(" * 40),
        b"\x93NUMPY",
        b"",
    ],
    ids=range(9),
)
def test_forged_array_is_refused_before_it_takes_memory(store, stage, content):
    folder = finish(store, stage)
    whole = npy_header() + PROBABILITIES.tobytes()
    for stored in (whole, content):
        (folder / "probabilities.npy").write_bytes(stored)
        hashes = {"probabilities.npy": sealed.hash_bytes(stored)}
        reseal(folder / "record.json", files={**store.record(stage.key).files, **hashes})
        if stored is whole:
            assert np.array_equal(store.probabilities(stage.key), PROBABILITIES)
    with pytest.raises(CorruptError, match=r"probabilities\.npy: not an array of 4 x 10"):
        store.probabilities(stage.key)


def test_nothing_is_read_or_written_behind_a_linked_folder(store, stage, tmp_path):
    store.save_progress(stage.key, 0, progress(1))
    elsewhere = tmp_path / "elsewhere"
    (store.root / stage.key).rename(elsewhere)
    (store.root / stage.key).symlink_to(elsewhere)
    before = {path: path.read_bytes() for path in elsewhere.iterdir()}
    for use in (
        store.progress,
        store.check_files,
        lambda key: store.save_progress(key, 0, progress(2)),
        lambda key: finish(store, stage),
    ):
        with pytest.raises(CorruptError, match="not a folder, but a link or a file"):
            use(stage.key)
    assert [path.name for path in store.drop_progress(stage.key)] == [f"{stage.key}.corrupt-1"]
    assert {path: path.read_bytes() for path in elsewhere.iterdir()} == before
    assert store.progress(stage.key) == Progress()


def test_mean_probabilities_is_the_mean_in_double_precision():
    each = [np.random.default_rng(seed).random((5, 10), np.float32) for seed in range(3)]
    found = mean_probabilities(each)
    assert found.dtype == np.float64
    assert np.allclose(found, (each[0].astype(float) + each[1] + each[2]) / 3, atol=1e-15)
    assert np.array_equal(mean_probabilities(each[:1]), each[0])
