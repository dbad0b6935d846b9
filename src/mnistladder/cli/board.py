"""`leaderboard` and `compare`: results one by one, and two rungs beside each other."""

from pathlib import Path
from typing import Annotated

import typer

from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.errors import ExitCode, UsageError
from mnistladder.report import pair
from mnistladder.report.data_names import clashing
from mnistladder.report.groups import Identity, group, latest
from mnistladder.report.steps import p_after_holm, wrong_masks
from mnistladder.report.summary import label
from mnistladder.runs import leaderboard, results
from mnistladder.runs.records import BoardRow, ResultRecord


@app.command("leaderboard")
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


@app.command(epilog="Example: mnistladder compare model11_annealing model12_averaging")
def compare(
    before: Annotated[str, typer.Argument(help="A rung's name, or its number.")],
    after: Annotated[str, typer.Argument(help="The rung to compare with it.")],
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Say whether two rungs really differ: by the same test images, over all stored seeds."""
    from mnistladder.config.loading import rung_names

    names = rung_names([before, after])
    if len(names) != 2:
        raise UsageError(f"compare {before} {after}: name two different rungs")
    stored = results.stored_results(runs_dir, base.complain).records
    known = group(results.on_holdout(stored, holdout))
    keys = _comparable(names, known, runs_dir, holdout)
    groups = [known[key] for key in keys]
    first, second = wrong_masks(*groups)
    if not first or not second:
        raise UsageError(f"compare {before} {after}: no test image is scored by both")
    p_holm = p_after_holm(known, keys[0], keys[1])
    found = pair.make_pair((groups[0][0].rung, groups[1][0].rung), (first, second), p_holm)
    count = groups[0][0].data.holdout
    if json:
        base.print_json({**found.plain(), "holdout": count})
        return
    base.say_prose(pair.text(found))
    if count:
        base.say(f"Measured on a holdout of {count:,} training images, not on the test images.")


def _comparable(
    names: list[str],
    known: dict[Identity, list[ResultRecord]],
    runs_dir: Path,
    holdout: int | None,
) -> list[Identity]:
    """The latest results of two rungs, without overrides, on one data set.

    That is MNIST if it may be, and a holdout only if it must be, or is asked for.
    """
    measured = [
        {
            key.data_sha256
            for key, group_ in known.items()
            if key.rung == name and not group_[0].overrides
        }
        for name in names
    ]
    for name, data in zip(names, measured, strict=True):
        if not data:
            option = "" if holdout is None else f" --holdout {holdout}"
            command = f"mnistladder run {name}{option}"
            raise UsageError(f"{name}: no results in {runs_dir}; get one: {command}")
    held_out = {key.data_sha256 for key, each in known.items() if each[0].data.holdout}
    common = sorted(
        measured[0] & measured[1],
        key=lambda data: (data != MNIST_SHA256, data in held_out, data),
    )
    if not common:
        raise UsageError(f"compare {' '.join(names)}: they were measured on different data")
    keys = [latest(known, name, common[0]) for name in names]
    return [key for key in keys if key]
