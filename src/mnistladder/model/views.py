"""Several views of an image, each shifted by a pixel, whose probabilities are averaged."""

from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional

CENTRE = (0, 0)
SIDES = [(0, 1), (0, -1), (1, 0), (-1, 0)]
CORNERS = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
SHIFTS = {5: [CENTRE, *SIDES], 9: [CENTRE, *SIDES, *CORNERS]}  # (rows, columns), by views


class Views(nn.Sequential):
    """A network that looks at each image several times (ten crops: Krizhevsky et al. 2012).

    It has the layers of the network that it is made of, by the same names. Where the image is
    shifted away, its edge pixels are repeated.
    """

    def __init__(self, network: nn.Sequential, views: int) -> None:
        super().__init__()
        for name, layer in network.named_children():
            self.add_module(name, layer)
        self.shifts = SHIFTS[views]

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x 10 whose softmax is the mean of the softmaxes of all views."""
        rows, columns = images.shape[2:]
        padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
        views = [
            self._look(padded[:, :, 1 + y : 1 + y + rows, 1 + x : 1 + x + columns])
            for y, x in self.shifts
        ]
        shares = torch.stack([view.log_softmax(1) for view in views])
        return shares.logsumexp(0) - log(len(views))

    def _look(self, images: Tensor) -> Tensor:
        for layer in self:
            images = layer(images)
        return images


def with_views(network: nn.Module, views: int) -> nn.Module:
    """The network that averages so many views of an image; for one view, the network itself."""
    if views == 1:
        return network
    assert isinstance(network, nn.Sequential)
    return Views(network, views)
