"""Layers that reduce feature maps: the maximum or the mean of windows or of whole maps."""

from typing import TYPE_CHECKING

from mnistladder.model.layers.base import Kernel, Shape, StackableLayer, feature_maps, windows

if TYPE_CHECKING:
    from torch import nn


class Pool(StackableLayer):
    """What `maxpool` and `avgpool` share: windows without padding.

    The default stride is the size, so that the windows lie side by side.
    """

    size: Kernel = 2
    stride: Kernel | None = None

    def output_shape(self, shape: Shape) -> Shape:
        channels, *sides = feature_maps(shape)
        stride = self.stride or self.size
        return (channels, *(windows(side, self.size, stride) for side in sides))


class MaxPool(Pool):
    """The largest value of each window."""

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        return nn.MaxPool2d(self.size, self.stride)


class AvgPool(Pool):
    """The mean of each window."""

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        return nn.AvgPool2d(self.size, self.stride)


class GlobalAvgPool(StackableLayer):
    """The mean of each feature map; the output is one row of features."""

    def output_shape(self, shape: Shape) -> Shape:
        return (feature_maps(shape)[0],)

    def module(self, shape: Shape) -> "nn.Module":
        from mnistladder.model.modules import GlobalAverage

        return GlobalAverage()


class GlobalMaxPool(StackableLayer):
    """The largest value of each feature map; the output is one row of features."""

    def output_shape(self, shape: Shape) -> Shape:
        return (feature_maps(shape)[0],)

    def module(self, shape: Shape) -> "nn.Module":
        from mnistladder.model.modules import GlobalMaximum

        return GlobalMaximum()
