"""A data set as tensors on the device, loaded once a process."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mnistladder.data.datasets import Source


@dataclass(frozen=True)
class Images:
    """Images N x 1 x 28 x 28, bytes, and labels N, int64, on the device.

    Those of K networks in training together are N x K x 28 x 28, and N x K.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, part: slice) -> "Images":
        return Images(self.images[part], self.labels[part])


@dataclass(frozen=True)
class Digits:
    """A data set on the device."""

    train: Images
    test: Images
    statistics: tuple[float, float]


@lru_cache(maxsize=1)
def load_digits(source: Source, folder: Path | None, device: torch.device) -> Digits:
    """The data set as tensors on the device; kept for the next stage. Raises DataError.

    All processes on a machine share the memory of one unpacked copy in `folder`; without a folder
    there is no copy, and nothing is written.
    """
    dataset = source.unpacked(folder) if folder else source.load()
    train_images, test_images = (
        Images(
            torch.from_numpy(np.require(split.images, requirements="W"))[:, None].to(device),
            torch.from_numpy(split.labels.astype(np.int64)).to(device),
        )
        for split in (dataset.train, dataset.test)
    )
    return Digits(train_images, test_images, dataset.pixel_statistics())
