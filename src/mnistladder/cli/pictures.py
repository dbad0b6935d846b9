"""`gallery` and `errors`: what a result's networks get right and wrong, to look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mnistladder.api import locating
from mnistladder.cli import base, sources
from mnistladder.cli.base import app
from mnistladder.errors import UsageError
from mnistladder.report.gallery import Picture, percent
from mnistladder.runs import results
from mnistladder.runs.records import ResultRecord

if TYPE_CHECKING:
    from mnistladder.report.difficulty import Difficulty

GalleryFolder = Annotated[
    Path | None,
    typer.Option("--dir", metavar="FOLDER", help="Where to write. [default: RUNG-seed-N-gallery]"),
]


@app.command(epilog="Example: mnistladder gallery model09_dropout --dir pictures")
def gallery(
    result: base.ResultReference,
    seed: base.ResultSeed = 0,
    overrides: base.ResultOverrides = None,
    picks: Annotated[int, typer.Option(min=0, max=2**31, help="Seed of the random picks.")] = 0,
    folder: GalleryFolder = None,
    force: base.Force = False,
    data_dir: base.DataDir = None,
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Write the article's four views of a result: right and wrong, at random and most sure."""
    from mnistladder.report import digit_sheets, gallery, style
    from mnistladder.runs import predictions

    record, runs = locating.locate(
        result, runs_dir, seed, overrides, holdout=holdout, tell=base.complain
    )
    found = predictions.load(record, runs, sources.source_of(record, data_dir))
    held_out = f"-holdout-{record.data.holdout}" if record.data.holdout else ""
    folder = folder or Path(f"{record.rung}{held_out}-seed-{record.seed}-gallery")
    views = gallery.views(found, picks)
    paths = [folder / f"{view.name}.png" for view in views]
    for path in paths:
        style.check(path, force)
    for path, view in zip(paths, views, strict=True):
        title = f"{record.label}. {view.title}"
        style.save(digit_sheets.sheet(view.pictures, title), path, force)
    if json:
        base.print_json(
            [
                {
                    "view": view.name,
                    "title": view.title,
                    "file": str(path),
                    "pictures": [_about(picture) for picture in view.pictures],
                }
                for path, view in zip(paths, views, strict=True)
            ]
        )
    else:
        for path, view in zip(paths, views, strict=True):
            base.say(f"{path}: {view.title}, {len(view.pictures)} digits")


def _about(picture: Picture) -> dict[str, object]:
    return {
        "image": picture.id,
        "label": picture.label,
        "predicted": picture.predicted,
        "probability": picture.probability,
        "contested": picture.contested,
    }


@app.command(
    epilog="Example: mnistladder errors model12_averaging --vs model09_dropout --figure errors.png"
)
def errors(
    result: base.ResultReference,
    versus: Annotated[
        str | None,
        typer.Option(
            "--vs",
            metavar="RESULT",
            help="Another result: only what it gets right, and the reverse.",
        ),
    ] = None,
    seed: base.ResultSeed = 0,
    overrides: base.ResultOverrides = None,
    figure: base.FigureFile = None,
    force: base.Force = False,
    data_dir: base.DataDir = None,
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """List the test images a result gets wrong, and which rung first gets each one right."""
    from mnistladder.report import difficulty, gallery
    from mnistladder.runs import predictions

    record, runs = locating.locate(
        result, runs_dir, seed, overrides, holdout=holdout, tell=base.complain
    )
    other = (
        locating.locate(versus, runs_dir, seed, holdout=record.data.holdout).record
        if versus
        else None
    )
    said = predictions.load(record, runs, sources.source_of(record, data_dir))
    pictures = gallery.every_error(said)
    if other:
        _check_comparable(record, other)
        pictures = tuple(p for p in pictures if p.id not in other.wrong_images)
    ladder = difficulty.measure(results.stored_results(runs).records, record.data.sha256)
    errors = Errors(record, pictures, ladder, said.confusion.tolist(), other)
    if figure:
        _save_sheet(errors, figure, force)
    if json:
        base.print_json(_errors_json(errors))
    else:
        _say_errors(errors)


@dataclass(frozen=True)
class Errors:
    """The test images that a result gets wrong; with another result, those that it gets right."""

    record: ResultRecord
    pictures: tuple[Picture, ...]
    ladder: "Difficulty"
    confusion: list[list[int]]  # 10 x 10: rows are the digits shown, columns the digits said
    other: ResultRecord | None

    @property
    def wrong_in_both(self) -> list[int]:
        theirs = self.other.wrong_images if self.other else ()
        return sorted(set(self.record.wrong_images) & set(theirs))

    @property
    def wrong_there_only(self) -> list[int]:
        theirs = self.other.wrong_images if self.other else ()
        return sorted(set(theirs) - set(self.record.wrong_images))


def _check_comparable(record: ResultRecord, other: ResultRecord) -> None:
    if (record.data, record.span) != (other.data, other.span):
        raise UsageError(f"--vs {other.label}: was not measured on the same test images")


def _errors_json(errors: Errors) -> dict[str, object]:
    """Each error with the rung that first gets it right, and what no rung does."""
    return {
        **_which(errors.record),
        "errors": [
            {**_about(picture), "first_right": errors.ladder.first_right(picture.id)}
            for picture in errors.pictures
        ],
        "rungs": list(errors.ladder.rungs),
        "never_right": errors.ladder.never_right,
        "confusion": errors.confusion,
        "versus": {
            **_which(errors.other),
            "wrong_in_both": errors.wrong_in_both,
            "wrong_there_only": errors.wrong_there_only,
        }
        if errors.other
        else None,
    }


def _which(record: ResultRecord) -> dict[str, object]:
    return {
        "result_id": record.result_id,
        "rung": record.rung,
        "overrides": list(record.overrides),
        "seed": record.seed,
    }


def _save_sheet(errors: Errors, path: Path, force: bool) -> None:
    from mnistladder.report import digit_sheets, style

    than = f", right by {errors.other.label}" if errors.other else ""
    title = f"{errors.record.label}: {len(errors.pictures):,} wrong{than}"
    style.save(digit_sheets.sheet(errors.pictures, title), path, force)


def _say_errors(errors: Errors) -> None:
    record, pictures = errors.record, errors.pictures
    base.say(f"{record.label}: {record.errors:,} errors of {record.test_images:,}")
    if errors.other:
        base.say_prose(
            f"{errors.other.label} gets {len(pictures):,} of them right (below); "
            f"{len(errors.wrong_in_both):,} are wrong in both, and "
            f"{len(errors.wrong_there_only):,} there only."
        )
    base.say("")
    rows = [
        [
            f"{picture.id}{'?' if picture.contested else ''}",
            str(picture.label),
            str(picture.predicted),
            percent(picture.probability),
            errors.ladder.first_right(picture.id) or "none",
        ]
        for picture in pictures
    ]
    headings = ["test image", "label", "said", "probability", "first right (most seeds)"]
    base.print_table(headings, rows, set(headings[:4]))
    if any(picture.contested for picture in pictures):
        base.say("?: people contest this label.")
    _say_never(errors.ladder)
    base.say("\nDigits shown (rows) and said (columns):")
    cells = [[str(digit), *map(str, row)] for digit, row in enumerate(errors.confusion)]
    base.print_table(["", *map(str, range(10))], cells, set(map(str, range(10))))


def _say_never(ladder: "Difficulty") -> None:
    never = " ".join(map(str, ladder.never_right)) or "none"
    if not (rungs := len(ladder.rungs)):
        return
    base.say("")
    base.say_prose(
        f"None of {rungs} rungs gets these test images right in most of its seeds: {never}"
    )
