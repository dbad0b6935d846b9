"""The four files under every public name; what is missing, ambiguous or odd is named."""

import gzip
import os

import numpy as np
import pytest
from commands import call

from mnistladder.data import datasets, folders, idx
from mnistladder.errors import DataError

MNIST = [name for pair in folders.FILES.values() for name in pair]
DOTTED = [name.replace("-idx", ".idx") for name in MNIST]
EMNIST = [f"emnist-digits-{name.replace('t10k', 'test')}" for name in MNIST]
LETTERS = [name.replace("digits", "letters") for name in EMNIST]


def write(folder, names, first=0, pack=False):
    """Four images and their labels, as the files of those names."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
    labels = np.arange(first, first + 4, dtype=np.uint8)
    for name, array in zip(names, (images, labels) * 2, strict=True):
        content = idx.encode_idx(array)
        (folder / name).write_bytes(gzip.compress(content) if pack else content)


def sha256(folder):
    return datasets.find("", folder).sha256


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The hash of the arrays under MNIST's own names."""
    folder = tmp_path_factory.mktemp("mnist")
    write(folder, MNIST)
    return sha256(folder)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    "names",
    [
        MNIST,
        DOTTED,
        EMNIST,
        [name.upper() for name in DOTTED],
        [name.replace("-", "_") for name in MNIST],
        [*MNIST[:2], *DOTTED[2:]],
    ],
)
def test_every_public_naming_is_found_and_known_by_content(tmp_path, expected, names, ending, pack):
    write(tmp_path, [name + ending for name in names], pack=pack)
    assert sha256(tmp_path) == expected
    source = datasets.find("", tmp_path)
    assert (source.sizes(), source.test_labels().tolist()) == ((4, 4), [0, 1, 2, 3])


@pytest.mark.parametrize("given", [".", "MNIST", "MNIST/raw"])
def test_root_of_torchvision_is_found(tmp_path, expected, given):
    write(tmp_path / "MNIST/raw", [f"{name}.gz" for name in MNIST], pack=True)
    write(tmp_path / "MNIST/raw", MNIST)
    assert sha256(tmp_path / given) == expected
    assert folders.locate(tmp_path / given).train.images == tmp_path / given / os.path.relpath(
        tmp_path / "MNIST/raw" / MNIST[0], tmp_path / given
    )


def test_files_unpacked_into_folders_of_their_names_are_found(tmp_path, expected):
    write(tmp_path / "flat", MNIST)
    for name in MNIST:
        (tmp_path / "deep" / name).mkdir(parents=True)
        (tmp_path / "flat" / name).rename(tmp_path / "deep" / name / name)
    assert sha256(tmp_path / "deep") == expected


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ((("", EMNIST), ("", LETTERS)), "emnist-letters-train-images"),
        ((("", MNIST), ("", EMNIST)), "emnist-digits-train-images"),
        ((("MNIST/raw", MNIST), ("KMNIST/raw", MNIST)), "KMNIST/raw/train-images"),
    ],
)
def test_several_data_sets_are_refused_and_named(tmp_path, parts, shown):
    for folder, names in parts:
        write(tmp_path / folder, names)
    with pytest.raises(
        DataError, match=rf"several data sets \(.*{shown}.*; give a folder that has"
    ):
        folders.locate(tmp_path)
    (folder, names) = parts[1]
    (tmp_path / folder / names[3]).unlink()
    assert folders.locate(tmp_path).train.images.name == parts[0][1][0]


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("names", [MNIST, EMNIST])
def test_missing_file_is_named_as_its_neighbours_are(tmp_path, names, index):
    write(tmp_path, names)
    (tmp_path / names[index]).unlink()
    with pytest.raises(
        DataError, match=f"/{names[index]}: no such file, and no such file with .gz"
    ):
        folders.locate(tmp_path)


def test_missing_file_below_a_root_is_named(tmp_path):
    write(tmp_path / "MNIST/raw", MNIST)
    (tmp_path / "MNIST/raw" / MNIST[2]).unlink()
    with pytest.raises(DataError, match=f"MNIST/raw/{MNIST[2]}: no such file"):
        folders.locate(tmp_path)


def test_pipe_is_no_data_file(tmp_path):
    write(tmp_path, MNIST)
    (tmp_path / MNIST[0]).unlink()
    os.mkfifo(tmp_path / MNIST[0])
    with pytest.raises(DataError, match=f"{MNIST[0]}: no such file"):
        folders.locate(tmp_path)


def test_data_says_which_files_were_found(tmp_path):
    names = [*DOTTED[:3], f"{MNIST[3]}.gz"]
    write(tmp_path, names)
    (tmp_path / DOTTED[0]).write_bytes(gzip.compress((tmp_path / DOTTED[0]).read_bytes()))
    lines = call("data", "--data-dir", tmp_path, cwd=tmp_path).stdout.splitlines()
    assert f"  {tmp_path / DOTTED[0]} (gzip, although its name does not say so)" in lines
    assert f"  {tmp_path / DOTTED[1]} (not packed)" in lines
    assert f"  {tmp_path / names[3]} (not packed, although its name says gz)" in lines


def test_data_says_that_a_download_was_an_html_page(tmp_path):
    write(tmp_path, [f"{name}.gz" for name in MNIST], pack=True)
    (tmp_path / f"{MNIST[1]}.gz").write_bytes(b"<!DOCTYPE html><html>not found</html>")
    done = call("data", "--data-dir", tmp_path, cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr == f"{tmp_path / MNIST[1]}.gz: this is an HTML page; the download failed"
