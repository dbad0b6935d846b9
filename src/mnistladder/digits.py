"""A data set as tensors on the device, loaded once a process."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from mnistladder.data import Source
from mnistladder.train import Images


@dataclass(frozen=True)
class Digits:
    """A data set on the device."""

    train: Images
    test: Images
    statistics: tuple[float, float]


@lru_cache(maxsize=1)
def load_digits(source: Source, folder: Path, device: torch.device) -> Digits:
    """The data set as tensors on the device; kept for the next stage. Raises DataError.

    All processes on a machine share the memory of one unpacked copy in `folder`.
    """
    dataset = source.unpacked(folder)
    train_images, test_images = (
        Images(
            torch.from_numpy(split.images)[:, None].to(device),
            torch.from_numpy(split.labels.astype(np.int64)).to(device),
        )
        for split in (dataset.train, dataset.test)
    )
    return Digits(train_images, test_images, dataset.pixel_statistics())
