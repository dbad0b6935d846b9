"""Data sets of MNIST's shape, downloaded by name through torchvision into the user's cache."""

import zlib
from typing import Any

import numpy as np

from mnistladder import storage
from mnistladder.data.datasets import HASH_FILE, Source, Split, cache_dir, hash_arrays, write_folder
from mnistladder.errors import DataError

# Name -> the class in torchvision, its arguments for the training split and for the test split
DOWNLOADS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "fashion_mnist": ("FashionMNIST", {"train": True}, {"train": False}),
    "kmnist": ("KMNIST", {"train": True}, {"train": False}),
    "qmnist": ("QMNIST", {"what": "train"}, {"what": "test"}),
    "emnist_digits": (
        "EMNIST",
        {"split": "digits", "train": True},
        {"split": "digits", "train": False},
    ),
}
NAMES = ("mnist", *DOWNLOADS)


def fetch(name: str) -> Source:
    """Downloads a named data set through torchvision and stores it as four IDX files.

    The files lie in the user's cache folder. torchvision checks the MD5 of every file; we store the
    hash of the arrays beside them. Raises DataError if the download fails.
    """
    from torchvision import datasets

    kind, train, test = DOWNLOADS[name]
    root = cache_dir() / "torchvision"
    try:
        splits = [
            _from_torchvision(getattr(datasets, kind)(str(root), download=True, **arguments), name)
            for arguments in (train, test)
        ]
    except (OSError, RuntimeError, zlib.error) as error:
        raise DataError(f"{name}: download failed: {error}") from None
    folder = cache_dir() / name
    write_folder(folder, *splits)
    sha256 = hash_arrays(*splits)
    storage.write(folder / HASH_FILE, f"{sha256}\n".encode())
    return Source(name, folder, sha256)


def _from_torchvision(fetched: Any, name: str) -> Split:
    images = fetched.data.numpy().astype(np.uint8)
    targets = fetched.targets.numpy()
    labels = (targets[:, 0] if targets.ndim == 2 else targets).astype(np.uint8)
    if name.startswith("emnist"):  # its files hold every image transposed
        images = images.transpose(0, 2, 1)
    return Split(np.ascontiguousarray(images), labels)
