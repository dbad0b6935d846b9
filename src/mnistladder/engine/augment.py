"""Random distortions of images, drawn for a whole epoch, applied to a part at a time.

A new augmentation is a class as `Warp` is, an entry of `AUGMENTATIONS`, and its keys in
`spec.Augment`. What only moves pixels belongs into `Warp`: it interpolates an image once.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from mnistladder.config.spec import Augment
from mnistladder.engine.elastic import Bends
from mnistladder.engine.erasing import Erasing


class Distortions(Protocol):
    """What one augmentation does to a number of images: drawn, and not yet applied."""

    @classmethod
    def draw(cls, ranges: Augment, count: int, generator: torch.Generator) -> "Distortions":
        """Those of `count` images, on the CPU, so that all devices see the same distortions."""
        ...

    def to(self, device: torch.device) -> "Distortions":
        """The same on another device."""
        ...

    def part(self, which: slice | Tensor) -> "Distortions":
        """Those of some of the images, by their places."""
        ...

    def apply(self, images: Tensor) -> Tensor:
        """As many images N x 1 x 28 x 28, bytes or floats, distorted; always floats."""
        ...


@dataclass(frozen=True)
class Warp:
    """One affine map per image, and a bend if the ranges have one; an image is resampled once.

    The map is that of the article's library: rotation x shear x zoom about the image centre, with
    the shear matrix [[1, -sin s], [0, cos s]] in (row, column) order; edge pixels are repeated
    outside.
    """

    maps: Tensor  # of `draw_maps`
    interpolation: str
    bends: Bends | None = None

    @classmethod
    def draw(cls, ranges: Augment, count: int, generator: torch.Generator) -> "Warp":
        """A map for each image, then a bend for each."""
        maps = draw_maps(ranges, count, generator)
        return cls(maps, ranges.interpolation, Bends.draw(ranges, count, generator))

    def to(self, device: torch.device) -> "Warp":
        """The same maps and bends on another device."""
        bends = self.bends and self.bends.to(device)
        return Warp(self.maps.to(device), self.interpolation, bends)

    def part(self, which: slice | Tensor) -> "Warp":
        """The maps and bends of some of the images."""
        return Warp(self.maps[which], self.interpolation, self.bends and self.bends.part(which))

    def apply(self, images: Tensor) -> Tensor:
        """The images, resampled where their maps and bends say."""
        if self.bends:
            return resample(images, self.bends.places(self.maps), self.interpolation)
        return warp(images, self.maps, self.interpolation)


# In the order of application. Each draws after those before it, from the same generator.
AUGMENTATIONS: tuple[type[Distortions], ...] = (Warp, Erasing)


def draw(ranges: Augment, count: int, generator: torch.Generator) -> tuple[Distortions, ...]:
    """The distortions of `count` images, on the CPU, in the order of application."""
    return tuple(kind.draw(ranges, count, generator) for kind in AUGMENTATIONS)


def apply(images: Tensor, distortions: tuple[Distortions, ...]) -> Tensor:
    """The images N x 1 x 28 x 28 after all distortions; without any, the images themselves."""
    for distortion in distortions:
        images = distortion.apply(images)
    return images


def draw_maps(ranges: Augment, count: int, generator: torch.Generator) -> Tensor:
    """Maps N x 2 x 3 from output to input positions, in (x, y) order, from -1 to 1 over an image.

    Drawn on the CPU whatever the device, so that all devices see the same distortions.
    """
    angle, shear, zoom_y, zoom_x, shift_y, shift_x = (
        2 * torch.rand(6, count, generator=generator, dtype=torch.float64) - 1
    ).unbind()
    angle = angle * math.radians(ranges.rotate_deg)
    shear = shear * math.radians(ranges.shear_deg)
    zoom_y, zoom_x = 1 + ranges.zoom * zoom_y, 1 + ranges.zoom * zoom_x
    pixel = 2 / 28  # one pixel in units of the grid
    # rotation @ shear @ zoom in (row, column) order, written out
    row_row = angle.cos() * zoom_y
    row_column = (-angle.cos() * shear.sin() - angle.sin() * shear.cos()) * zoom_x
    column_row = angle.sin() * zoom_y
    column_column = (-angle.sin() * shear.sin() + angle.cos() * shear.cos()) * zoom_x
    x = torch.stack([column_column, column_row, ranges.shift_px * pixel * shift_x], 1)
    y = torch.stack([row_column, row_row, ranges.shift_px * pixel * shift_y], 1)
    return torch.stack([x, y], 1).float()


def warp(images: Tensor, maps: Tensor, interpolation: str) -> Tensor:
    """Images N x 1 x 28 x 28, bytes or floats, resampled by their maps; always floats."""
    places = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return resample(images, places, interpolation)


def resample(images: Tensor, places: Tensor, interpolation: str) -> Tensor:
    """Images N x 1 x 28 x 28 read at places N x 28 x 28 x 2, (x, y) from -1 to 1; floats."""
    return functional.grid_sample(
        images.float(), places, interpolation, "border", align_corners=False
    )
