"""Commands about this machine: `data` and `doctor`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.data.datasets import Dataset
from mnistladder.errors import DataError, ExitCode, UsageError


@app.command(epilog="Examples: mnistladder data    mnistladder data fashion_mnist --download")
def data(
    name: Annotated[base.DataName | None, typer.Argument(help="Show this data set only.")] = None,
    data_dir: base.DataDir = None,
    download: Annotated[
        bool, typer.Option("--download", help="Download the named data set into the user's cache.")
    ] = False,
    figure: base.FigureFile = None,
    config: Annotated[
        str,
        typer.Option(
            "--config",
            help="For --figure: the rung whose augmentation and normalisation are shown.",
        ),
    ] = "model10_augmentation",
    json: base.AsJson = False,
) -> None:
    """Show data sets on this machine, their hashes and class counts, or download one by name."""
    from mnistladder.data import datasets
    from mnistladder.data.download import DOWNLOADS, NAMES, fetch

    if download:
        if name is None or name.value not in DOWNLOADS:
            raise UsageError(f"--download: name one of {', '.join(DOWNLOADS)}")
        fetch(name.value)
    if data_dir is not None:
        rows = [_describe(datasets.find("", data_dir).load())]
    else:
        rows = [_describe_named(known) for known in ([name.value] if name else NAMES)]
    if figure:
        _draw(datasets.find(name.value if name else "mnist", data_dir).load(), config, figure)
    if json:
        base.print_json(rows)
    else:
        for row in rows:
            _say_data(row)
    if (name or data_dir) and not rows[0]["present"]:
        raise typer.Exit(ExitCode.DATA)


def _draw(dataset: Dataset, config: str, path: Path) -> None:
    """Draws digits as a config changes them, class counts and mean image. Raises UsageError."""
    from mnistladder.config import loading
    from mnistladder.report import style

    style.check_format(path)
    rung = loading.load_rung(config)
    from mnistladder.engine import preview
    from mnistladder.report import digit_sheets

    counts = {
        split: dataset.class_counts(part)
        for split, part in (("train", dataset.train), ("test", dataset.test))
    }
    samples = preview.samples(rung.config, dataset.train, dataset.pixel_statistics())
    drawn = digit_sheets.data_figure(
        samples, counts, dataset.train.images.mean(0), f"{dataset.name} as {rung.label} sees it"
    )
    style.save(drawn, path)


def _describe_named(name: str) -> dict[str, Any]:
    from mnistladder.data import datasets

    try:
        return _describe(datasets.find(name).load())
    except DataError as error:
        return {"name": name, "present": False, "problem": str(error)}


def _describe(dataset: Dataset) -> dict[str, Any]:
    mean, std = dataset.pixel_statistics()
    return {
        "name": dataset.name,
        "present": True,
        "sha256": dataset.sha256,
        "pixel_mean": mean,
        "pixel_std": std,
        **{
            split: {"images": len(part.labels), "class_counts": dataset.class_counts(part)}
            for split, part in (("train", dataset.train), ("test", dataset.test))
        },
    }


def _say_data(row: dict[str, Any]) -> None:
    if not row["present"]:
        base.say(row["problem"])
        return
    base.say(f"{row['name']}: arrays SHA-256 {row['sha256']}")
    base.say(f"  pixels: mean {row['pixel_mean']:.5f}, standard deviation {row['pixel_std']:.5f}")
    for split in ("train", "test"):
        counts = " ".join(map(str, row[split]["class_counts"]))
        base.say(f"  {split}: {row[split]['images']:,} images; digits 0 to 9: {counts}")


@app.command(name="doctor", epilog="Example: mnistladder doctor")
def doctor_(
    data_dir: base.DataDir = None, runs_dir: base.RunsDir = base.RUNS, json: base.AsJson = False
) -> None:
    """Check this installation: versions, devices, data, write access."""
    from mnistladder.cli import doctor

    found = doctor.examine(runs_dir, data_dir)
    if json:
        base.print_json(found.plain())
    else:
        doctor.say(found)
    if found.problems:
        raise typer.Exit(ExitCode.FAILED)
