"""What trained networks answer: probabilities, and how good they are."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mnistladder.config.sizes import EVALUATED, EVALUATED_ON_CUDA
from mnistladder.task import LEAST_PROBABILITY


class Score(NamedTuple):
    """How many images have a wrong prediction, and the mean cross-entropy per image."""

    errors: int
    loss: float


@torch.inference_mode()
def probabilities(network: nn.Module, images: Tensor) -> Tensor:
    """Softmax outputs N x 10, float32, on the images' device; the network is left in eval mode."""
    network.eval()
    if images.device.type == "cuda":
        try:
            return _probabilities(network, images, EVALUATED_ON_CUDA)
        except torch.OutOfMemoryError:
            pass  # a wide network on a small GPU
    return _probabilities(network, images, EVALUATED)


def _probabilities(network: nn.Module, images: Tensor, at_a_time: int) -> Tensor:
    return torch.cat([network(batch.float()).softmax(1) for batch in images.split(at_a_time)])


def score(probabilities: Tensor, labels: Tensor) -> Score:
    """The score of probabilities N x 10 by the labels N, on the device of both.

    In float32, while `ladder.scoring` scores results in double precision without torch: histories
    keep this formula, because `reproduce` compares their `test_loss` exactly.
    """
    errors = int((probabilities.argmax(1) != labels).sum().item())
    of_truth = probabilities.gather(1, labels[:, None]).clamp_min(LEAST_PROBABILITY)
    return Score(errors, -of_truth.log().mean().item())


def difference(now: np.ndarray, stored: np.ndarray) -> tuple[int, float]:
    """Of probabilities N x 10: how many predictions differ, and the largest change of one value."""
    changed = int((now.argmax(1) != stored.argmax(1)).sum())
    return changed, float(np.abs(now - stored).max())
