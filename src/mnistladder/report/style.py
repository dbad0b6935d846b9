"""What all figures share: style, colours, and how they become files or parts of a page."""

import io
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnistladder import outputs
from mnistladder.errors import UsageError

FORMATS = ("png", "svg", "pdf")
# Okabe and Ito's colours, which those who see few colours can tell apart.
INK, FAINT, OURS, PUBLISHED, BAND = "#1b1b1f", "#9a9aa2", "#0072b2", "#d55e00", "#e4eef5"
STYLE: Any = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: to be read, searched and restyled
    "figure.constrained_layout.use": True,
}
VARIABLES = {INK: "ink", FAINT: "faint", OURS: "ours", PUBLISHED: "published", BAND: "band"}
METADATA: dict[str, dict[str, Any]] = {  # no date: the same figure gives the same file
    "png": {"Software": outputs.GENERATOR},
    "svg": {"Date": None, "Creator": outputs.GENERATOR, "Format": None, "Type": None},
    "pdf": {"CreationDate": None, "Creator": outputs.GENERATOR, "Producer": None},
}


P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Has a function draw in our style, and leaves the process's own settings as they are."""

    @wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapped


def empty(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches and its one pair of axes."""
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


@styled
def save(figure: Figure, path: Path, force: bool = False) -> None:
    """Writes a figure as PNG, SVG or PDF, by the file's suffix. Raises UsageError, ResourceError.

    The file says that mnistladder made it, but not when or with which version. `force` replaces a
    file that mnistladder did not make.
    """
    check(path, force)
    outputs.write(path, _bytes(figure, path.suffix[1:].lower(), path.stem), force)


def check(path: Path, force: bool = False) -> None:
    """Raises UsageError for a file that no figure can be written to."""
    if path.suffix[1:].lower() not in FORMATS:
        raise UsageError(f"{path}: a figure's file ends with .{', .'.join(FORMATS)}")
    outputs.check(path, force)


@styled
def inline(figure: Figure, name: str, label: str) -> str:
    """The figure as an SVG element for a page, whose CSS variables colour it.

    `name` is unique in the page; `label` says what a reader who sees no pictures should know.
    """
    text = _bytes(figure, "svg", name, transparent=True).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    for color, variable in VARIABLES.items():
        text = text.replace(color, f"var(--{variable})")
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # each figure has the same ones, and nobody asks
    return text.replace("<svg", f'<svg role="img" aria-label="{_escaped(label)}"', 1)


def literal(text: str) -> str:
    """Text that a figure shows as it is: matplotlib takes what is between two `$` for a formula."""
    return text.replace("$", r"\$")


def _bytes(figure: Figure, kind: str, salt: str, transparent: bool = False) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": salt}):
        figure.savefig(
            buffer, format=kind, dpi=160, metadata=METADATA[kind], transparent=transparent
        )
    return buffer.getvalue()


def _escaped(text: str) -> str:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return text
