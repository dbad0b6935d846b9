"""Figures made of digits: pictures under their titles, and what a config makes of a data set."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mnistladder.report.gallery import Picture
from mnistladder.report.style import INK, OURS, PUBLISHED, empty, literal, styled

CELL = 28 + 8  # a digit and the title above it, in pixels; digits have a margin of their own
WIDE = 28 + 18
LARGEST = 300  # pictures on a sheet


@styled
def sheet(pictures: Sequence[Picture], title: str, columns: int = 10) -> Figure:
    """Pictures in rows under their titles, wrong ones in another colour; 300 at most."""
    shown = pictures[:LARGEST]
    rows = max(-(-len(shown) // columns), 1)
    figure, axes = empty(columns, rows * CELL / WIDE + 0.4)
    axes.imshow(mosaic([p.pixels for p in shown], columns), cmap="gray_r", vmin=0, vmax=255)
    for place, picture in enumerate(shown):
        row, column = divmod(place, columns)
        axes.text(
            column * WIDE + WIDE / 2,
            row * CELL + 7,
            f"{picture.said}  {picture.sure}",
            size=7.5,
            ha="center",
            va="center",
            color=INK if picture.is_right else PUBLISHED,
        )
    left = f" (the first {LARGEST} of {len(pictures):,})" if len(pictures) > LARGEST else ""
    axes.set_title(literal(title) + left)
    axes.set_axis_off()
    return figure


def mosaic(images: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """Images 28 x 28 in cells of 36 x 46, row by row."""
    rows = max(-(-len(images) // columns), 1)
    cells = np.zeros((rows * columns, CELL, WIDE), np.uint8)
    side = (WIDE - 28) // 2
    for cell, image in zip(cells, images, strict=False):
        cell[CELL - 28 :, side : side + 28] = image
    return cells.reshape(rows, columns, CELL, WIDE).swapaxes(1, 2).reshape(rows * CELL, -1)


@styled
def data_figure(
    samples: dict[str, NDArray[np.float32]],
    counts: dict[str, list[int]],
    mean: NDArray[np.float64],
    title: str,
) -> Figure:
    """Ten digits as each step of a config leaves them, counts of each split, the mean image.

    `samples` are 10 x 28 x 28 by the name of the step, in its own units.
    """
    figure = Figure(figsize=(8, 0.95 * len(samples) + 2.6))
    figure.suptitle(literal(title), x=0.01, ha="left")
    grid = figure.add_gridspec(
        len(samples) + 1, 2, height_ratios=[1] * len(samples) + [2.6], width_ratios=[3, 1]
    )
    for row, (name, images) in enumerate(samples.items()):
        axes = figure.add_subplot(grid[row, :])
        axes.imshow(np.concatenate(list(images), axis=1), cmap="gray_r")
        axes.set_title(f"{name}: {images.min():.3g} to {images.max():.3g}")
        axes.set_axis_off()
    bars = figure.add_subplot(grid[-1, 0])
    for side, (color, (split, each)) in enumerate(
        zip((OURS, PUBLISHED), counts.items(), strict=True)
    ):
        bars.bar(np.arange(10) + 0.4 * side - 0.2, each, 0.4, label=split, color=color)
    bars.set(title="images of each digit", xticks=range(10))
    bars.legend(ncols=2, loc="upper right")
    bars.set_ylim(top=1.25 * max(max(each) for each in counts.values()))
    axes = figure.add_subplot(grid[-1, 1])
    axes.imshow(mean, cmap="gray_r")
    axes.set_title("mean training image")
    axes.set_axis_off()
    return figure
