"""Data sets: IDX files -> verified arrays of bytes. No torch here.

MNIST is part of the package. Any folder with four files of the same names works too.
"""

import gzip
import hashlib
import mmap
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mnistladder import storage
from mnistladder.data.idx import Bytes, decode_idx, encode_idx
from mnistladder.errors import CorruptError, DataError
from mnistladder.task import CLASSES, INPUT_SHAPE

MNIST_DIR = Path(__file__).parent / "mnist"
MNIST_SIZES = 60_000, 10_000
MNIST_SHA256 = "25c98f992c005963b7428e1f38418b233c9b286cc403519287eb8063f0bcfe07"
MAX_IMAGES = 2_000_000  # of one file; EMNIST digits has 280,000

HASH_FILE = "arrays.sha256"
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@dataclass(frozen=True)
class Split:
    """A part of a data set: images N x 28 x 28 from 0 to 255, and N labels from 0 to 9."""

    images: Bytes
    labels: Bytes


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
    """Where a data set lies and what its hash is, so that every worker can load it."""

    name: str
    folder: Path
    sha256: str

    def load(self) -> Dataset:
        """The data set. Raises DataError if it cannot be read or has another hash."""
        dataset = read_folder(self.folder, self.name)
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
        train, test = (decode_idx(*_read_file(self.folder, names[1])) for names in FILES.values())
        return len(train), len(test)

    def test_labels(self) -> Bytes:
        """The test labels alone, because they are read fast. Raises DataError."""
        return decode_idx(*_read_file(self.folder, FILES["test"][1]))


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
            if storage.read(path, storage.Limit.RECORD).strip() == sha256.encode():
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


def read_folder(folder: Path, name: str) -> Dataset:
    """The data set in the four IDX files of a folder, gzip or not. Raises DataError."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    train, test = (_read_split(folder, *names) for names in FILES.values())
    return Dataset(name, train, test)


def _read_split(folder: Path, images_name: str, labels_name: str) -> Split:
    images = decode_idx(*_read_file(folder, images_name))
    labels = decode_idx(*_read_file(folder, labels_name))
    where = f"{folder / images_name}"
    if images.ndim != 3 or images.shape[1:] != INPUT_SHAPE[1:]:
        raise DataError(f"{where}: images of shape {images.shape[1:]}, expected {INPUT_SHAPE[1:]}")
    if labels.ndim != 1 or len(labels) != len(images):
        raise DataError(f"{where}: {len(images)} images, but {labels.size} labels")
    if len(images) < 2:
        raise DataError(f"{where}: {len(images)} images; at least 2 are needed")
    if labels.max() >= CLASSES:
        where = f"{folder / labels_name}"
        raise DataError(f"{where}: a label is {labels.max()}, expected 0 to {CLASSES - 1}")
    return Split(images, labels)


def _read_file(folder: Path, name: str) -> tuple[bytes | mmap.mmap, str]:
    for path, opener in ((folder / name, _map), (folder / f"{name}.gz", _gunzip)):
        if path.is_file():
            try:
                return opener(path), str(path)
            except (OSError, EOFError, zlib.error) as error:
                raise DataError(f"{path}: cannot be read: {error}") from None
    raise DataError(f"{folder / name}: no such file, and no such file with .gz")


def _map(path: Path) -> bytes | mmap.mmap:
    """The file, mapped into memory that all its readers share; a writer gets its own copy."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if path.stat().st_size else b""


def _gunzip(path: Path) -> bytes:
    """The unpacked file. Raises DataError if it is larger than a file of MAX_IMAGES images."""
    limit = 16 + MAX_IMAGES * INPUT_SHAPE[1] * INPUT_SHAPE[2]
    with gzip.open(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise DataError(f"{path}: the unpacked file is larger than {limit:,} bytes")
    return content


def hash_arrays(*splits: Split) -> str:
    """The SHA-256 of the shapes, images and labels of splits."""
    digest = hashlib.sha256()
    for split in splits:
        for array in (split.images, split.labels):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
