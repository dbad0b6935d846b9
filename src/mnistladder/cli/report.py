"""`report`: what all results say, as a table, as curves, as a chart, as a page."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from mnistladder.cli import base, sources
from mnistladder.cli.base import app
from mnistladder.cli.board_table import say_board
from mnistladder.data.holdout import words
from mnistladder.errors import CorruptError, DataError, ExitCode, UsageError
from mnistladder.report import curves, formats, notes, tables
from mnistladder.report.groups import group
from mnistladder.report.summary import Row, make_rows
from mnistladder.runs import leaderboard, results
from mnistladder.runs.records import BoardRow, ResultRecord

Format = Annotated[formats.Format, typer.Option("--format", help="How to print the table.")]
Wide = Annotated[bool, typer.Option("--wide", help="Every column and note; for a wide terminal.")]
Sort = Annotated[tables.Sort, typer.Option("--sort", help="Order of the rows.")]
Rungs = Annotated[
    str | None,
    typer.Option(
        "--rungs", metavar="RUNGS", help="Only these: numbers, names or files, as in 1-4,9."
    ),
]
Board = Annotated[
    Path | None, typer.Option("--board", metavar="FILE", help="A leaderboard file from elsewhere.")
]
Curves = Annotated[
    bool, typer.Option("--curves", help="Print the epochs beside the article's log instead.")
]
ChartKind = Literal["ladder", "steps"]
Chart = Annotated[
    ChartKind,
    typer.Option("--chart", help="What --figure draws: errors of the rungs, or what a step gains."),
]
Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write a page with everything to this file."),
]
Check = Annotated[
    bool,
    typer.Option(
        "--check",
        help="Exit 1 if a rung is outside its config's `expect`. This finds later changes, never a "
        "wrong first measurement.",
    ),
]
TAKES = {  # by the option that chooses what is made: what may go with it
    "html": {"rungs", "runs_dir", "holdout", "force"},
    "curves_": {"rungs", "runs_dir", "holdout", "json"},
}


@app.command(epilog="Examples: mnistladder report    mnistladder report --format csv --sort time")
def report(
    context: typer.Context,
    format_: Format = "table",
    wide: Wide = False,
    sort: Sort = "rung",
    rungs: Rungs = None,
    board: Board = None,
    curves_: Curves = False,
    figure: base.FigureFile = None,
    chart: Chart = "ladder",
    html: Html = None,
    force: base.Force = False,
    check: Check = False,
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Print the accuracy table: each rung's mean over its seeds beside the rung before.

    With --html it writes a page instead, with --curves it prints the epochs.
    """
    if board is not None and not board.is_file():
        raise UsageError(f"{board}: no such leaderboard")
    _check_options(context)
    stored, is_whole = (leaderboard.load_board(board), True) if board else _records(runs_dir)
    records = results.on_holdout(stored, holdout)
    wanted = _chosen(records, rungs)
    if html:
        _write_page(records, wanted, runs_dir, html, force)
    elif curves_:
        _print_curves([record for record in records if record.rung in wanted], json)
    else:
        rows = [row for row in tables.sort_rows(make_rows(records), sort) if row.name in wanted]
        if figure:
            _draw(rows, chart, figure, force)
        path = board or runs_dir / leaderboard.BOARD
        _print_rows(rows, "json" if json else format_, wide, path)
        if check:
            _check(rows)
    if not is_whole:
        raise typer.Exit(ExitCode.CORRUPT)


def _check_options(context: typer.Context) -> None:
    """Raises UsageError if an option was given that what is made does not take."""
    given = {
        option.name: option.opts[0]
        for option in context.command.params
        if context.params.get(option.name or "") != option.get_default(context)
    }
    for name, taken in TAKES.items():
        others = [text for other, text in given.items() if other not in {name, *taken}]
        if name in given and others:
            raise UsageError(f"{given[name]}: does not go with {', '.join(others)}")


def _print_rows(rows: list[Row], kind: formats.Format, wide: bool, path: Path) -> None:
    if kind == "json":
        base.say(formats.to_json(rows), end="")
    elif kind == "csv":
        base.say(formats.to_csv(rows), end="")
    elif not rows:
        base.complain(f"no results in {path} yet; get one: mnistladder run model02_normalized")
    elif kind == "markdown":
        base.say(formats.markdown(rows), end="")
    else:
        say_board(rows, wide)
        base.say("")
        base.say_prose("\n".join(notes.notes(rows) if wide else notes.short_notes(rows)))
        if (
            marked := [] if wide else notes.confounded(rows)
        ):  # they are among the notes of a wide one
            base.say("")
            base.say_prose("\n".join(marked))
        for line in ["", *bars] if wide and (bars := notes.histograms(rows)) else []:
            base.say(line)


def _draw(rows: list[Row], chart: ChartKind, path: Path, force: bool) -> None:
    """The rungs' errors or their steps as a chart; variants are left to the tables."""
    from mnistladder.report import charts, steps_chart, style

    style.check(path, force)
    if not (rungs := [row for row in rows if not row.variant_of]):
        raise UsageError(f"{path}: no results of rungs yet to draw")
    if chart == "ladder":
        style.save(charts.ladder(rungs), path, force)
    elif bars := steps_chart.step_bars(rows):
        style.save(steps_chart.steps(bars), path, force)
    else:
        raise UsageError(f"{path}: no step to draw; it needs the records of two rungs")


def _write_page(
    listed: Sequence[BoardRow], rungs: set[str], runs_dir: Path, path: Path, force: bool
) -> None:
    """A page of these rungs, with the predictions that are stored of each one's first seed."""
    from mnistladder import outputs
    from mnistladder.report import page
    from mnistladder.runs import predictions

    if path.suffix.lower() != ".html":
        raise UsageError(f"{path}: a page's file ends with .html")
    outputs.check(path, force)
    records = [record for record in listed if isinstance(record, ResultRecord)]
    if len(records) < len(listed) or not records:
        raise UsageError(f"{runs_dir}: no results there; --html needs the records, not the board")
    stored = {}
    for results_of_row in group(record for record in records if record.rung in rungs).values():
        for record in results_of_row:
            try:
                source = sources.source_of(record, None)
                stored[record.result_id] = predictions.load(record, runs_dir, source)
                break
            except (UsageError, DataError):  # not stored here; the page says so
                continue
    outputs.write(path, page.render(records, stored, rungs).encode(), force)
    base.say(str(path))


def _records(runs_dir: Path) -> tuple[Sequence[BoardRow], bool]:
    """The records that are whole, or what the leaderboard has where there are no records.

    And whether nothing was damaged; what was is named on stderr.
    """
    records, damaged = results.stored_results(runs_dir, base.complain)
    try:
        board = leaderboard.load_board(runs_dir / leaderboard.BOARD)
    except CorruptError as error:
        base.complain(f"{error}; it can be made again: mnistladder leaderboard --rebuild")
        return records, False
    return (records, False) if damaged else (records or board, True)


def _check(rows: list[Row]) -> None:
    """Complains of every rung whose mean is not where its config expects it; then exits 1."""
    from mnistladder.config.loading import load_rung, shipped_names, variant_names

    shipped = {*shipped_names(), *variant_names()}
    outside = 0
    for row in rows:
        expect = load_rung(row.rung).config.expect if row.rung in shipped else None
        if expect and not expect.errors[0] <= row.errors_mean <= expect.errors[1]:
            low, high = expect.errors
            errors = f"{row.errors_mean:.1f} errors"
            base.complain(f"{row.rung}: {errors}, expected {low:.0f} to {high:.0f}")
            outside += 1
    if outside:
        raise typer.Exit(ExitCode.FAILED)


def _print_curves(records: list[BoardRow], json: bool) -> None:
    curve_tables = curves.beside_published(records)
    if json:
        base.print_json([curves.as_json(table) for table in curve_tables])
        return
    for table in curve_tables:
        base.say(f"{' '.join([table.rung, *words(table.holdout)])}: {table.title}")
        cells = [[text(epoch) for text in CURVE_CELLS] for epoch in table.epochs]
        headings = list(curves.EPOCH_HEADINGS.values())
        base.print_table(headings, cells, set(headings))
        if table.distance is not None:
            base.say(f"distance of the loss from the published log: {table.distance:.3f}")
        base.say("")
    base.say_prose(curves.ABOUT)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


CURVE_CELLS: tuple[Callable[[curves.CurveEpoch], str], ...] = (  # under EPOCH_HEADINGS
    lambda epoch: str(epoch.epoch),
    lambda epoch: _number(epoch.loss, 4),
    lambda epoch: _number(epoch.published_loss, 4),
    lambda epoch: _number(epoch.test_accuracy, 2),
    lambda epoch: _number(epoch.published_accuracy, 2),
)


def _chosen(board: Sequence[BoardRow], rungs: str | None) -> set[str]:
    """The rungs to show: those named, or all there are. Steps are computed over all of them."""
    present = {record.rung for record in board}
    if rungs is None:
        return present
    from mnistladder.config.loading import is_path, rung_names

    parts = [part for part in rungs.replace(",", " ").split() if part]
    wanted = rung_names([Path(part).stem if is_path(part) else part for part in parts])
    if unknown := [name for name in wanted if name not in present]:
        known = ", ".join(sorted(present)) or "nothing yet"
        raise UsageError(f"--rungs: no results of {', '.join(unknown)}; there are {known}")
    return set(wanted)
