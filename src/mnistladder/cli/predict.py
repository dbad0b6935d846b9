"""`predict`: what a result's networks say of a user's own pictures."""

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from mnistladder import environment, storage
from mnistladder.cli import base, naming
from mnistladder.cli.base import app
from mnistladder.errors import DataError, ExitCode, UsageError
from mnistladder.report.gallery import percent
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore

SHADES = " .:-=+*#%@"
TOP = 3
IN_A_ROW = 10  # digits of the figure
Digits = list[NDArray[np.uint8]]


@app.command(epilog="Example: mnistladder predict model09_dropout photo.jpg --show")
def predict(
    result: base.ResultReference,
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE",
            help="Image files (PNG, JPEG, WebP, GIF, BMP), one digit each.",
            show_default=False,
        ),
    ],
    show: Annotated[bool, typer.Option("--show", help="Draw what the network saw.")] = False,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure", metavar="FILE", help="Write what it saw to this .png, side by side."
        ),
    ] = None,
    seed: base.ResultSeed = 0,
    overrides: base.ResultOverrides = None,
    device: base.Device = "cpu",
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Say which digits are on your own photos or scans, dark on light or light on dark.

    Each is brought into MNIST's form first: its stroke found, fitted into 20 pixels, centred.
    Exit code 3: some could not be read, or show no digit; the others are predicted all the same.
    """
    if show and json:
        raise UsageError("--show draws for people, --json prints for programs: give one of them")
    if figure and figure.suffix.lower() != ".png":
        raise UsageError(f"{figure}: what the network saw is written as .png")
    record = naming.result(result, runs_dir, seed, overrides)
    StageStore(runs_dir).need(record.member_keys, record)
    names, seen = _read(images)
    rows = _rows(names, _probabilities(record, runs_dir, seen, device))
    if figure and seen:
        storage.write(figure, _side_by_side(seen))
    if json:
        base.print_json(rows)
    else:
        _say(rows)
    if show:
        _draw(names, seen)
    if len(seen) < len(images):
        raise typer.Exit(ExitCode.DATA)


def _read(paths: list[Path]) -> tuple[list[str], Digits]:
    """Names and digits of those files that have one; of the others, a line each on stderr."""
    from mnistladder.data import photos

    names, seen = [], []
    for path in paths:
        try:
            seen.append(photos.read(path))
        except DataError as error:
            base.complain(_one_line(str(error)))
        else:
            names.append(str(path))
    return names, seen


def _probabilities(
    record: ResultRecord, runs: Path, seen: Digits, device: str
) -> NDArray[np.float64]:
    """What the result's networks say of digits, N x 10. Raises CorruptError, ResourceError."""
    if not seen:
        return np.empty((0, 10))
    import torch

    from mnistladder.engine import devices, evaluate
    from mnistladder.runs import ensembles, stage_store

    devices.make_deterministic()
    where = devices.choose(environment.parse_device(device))
    networks = ensembles.load(record, StageStore(runs), where).networks
    digits = torch.from_numpy(np.array(seen))[:, None].to(where)
    each = [evaluate.probabilities(network, digits).cpu().numpy() for network in networks]
    return stage_store.mean_probabilities(each)  # on the CPU: MPS has no float64


def _rows(names: list[str], probabilities: NDArray[np.float64]) -> list[dict[str, Any]]:
    """For each image its digit, and the three most probable ones."""
    rows = []
    for name, each in zip(names, probabilities, strict=True):
        best = np.argsort(-each, kind="stable")[:TOP]
        top = [{"digit": int(digit), "probability": float(each[digit])} for digit in best]
        rows.append({"image": name, **top[0], "top": top})
    return rows


def _say(rows: list[dict[str, Any]]) -> None:
    cells = [
        [
            _one_line(row["image"]),
            str(row["digit"]),
            percent(row["probability"]),
            *(f"{one['digit']}  {percent(one['probability'])}" for one in row["top"][1:]),
        ]
        for row in rows
    ]
    headings = ["image", "digit", "probability", "second", "third"]
    if rows:
        base.print_table(headings, cells, set(headings[1:]))


def _one_line(text: str) -> str:
    """The text, whose file names may have line ends, safe for a terminal."""
    return base.printable(text.replace("\n", "\N{REPLACEMENT CHARACTER}"))


def _draw(names: list[str], seen: Digits) -> None:
    """The digits on stdout: in greys where the terminal has them, else in letters."""
    console = base.output()
    has_greys = console.color_system and not console.no_color and console.encoding == "utf-8"
    for name, pixels in zip(names, seen, strict=True):
        base.say(f"\n{_one_line(name)}")
        if console.is_terminal and has_greys:
            _draw_greys(console, pixels)
        else:
            base.say(letters(pixels))


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


def _side_by_side(seen: Digits) -> bytes:
    """A PNG of what the network saw, ten in a row, each pixel four wide."""
    from PIL import Image

    rows = -(-len(seen) // IN_A_ROW)
    cells = np.zeros((rows * IN_A_ROW, 28, 28), np.uint8)
    cells[: len(seen)] = seen
    columns = min(len(seen), IN_A_ROW)
    grid = cells.reshape(rows, IN_A_ROW, 28, 28).swapaxes(1, 2).reshape(rows * 28, -1)
    buffer = io.BytesIO()
    large = np.kron(grid[:, : columns * 28], np.ones((4, 4), np.uint8))
    Image.fromarray(large).save(buffer, "PNG")
    return buffer.getvalue()
