"""Elementwise functions."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from mnistladder.model.layers.base import Shape, StackableLayer

if TYPE_CHECKING:
    from torch import nn


class Activation(StackableLayer):
    """An elementwise function without options; `torch_name` is its module in torch."""

    torch_name: ClassVar[str]

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        module: nn.Module = getattr(nn, self.torch_name)()
        return module


class Relu(Activation):
    """max(x, 0)."""

    torch_name = "ReLU"


class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    torch_name = "Sigmoid"


class Tanh(Activation):
    """The hyperbolic tangent."""

    torch_name = "Tanh"


class Gelu(Activation):
    """x times the normal distribution function of x (arXiv:1606.08415)."""

    torch_name = "GELU"


class Silu(Activation):
    """x * sigmoid(x)."""

    torch_name = "SiLU"


class LeakyRelu(StackableLayer):
    """x where x is positive, slope * x elsewhere."""

    slope: Annotated[float, Field(ge=0, le=1)] = 0.01

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        return nn.LeakyReLU(self.slope)
