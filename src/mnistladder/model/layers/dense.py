"""Layers on one row of features: `flatten` makes it, `dense` connects it fully."""

from math import prod
from typing import TYPE_CHECKING

from mnistladder.model.layers.base import Initializer, Shape, Size, StackableLayer, show

if TYPE_CHECKING:
    from torch import nn


class Flatten(StackableLayer):
    """One row of features."""

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        return nn.Flatten()


class Dense(StackableLayer):
    """A fully connected layer without activation."""

    out: Size
    bias: bool = True
    init: Initializer = "glorot_uniform"

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise ValueError(
                f"needs one row of features, but its input is {show(shape)}; "
                "put `flatten` before it"
            )
        return (self.out,)

    def parameters(self, shape: Shape) -> int:
        return shape[0] * self.out + (self.out if self.bias else 0)

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        from mnistladder.model.modules import initialized

        return initialized(nn.Linear(shape[0], self.out, bias=self.bias), self.init)

    def stacked(self, shape: Shape, networks: int) -> "nn.Module":
        from mnistladder.model.modules import StackedLinear

        return StackedLinear(networks, shape[0], self.out, self.bias)
