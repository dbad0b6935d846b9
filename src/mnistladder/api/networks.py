"""A result's trained networks for a program: pixels in, probabilities out."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mnistladder import environment
from mnistladder.api import locating
from mnistladder.api.references import Changes, Folder, overrides, runs_folder
from mnistladder.errors import UsageError
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore, mean_probabilities
from mnistladder.task import CLASSES

if TYPE_CHECKING:
    from mnistladder.model.ensemble import Ensemble


class Networks:
    """The networks of a result. Call it with pixels; the answer is their averaged probabilities."""

    def __init__(self, record: ResultRecord, ensemble: "Ensemble") -> None:
        self.record = record
        self.ensemble = ensemble  # torch's module, to look inside

    def __repr__(self) -> str:
        return f"<{len(self.ensemble.networks)} x {self.record.label}>"

    def __call__(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Probabilities N x 10 of pixels N x 28 x 28, from 0 (paper) to 255 (ink).

        One image may also be 28 x 28. Raises UsageError for another shape or other values.
        """
        import torch

        from mnistladder.engine import evaluate

        images = _checked(np.asarray(pixels))
        if not len(images):
            return np.empty((0, CLASSES))
        digits = torch.from_numpy(images)[:, None].to(_device(self.ensemble))
        each = [evaluate.probabilities(network, digits) for network in self.ensemble.networks]
        return mean_probabilities([one.cpu().numpy() for one in each])  # MPS has no float64


def load(
    result: ResultRecord | str | int,
    *,
    seed: int = 0,
    set: Changes | None = None,
    holdout: int | None = None,
    runs_dir: Folder = None,
    device: str = "cpu",
) -> Networks:
    """The trained networks of a result, or of a rung's result with that seed.

    Where no such result is stored, the package's own is taken, if it has one. Raises UsageError
    where the networks are not stored, ConfigError, CorruptError, ResourceError.
    """
    folder = runs_folder(runs_dir)
    if isinstance(result, ResultRecord):
        return networks(result, folder, device)
    changes = overrides(set)
    record, runs = locating.locate(str(result), folder, seed, changes, holdout=holdout)
    return networks(record, runs, device)


def networks(record: ResultRecord, runs: Path, device: str) -> Networks:
    """The stored networks of a result. Raises UsageError, CorruptError, ResourceError."""
    from mnistladder.engine import devices
    from mnistladder.runs import ensembles

    where = devices.choose(environment.parse_device(device))
    return Networks(record, ensembles.load(record, StageStore(runs), where))


def _checked(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """The pixels as bytes N x 28 x 28. Raises UsageError."""
    images = pixels[None] if pixels.ndim == 2 else pixels
    if images.ndim != 3 or images.shape[1:] != (28, 28):
        shape = " x ".join(map(str, pixels.shape))
        raise UsageError(f"pixels {shape}: expected N x 28 x 28")
    numbers = np.issubdtype(images.dtype, np.number)
    if not numbers or not np.array_equal(images, images.astype(np.float64).clip(0, 255)):
        raise UsageError("pixels: expected numbers from 0 (paper) to 255 (ink)")
    return images.round().astype(np.uint8)


def _device(ensemble: "Ensemble") -> str:
    return str(next(iter(ensemble.state_dict().values())).device)
