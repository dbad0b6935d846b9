"""IDX files: known by their content, never larger than the limit."""

import gzip
import os

import numpy as np
import pytest

from mnistladder.data import idx
from mnistladder.errors import DataError

ARRAY = np.arange(4, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(0,), (1,), (300,), (2, 28, 28), (0, 28, 28), (3, 5, 7)])
def test_encoded_array_decodes_to_itself(shape):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found = idx.decode_idx(idx.encode_idx(array), "x")
    assert found.shape == shape
    assert np.array_equal(found, array)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["labels", "labels.gz"])
def test_content_decides_whether_a_file_is_packed(tmp_path, name, packed):
    path = tmp_path / name
    content = idx.encode_idx(ARRAY)
    path.write_bytes(gzip.compress(content) if packed else content)
    assert idx.read_idx(path).tolist() == ARRAY.tolist()
    assert idx.is_packed(path) == packed


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<!DOCTYPE html><html>", "this is an HTML page; the download failed"),
        (b"\xef\xbb\xbf\r\n <HTML>", "this is an HTML page; the download failed"),
        (b"PK\x03\x04rest", "this is a ZIP archive; unpack it"),
        (b"version https://git-lfs", "this is a pointer of Git LFS"),
        (b"\0\0\x08", "not an IDX file of bytes; its first bytes are 000008"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_other_content_is_named(tmp_path, content, expected, pack):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(pack(content))
    with pytest.raises(DataError, match=rf"^.*{path.name}: {expected}"):
        idx.read_idx(path)


def test_limit_of_images_holds_for_raw_files(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(b"\0\0\x08\x03" + bytes(12))
    os.truncate(path, idx.MAX_BYTES + 1)  # takes no room on the disk
    with pytest.raises(DataError, match=r"larger than 1,568,000,016 bytes"):
        idx.read_idx(path)
    os.truncate(path, 16)
    assert idx.read_idx(path).shape == (0, 0, 0)


def test_limit_of_images_holds_for_labels_and_small_images(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(idx.encode_idx(np.zeros(idx.MAX_IMAGES + 1, np.uint8)))
    with pytest.raises(DataError, match=r"2,000,001 items; at most 2,000,000"):
        idx.read_idx(path)
    path.write_bytes(idx.encode_idx(np.zeros(idx.MAX_IMAGES, np.uint8)))
    assert len(idx.read_idx(path)) == idx.MAX_IMAGES
