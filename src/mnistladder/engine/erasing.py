"""Random erasing: a rectangle of an image becomes background."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mnistladder.config.spec import Augment

SIDE = 28
SMALLEST_SHARE = 0.02  # of the image's area
LARGEST_RATIO = 1 / 0.3  # of a rectangle's sides


@dataclass(frozen=True)
class Erasing:
    """One rectangle per image, or none (random erasing, arXiv:1708.04896).

    Area and ratio of the sides are in the article's ranges, and the place is uniform. The ratio is
    uniform by its logarithm, as in torchvision, so that high and wide ones are equally frequent. A
    rectangle that is too long is cut to the image, where the article draws again. It is filled with
    0, the background of a digit: one of the article's four fills.
    """

    boxes: Tensor | None  # N x 4: first row, end, first column, end; None if nothing is erased

    @classmethod
    def draw(cls, ranges: Augment, count: int, generator: torch.Generator) -> "Erasing":
        """A rectangle for each image; empty for those that keep all their pixels."""
        if not ranges.erase:
            return cls(None)
        chance, area, ratio, row, column = torch.rand(
            5, count, generator=generator, dtype=torch.float64
        )
        area = SIDE**2 * (SMALLEST_SHARE + (ranges.erase_area - SMALLEST_SHARE) * area)
        ratio = ((2 * ratio - 1) * math.log(LARGEST_RATIO)).exp()
        chosen = chance < ranges.erase
        rows, columns = (
            side.sqrt().round().clamp(1, SIDE) * chosen for side in (area * ratio, area / ratio)
        )
        top, left = (row * (SIDE - rows + 1)).floor(), (column * (SIDE - columns + 1)).floor()
        return cls(torch.stack([top, top + rows, left, left + columns], 1).long())

    def to(self, device: torch.device) -> "Erasing":
        """The same rectangles on another device."""
        return Erasing(None if self.boxes is None else self.boxes.to(device))

    def part(self, which: slice | Tensor) -> "Erasing":
        """The rectangles of some of the images."""
        return Erasing(None if self.boxes is None else self.boxes[which])

    def apply(self, images: Tensor) -> Tensor:
        """The images, 0 inside their rectangles."""
        if self.boxes is None:
            return images
        top, bottom, left, right = self.boxes[:, :, None].unbind(1)
        places = torch.arange(SIDE, device=images.device)
        rows = (places >= top) & (places < bottom)
        columns = (places >= left) & (places < right)
        inside = rows[:, None, :, None] & columns[:, None, None, :]
        return images.float().masked_fill(inside, 0.0)
