"""`predict`: what a result's networks say of a user's own pictures."""

import io
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from mnistladder import outputs
from mnistladder.api import locating, networks
from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.errors import DataError, ExitCode, UsageError, one_line
from mnistladder.report.gallery import percent
from mnistladder.runs import ready, results
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
SHADES = " .:-=+*#%@"
TOP = 3
IN_A_ROW = 10  # digits of the figure


Images = Annotated[
    list[str],
    typer.Argument(
        metavar="[RESULT] IMAGE...",
        help="A rung's number or name, a config file, a result's id or a record's path, unless the "
        "best ready network is to answer; then image files (PNG, JPEG, WebP, GIF, BMP).",
        autocompletion=base.complete_rungs,
        show_default=False,
    ),
]
Show = Annotated[bool, typer.Option("--show", help="Draw what the network saw.")]
SeenFile = Annotated[
    Path | None,
    typer.Option("--figure", metavar="FILE", help="Write what it saw to this .png, side by side."),
]


class Seen(NamedTuple):
    """One digit of an image: which from the left, of how many, and its 28 x 28 pixels."""

    image: str
    position: int
    total: int
    pixels: NDArray[np.uint8]

    @property
    def name(self) -> str:
        """The image, and which of its digits, safe for a terminal."""
        which = f" ({self.position} of {self.total})" if self.total > 1 else ""
        return one_line(self.image) + which


@app.command(epilog="Examples: mnistladder predict photo.jpg    mnistladder predict 9 a.png --show")
def predict(
    words: Images,
    show: Show = False,
    figure: SeenFile = None,
    force: base.Force = False,
    seed: base.ResultSeed = 0,
    overrides: base.ResultOverrides = None,
    device: base.Device = "cpu",
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Say which digits are on your own photos or scans, dark on light or light on dark.

    Each is brought into MNIST's form first: its stroke found, fitted into 20 pixels, centred.
    Frames, underlines and what lies around the paper are left out. Of several digits in one image,
    each has its own line, from left to right. If the networks learned from dark ink on bright
    ground, they get such images.
    Exit code 3: some could not be read, or show no clear digit; the others are predicted.
    """
    result, images = _parted(words)
    if show and json:
        raise UsageError("--show draws for people, --json prints for programs: give one of them")
    if figure and figure.suffix.lower() != ".png":
        raise UsageError(f"{figure}: what the network saw is written as .png")
    if figure:
        outputs.check(figure, force)
    record, runs = _chosen(result, runs_dir, seed, overrides, holdout)
    if not ready.has(runs, record):
        StageStore(runs).need(record.member_keys, record)
    seen, unread = _read(images)
    if seen and _is_dark_ink(record, runs):
        seen = [digit._replace(pixels=255 - digit.pixels) for digit in seen]
    rows = _rows(seen, _probabilities(record, runs, seen, device))
    if figure and seen:
        outputs.write(figure, _side_by_side(seen), force)
    if json:
        base.print_json(rows)
    else:
        _say(seen, rows)
    if show:
        _draw(seen)
    if unread:
        raise typer.Exit(ExitCode.DATA)


def _parted(words: list[str]) -> tuple[str | None, list[Path]]:
    """The result, if the first word names one, and the images. Raises UsageError without images.

    The first word is an image if it is a file, or ends as one; a config or a record is none.
    """
    first = Path(words[0])
    is_config = first.suffix.lower() in (".yaml", ".yml", ".json")
    is_image = first.suffix.lower() in SUFFIXES or first.is_file()
    if is_image and not is_config:
        return None, [Path(word) for word in words]
    if len(words) == 1:
        raise UsageError(f"{words[0]}: name the image files after it, such as photo.jpg")
    return words[0], [Path(word) for word in words[1:]]


def _chosen(
    name: str | None, runs_dir: Path, seed: int, overrides: list[str] | None, holdout: int | None
) -> locating.Located:
    """The result that is to answer: the one that is named, or the best of the package."""
    if name is not None:
        return locating.locate(name, runs_dir, seed, overrides, holdout=holdout, tell=base.complain)
    record = ready.best(results.stored_results(ready.FOLDER).records)
    if record is None:
        raise UsageError("no ready networks here; name a rung, such as model09_dropout")
    base.complain(f"answered by the ready networks of {record.label}: {record.errors} test errors")
    return locating.Located(record, ready.FOLDER)


def _read(paths: list[Path]) -> tuple[list[Seen], int]:
    """The digits of all files, and how many files have none: a line each of those on stderr."""
    from mnistladder.data import photos

    seen: list[Seen] = []
    unread = 0
    for path in paths:
        try:
            digits = photos.read(path)
        except DataError as error:
            base.complain(one_line(str(error)))
            unread += 1
        else:
            seen += [Seen(str(path), i, len(digits), pixels) for i, pixels in enumerate(digits, 1)]
    return seen, unread


def _is_dark_ink(record: ResultRecord, runs: Path) -> bool:
    """Whether the result's networks learned from dark ink on bright ground, unlike MNIST's.

    The runs folder has a copy of the training images. Without it, they count as MNIST's.
    """
    if record.data.sha256 == MNIST_SHA256:
        return False
    from mnistladder.data.appearance import Polarity, training_polarity

    try:
        polarity = training_polarity(StageStore(runs).data_folder(record.data))
    except DataError:
        return False
    return polarity is Polarity.DARK_INK


def _probabilities(
    record: ResultRecord, runs: Path, seen: list[Seen], device: str
) -> NDArray[np.float64]:
    """What the result's networks say of digits, N x 10. Raises CorruptError, ResourceError."""
    if not seen:
        return np.empty((0, 10))
    from mnistladder.engine import devices

    devices.make_deterministic()
    loaded = networks.networks(record, runs, device)
    return loaded(np.array([digit.pixels for digit in seen]))


def _rows(seen: list[Seen], probabilities: NDArray[np.float64]) -> list[dict[str, Any]]:
    """For each digit of each image what it is, and the three most probable answers."""
    rows = []
    for digit, chances in zip(seen, probabilities, strict=True):
        best = np.argsort(-chances, kind="stable")[:TOP]
        top = [{"digit": int(label), "probability": float(chances[label])} for label in best]
        place = {"position": digit.position, "digits_in_image": digit.total}
        rows.append({"image": digit.image, **place, **top[0], "top": top})
    return rows


def _say(seen: list[Seen], rows: list[dict[str, Any]]) -> None:
    cells = [
        [
            digit.name,
            str(row["digit"]),
            percent(row["probability"]),
            *(f"{other['digit']}  {percent(other['probability'])}" for other in row["top"][1:]),
        ]
        for digit, row in zip(seen, rows, strict=True)
    ]
    headings = ["image", "digit", "probability", "second", "third"]
    if rows:
        base.print_table(headings, cells, set(headings[1:]))


def _draw(seen: list[Seen]) -> None:
    """The digits on stdout: in greys where the terminal has them, else in letters."""
    console = base.output()
    has_greys = console.color_system and not console.no_color and console.encoding == "utf-8"
    for digit in seen:
        base.say(f"\n{digit.name}")
        if console.is_terminal and has_greys:
            _draw_greys(console, digit.pixels)
        else:
            base.say(letters(digit.pixels))


def _draw_greys(console: Console, pixels: NDArray[np.uint8]) -> None:
    """Two rows of pixels in one of half blocks."""
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        line = Text()
        for top, bottom in zip(upper, lower, strict=True):
            line.append("▀", f"rgb({top},{top},{top}) on rgb({bottom},{bottom},{bottom})")
        console.print(line, no_wrap=True, crop=True)


def letters(pixels: NDArray[np.uint8]) -> str:
    """The digit in 14 lines of ASCII, darkest for most ink; a letter is twice as high as wide."""
    pairs = pixels[::2].astype(int) + pixels[1::2]
    return "\n".join(
        "".join(SHADES[value * len(SHADES) // 511] for value in row).rstrip()
        for row in pairs.tolist()
    )


def _side_by_side(seen: list[Seen]) -> bytes:
    """A PNG of what the network saw, ten in a row, each pixel four wide."""
    from PIL import Image, PngImagePlugin

    rows = -(-len(seen) // IN_A_ROW)
    cells = np.zeros((rows * IN_A_ROW, 28, 28), np.uint8)
    cells[: len(seen)] = [digit.pixels for digit in seen]
    columns = min(len(seen), IN_A_ROW)
    grid = cells.reshape(rows, IN_A_ROW, 28, 28).swapaxes(1, 2).reshape(rows * 28, -1)
    mark = PngImagePlugin.PngInfo()
    mark.add_text("Software", outputs.GENERATOR)
    buffer = io.BytesIO()
    large = np.kron(grid[:, : columns * 28], np.ones((4, 4), np.uint8))
    Image.fromarray(large).save(buffer, "PNG", pnginfo=mark)
    return buffer.getvalue()
