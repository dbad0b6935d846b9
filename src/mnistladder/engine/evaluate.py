"""What trained networks answer: probabilities, and how good they are."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mnistladder.config.sizes import EVALUATED
from mnistladder.task import LEAST_PROBABILITY


class Score(NamedTuple):
    """How many images have a wrong prediction, and the mean cross-entropy per image."""

    errors: int
    loss: float


@torch.inference_mode()
def probabilities(network: nn.Module, images: Tensor) -> Tensor:
    """Softmax outputs N x 10, float32, on the images' device; the network is left in eval mode."""
    network.eval()
    return torch.cat([network(batch.float()).softmax(1) for batch in images.split(EVALUATED)])


def score(probabilities: Tensor, labels: Tensor) -> Score:
    """The score of probabilities N x 10 by the labels N, on the device of both.

    In float32, as histories have it; results score averages in double precision, without torch.
    """
    errors = int((probabilities.argmax(1) != labels).sum().item())
    of_truth = probabilities.gather(1, labels[:, None]).clamp_min(LEAST_PROBABILITY)
    return Score(errors, -of_truth.log().mean().item())
