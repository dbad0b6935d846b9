"""`leaderboard` and `compare`: results one by one, and two rungs beside each other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from mnistladder.cli import base, naming
from mnistladder.cli.base import app
from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.errors import ExitCode, UsageError
from mnistladder.report import pair
from mnistladder.report.data_names import clashing
from mnistladder.report.groups import Identity, group, identity, newest
from mnistladder.report.steps import p_after_holm, wrong_masks
from mnistladder.report.summary import label
from mnistladder.runs import leaderboard, results
from mnistladder.runs.records import BoardRow, ResultRecord

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
    what = f"compare {before} {after}"
    known = group(results.stored_results(runs_dir, base.complain).records)
    candidates = [
        naming.group_of(before, runs_dir, holdout=holdout, tell=naming.quietly),
        naming.group_of(after, runs_dir, overrides, holdout=holdout, tell=naming.quietly),
    ]
    keys = _comparable(what, *candidates)
    groups = [candidate[key] for candidate, key in zip(candidates, keys, strict=True)]
    if groups[0] == groups[1]:
        raise UsageError(f"{what}: both are the same; name two different ones")
    first, second = wrong_masks(*groups)
    if not first or not second:
        raise UsageError(f"{what}: no test image is scored by both")
    are_whole = groups == [known.get(key) for key in keys]
    p_holm = p_after_holm(known, *keys) if are_whole else None
    names = _label(groups[0], known), _label(groups[1], known)
    found = pair.make_pair(names, (first, second), p_holm)
    count = groups[0][0].data.holdout
    if json:
        base.print_json({**found.plain(), "holdout": count})
        return
    base.say_prose(pair.text(found))
    if count:
        base.say(f"Measured on a holdout of {count:,} training images, not on the test images.")


Candidates = Mapping[Identity, list[ResultRecord]]


def _comparable(what: str, before: Candidates, after: Candidates) -> tuple[Identity, Identity]:
    """The newest of both on one data set. Raises UsageError.

    That is MNIST if it may be, and a holdout only if it must be, or is asked for.
    """
    measured = [{key.data_sha256 for key in candidates} for candidates in (before, after)]
    held_out = {key.data_sha256 for key, alike in before.items() if alike[0].data.holdout}
    common = sorted(
        measured[0] & measured[1],
        key=lambda data: (data != MNIST_SHA256, data in held_out, data),
    )
    if not common:
        raise UsageError(f"{what}: they were measured on different data")
    return newest(before, common[0]), newest(after, common[0])


def _label(results_of_row: list[ResultRecord], known: Candidates) -> str:
    """The config's label; with its seed, if it is one result of several."""
    record = results_of_row[0]
    is_whole = results_of_row == known.get(identity(record))
    return " ".join([record.rung, *record.overrides]) if is_whole else record.label
