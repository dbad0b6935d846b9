"""The layer vocabulary: what a config may name, what shape comes out, how many parameters it has.

A layer is a frozen pydantic model: its fields are its YAML keys. Shapes are (channels, height,
width) or (features,), without the batch. Torch is imported only by `module`, so that commands which
merely count and list start at once.
"""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mnistladder.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]
ENTRY_POINTS = "mnistladder.layers"
MAX_SIZE = 1 << 20

Size = Annotated[int, Field(ge=1, le=MAX_SIZE)]
Kernel = Annotated[int, Field(ge=1, le=1024)]
Initializer = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal", "orthogonal"
]


class Layer(BaseModel):
    """Base of all layers; a third-party layer derives from it and is named by an entry point.

    A layer whose module draws random numbers in training from torch's global generators must say
    `draws = True`. Its networks then train one by one, each with a stream of its own, so that no
    network's bits depend on another network.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
    stackable: ClassVar[bool] = False  # whether `stacked` gives what it says
    draws: ClassVar[bool] = False  # whether its module draws random numbers by itself

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that leaves, given the shape that enters. Raises ValueError if it can't."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Trainable parameters, given the shape that enters."""
        return 0

    def module(self, shape: Shape) -> "nn.Module":
        """A new module with its initial weights, drawn from torch's global generator."""
        raise TypeError(f"{type(self).__name__} must define `module`")

    def stacked(self, shape: Shape, members: int) -> "nn.Module":
        """One module for several networks whose channels, or features, lie side by side.

        This default is right for layers that treat each channel by itself.
        """
        return self.module((shape[0] * members, *shape[1:]))


class _Stackable(Layer):
    """What all layers of our own are."""

    stackable = True


class Normalize(_Stackable):
    """(x - mean) / std, one number each, by default those of all training pixels."""

    mean: float | None = None
    std: Annotated[float, Field(gt=0)] | None = None

    def module(self, shape: Shape) -> "nn.Module":
        from mnistladder.model.modules import Standardize

        return Standardize(self.mean, self.std)


class Flatten(_Stackable):
    """One row of features."""

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        return nn.Flatten()


class Dense(_Stackable):
    """A fully connected layer without activation."""

    out: Size
    bias: bool = True
    init: Initializer = "glorot_uniform"

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise ValueError(f"needs a flat input, got {show(shape)}; put `flatten` before it")
        return (self.out,)

    def parameters(self, shape: Shape) -> int:
        return shape[0] * self.out + (self.out if self.bias else 0)

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        from mnistladder.model.modules import initialized

        return initialized(nn.Linear(shape[0], self.out, bias=self.bias), self.init)

    def stacked(self, shape: Shape, members: int) -> "nn.Module":
        from mnistladder.model.modules import StackedLinear

        return StackedLinear(members, shape[0], self.out, self.bias)


class Conv(_Stackable):
    """A convolution without activation; `same` padding gives ceil(size / stride) as in Keras."""

    out: Size
    kernel: Kernel = 3
    stride: Kernel = 1
    padding: Literal["same", "valid"] = "same"
    groups: Size = 1
    bias: bool = True
    init: Initializer = "glorot_uniform"

    def output_shape(self, shape: Shape) -> Shape:
        channels, *sides = _maps(shape)
        if channels % self.groups or self.out % self.groups:
            raise ValueError(f"{self.groups} groups divide not both {channels} and {self.out}")
        return (self.out, *(self._side(side) for side in sides))

    def _side(self, side: int) -> int:
        if self.padding == "same":
            return -(-side // self.stride)
        return _windows(side, self.kernel, self.stride)

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

    def stacked(self, shape: Shape, members: int) -> "nn.Module":
        wide = {"out": self.out * members, "groups": self.groups * members}
        return self.model_copy(update=wide).module((shape[0] * members, *shape[1:]))


class Pool(_Stackable):
    """What the two poolings share: windows without padding, by default side by side."""

    size: Kernel = 2
    stride: Kernel | None = None

    def output_shape(self, shape: Shape) -> Shape:
        channels, *sides = _maps(shape)
        stride = self.stride or self.size
        return (channels, *(_windows(side, self.size, stride) for side in sides))


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


class GlobalAvgPool(_Stackable):
    """The mean of each feature map; gives one row of features."""

    def output_shape(self, shape: Shape) -> Shape:
        return (_maps(shape)[0],)

    def module(self, shape: Shape) -> "nn.Module":
        from mnistladder.model.modules import GlobalAverage

        return GlobalAverage()


class GlobalMaxPool(_Stackable):
    """The largest value of each feature map; gives one row of features."""

    def output_shape(self, shape: Shape) -> Shape:
        return (_maps(shape)[0],)

    def module(self, shape: Shape) -> "nn.Module":
        from mnistladder.model.modules import GlobalMaximum

        return GlobalMaximum()


class BatchNorm(_Stackable):
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

    def stacked(self, shape: Shape, members: int) -> "nn.Module":
        from mnistladder.model.modules import StackedBatchNorm

        return StackedBatchNorm(shape[0] * members, shape[1:], self.eps, self.momentum)


class Dropout(_Stackable):
    """Zeroes each value with probability p while training and scales the others by 1 / (1 - p)."""

    p: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def module(self, shape: Shape) -> "nn.Module":
        from mnistladder.model.modules import Dropout as Module

        return Module(self.p, shape)

    def stacked(self, shape: Shape, members: int) -> "nn.Module":
        return self.module(shape)  # the masks of each network come side by side


class Activation(_Stackable):
    """An elementwise function, named by the torch module that computes it."""

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


class LeakyRelu(_Stackable):
    """x where positive, else slope * x."""

    slope: Annotated[float, Field(ge=0, le=1)] = 0.01

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        return nn.LeakyReLU(self.slope)


LAYERS: dict[str, type[Layer]] = {
    "normalize": Normalize,
    "flatten": Flatten,
    "dense": Dense,
    "conv": Conv,
    "maxpool": MaxPool,
    "avgpool": AvgPool,
    "globalavgpool": GlobalAvgPool,
    "globalmaxpool": GlobalMaxPool,
    "batchnorm": BatchNorm,
    "dropout": Dropout,
    "relu": Relu,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "gelu": Gelu,
    "silu": Silu,
    "leaky_relu": LeakyRelu,
}


@cache
def installed_layers() -> dict[str, type[Layer]]:
    """Layers of other installed packages, by entry point; ours cannot be replaced.

    Raises UsageError where an entry point names something that is no layer.
    """
    found: dict[str, type[Layer]] = {}
    for point in entry_points(group=ENTRY_POINTS):
        if point.name in LAYERS:
            continue
        layer = point.load()
        if not (isinstance(layer, type) and issubclass(layer, Layer)):
            raise UsageError(f"entry point `{point.name}` = {point.value} is no mnistladder Layer")
        found[point.name] = layer
    return found


def plugin_versions(layers: Iterable[Layer]) -> dict[str, str]:
    """Names of layers that came from other packages, and those packages' versions."""
    names = {layer_name(layer) for layer in layers} - LAYERS.keys()
    points = entry_points(group=ENTRY_POINTS) if names else ()
    return {p.name: p.dist.version if p.dist else "" for p in points if p.name in names}


def find_layer(name: str) -> type[Layer] | None:
    """The layer of that name, ours first; other packages are looked at only for unknown names."""
    return LAYERS.get(name) or installed_layers().get(name)


def layer_name(layer: Layer) -> str:
    """The name that a config gives this layer."""
    known = {**LAYERS, **installed_layers()} if type(layer) not in LAYERS.values() else LAYERS
    return next(name for name, kind in known.items() if kind is type(layer))


def show(shape: Shape) -> str:
    """A shape as text, such as 7x28x28."""
    return "x".join(map(str, shape))


def _maps(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"needs feature maps (channels x height x width), got {show(shape)}")
    return shape


def _windows(side: int, size: int, stride: int) -> int:
    if size > side:
        raise ValueError(f"a window of {size} does not fit into {side}")
    return (side - size) // stride + 1
