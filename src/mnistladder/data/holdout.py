"""Holdouts: the last training images of a data set, as the test images of another data set.

A recipe is chosen there. So the real test images judge a recipe that never saw them.
"""

from contextlib import suppress
from pathlib import Path

import numpy as np

from mnistladder import sealed, storage
from mnistladder.data import datasets
from mnistladder.data.datasets import MNIST_DIR, MNIST_SHA256, Dataset, Source, Split
from mnistladder.errors import CorruptError, DataError, ResourceError

MNIST_TRAIN_SHA256 = "9585ddb17301fae7683e4a0102abfe4d204de640acd4dd7969a43d8b134b1c07"


def find(name: str, folder: Path | None, holdout: int | None) -> Source:
    """The source of a data set, as `datasets.find` has it, or of a holdout of it.

    The hash of a holdout is that of its arrays, as for all data sets. Raises DataError, and
    UsageError if there are too few training images.
    """
    if holdout is None:
        return datasets.find(name, folder)
    if folder is not None:
        name = folder.resolve().name
    else:
        folder = datasets.find(name).folder
    if folder == MNIST_DIR:
        return Source(name, folder, _mnist_hash(holdout), holdout)
    return Source(name, folder, datasets.read_folder(folder, name, holdout).sha256, holdout)


def words(holdout: int | None) -> list[str]:
    """What marks a result on a holdout, in names and tables; nothing for any other result."""
    return [] if holdout is None else [f"[holdout {holdout:,}]"]


def _mnist_hash(holdout: int) -> str:
    """The hash of a holdout of MNIST, stored in the user's cache: making it takes 0.2 s.

    It can be stored because the shipped files never change. Raises DataError, UsageError.
    """
    path = datasets.cache_dir() / "holdouts" / f"{MNIST_SHA256[:16]}-{holdout}.json"
    with suppress(OSError, CorruptError, KeyError):
        return str(sealed.unseal(path.read_bytes(), str(path))["arrays_sha256"])
    dataset = datasets.read_folder(MNIST_DIR, "mnist", holdout)
    _check_training_images(dataset)
    with suppress(
        OSError, ResourceError
    ):  # where the cache cannot be written, the next start takes longer
        storage.write(path, sealed.seal({"arrays_sha256": dataset.sha256}))
    return dataset.sha256


def _check_training_images(mnist: Dataset) -> None:
    """Raises DataError unless both parts together are the training images of MNIST."""
    parts = mnist.train, mnist.test
    whole = Split(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )
    if (found := datasets.hash_arrays(whole)) != MNIST_TRAIN_SHA256:
        raise DataError(
            f"{MNIST_DIR}: these are not the training images of MNIST: the SHA-256 of their arrays "
            f"is {found[:12]}..., expected {MNIST_TRAIN_SHA256[:12]}..."
        )
