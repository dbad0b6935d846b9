"""Layers that shift and scale: the input by fixed numbers, or every channel by its batch."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mnistladder.model.layers.base import Shape, StackableLayer

if TYPE_CHECKING:
    from torch import nn


class Normalize(StackableLayer):
    """(x - mean) / std; by default the mean and std of all training pixels."""

    mean: float | None = None
    std: Annotated[float, Field(gt=0)] | None = None

    def module(self, shape: Shape) -> "nn.Module":
        from mnistladder.model.modules import Standardize

        return Standardize(self.mean, self.std)


class BatchNorm(StackableLayer):
    """Batch normalisation (arXiv:1502.03167); defaults are those of Keras 1.

    `momentum` is the weight of the new batch in the moving averages, PyTorch's meaning; Keras calls
    its complement, 0.99, by the same name.
    """

    eps: Annotated[float, Field(gt=0, le=1)] = 1e-3
    momentum: Annotated[float, Field(gt=0, le=1)] = 0.01

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[0]

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        kind = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
        return kind(shape[0], eps=self.eps, momentum=self.momentum)

    def stacked(self, shape: Shape, networks: int) -> "nn.Module":
        from mnistladder.model.modules import StackedBatchNorm

        return StackedBatchNorm(shape[0] * networks, shape[1:], self.eps, self.momentum)
