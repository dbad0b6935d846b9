"""Data sets: IDX files -> verified arrays of bytes. No torch here.

MNIST is part of the package. Any folder with the same four files, under any of their public
names, works too.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mnistladder import sealed, storage
from mnistladder.data.folders import FILES, locate, locate_training, read_split
from mnistladder.data.idx import Bytes, encode_idx, read_idx
from mnistladder.errors import CorruptError, DataError, UsageError
from mnistladder.task import CLASSES

MNIST_DIR = Path(__file__).parent / "mnist"
MNIST_SIZES = 60_000, 10_000
MNIST_SHA256 = "25c98f992c005963b7428e1f38418b233c9b286cc403519287eb8063f0bcfe07"
LEAST_IMAGES = 2  # of a split
HASH_FILE = "arrays.sha256"


@dataclass(frozen=True)
class Split:
    """A part of a data set: images N x 28 x 28 from 0 to 255, and N labels from 0 to 9."""

    images: Bytes
    labels: Bytes

    def __getitem__(self, part: slice) -> "Split":
        return Split(self.images[part], self.labels[part])


@dataclass(frozen=True)
class Dataset:
    """A named data set: a training split and a test split."""

    name: str
    train: Split
    test: Split

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the decoded arrays, so that compression does not change it."""
        return hash_arrays(self.train, self.test)

    @staticmethod
    def class_counts(split: Split) -> list[int]:
        """How many images of each class a split has."""
        return np.bincount(split.labels, minlength=CLASSES).tolist()

    def pixel_statistics(self) -> tuple[float, float]:
        """Mean and standard deviation of all training pixels, exact to a double's rounding."""
        parts = np.array_split(self.train.images, 64)  # bincount needs eight bytes for each pixel
        counts = np.sum([np.bincount(part.ravel(), minlength=256) for part in parts], axis=0)
        levels = np.arange(256)
        mean = float(counts @ levels / counts.sum())
        return mean, float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))


@dataclass(frozen=True)
class Source:
    """Where a data set lies and what its hash is, so that every worker can load it.

    With a holdout, the last so many training images are its test split, and the others its training
    split. The files of the test images are then never opened.
    """

    name: str
    folder: Path
    sha256: str
    holdout: int | None = None

    @property
    def identity(self) -> dict[str, str | int]:
        """What records say of the data."""
        holdout = {} if self.holdout is None else {"holdout": self.holdout}
        return {"name": self.name, "sha256": self.sha256, **holdout}

    def load(self) -> Dataset:
        """The data set. Raises DataError if it cannot be read or has another hash."""
        dataset = read_folder(self.folder, self.name, self.holdout)
        if dataset.sha256 != self.sha256:
            raise DataError(
                f"{self.folder}: this is not the {self.name} that was expected: the SHA-256 of its "
                f"arrays is {dataset.sha256[:12]}..., expected {self.sha256[:12]}..."
            )
        return dataset

    def unpacked(self, folder: Path) -> Dataset:
        """The data set, mapped into memory from uncompressed files in `folder`.

        The files are written if they are absent or damaged. A change of the arrays changes no file.
        Raises DataError, ResourceError.
        """
        copy = Source(self.name, folder, self.sha256)
        try:
            return copy.load()
        except DataError:  # the copy is absent or damaged
            dataset = self.load()
        with storage.lock(folder.with_name(f"{folder.name}.lock")):
            with suppress(DataError):
                return copy.load()  # another process was first
            storage.sweep(folder)
            write_folder(folder, dataset.train, dataset.test)
        return copy.load()

    def sizes(self) -> tuple[int, int]:
        """How many training and test images there are, counted by labels. Raises DataError."""
        if self.holdout is None:
            train, test = (read_idx(files.labels) for files in locate(self.folder))
            return len(train), len(test)
        train = read_idx(locate_training(self.folder).labels)
        return first_held_out(len(train), self.holdout, self.name), self.holdout

    def test_labels(self) -> Bytes:
        """The test labels alone, because they are read fast. Raises DataError."""
        if self.holdout is None:
            return read_idx(locate(self.folder).test.labels)
        train = read_idx(locate_training(self.folder).labels)
        return train[first_held_out(len(train), self.holdout, self.name) :]


def find(name: str, folder: Path | None = None) -> Source:
    """The source of a named data set, or of any folder with the four IDX files.

    Raises DataError if the files are damaged, or if the named set is not on this machine yet.
    """
    if folder is not None:
        sha256 = read_folder(folder, folder.name).sha256
        return Source(known_name(sha256) or folder.resolve().name, folder, sha256)
    if name == "mnist":
        return Source(name, MNIST_DIR, MNIST_SHA256)
    cached = cache_dir() / name
    recorded = cached / HASH_FILE  # written last: where it is, the download is complete
    if not recorded.is_file():
        command = f"mnistladder data {name} --download"
        raise DataError(f"{name}: not on this machine; download it with `{command}`")
    return Source(name, cached, recorded.read_text().strip())


def known_name(sha256: str) -> str | None:
    """The name of a data set with this hash: MNIST, or one that was downloaded to this machine."""
    if sha256 == MNIST_SHA256:
        return "mnist"
    for path in sorted(cache_dir().glob(f"*/{HASH_FILE}")):
        with suppress(CorruptError):
            if sealed.read(path, sealed.Limit.RECORD).strip() == sha256.encode():
                return path.parent.name
    return None


def cache_dir() -> Path:
    """The folder of downloaded data sets in the user's cache."""
    from platformdirs import user_cache_path

    return user_cache_path("mnistladder") / "data"


def write_folder(folder: Path, *splits: Split) -> None:
    """Writes the training and the test split as four IDX files. Raises ResourceError."""
    for (images_name, labels_name), split in zip(FILES.values(), splits, strict=True):
        storage.write(folder / images_name, encode_idx(split.images))
        storage.write(folder / labels_name, encode_idx(split.labels))


def read_folder(folder: Path, name: str, holdout: int | None = None) -> Dataset:
    """The data set in the IDX files of a folder; a holdout needs the two of the training images.

    Raises DataError, or UsageError if there are too few training images for the holdout.
    """
    if holdout is not None:
        whole = Split(*read_split(locate_training(folder)))
        first = first_held_out(len(whole.labels), holdout, name)
        return Dataset(name, whole[:first], whole[first:])
    train, test = (Split(*read_split(files)) for files in locate(folder))
    dataset = Dataset(name, train, test)
    _check_recorded(folder / HASH_FILE, dataset)
    return dataset


def first_held_out(train_images: int, holdout: int, name: str) -> int:
    """The number of the first training image that is held out. Raises UsageError."""
    if not LEAST_IMAGES <= holdout <= train_images - LEAST_IMAGES:
        raise UsageError(
            f"--holdout {holdout}: {name} has {train_images:,} training images; hold out at least "
            f"{LEAST_IMAGES}, and leave at least {LEAST_IMAGES}"
        )
    return train_images - holdout


def _check_recorded(path: Path, dataset: Dataset) -> None:
    """Raises DataError if a hash was written beside the files, and it is of other arrays."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        recorded = file.read(64).decode("ascii", "replace")
    if recorded != dataset.sha256:
        raise DataError(
            f"{path.parent}: not the data set that was written here: the SHA-256 of its "
            f"arrays is {dataset.sha256[:12]}..., and {path.name} says {recorded[:12]}...; "
            f"if you changed the files on purpose, remove {path.name}"
        )


def hash_arrays(*splits: Split) -> str:
    """The SHA-256 of the shapes, images and labels of splits."""
    digest = hashlib.sha256()
    for split in splits:
        for array in (split.images, split.labels):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
