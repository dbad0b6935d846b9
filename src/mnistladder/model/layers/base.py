"""What every layer promises: its options, its output shape, its parameters, its torch module.

A layer is a frozen pydantic model: its fields are its keys in YAML. A shape is (channels, height,
width) or (features,), without the batch. Only `module` and `stacked` import torch, so that commands
that list and count layers start fast.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, ...]
MAX_SIZE = 1 << 20

Size = Annotated[int, Field(ge=1, le=MAX_SIZE)]
Kernel = Annotated[int, Field(ge=1, le=1024)]
Initializer = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal", "orthogonal"
]


class Layer(BaseModel):
    """The base class of all layers.

    A layer from another package derives from this class too, and an entry point names it.

    A layer whose module draws random numbers in training from torch's global generators must say
    `draws = True`. Its networks then train one by one, each with a stream of its own, so that no
    network's bits depend on another network.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
    stackable: ClassVar[bool] = False  # whether `stacked` may be called
    draws: ClassVar[bool] = False  # whether its module draws random numbers by itself

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output for an input of shape `shape`.

        Raises ValueError if the layer cannot take such an input.
        """
        return shape

    def parameters(self, shape: Shape) -> int:
        """The number of trainable parameters for an input of shape `shape`."""
        return 0

    def module(self, shape: Shape) -> "nn.Module":
        """A new module for an input of shape `shape`.

        Its initial weights come from torch's global generator.
        """
        raise TypeError(f"{type(self).__name__} must define `module`")

    def stacked(self, shape: Shape, networks: int) -> "nn.Module":
        """One module for several networks whose channels, or features, lie side by side.

        `shape` is the input of one network. This default is right for a layer that treats every
        channel by itself.
        """
        return self.module((shape[0] * networks, *shape[1:]))


class StackableLayer(Layer):
    """The base class of our own layers: several networks can train as one."""

    stackable = True


def show(shape: Shape) -> str:
    """A shape as text, such as 7x28x28."""
    return "x".join(map(str, shape))


def feature_maps(shape: Shape) -> Shape:
    """The shape itself. Raises ValueError unless it is (channels, height, width)."""
    if len(shape) != 3:
        raise ValueError(
            f"needs feature maps (channels x height x width), but its input is {show(shape)}"
        )
    return shape


def windows(side: int, size: int, stride: int) -> int:
    """How many windows of `size` pixels fit side by side. Raises ValueError if none does."""
    if size > side:
        raise ValueError(f"a window of side {size} does not fit into an input of side {side}")
    return (side - size) // stride + 1
