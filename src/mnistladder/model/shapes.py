"""Shapes and parameters of a network's layers, found without building it."""

from dataclasses import dataclass

from mnistladder.model.layers import Layer, Shape, layer_name
from mnistladder.task import CLASSES, INPUT_SHAPE


@dataclass(frozen=True)
class LayerRow:
    """One line of the layer table."""

    name: str
    output_shape: Shape
    parameters: int


class ShapeError(ValueError):
    """A layer that does not fit what comes before it."""

    def __init__(self, index: int, message: str) -> None:
        self.index = index
        super().__init__(message)


def layer_table(layers: tuple[Layer, ...], shape: Shape = INPUT_SHAPE) -> list[LayerRow]:
    """Each layer's output shape and parameters, found without building it. Raises ShapeError."""
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
            f"{layer_name(layers[-1])}: gives {'x'.join(map(str, shape))}, "
            f"but the last layer must give {CLASSES} classes",
        )
    return rows
