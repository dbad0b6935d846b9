"""`predict`: what a result's networks say of a user's own pictures."""

import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.text import Text

from mnistladder import results, storage
from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.errors import DataError, ExitCode, UsageError
from mnistladder.gallery import percent
from mnistladder.members import Members
from mnistladder.records import Record

SHADES = " .:-=+*#%@"
TOP = 3


@app.command(epilog="Example: mnistladder predict model09_dropout photo.jpg --show")
def predict(
    result: base.ResultReference,
    images: Annotated[
        list[Path], typer.Argument(help="PNG or JPEG files, each of one digit.", show_default=False)
    ],
    show: Annotated[bool, typer.Option("--show", help="Draw what the network saw.")] = False,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Write what it saw to this .png, side by side.")
    ] = None,
    seed: base.ResultSeed = 0,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Say which digits are on your own photos or scans, dark on light or light on dark.

    Each is brought into MNIST's form first: the stroke found, fitted into 20 pixels, centred.
    Exit code 3: some could not be read; the others are predicted all the same.
    """
    if figure and figure.suffix.lower() != ".png":
        raise UsageError(f"{figure}: what the network saw is written as .png")
    record = results.named(runs_dir, result, seed)
    Members(runs_dir).need(record["member_keys"], record)
    seen = _read(images)
    rows = _rows(seen, _probabilities(record, runs_dir, list(seen.values())))
    if figure and seen:
        storage.write(figure, _side_by_side(list(seen.values())))
    if json:
        base.print_json(rows)
    else:
        for row in rows:
            _say(row)
            if show:
                draw(seen[Path(row["image"])])
    if len(seen) < len(set(images)):
        raise typer.Exit(ExitCode.DATA)


def _read(paths: list[Path]) -> dict[Path, NDArray[np.uint8]]:
    """The digits of those files that have one; of the others, a line each on stderr."""
    from mnistladder import photos

    seen = {}
    for path in dict.fromkeys(paths):
        try:
            seen[path] = photos.read(path)
        except DataError as error:
            base.complain(_one_line(str(error)))
    return seen


def _probabilities(
    record: Record, runs: Path, seen: list[NDArray[np.uint8]]
) -> NDArray[np.float64]:
    """What the result's networks say of digits, N x 10. Raises CorruptError."""
    if not seen:
        return np.empty((0, 10))
    import torch

    from mnistladder import ensemble
    from mnistladder.predict import BATCH

    networks = ensemble.load(record, Members(runs), torch.device("cpu"))
    digits = torch.from_numpy(np.array(seen))[:, None]
    with torch.inference_mode():
        return torch.cat([networks(part.float()) for part in digits.split(BATCH)]).numpy()


def _rows(
    seen: dict[Path, NDArray[np.uint8]], probabilities: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """For each image its digit, and the three most probable ones."""
    rows = []
    for path, each in zip(seen, probabilities, strict=True):
        best = np.argsort(-each, kind="stable")[:TOP]
        top = [{"digit": int(digit), "probability": float(each[digit])} for digit in best]
        rows.append({"image": str(path), **top[0], "top": top})
    return rows


def _say(row: dict[str, Any]) -> None:
    others = "  ".join(f"{one['digit']} {percent(one['probability'])}" for one in row["top"][1:])
    base.say(
        f"{_one_line(row['image'])}: {row['digit']}  {percent(row['probability'])}  (then {others})"
    )


def _one_line(text: str) -> str:
    """The text, whose file names may have line ends, safe for a terminal."""
    return base.printable(text.replace("\n", "\N{REPLACEMENT CHARACTER}"))


def draw(pixels: NDArray[np.uint8]) -> None:
    """The digit on stdout: in shades of grey on a terminal that has them, else in letters."""
    console = base.output()
    if console.is_terminal and console.color_system and not console.no_color:
        for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
            line = Text()
            for top, bottom in zip(upper.tolist(), lower.tolist(), strict=True):
                line.append("▀", f"rgb({top},{top},{top}) on rgb({bottom},{bottom},{bottom})")
            console.print(line)
        return
    for row in pixels[::2].astype(int) + pixels[1::2]:  # a letter is twice as high as wide
        base.say("".join(SHADES[value * len(SHADES) // 511] for value in row).rstrip())


def _side_by_side(seen: list[NDArray[np.uint8]]) -> bytes:
    """A PNG of what the network saw, each pixel four wide."""
    from PIL import Image

    row = np.kron(np.concatenate(seen, axis=1), np.ones((4, 4), np.uint8))
    buffer = io.BytesIO()
    Image.fromarray(row).save(buffer, "PNG")
    return buffer.getvalue()
