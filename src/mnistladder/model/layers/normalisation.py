"""Layers that shift and scale: the input by fixed numbers, or every channel by its batch."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, model_validator

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

    `batch_weight` is the weight of a new batch in the moving averages. PyTorch calls it momentum,
    and Keras calls its complement, 0.99, momentum: so the key has a name of its own. Records keep
    PyTorch's name. Raises ValueError for a `momentum` that only Keras' meaning explains.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
    eps: Annotated[float, Field(gt=0, le=1)] = 1e-3
    momentum: Annotated[float, Field(gt=0, le=1, alias="batch_weight")] = 0.01

    @model_validator(mode="before")
    @classmethod
    def _refuse_kerass_momentum(cls, keys: Any) -> Any:
        value = keys.get("momentum") if isinstance(keys, dict) else None
        if isinstance(value, float) and 0.5 < value < 1:
            raise ValueError(
                f"`batch_weight` instead of `momentum`, which means opposite things in Keras and "
                f"in PyTorch: write `batch_weight: {1 - value:.6g}` for Keras' momentum {value:g}"
            )
        return keys

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[0]

    def module(self, shape: Shape) -> "nn.Module":
        from torch import nn

        kind = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
        return kind(shape[0], eps=self.eps, momentum=self.momentum)

    def stacked(self, shape: Shape, networks: int) -> "nn.Module":
        from mnistladder.model.modules import StackedBatchNorm

        return StackedBatchNorm(shape[0] * networks, shape[1:], self.eps, self.momentum)
