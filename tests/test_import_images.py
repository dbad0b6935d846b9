"""Pictures and odd IDX files become a data set like MNIST's, and what was done to them is said."""

import gzip
import json
import os

import numpy as np
import pytest
from commands import call
from PIL import Image

from mnistladder.data import datasets, folders, idx, import_images, picture_folders
from mnistladder.data.appearance import Polarity
from mnistladder.data.import_images import Wishes
from mnistladder.data.labels import LabelMeaning
from mnistladder.errors import DataError, UsageError


@pytest.fixture(scope="module")
def digits(digits_dir):
    """The first test digits of MNIST, 120 of them."""
    split = datasets.read_folder(digits_dir, "").test
    return datasets.Split(split.images[:120].copy(), split.labels[:120].copy())


def draw(folder, split, first=0, ending="png", size=None):
    """Pictures of a split in class folders; the first class folder is called `first`."""
    for number, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
        place = folder / str(label + first)
        place.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image)
        (picture.resize(size) if size else picture).save(place / f"{number}.{ending}")
    return folder


def write(folder, train, test=None, prefix=""):
    """A split or two as IDX files."""
    folder.mkdir(exist_ok=True)
    for names, split in zip(folders.FILES.values(), (train, test or train), strict=True):
        for name, array in zip(names, (split.images, split.labels), strict=True):
            (folder / f"{prefix}{name}").write_bytes(idx.encode_idx(array))
    return folder


def rows(*splits):
    """Images with their labels, in an order that does not depend on the splits."""
    return sorted(
        (int(label), image.tobytes())
        for split in splits
        for image, label in zip(split.images, split.labels, strict=True)
    )


def imported(folder, **wishes):
    return import_images.import_images(folder, Wishes(**wishes))


def test_pictures_by_class_are_split_by_class_with_their_pixels(tmp_path, digits):
    found = imported(draw(tmp_path, digits))
    assert rows(found.train, found.test) == rows(digits)
    counts = np.bincount(digits.labels)
    assert np.bincount(found.test.labels).tolist() == [round(0.2 * count) for count in counts]
    assert found.notes[:2] == (
        "read from 120 pictures",
        "split by class: 0.2 of each class is for the test, drawn with seed 0",
    )


def test_split_is_the_same_each_time_and_in_mixed_order(digits):
    first, again = (import_images.split_by_class(digits.labels, 0.5) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert (np.diff(digits.labels[first[1]].astype(int)) < 0).any()


def test_each_class_keeps_an_image_and_gives_one_if_it_has_two():
    train, test = import_images.split_by_class(np.array([0, 1, 1, 2, 2], np.uint8), 0.01)
    assert (len(train), len(test)) == (3, 2)
    train, test = import_images.split_by_class(np.array([0, 1, 1, 2, 2], np.uint8), 0.99)
    assert (len(train), len(test)) == (3, 2)


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "testing")])
def test_folders_of_train_and_test_are_the_splits(tmp_path, digits, names):
    train = datasets.Split(digits.images[:80], digits.labels[:80])
    test = datasets.Split(digits.images[80:], digits.labels[80:])
    draw(tmp_path / names[0], train)
    draw(tmp_path / names[1], test)
    found = imported(tmp_path)
    assert (rows(found.train), rows(found.test)) == (rows(train), rows(test))
    assert f"split by the folders {names[0]} and {names[1]}" in found.notes
    with pytest.raises(UsageError, match=r"--test-share: .* has folders of its own"):
        imported(tmp_path, test_share=0.1)
    (tmp_path / "val").mkdir()
    assert "not read: 1 other files or folders (val)" in imported(tmp_path).notes[0]
    (tmp_path / "0").mkdir()
    with pytest.raises(DataError, match="not a mixture"):
        imported(tmp_path)
    (tmp_path / ("TEST" if names[1] == "testing" else "TESTING")).mkdir()
    with pytest.raises(DataError, match="two folders for the same split"):
        imported(tmp_path)


def test_test_folder_must_be_there(tmp_path, digits):
    draw(tmp_path / "train", digits)
    with pytest.raises(DataError, match="expected the folders train and test"):
        imported(tmp_path)


def test_dark_ink_is_inverted_and_bright_ink_is_not(tmp_path, digits):
    dark = datasets.Split(255 - digits.images, digits.labels)
    found = imported(draw(tmp_path / "dark", dark))
    assert rows(found.train, found.test) == rows(digits)
    assert found.notes[-1] == "dark ink on a bright ground, as the borders show; inverted"
    kept = imported(tmp_path / "dark", polarity=Polarity.BRIGHT_INK)
    assert rows(kept.train, kept.test) == rows(dark)
    bright = imported(draw(tmp_path / "bright", digits), polarity=Polarity.DARK_INK)
    assert rows(bright.train, bright.test) == rows(dark)


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (64, 48)])
def test_other_sizes_are_refused_or_scaled(tmp_path, digits, size):
    draw(tmp_path, digits, size=size)
    with pytest.raises(
        DataError, match=rf"0/10\.png: {size[1]} x {size[0]} pixels, expected 28 x 28; `--resize`"
    ):
        imported(tmp_path)
    found = imported(tmp_path, resize=True)
    means = [split.images.mean(0).ravel() for split in (found.train, digits)]
    assert found.train.images.shape[1:] == (28, 28)
    assert np.corrcoef(*means)[0, 1] > (0.9 if size[0] == size[1] else 0.5)


def test_scaling_is_antialiased_and_keeps_proportions():
    stripes = np.tile(np.array([0, 255], np.uint8), (280, 140))
    assert np.ptp(picture_folders.scaled(stripes)[:, 2:-2].astype(int)) < 20
    tall = np.full((56, 28), 9, np.uint8)
    tall[10:46, 7:21] = 200
    columns = np.flatnonzero((picture_folders.scaled(tall) > 150).any(0))
    assert (columns[0], columns[-1]) == (11, 16)  # pixels 10.5 to 17.5; the edges are soft


def test_jpeg_and_odd_kinds_of_png_are_read(tmp_path, digits):
    split = datasets.Split(digits.images[:40], digits.labels[:40])
    draw(tmp_path, split, ending="jpg")
    for number, mode in enumerate(("RGB", "RGBA", "P", "LA")):
        Image.fromarray(digits.images[number]).convert(mode).save(tmp_path / f"0/x{number}.PNG")
    wide = Image.fromarray(digits.images[4].astype(np.uint16) * 257)
    wide.save(tmp_path / "0/x4.png")
    pictures = picture_folders.find_pictures(tmp_path)
    images = picture_folders.read_pictures(pictures.paths, resize=False)
    odd = [path.stem for path in pictures.paths].index("x0")
    assert np.array_equal(images[odd : odd + 5], digits.images[:5])
    assert len(images) == 45


def test_other_files_are_not_read_and_named(tmp_path, digits):
    draw(tmp_path, digits)
    (tmp_path / "3/readme.txt").write_text("x")
    (tmp_path / "3/.DS_Store").write_text("x")
    (tmp_path / "unknown").mkdir()
    expected = "read from 120 pictures; not read: 2 other files or folders (unknown, readme.txt)"
    assert imported(tmp_path).notes[0] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "damaged: "), (b"<html>", "damaged: "), (b"GIF89a" + bytes(40), "damaged: ")],
)
def test_damaged_picture_is_named(tmp_path, digits, content, expected):
    draw(tmp_path, digits)
    (tmp_path / "3/zz.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"3/zz\.png: not a PNG or JPEG picture, or {expected}"):
        imported(tmp_path)


def test_cut_picture_and_pipe_are_named(tmp_path, digits):
    draw(tmp_path, digits)
    path = next((tmp_path / "3").iterdir())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=rf"{path.name}: not a PNG or JPEG picture, or damaged"):
        imported(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match=rf"{path.name}: not a regular file"):
        imported(tmp_path)


def test_huge_picture_is_refused_by_its_header(tmp_path, digits):
    draw(tmp_path, digits)
    Image.new("1", (10_000, 10_000)).save(tmp_path / "3/zz.png")
    with pytest.raises(DataError, match=r"zz\.png: 10,000 x 10,000 pixels; at most 25,000,000"):
        imported(tmp_path, resize=True)


def test_folder_names_from_one_on_need_a_meaning(tmp_path, digits):
    draw(tmp_path, digits, first=1)
    with pytest.raises(DataError, match=r"labels 1 to 10; .*--labels minus-one.*ten-is-zero"):
        imported(tmp_path)
    found = imported(tmp_path, labels=LabelMeaning.MINUS_ONE)
    assert rows(found.train, found.test) == rows(digits)
    assert "labels 1 to 10 became 0 to 9 (minus-one)" in found.notes
    found = imported(tmp_path, labels=LabelMeaning.TEN_IS_ZERO)
    assert rows(found.train, found.test) != rows(digits)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.mkdir(), "no such file, and no such file with .gz"),
        (lambda path: None, "no such folder"),
        (lambda path: (path / "0").mkdir(parents=True), "0 pictures; expected 2"),
        (lambda path: (path / "300").mkdir(parents=True), "300: the name is no label"),
        (
            lambda path: [(path / name).mkdir(parents=True) for name in ("1", "01")],
            "two folders are named for the same label",
        ),
    ],
)
def test_folder_without_data_is_named(tmp_path, make, expected):
    make(tmp_path / "mine")
    with pytest.raises(DataError, match=f"mine.*{expected}"):
        imported(tmp_path / "mine")


def test_idx_files_of_another_naming_size_label_and_turn_are_written_as_mnist(tmp_path, digits):
    large = np.kron(digits.images, np.ones((2, 2), np.uint8)).transpose(0, 2, 1)
    odd = datasets.Split(np.ascontiguousarray(large), digits.labels + np.uint8(1))
    given = write(tmp_path / "given", odd, prefix="emnist-digits-")
    arguments = ["import-data", given, "--to", "new", "--labels", "minus-one", "--transpose"]
    done = call(*arguments, cwd=tmp_path)
    assert (done.returncode, "56 x 56 pixels, expected 28 x 28" in done.stderr) == (3, True)
    assert not (tmp_path / "new").exists()
    done = call(*arguments, "--resize", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = datasets.find("", tmp_path / "new").load()
    assert np.array_equal(found.train.labels, digits.labels)
    assert np.abs(found.train.images.astype(int) - digits.images).mean() < 3
    assert (tmp_path / "new" / datasets.HASH_FILE).read_text().strip() == found.sha256
    assert "transposed: rows became columns" in done.stdout
    with pytest.raises(UsageError, match="have a test split already"):
        imported(given, test_share=0.1)


def test_very_long_images_are_refused_before_they_are_scaled(tmp_path):
    long = datasets.Split(np.zeros((2, 1, 6_000), np.uint8), np.zeros(2, np.uint8))
    with pytest.raises(DataError, match="1 x 6000 pixels cannot be scaled"):
        imported(write(tmp_path / "long", long), resize=True)


def test_packed_files_are_imported(tmp_path, digits):
    folder = write(tmp_path / "given", digits)
    for path in list(folder.iterdir()):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert rows(imported(folder).train) == rows(digits)


def test_command_says_what_it_did_and_never_writes_over_anything(tmp_path, digits):
    draw(tmp_path / "scans", digits)
    done = call("import-data", "scans", "--to", "new", "--test-share", 0.5, "--json", cwd=tmp_path)
    [row] = json.loads(done.stdout)
    assert abs(row["test"]["images"] - 60) <= 5  # half of each class, rounded
    assert row["notes"][1].startswith("split by class: 0.5 of each class")
    before = {path: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    done = call("import-data", "scans", "--to", "new", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "--to new: not empty; name a new folder")
    assert {path: path.read_bytes() for path in (tmp_path / "new").iterdir()} == before
    done = call("import-data", "scans", "--to", "scans/0/3.png", cwd=tmp_path)
    assert done.returncode == 2
    (tmp_path / "empty").mkdir()
    done = call("import-data", "scans", "--to", "empty", cwd=tmp_path)
    assert "To train on it: mnistladder run model05_conv --data-dir empty" in done.stdout


@pytest.mark.parametrize("place", ["scans", "scans/train"])
def test_other_commands_point_to_the_import(tmp_path, digits, place):
    draw(tmp_path / place, digits)
    done = call("run", "model02_normalized", "--data-dir", "scans", cwd=tmp_path)
    expected = "; for folders of pictures: `mnistladder import-data scans --to NEW`"
    assert (done.returncode, done.stderr.endswith(expected)) == (3, True)


def test_imported_data_that_were_changed_are_refused(tmp_path, digits):
    import_images.store(imported(write(tmp_path / "given", digits)), tmp_path / "new")
    assert datasets.find("", tmp_path / "new").load().train.labels[0] == digits.labels[0]
    path = tmp_path / "new" / folders.FILES["test"][1]
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(DataError, match=r"new: not the data set that .* remove arrays\.sha256"):
        datasets.find("", tmp_path / "new")
    (tmp_path / "new" / datasets.HASH_FILE).unlink()
    datasets.find("", tmp_path / "new")


def test_names_of_files_cannot_control_the_terminal(tmp_path, digits):
    draw(tmp_path / "scans", digits)
    (tmp_path / "scans" / "0" / "\x1b[2Jx").write_text("")
    done = call("import-data", "scans", "--to", "new", cwd=tmp_path)
    assert "1 other files or folders (\N{REPLACEMENT CHARACTER}[2Jx)" in done.stdout
    assert "\x1b" not in done.stdout
