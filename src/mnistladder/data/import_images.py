"""Data as people have them -> a training and a test split as MNIST has them, and what was done."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnistladder import storage
from mnistladder.data import picture_folders
from mnistladder.data.appearance import Polarity, see_polarity
from mnistladder.data.datasets import HASH_FILE, Split, hash_arrays, write_folder
from mnistladder.data.folders import SplitFiles, locate, read_arrays
from mnistladder.data.idx import Bytes
from mnistladder.data.labels import LabelMeaning, corrected, in_words, label_problem
from mnistladder.data.picture_folders import SIDE, Pictures
from mnistladder.errors import DataError, UsageError

SEED = 0  # of the split and of the order
TEST_SHARE = 0.2
MOST_NAMED = 3  # of files that were not read
Numbers = NDArray[np.int_]


@dataclass(frozen=True)
class Wishes:
    """What the user asked for."""

    resize: bool = False
    test_share: float | None = None  # of each class, where no folders train and test are
    labels: LabelMeaning = LabelMeaning.AS_IS
    transpose: bool = False
    polarity: Polarity | None = None  # of the images; None: as their borders show


class Imported(NamedTuple):
    """The two splits as MNIST has them, and in words what was done to them."""

    train: Split
    test: Split
    notes: tuple[str, ...]


def import_images(folder: Path, wishes: Wishes) -> Imported:
    """The data set in a folder of class folders, or in IDX files of any public naming.

    Raises DataError for what cannot be read or does not fit, UsageError for wishes that do not fit.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    parts = picture_folders.split_folders(folder)
    if parts or picture_folders.class_folders(folder):
        data = _from_pictures(folder, parts, wishes)
    else:
        data = _from_idx(folder, wishes)
    return _with_polarity(_turned(_labelled(data, folder, wishes), wishes), wishes)


def store(imported: Imported, folder: Path) -> str:
    """Writes four IDX files, and last the file of their hash, which it returns.

    Raises ResourceError.
    """
    splits = imported.train, imported.test
    sha256 = hash_arrays(*splits)
    write_folder(folder, *splits)
    storage.write(folder / HASH_FILE, f"{sha256}\n".encode())
    return sha256


def _from_idx(folder: Path, wishes: Wishes) -> Imported:
    if wishes.test_share is not None:
        raise UsageError(f"--test-share: the files in {folder} have a test split already")
    files = locate(folder)
    train, test = (_read_idx(part, wishes.resize) for part in files)
    return Imported(train, test, (f"read from {files.train.images} and three more files",))


def _read_idx(files: SplitFiles, resize: bool) -> Split:
    """A split of IDX files with images of 28 x 28 pixels. Raises DataError."""
    images, labels = read_arrays(files)
    height, width = images.shape[1:]
    if (height, width) == (SIDE, SIDE):
        return Split(images, labels)
    if not resize:
        raise DataError(f"{files.images}: {picture_folders.other_size(height, width)}")
    try:
        return Split(picture_folders.resized(images), labels)
    except DataError as error:
        raise DataError(f"{files.images}: {error}") from None


def _from_pictures(folder: Path, parts: dict[str, Path], wishes: Wishes) -> Imported:
    if parts:
        return _from_split_folders(folder, parts, wishes)
    pictures = picture_folders.find_pictures(folder)
    share = TEST_SHARE if wishes.test_share is None else wishes.test_share
    numbers = split_by_class(pictures.labels, share)
    if min(map(len, numbers)) < 2:
        raise DataError(f"{folder}: too few pictures for a split; at least 2 of each of 2 classes")
    images = picture_folders.read_pictures(pictures.paths, wishes.resize)
    train, test = (Split(images[part], pictures.labels[part]) for part in numbers)
    how = f"split by class: {share:g} of each class is for the test, drawn with seed {SEED}"
    return Imported(train, test, (_counted([pictures]), how))


def _from_split_folders(folder: Path, parts: dict[str, Path], wishes: Wishes) -> Imported:
    if wishes.test_share is not None:
        raise UsageError(f"--test-share: {folder} has folders of its own for training and test")
    if len(parts) < 2 or picture_folders.class_folders(folder):
        raise DataError(f"{folder}: expected the folders train and test, or 0 to 9, not a mixture")
    pictures_of_splits = [
        picture_folders.find_pictures(parts[split]) for split in ("train", "test")
    ]
    train, test = (_shuffled(pictures, wishes.resize) for pictures in pictures_of_splits)
    how = f"split by the folders {parts['train'].name} and {parts['test'].name}"
    others = [path for path in picture_folders.listed(folder) if path not in parts.values()]
    return Imported(train, test, (_counted(pictures_of_splits, others), how))


def _shuffled(pictures: Pictures, resize: bool) -> Split:
    """The pictures in random order: a half of the test images must have every class."""
    order = _random().permutation(len(pictures.paths))
    images = picture_folders.read_pictures([pictures.paths[number] for number in order], resize)
    return Split(images, pictures.labels[order])


def _counted(parts: list[Pictures], others: Sequence[Path] = ()) -> str:
    """How many pictures were read, and what was left out."""
    text = f"read from {sum(len(part.paths) for part in parts):,} pictures"
    left_out = [*others, *(path for part in parts for path in part.others)]
    if not left_out:
        return text
    names = ", ".join(path.name for path in left_out[:MOST_NAMED])
    more = ", ..." if len(left_out) > MOST_NAMED else ""
    return f"{text}; not read: {len(left_out):,} other files or folders ({names}{more})"


def split_by_class(labels: Bytes, share: float) -> tuple[Numbers, Numbers]:
    """Numbers of the training and of the test images, each in random order.

    Each class gives its share to the test, but at least one image, and keeps at least one.
    """
    random = _random()
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        count = min(max(1, round(share * len(members))), len(members) - 1)
        is_test[members[:count]] = True
    order = random.permutation(len(labels))
    return order[~is_test[order]], order[is_test[order]]


def _random() -> np.random.RandomState:
    """The generator whose numbers no version of numpy changes."""
    return np.random.RandomState(SEED)


def _labelled(data: Imported, folder: Path, wishes: Wishes) -> Imported:
    """With the labels that are meant. Raises DataError if they are not 0 to 9 then."""
    before = np.concatenate([data.train.labels, data.test.labels])
    try:
        corrected(before, wishes.labels)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from None
    train, test = (
        replace(split, labels=corrected(split.labels, wishes.labels))
        for split in (data.train, data.test)
    )
    after = np.concatenate([train.labels, test.labels])
    if problem := label_problem(after):
        raise DataError(f"{folder}: {problem}")
    if wishes.labels is LabelMeaning.AS_IS:
        return data
    note = f"labels {in_words(before)} became {in_words(after)} ({wishes.labels})"
    return Imported(train, test, (*data.notes, note))


def _turned(data: Imported, wishes: Wishes) -> Imported:
    if not wishes.transpose:
        return data
    train, test = (
        replace(split, images=np.ascontiguousarray(split.images.transpose(0, 2, 1)))
        for split in (data.train, data.test)
    )
    return Imported(train, test, (*data.notes, "transposed: rows became columns"))


def _with_polarity(data: Imported, wishes: Wishes) -> Imported:
    """With bright ink on a dark ground, as far as that can be seen, or as the user says."""
    seen = wishes.polarity or see_polarity(data.train.images)
    how = "as you say" if wishes.polarity else "as the borders show"
    if seen is None:
        note = "the borders do not show whether ink is bright; not inverted (--polarity decides)"
        return data._replace(notes=(*data.notes, note))
    if seen is Polarity.BRIGHT_INK:
        return data._replace(notes=(*data.notes, f"{seen.words}, {how}; not inverted"))
    train, test = (replace(split, images=255 - split.images) for split in (data.train, data.test))
    return Imported(train, test, (*data.notes, f"{seen.words}, {how}; inverted"))
