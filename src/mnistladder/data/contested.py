"""The test images of MNIST whose labels are disputed; contested.json names the sources."""

import json
from functools import cache
from pathlib import Path

from mnistladder.data.datasets import MNIST_SHA256


@cache
def ids() -> frozenset[int]:
    """The numbers of these test images, counted from 0."""
    data = json.loads(Path(__file__).with_name("contested.json").read_text())
    return frozenset([*map(int, data["corrected"]), *data["neither"], *data["undecided"]])


def applies(data_sha256: str) -> bool:
    """Whether a data set, by its hash, has the images that the numbers mean."""
    return data_sha256 == MNIST_SHA256
