"""What a config makes of a data set's first digits, step by step, to look at."""

import numpy as np
import torch
from numpy.typing import NDArray

from mnistladder.config.spec import Config
from mnistladder.data.datasets import Split
from mnistladder.engine import augment
from mnistladder.engine.inputs import stream
from mnistladder.model.layers import Normalize
from mnistladder.model.modules import Standardize
from mnistladder.task import CLASSES

DISTORTIONS = 3


def samples(
    config: Config, train: Split, statistics: tuple[float, float]
) -> dict[str, NDArray[np.float32]]:
    """The first training image of each digit, 10 x 28 x 28, raw, augmented, normalised.

    Only what the config does is there; each augmentation is another draw of seed 0.
    """
    first = [
        int(np.flatnonzero(train.labels == digit)[0])
        for digit in range(CLASSES)
        if digit in train.labels
    ]
    raw = torch.from_numpy(train.images[first])[:, None].float()
    steps = {"raw": raw}
    if config.augment:
        for draw in range(DISTORTIONS):
            drawn = augment.draw(config.augment, len(raw), stream(0, "augment", draw))
            steps[f"augmented, draw {draw + 1}"] = augment.apply(raw, drawn)
    for layer in config.model[:1]:
        if isinstance(layer, Normalize):
            standardize = Standardize(layer.mean, layer.std)
            standardize.fit(*statistics)
            steps["normalised"] = standardize(raw)
    return {name: images[:, 0].numpy() for name, images in steps.items()}
