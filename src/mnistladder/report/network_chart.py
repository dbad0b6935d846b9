"""The drawing of a network: its layers from the image to the digits."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mnistladder.config.spec import Config
from mnistladder.errors import UsageError
from mnistladder.model.layers import Shape, show
from mnistladder.model.shapes import layer_table
from mnistladder.report.charts import WIDTH
from mnistladder.report.style import BAND, FAINT, INK, OURS, empty, literal, styled
from mnistladder.report.tables import times
from mnistladder.task import INPUT_SHAPE

LINE_IN, PAD_IN, GAP_IN = 0.17, 0.11, 0.17  # inches: a line of text, a box's margins, an arrow
LETTERS, TITLE_LETTERS = 34, 60  # that fit beside a shape, and above the boxes
MAX_HEIGHT_IN = 200  # a PNG of more than 400 inches cannot be made
RIGHT = 0.78  # where a box ends, as a share of the width; the parameters stand beyond


@dataclass(frozen=True)
class Block:
    """Consecutive layers in one box: the later ones keep the shape and have no parameters."""

    layers: tuple[str, ...]  # names with options
    shape: Shape  # of the output
    parameters: int

    @property
    def lines(self) -> list[str]:
        """The text of the box."""
        return textwrap.wrap(", ".join(self.layers), LETTERS, break_on_hyphens=False)

    @property
    def height_in(self) -> float:
        return len(self.lines) * LINE_IN + PAD_IN


def blocks(config: Config) -> list[Block]:
    """The boxes of a network, the image first."""
    drawn = [Block(("image",), INPUT_SHAPE, 0)]
    for layer, row in zip(config.model, layer_table(config.model), strict=True):
        options = layer.model_dump(exclude_unset=True, by_alias=True)
        text = " ".join([row.name, *(f"{key}={value}" for key, value in options.items())])
        last = drawn[-1]
        if row.parameters or row.output_shape != last.shape:
            drawn.append(Block((text,), row.output_shape, row.parameters))
        else:
            drawn[-1] = replace(last, layers=(*last.layers, text))
    return drawn


@styled
def network(drawn: Sequence[Block], title: str, members: int = 1) -> Figure:
    """A box for each block, from top to bottom: layers, shape of the output, parameters.

    Boxes with parameters are filled. `members` networks like this one are averaged.
    Raises UsageError for a network that is too long for a picture.
    """
    height = sum(block.height_in + GAP_IN for block in drawn) + 0.1
    if height > MAX_HEIGHT_IN:
        raise UsageError(f"--figure: {len(drawn):,} boxes of layers are too many for a picture")
    lines = textwrap.wrap(title, TITLE_LETTERS)
    figure, axes = empty(WIDTH, height + 0.55 + LINE_IN * len(lines))
    axes.set(xlim=(0, 1), ylim=(height, -0.3), title=literal("\n".join(lines)))
    axes.axis("off")
    _headings(axes)
    top = 0.0
    for block in drawn:
        if top:
            axes.annotate("", (0.39, top), (0.39, top - GAP_IN), arrowprops=_arrow())
        _box(axes, block, top)
        top += block.height_in + GAP_IN
    total = sum(block.parameters for block in drawn)
    axes.text(1, height, f"{times(members, f'{total:,}')} in all", ha="right", va="bottom")
    return figure


def _headings(axes: Axes) -> None:
    for place, text in ((RIGHT - 0.02, "output shape"), (1, "parameters")):
        axes.text(place, -0.08, text, ha="right", va="bottom", size=8)


def _arrow() -> dict[str, object]:
    return {"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 0, "linewidth": 0.8}


def _box(axes: Axes, block: Block, top: float) -> None:
    middle = top + block.height_in / 2
    filled = block.parameters > 0
    axes.add_patch(
        Rectangle(
            (0, top),
            RIGHT,
            block.height_in,
            facecolor=BAND if filled else "none",
            edgecolor=OURS if filled else FAINT,
        )
    )
    axes.text(0.02, middle, literal("\n".join(block.lines)), va="center")
    axes.text(RIGHT - 0.02, middle, show(block.shape), ha="right", va="center")
    if filled:
        axes.text(1, middle, f"{block.parameters:,}", ha="right", va="center")
