"""Dropout."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mnistladder.model.layers.base import Shape, StackableLayer

if TYPE_CHECKING:
    from torch import nn


class Dropout(StackableLayer):
    """In training, zeroes each value with probability p and scales the rest by 1 / (1 - p)."""

    p: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def module(self, shape: Shape) -> "nn.Module":
        from mnistladder.model import modules

        return modules.Dropout(self.p, shape)

    def stacked(self, shape: Shape, networks: int) -> "nn.Module":
        return self.module(shape)  # the masks of each network come side by side
