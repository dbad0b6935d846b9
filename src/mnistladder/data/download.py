"""Data sets of MNIST's shape, fetched by name through torchvision into the user's cache."""

import zlib
from typing import Any

import numpy as np

from mnistladder import storage
from mnistladder.data.datasets import HASH_FILE, Source, Split, cache_dir, hash_arrays, write_folder
from mnistladder.errors import DataError

# Name -> torchvision class, its arguments for the training and the test split
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
    """Fetches a named set through torchvision and keeps it as four IDX files in the user's cache.

    Raises DataError. torchvision checks the MD5 of what it fetches; we keep the hash of the arrays.
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


def _from_torchvision(found: Any, name: str) -> Split:
    images = found.data.numpy().astype(np.uint8)
    targets = found.targets.numpy()
    labels = (targets[:, 0] if targets.ndim == 2 else targets).astype(np.uint8)
    if name.startswith("emnist"):  # its files hold each image transposed
        images = images.transpose(0, 2, 1)
    return Split(np.ascontiguousarray(images), labels)
