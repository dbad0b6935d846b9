"""`gallery` and `errors`: what a result's networks get right and wrong, to look at."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.errors import UsageError
from mnistladder.report.gallery import Picture, percent
from mnistladder.runs import results
from mnistladder.sealed import Record


@app.command(epilog="Example: mnistladder gallery model09_dropout --dir pictures")
def gallery(
    result: base.ResultReference,
    seed: base.ResultSeed = 0,
    picks: Annotated[int, typer.Option(min=0, max=2**31, help="Seed of the random picks.")] = 0,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Where to write. [default: RUNG-seed-N-gallery]")
    ] = None,
    data_dir: base.DataDir = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Write the article's four views of a result: right and wrong, at random and most sure."""
    from mnistladder.report import digit_sheets, gallery, style
    from mnistladder.runs import predictions

    record = results.named(runs_dir, result, seed)
    found = predictions.load(record, runs_dir, base.source_of(record, data_dir))
    folder = folder or Path(f"{record['rung']}-seed-{record['seed']}-gallery")
    views = gallery.views(found, picks)
    paths = [folder / f"{view.name}.png" for view in views]
    for path, view in zip(paths, views, strict=True):
        title = f"{base.result_name(record)}. {view.title}"
        style.save(digit_sheets.sheet(view.pictures, title), path)
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


def _about(picture: Picture) -> dict[str, Any]:
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
        typer.Option("--vs", help="Another result: only what it gets right, and the reverse."),
    ] = None,
    seed: base.ResultSeed = 0,
    figure: base.FigureFile = None,
    data_dir: base.DataDir = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """List the test images a result gets wrong, and which rung first gets each one right."""
    from mnistladder.report import gallery
    from mnistladder.runs import predictions

    record = results.named(runs_dir, result, seed)
    other = results.named(runs_dir, versus, seed) if versus else None
    found = predictions.load(record, runs_dir, base.source_of(record, data_dir))
    pictures = gallery.every_error(found)
    if other:
        _check_comparable(record, other)
        pictures = tuple(p for p in pictures if p.id not in other["wrong_images"])
    about = _about_errors(record, pictures, results.all_results(runs_dir))
    about["confusion"] = found.confusion.tolist()
    about["versus"] = _versus(record, other) if other else None
    if figure:
        _save_sheet(pictures, record, other, figure)
    if json:
        base.print_json(about)
    else:
        _say_errors(about, record)


def _check_comparable(record: Record, other: Record) -> None:
    for key in ("data", "scored"):
        if record[key] != other[key]:
            raise UsageError(
                f"--vs {base.result_name(other)}: was not measured on the same test images"
            )


def _about_errors(
    record: Record, pictures: Sequence[Picture], board: Iterable[Record]
) -> dict[str, Any]:
    """Each error with the rung that first gets it right, and what no rung does."""
    from mnistladder.report import difficulty

    whole = difficulty.measure(board, record["data"]["sha256"])
    return {
        "result_id": record["result_id"],
        "rung": record["rung"],
        "overrides": record["overrides"],
        "seed": record["seed"],
        "errors": [
            {**_about(picture), "first_right": whole.first_right(picture.id)}
            for picture in pictures
        ],
        "rungs": list(whole.rungs),
        "never_right": whole.never_right,
    }


def _versus(record: Record, other: Record) -> dict[str, Any]:
    """How the wrong images of two results lie to each other."""
    ours, theirs = set(record["wrong_images"]), set(other["wrong_images"])
    return {
        "result_id": other["result_id"],
        "rung": other["rung"],
        "overrides": other["overrides"],
        "seed": other["seed"],
        "wrong_in_both": sorted(ours & theirs),
        "wrong_there_only": sorted(theirs - ours),
    }


def _save_sheet(
    pictures: Sequence[Picture], record: Record, other: Record | None, path: Path
) -> None:
    from mnistladder.report import digit_sheets, style

    than = f", right by {base.result_name(other)}" if other else ""
    title = f"{base.result_name(record)}: {len(pictures):,} wrong{than}"
    style.save(digit_sheets.sheet(pictures, title), path)


def _say_errors(about: dict[str, Any], record: Record) -> None:
    base.say(
        f"{base.result_name(record)}: {record['errors']:,} errors of {record['test_images']:,}"
    )
    if versus := about["versus"]:
        base.say_prose(
            f"{base.result_name(versus)} gets {len(about['errors']):,} of them right (below); "
            f"{len(versus['wrong_in_both']):,} are wrong in both, and "
            f"{len(versus['wrong_there_only']):,} there only."
        )
    base.say("")
    rows = [
        [
            f"{row['image']}{'?' if row['contested'] else ''}",
            str(row["label"]),
            str(row["predicted"]),
            percent(row["probability"]),
            row["first_right"] or "none",
        ]
        for row in about["errors"]
    ]
    headings = ["test image", "label", "said", "probability", "first right (most seeds)"]
    base.print_table(headings, rows, set(headings[:4]))
    if any(row["contested"] for row in about["errors"]):
        base.say("?: people contest this label.")
    _say_never(about)
    base.say("\nDigits shown (rows) and said (columns):")
    cells = [[str(digit), *map(str, row)] for digit, row in enumerate(about["confusion"])]
    base.print_table(["", *map(str, range(10))], cells, set(map(str, range(10))))


def _say_never(about: dict[str, Any]) -> None:
    never = " ".join(map(str, about["never_right"])) or "none"
    if not (rungs := len(about["rungs"])):
        return
    base.say("")
    base.say_prose(
        f"None of {rungs} rungs gets these test images right in most of its seeds: {never}"
    )
