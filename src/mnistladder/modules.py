"""The few torch modules and initialisers that torch.nn does not have under these names."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", nn.Linear, nn.Conv2d)

INITIALIZERS: dict[str, Callable[[Tensor], Tensor]] = {
    "glorot_uniform": nn.init.xavier_uniform_,
    "glorot_normal": nn.init.xavier_normal_,
    "he_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "he_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "lecun_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"),
    "orthogonal": nn.init.orthogonal_,
}


def initialized(module: Module, name: str) -> Module:
    """The module with its weight drawn anew by the named initialiser and its bias zero."""
    INITIALIZERS[name](module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


class Standardize(nn.Module):
    """(x - mean) / std; what was not given is taken from the training pixels by `fit`."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float | None, std: float | None) -> None:
        super().__init__()
        self.given = (mean, std)
        self.register_buffer("mean", torch.tensor(0.0 if mean is None else mean))
        self.register_buffer("std", torch.tensor(1.0 if std is None else std))

    def fit(self, mean: float, std: float) -> None:
        """Sets the statistics that the config left open; a constant image set keeps its scale."""
        for buffer, given, measured in zip(
            (self.mean, self.std), self.given, (mean, std or 1.0), strict=True
        ):
            if given is None:
                buffer.fill_(measured)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class GlobalAverage(nn.Module):
    """NCHW -> NC. A plain mean, because adaptive pooling has no deterministic CUDA backward."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))


class GlobalMaximum(nn.Module):
    """NCHW -> NC."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.amax((2, 3))
