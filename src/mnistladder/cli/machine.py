"""Commands about this machine: `data` and `doctor`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.data.appearance import Orientation, Polarity
from mnistladder.data.datasets import Dataset
from mnistladder.data.labels import MEANINGS, LabelMeaning
from mnistladder.errors import DataError, ExitCode, UsageError, printable

ORIENTATIONS = {
    Orientation.UPRIGHT: "upright, as MNIST's digits",
    Orientation.TRANSPOSED: "looks transposed: rows are columns, as in EMNIST's files; "
    "`mnistladder import-data FOLDER --to NEW --transpose` turns the images",
}


ImportFolder = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="Pictures in folders 0 to 9, or in those of train and test; or other IDX files.",
        show_default=False,
    ),
]
ImportTo = Annotated[
    Path, typer.Option("--to", metavar="NEW", help="The new folder; it may exist if empty.")
]
Resize = Annotated[
    bool, typer.Option("--resize", help="Scale images of other sizes to 28 x 28 pixels.")
]
TestShare = Annotated[
    float | None,
    typer.Option(
        "--test-share",
        min=0.01,
        max=0.99,
        help="Part of each class for the test, if there are no folders train and test. "
        "[default: 0.2]",
        show_default=False,
    ),
]
Labels = Annotated[
    LabelMeaning,
    typer.Option("--labels", help="Each label is one too high, or 10 means the digit 0."),
]
Transpose = Annotated[
    bool, typer.Option("--transpose", help="Make rows columns: EMNIST's files need it.")
]
ImportPolarity = Annotated[
    Polarity | None,
    typer.Option(
        "--polarity",
        help="What the images have; else as their borders show. Dark ink is made bright.",
    ),
]


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
    force: base.Force = False,
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
        rows = [_describe_folder(data_dir)]
    else:
        rows = [_describe_named(known) for known in ([name.value] if name else NAMES)]
    if figure:
        _draw(
            datasets.find(name.value if name else "mnist", data_dir).load(), config, figure, force
        )
    if json:
        base.print_json(rows)
    else:
        for row in rows:
            _say_data(row)
    if (name or data_dir) and not rows[0]["present"]:
        raise typer.Exit(ExitCode.DATA)


@app.command(
    name="import-data",
    epilog="Examples: mnistladder import-data scans --to mine --resize    "
    "mnistladder import-data letters --to mine --labels minus-one",
)
def import_data(
    folder: ImportFolder,
    to: ImportTo,
    resize: Resize = False,
    test_share: TestShare = None,
    labels: Labels = LabelMeaning.AS_IS,
    transpose: Transpose = False,
    polarity: ImportPolarity = None,
    json: base.AsJson = False,
) -> None:
    """Write pictures in folders, or IDX files of other sizes or labels, as files like MNIST's."""
    from mnistladder.data import import_images

    _check_new(to)
    wishes = import_images.Wishes(resize, test_share, labels, transpose, polarity)
    imported = import_images.import_images(folder, wishes)
    import_images.store(imported, to)
    row = _describe_folder(to)
    if json:
        base.print_json([{**row, "notes": imported.notes}])
        return
    for note in imported.notes:
        base.say(printable(note))
    _say_data(row)
    base.say(f"To train on it: mnistladder run model05_conv --data-dir {to}")


def _check_new(folder: Path) -> None:
    """Raises UsageError if the folder has anything in it, or is none."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--to {folder}: not a folder; name a new one")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"--to {folder}: not empty; name a new folder")


def _draw(dataset: Dataset, config: str, path: Path, force: bool) -> None:
    """Draws digits as a config changes them, class counts and mean image. Raises UsageError."""
    from mnistladder.config import loading
    from mnistladder.report import style

    style.check(path, force)
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
    style.save(drawn, path, force)


def _describe_named(name: str) -> dict[str, Any]:
    from mnistladder.data import datasets

    try:
        return {**_describe(datasets.find(name).load()), "labels": MEANINGS[name]}
    except DataError as error:
        return {"name": name, "present": False, "problem": str(error)}


def _describe_folder(folder: Path) -> dict[str, Any]:
    """What is in a folder, and which files it was read from. Raises DataError."""
    from mnistladder.data import datasets, folders

    row = _describe(datasets.find("", folder).load())
    paths = [path for files in folders.locate(folder) for path in files]
    return {**row, "files": {str(path): folders.packing(path) for path in paths}}


def _describe(dataset: Dataset) -> dict[str, Any]:
    from mnistladder.data.appearance import see_orientation, see_polarity

    mean, std = dataset.pixel_statistics()
    return {
        "name": dataset.name,
        "present": True,
        "sha256": dataset.sha256,
        "pixel_mean": mean,
        "pixel_std": std,
        "polarity": see_polarity(dataset.train.images),
        "orientation": see_orientation(dataset.train),
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
    polarity = row["polarity"]
    base.say(f"  polarity: {polarity.words if polarity else 'differs, or is not clear'}")
    if row["orientation"]:
        base.say(f"  orientation: {ORIENTATIONS[row['orientation']]}")
    base.say(f"  labels: {row.get('labels', '0 to 9; a folder does not say what they mean')}")
    for split in ("train", "test"):
        counts = " ".join(map(str, row[split]["class_counts"]))
        base.say(f"  {split}: {row[split]['images']:,} images; with the labels 0 to 9: {counts}")
    for path, packing in row.get("files", {}).items():
        base.say(printable(f"  {path} ({packing})"))


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
