"""Elastic displacement: a smooth random field that bends an image."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mnistladder.config.spec import Augment

SIDE = 28
PIXEL = 2 / SIDE  # one pixel in units of the places: an image reaches from -1 to 1


@dataclass(frozen=True)
class Bends:
    """The displacement fields of a number of images: cubic B-splines over a coarse grid.

    Simard, Steinkraus and Platt (2003) smooth random displacements of all pixels by a Gaussian.
    Here they are drawn for the points of a grid alone, and a spline is as smooth: free-form
    deformation (Rueckert et al. 1999). Each point moves by up to `elastic_px` pixels along each
    axis, so that no pixel moves further. The fields of many images are one product of matrices.
    """

    points: Tensor  # N x 2 x grid * grid, (x, y) displacements in units of the places
    basis: Tensor  # of `_basis`

    @classmethod
    def draw(cls, ranges: Augment, count: int, generator: torch.Generator) -> "Bends | None":
        """The fields of `count` images, on the CPU; None if the ranges have none."""
        if not ranges.elastic_px:
            return None
        size = ranges.elastic_grid
        points = 2 * torch.rand(count, 2, size * size, generator=generator) - 1
        return cls(points * (ranges.elastic_px * PIXEL), _basis(size))

    def to(self, device: torch.device) -> "Bends":
        """The same fields on another device."""
        return Bends(self.points.to(device), self.basis.to(device))

    def part(self, which: slice | Tensor) -> "Bends":
        """The fields of some of the images."""
        return Bends(self.points[which], self.basis)

    def places(self, maps: Tensor) -> Tensor:
        """Where each output pixel is read, N x 28 x 28 x 2: by the maps N x 2 x 3, then bent.

        A product with the maps' own basis beside the splines' takes a third of the time of torch's
        `affine_grid`.
        """
        products = torch.cat([maps, self.points], 2).flatten(0, 1) @ self.basis
        return products.view(-1, 2, SIDE, SIDE).permute(0, 2, 3, 1)


@lru_cache(maxsize=8)
def _basis(size: int) -> Tensor:
    """What each number of a map (x, y, 1) and each point of a grid counts at each pixel.

    (3 + size * size) x 784; at each pixel, what the points count adds up to 1.
    """
    axis = (2 * torch.arange(SIDE, dtype=torch.float64) + 1) / SIDE - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    weights = _spline_weights(size)
    products = weights[:, None, :, None] * weights[None, :, None, :]  # point y, x, pixel y, x
    rows = [x.flatten(), y.flatten(), torch.ones(SIDE * SIDE, dtype=torch.float64)]
    return torch.cat([torch.stack(rows), products.reshape(size * size, -1)]).float()


def _spline_weights(size: int) -> Tensor:
    """What each of `size` points counts at each pixel of an axis, size x 28.

    The first and last points lie outside, so that the cells between the others cover the image.
    """
    cells = size - 3
    position = (torch.arange(SIDE, dtype=torch.float64) + 0.5) / SIDE * cells
    cell = position.long()
    t = position - cell
    cubics = torch.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    )
    weights = torch.zeros(size, SIDE, dtype=torch.float64)
    return weights.scatter(0, cell + torch.arange(4)[:, None], cubics / 6)
