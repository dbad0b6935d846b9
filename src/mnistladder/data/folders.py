"""A data set's four files in a folder, under any of their public names, read and checked.

MNIST's makers, EMNIST's, archives and programs that unpack name the same four files differently.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mnistladder.data.idx import Bytes, is_packed, read_idx
from mnistladder.data.labels import label_problem
from mnistladder.errors import DataError
from mnistladder.task import CLASSES, INPUT_SHAPE

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
# emnist-digits-train-images-idx3-ubyte.gz: the set's name, the split, the kind, how it is packed
NAME = re.compile(
    r"(?:(?P<set>[a-z0-9][\w.-]*)[-_.])?(?P<split>train|test|t10k)[-_.](?P<kind>images|labels)"
    r"[-_.]idx[13](?:[-_.]ubyte)?(?P<packed>\.gz)?",
    re.IGNORECASE,
)
CLASS_FOLDERS = {"train", "training", *map(str, range(CLASSES))}  # one is enough to know them by
Names = dict[tuple[str, str], Path]  # (train or test, images or labels) -> the file


class SplitFiles(NamedTuple):
    """The two files of a split."""

    images: Path
    labels: Path


class DataFiles(NamedTuple):
    """The four files of a data set."""

    train: SplitFiles
    test: SplitFiles


def locate(folder: Path) -> DataFiles:
    """The four files of the one data set in a folder. Raises DataError as `_find_set`."""
    names = _find_set(folder, ("train", "test"))
    return DataFiles(*(_files_of(names, split) for split in FILES))


def locate_training(folder: Path) -> SplitFiles:
    """The two files of the training images, where the others may be missing. Raises DataError."""
    return _files_of(_find_set(folder, ("train",)), "train")


def _find_set(folder: Path, splits: tuple[str, ...]) -> Names:
    """The files of the one data set in a folder that has these splits.

    Where the folder has none of them, it may be torchvision's root or one above its `raw`. A file
    that is not packed comes before one that is. Raises DataError if files are missing, or if
    several data sets are there.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    try:
        sets = [*_sets(folder)] or [names for raw in _raw_folders(folder) for names in _sets(raw)]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from None
    needed = {(split, kind) for split in splits for kind in ("images", "labels")}
    whole = [names for names in sets if names.keys() >= needed]
    if not whole:
        raise DataError(_what_is_missing(folder, max(sets, key=len, default={})))
    if len(whole) > 1:
        shown = ", ".join(str(names["train", "images"].relative_to(folder)) for names in whole)
        raise DataError(f"{folder}: several data sets ({shown}); give a folder that has one")
    return whole[0]


def _files_of(names: Names, split: str) -> SplitFiles:
    return SplitFiles(names[split, "images"], names[split, "labels"])


def _raw_folders(folder: Path) -> list[Path]:
    """Where torchvision keeps a set's files, if the folder is its root or the set's folder."""
    return [path for path in (folder / "raw", *sorted(folder.glob("*/raw"))) if path.is_dir()]


def _sets(folder: Path) -> Iterator[Names]:
    """For each name of a set in a folder, those of its files that are there."""
    sets: dict[str, Names] = {}
    matches = [match for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    for match in sorted(matches, key=lambda match: (match["packed"] or "", match[0])):
        path = folder / match[0]
        if path.is_dir():  # some programs unpack a file into a folder of the same name
            path /= match[0]
        if path.is_file():
            split = "train" if match["split"].lower() == "train" else "test"
            names = sets.setdefault((match["set"] or "").lower(), {})
            names.setdefault((split, match["kind"].lower()), path)
    yield from sets.values()


def _what_is_missing(folder: Path, names: Names) -> str:
    """The message for a folder where some of the four files are not there, or all of them."""
    present = next(iter(names.values()), folder / FILES["train"][0])
    match = NAME.fullmatch(present.name)
    prefix = f"{match['set']}-" if match and match["set"] else ""
    missing = next(
        present.with_name(f"{prefix}{name.replace('t10k', 'test') if prefix else name}")
        for split, pair in FILES.items()
        for kind, name in zip(("images", "labels"), pair, strict=True)
        if (split, kind) not in names
    )
    text = f"{missing}: no such file, and no such file with .gz"
    if not names and any(path.name in CLASS_FOLDERS and path.is_dir() for path in folder.iterdir()):
        return f"{text}; for folders of pictures: `mnistladder import-data {folder} --to NEW`"
    return text


def packing(path: Path) -> str:
    """How a data file is packed, in words, and whether its name says otherwise. Raises OSError."""
    named_gz = path.suffix.lower() == ".gz"
    if is_packed(path):
        return "gzip" if named_gz else "gzip, although its name does not say so"
    return "not packed, although its name says gz" if named_gz else "not packed"


def read_split(files: SplitFiles) -> tuple[Bytes, Bytes]:
    """Images N x 28 x 28 and labels N of a split. Raises DataError if they do not fit."""
    images, labels = read_arrays(files)
    if images.shape[1:] != INPUT_SHAPE[1:]:
        height, width = images.shape[1:]
        raise DataError(
            f"{files.images}: images of {height} x {width} pixels; expected "
            f"{INPUT_SHAPE[1]} x {INPUT_SHAPE[2]}; "
            f"`mnistladder import-data {files.images.parent} --to NEW --resize` scales them"
        )
    if problem := label_problem(labels):
        raise DataError(f"{files.labels}: {problem}")
    return images, labels


def read_arrays(files: SplitFiles) -> tuple[Bytes, Bytes]:
    """Images N x height x width and labels N of a split, of any size and any labels.

    Raises DataError if a file is damaged, or if the two files do not belong together.
    """
    images, labels = read_idx(files.images), read_idx(files.labels)
    if images.ndim != 3:
        raise DataError(f"{files.images}: these are labels; expected images")
    if labels.ndim != 1:
        raise DataError(f"{files.labels}: these are images; expected labels")
    if len(labels) != len(images):
        raise DataError(
            f"{files.images}: {len(images)} images, but {len(labels)} labels in {files.labels.name}"
        )
    if len(images) < 2:
        raise DataError(f"{files.images}: {len(images)} images; at least 2 are needed")
    return images, labels
