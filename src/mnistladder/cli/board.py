"""`report` and `leaderboard`: what the results say."""

from pathlib import Path
from typing import Annotated

import typer

from mnistladder import report as reports
from mnistladder import results
from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.errors import UsageError
from mnistladder.records import Record


@app.command(epilog="Examples: mnistladder report    mnistladder report --format csv --sort time")
def report(
    format_: Annotated[
        reports.Format, typer.Option("--format", help="How to print the table.")
    ] = "table",
    sort: Annotated[reports.Sort, typer.Option("--sort", help="Order of the rows.")] = "rung",
    rungs: Annotated[
        str | None, typer.Option("--rungs", help="Only these: names or numbers, as in 1-4,9.")
    ] = None,
    board: Annotated[
        Path | None, typer.Option("--board", help="A leaderboard file from elsewhere.")
    ] = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Print the accuracy table: each rung's mean over its seeds beside the published figure."""
    path = board or runs_dir / results.BOARD
    if board is not None and not board.is_file():
        raise UsageError(f"{board}: no such leaderboard")
    rows = reports.sort_rows(reports.make_rows(_chosen(results.load_board(path), rungs)), sort)
    kind = "json" if json else format_
    if kind == "json":
        typer.echo(reports.to_json(rows), nl=False)
    elif kind == "csv":
        typer.echo(reports.to_csv(rows), nl=False)
    elif not rows:
        base.complain(f"no results in {path} yet; get one: mnistladder run model02_normalized")
    elif kind == "markdown":
        typer.echo(reports.markdown(rows), nl=False)
    else:
        cells = [reports.cells(row) for row in rows]
        base.print_table(list(reports.HEADINGS), cells, reports.RIGHT)
        base.say("\n" + "\n".join(reports.notes(rows)))


def _chosen(board: list[Record], rungs: str | None) -> list[Record]:
    """The results of the named rungs; all of them if none is named."""
    if rungs is None:
        return board
    from mnistladder.loading import rung_names

    wanted = rung_names([part for part in rungs.replace(",", " ").split() if part])
    present = {record["rung"] for record in board}
    if unknown := [name for name in wanted if name not in present]:
        known = ", ".join(sorted(present)) or "nothing yet"
        raise UsageError(f"--rungs: no results of {', '.join(unknown)}; there are {known}")
    return [record for record in board if record["rung"] in wanted]


@app.command()
def leaderboard(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Derive it anew from the result records.")
    ] = False,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Show the leaderboard's results one by one, or rebuild it from the records."""
    if rebuild:
        if not (runs_dir / "results").is_dir():
            raise UsageError(f"{runs_dir}: no results there to build a leaderboard from")
        results.rebuild_board(runs_dir)
    records = results.load_board(runs_dir / results.BOARD)
    if json:
        base.print_json(records)
        return
    headings = ["rung", "seed", "errors", "accuracy %", "device", "ended", "result"]
    rows = [
        [" ".join([r["rung"], *r["overrides"]]), str(r["seed"]), str(r["errors"]),
         f"{r['accuracy']:.2f}", r["device"], r["ended"][:16].replace("T", " "), r["result_id"]]
        for r in records
    ]  # fmt: skip
    if rows:
        base.print_table(headings, rows, {"seed", "errors", "accuracy %"})
    else:
        base.complain(f"no results in {runs_dir} yet; get one: mnistladder run model02_normalized")
