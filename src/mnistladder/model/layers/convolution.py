"""The convolution, with the sizes and the padding of Keras."""

from typing import TYPE_CHECKING, Literal

from mnistladder.model.layers.base import (
    Initializer,
    Kernel,
    Shape,
    Size,
    StackableLayer,
    feature_maps,
    windows,
)

if TYPE_CHECKING:
    from torch import nn


class Conv(StackableLayer):
    """A convolution without activation; `same` padding gives ceil(size / stride) as in Keras."""

    out: Size
    kernel: Kernel = 3
    stride: Kernel = 1
    padding: Literal["same", "valid"] = "same"
    groups: Size = 1
    bias: bool = True
    init: Initializer = "glorot_uniform"

    def output_shape(self, shape: Shape) -> Shape:
        channels, *sides = feature_maps(shape)
        if channels % self.groups or self.out % self.groups:
            raise ValueError(
                f"`groups` ({self.groups}) must divide both the input channels ({channels}) "
                f"and `out` ({self.out})"
            )
        return (self.out, *(self._side(side) for side in sides))

    def _side(self, side: int) -> int:
        if self.padding == "same":
            return -(-side // self.stride)
        return windows(side, self.kernel, self.stride)

    def _pad(self, side: int) -> tuple[int, int]:
        """Zeros before and after one axis; the odd one goes after, as in Keras."""
        if self.padding == "valid":
            return 0, 0
        total = max((self._side(side) - 1) * self.stride + self.kernel - side, 0)
        return total // 2, total - total // 2

    def parameters(self, shape: Shape) -> int:
        weights = shape[0] // self.groups * self.kernel**2 * self.out
        return weights + (self.out if self.bias else 0)

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        from mnistladder.model.modules import initialized

        top, bottom = self._pad(shape[1])
        left, right = self._pad(shape[2])
        symmetric = top == bottom and left == right
        conv = nn.Conv2d(
            shape[0],
            self.out,
            self.kernel,
            self.stride,
            (top, left) if symmetric else 0,
            groups=self.groups,
            bias=self.bias,
        )
        conv = initialized(conv, self.init)
        if symmetric:
            return conv
        return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), conv)

    def stacked(self, shape: Shape, networks: int) -> "nn.Module":
        wide = {"out": self.out * networks, "groups": self.groups * networks}
        return self.model_copy(update=wide).module((shape[0] * networks, *shape[1:]))
