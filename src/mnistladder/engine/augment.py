"""One random affine map per image, drawn for a whole epoch, applied to a part at a time.

The map is that of the article's library: rotation x shear x zoom about the image centre, with the
shear matrix [[1, -sin s], [0, cos s]] in (row, column) order; edge pixels are repeated outside.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from mnistladder.config.spec import Augment


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
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(
        images.float(), grid, interpolation, "border", align_corners=False
    )
