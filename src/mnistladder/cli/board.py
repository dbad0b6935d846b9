"""`leaderboard` and `compare`: results one by one, and two rungs beside each other."""

from pathlib import Path
from typing import Annotated

import typer

from mnistladder.api import comparing, naming
from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.errors import ExitCode, UsageError
from mnistladder.report import pair
from mnistladder.report.data_names import clashing
from mnistladder.report.summary import label
from mnistladder.runs import leaderboard, results
from mnistladder.runs.records import BoardRow

SetOfSecond = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a value of the second, such as batch_size=64."
    ),
]


@app.command("leaderboard", epilog="Example: mnistladder leaderboard --json")
def show_leaderboard(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Derive it anew from the result records.")
    ] = False,
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Show the leaderboard's results one by one, or rebuild it from the records."""
    if rebuild:
        if not (runs_dir / "results").is_dir():
            raise UsageError(f"{runs_dir}: no results there to build a leaderboard from")
        if aside := leaderboard.rebuild_board(runs_dir).aside:
            base.complain(f"the old leaderboard was damaged; set aside as {aside}")
    board = leaderboard.load_board(runs_dir / leaderboard.BOARD)
    _print_board(results.on_holdout(board, holdout), runs_dir, json)
    if not _is_whole(board, runs_dir):
        raise typer.Exit(ExitCode.CORRUPT)


def _is_whole(board: list[BoardRow], runs_dir: Path) -> bool:
    """Whether all records are whole, and all that is listed is there. Complains if not."""
    if not (runs_dir / "results").is_dir():  # a board from elsewhere
        return True
    records, damaged = results.stored_results(runs_dir, base.complain)
    listed, stored = leaderboard.identities(board), leaderboard.identities(records)
    gone, lacking = listed - stored, stored - listed
    if gone or lacking:
        rebuild = f"mnistladder leaderboard --rebuild --runs-dir {runs_dir}"
        base.complain(
            f"{runs_dir / leaderboard.BOARD}: {len(gone)} of its results have no whole record, and "
            f"it lacks {len(lacking)}; what mends it: {rebuild}"
        )
    return not gone and not damaged  # a run that goes on may just have added one


def _print_board(board: list[BoardRow], runs_dir: Path, json: bool) -> None:
    if json:
        base.print_json([row.plain() for row in board])
        return
    clashes = clashing(board)
    headings = ["rung", "seed", "errors", "accuracy %", "device", "ended", "result"]
    rows = [
        [
            label(row, clashes),
            str(row.seed),
            str(row.errors),
            f"{row.accuracy:.2f}",
            row.device,
            row.ended[:16].replace("T", " "),
            row.result_id,
        ]
        for row in board
    ]
    if rows:
        drops = ["ended", "device", "accuracy %"]
        base.print_table(headings, rows, {"seed", "errors", "accuracy %"}, drops)
    else:
        base.complain(f"no results in {runs_dir} yet; get one: mnistladder run model02_normalized")


@app.command(epilog="Example: mnistladder compare model05_conv model05_conv --set batch_size=64")
def compare(
    before: Annotated[
        str, typer.Argument(metavar="OTHER", help="The other: a number, name, file or result's id.")
    ],
    after: Annotated[
        str, typer.Argument(metavar="OURS", help="Ours: the difference is ours minus the other.")
    ],
    overrides: SetOfSecond = None,
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Say whether two rungs really differ: by the same test images, over all stored seeds.

    A result's id means this result alone, with its one seed.
    """
    known = results.stored_results(runs_dir, base.complain).records
    candidates = (
        naming.group_of(before, runs_dir, holdout=holdout),
        naming.group_of(after, runs_dir, overrides, holdout=holdout),
    )
    compared = comparing.compared(f"compare {before} {after}", *candidates, known)
    found, count, measured = compared.pair, compared.holdout, compared.data
    if json:
        base.print_json({**found.plain(), "data": measured, "holdout": count})
        return
    base.say_prose(pair.text(found))
    if measured != "mnist":
        base.say(f"Measured on {measured}, not on MNIST.")
    if count:
        base.say(f"Measured on a holdout of {count:,} training images, not on the test images.")
