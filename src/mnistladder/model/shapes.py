"""The shapes and parameters of a network's layers, computed without building the network."""

from dataclasses import dataclass

from mnistladder.model.layers import Layer, Shape, layer_name, show
from mnistladder.task import CLASSES, INPUT_SHAPE


@dataclass(frozen=True)
class LayerRow:
    """One line of the layer table."""

    name: str
    output_shape: Shape
    parameters: int


class ShapeError(ValueError):
    """A layer cannot take the output of the layer before it; `index` is its place in the list."""

    def __init__(self, index: int, message: str) -> None:
        self.index = index
        super().__init__(message)


def layer_table(layers: tuple[Layer, ...], shape: Shape = INPUT_SHAPE) -> list[LayerRow]:
    """Each layer's name, output shape and parameters for an input of shape `shape`.

    Raises ShapeError if two layers do not fit together, or if the last one does not give one number
    for each class.
    """
    rows = []
    for index, layer in enumerate(layers):
        try:
            output = layer.output_shape(shape)
            rows.append(LayerRow(layer_name(layer), output, layer.parameters(shape)))
        except ValueError as error:
            raise ShapeError(index, f"{layer_name(layer)}: {error}") from None
        shape = output
    if shape != (CLASSES,):
        raise ShapeError(
            len(layers) - 1,
            f"{layer_name(layers[-1])}: its output is {show(shape)}, "
            f"but the last layer must give {CLASSES} classes",
        )
    return rows
