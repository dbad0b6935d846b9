"""The shipped MNIST is the real one, and a file that is not what it says is reported."""

import gzip
import struct

import numpy as np
import pytest

from mnistladder.data import datasets, idx
from mnistladder.errors import DataError

IMAGES, LABELS = datasets.FILES["train"]
HEADER = b"\0\0\x08\x03" + struct.pack(">3I", 4, 28, 28)


@pytest.fixture(scope="module")
def mnist():
    return datasets.find("mnist").load()


@pytest.fixture
def folder(tmp_path):
    """Four raw IDX files of four images each."""
    for images, labels in datasets.FILES.values():
        (tmp_path / images).write_bytes(idx.encode_idx(np.full((4, 28, 28), 7, np.uint8)))
        (tmp_path / labels).write_bytes(idx.encode_idx(np.arange(4, dtype=np.uint8)))
    return tmp_path


def test_shipped_mnist_has_its_hash_shapes_and_counts(mnist):
    assert mnist.sha256 == "25c98f992c005963b7428e1f38418b233c9b286cc403519287eb8063f0bcfe07"
    assert mnist.train.images.shape == (60_000, 28, 28)
    assert mnist.test.images.shape == (10_000, 28, 28)
    assert datasets.Dataset.class_counts(mnist.train) == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    assert datasets.Dataset.class_counts(mnist.test) == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


def test_known_data_in_any_folder_have_their_name(tmp_path, folder, monkeypatch):
    copy = tmp_path / "raw"
    copy.mkdir()
    for path in datasets.MNIST_DIR.glob("*.gz"):
        (copy / path.name).symlink_to(path)
    assert datasets.find("", copy).name == "mnist"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert datasets.find("", folder).name == tmp_path.name
    known = datasets.cache_dir() / "kmnist"
    known.mkdir(parents=True)
    (known / datasets.HASH_FILE).write_text(f"{datasets.find('', folder).sha256}\n")
    assert datasets.find("", folder).name == "kmnist"


def test_shipped_mnist_has_the_published_mean_and_deviation(mnist):
    mean, std = mnist.pixel_statistics()
    assert (round(mean, 5), round(std, 5)) == (33.31842, 78.56749)
    assert mean == pytest.approx(mnist.train.images.mean(), rel=1e-12)
    assert std == pytest.approx(mnist.train.images.std(), rel=1e-9)


def test_test_labels_are_those_of_the_data_set(mnist):
    assert np.array_equal(datasets.find("mnist").test_labels(), mnist.test.labels)


def test_folder_of_raw_files_loads(folder):
    found = datasets.read_folder(folder, "mine")
    assert (found.name, found.train.images.shape) == ("mine", (4, 28, 28))
    assert found.pixel_statistics() == (7.0, 0.0)


def test_packing_does_not_change_the_hash(folder):
    before = datasets.find("", folder)
    for path in list(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    after = datasets.find("", folder)
    assert (after.sha256, after.name) == (before.sha256, folder.name)


def test_one_changed_label_changes_the_hash(folder):
    source = datasets.find("", folder)
    (folder / LABELS).write_bytes(idx.encode_idx(np.array([0, 1, 2, 4], np.uint8)))
    assert datasets.find("", folder).sha256 != source.sha256
    with pytest.raises(DataError, match=r"not the .* that was expected: the SHA-256"):
        source.load()


def replaced(old, new):
    return lambda content: content.replace(old, new, 1)


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        (IMAGES, lambda content: b"", "not an IDX file of bytes; its first bytes are missing"),
        (IMAGES, lambda content: content[:3], "not an IDX file of bytes"),
        (
            IMAGES,
            lambda content: b"<html>",
            "this is an HTML page; the download failed",
        ),
        (
            IMAGES,
            replaced(b"\x08", b"\x0d"),
            "not an IDX file of bytes; its first bytes are 00000d03",
        ),
        (IMAGES, lambda content: content[:10], "the IDX header has 3 axes"),
        (
            IMAGES,
            replaced(b"\x08\x03", b"\x08\x02"),
            "the IDX header has 2 axes; expected 1 (labels) or 3 (images)",
        ),
        (IMAGES, replaced(b"\x08\x03", b"\x08\xff"), "the IDX header has 255 axes"),
        (IMAGES, lambda content: content[:-1], "says 4x28x28 bytes, but 3135 bytes follow"),
        (IMAGES, lambda content: content + b"\0", "says 4x28x28 bytes, but 3137 bytes follow"),
        (IMAGES, replaced(HEADER, b"\0\0\x08\x03" + b"\xff" * 12), "4294967295x4294967295x"),
        (
            IMAGES,
            lambda _: idx.encode_idx(np.zeros((4, 27, 28), np.uint8)),
            "images of 27 x 28 pixels; expected 28 x 28; `mnistladder import-data",
        ),
        (
            IMAGES,
            lambda _: idx.encode_idx(np.zeros(4, np.uint8)),
            "these are labels; expected images",
        ),
        (IMAGES, lambda _: idx.encode_idx(np.zeros((5, 28, 28), np.uint8)), "5 images, but 4"),
        (
            LABELS,
            lambda _: idx.encode_idx(np.zeros((4, 28, 28), np.uint8)),
            "these are images; expected labels",
        ),
        (
            LABELS,
            lambda _: idx.encode_idx(np.array([0, 1, 2, 10], np.uint8)),
            "train-labels-idx1-ubyte: labels 0, 1, 2, 10; expected 0 to 9",
        ),
        (LABELS, lambda content: content[:-1], "says 4 bytes, but 3 bytes follow"),
    ],
)
def test_broken_file_is_told(folder, name, change, expected):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        datasets.read_folder(folder, "mine")
    assert expected in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda packed: packed[:-9],
        lambda packed: b"not gzip",
        lambda packed: b"",
        lambda packed: packed[:-8] + b"\0\0\0\0" + packed[-4:],
        lambda packed: packed[:12] + b"\xff\xff\xff" + packed[15:],
    ],
    ids=["cut", "not gzip", "empty", "wrong check sum", "wrong content"],
)
def test_broken_gzip_file_is_told(folder, change):
    path = folder / IMAGES
    packed = folder / f"{IMAGES}.gz"
    packed.write_bytes(change(gzip.compress(path.read_bytes())))
    path.unlink()
    with pytest.raises(DataError, match=IMAGES):
        datasets.read_folder(folder, "mine")


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_are_told(folder, count):
    (folder / IMAGES).write_bytes(idx.encode_idx(np.zeros((count, 28, 28), np.uint8)))
    (folder / LABELS).write_bytes(idx.encode_idx(np.zeros(count, np.uint8)))
    with pytest.raises(DataError, match=f"{count} images; at least 2 are needed"):
        datasets.read_folder(folder, "mine")


@pytest.mark.parametrize("name", [name for pair in datasets.FILES.values() for name in pair])
def test_missing_file_is_told(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{name}: no such file, and no such file with .gz"):
        datasets.read_folder(folder, "mine")


def test_missing_folder_is_told(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        datasets.find("", tmp_path / "nowhere")


def test_data_set_that_was_not_fetched_says_how_to_fetch_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match="mnistladder data kmnist --download"):
        datasets.find("kmnist")


def test_download_that_was_cut_off_says_how_to_fetch_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (datasets.cache_dir() / "kmnist").mkdir(parents=True)
    with pytest.raises(DataError, match="mnistladder data kmnist --download"):
        datasets.find("kmnist")
