"""What `run` and `ladder` say at their end: the mean, where it should lie, and what comes next."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from mnistladder.cli import base
from mnistladder.config.loading import rung_of, shipped_names
from mnistladder.config.spec import Config
from mnistladder.report import tables
from mnistladder.report.summary import FEWEST_SEEDS, Row
from mnistladder.runs import leaderboard
from mnistladder.runs.records import ResultRecord


def say_mean(row: Row, config: Config) -> None:
    """Prints a rung's mean over the seeds that were asked for, and whether it is as expected."""
    seeds = f"the mean of {row.n} seeds" if row.n > 1 else "one seed"
    base.say(f"{row.rung}: {tables.short_errors(row)} errors, {seeds}{_beside_band(row, config)}")


def _beside_band(row: Row, config: Config) -> str:
    """Where the committed board's band lies; it holds for the shipped config on MNIST alone."""
    plain = row.rung == row.name and row.name in shipped_names()
    if not plain or config.expect is None:
        return ""
    low, high = config.expect.errors
    where = "below" if row.errors_mean < low else "above" if row.errors_mean > high else "within"
    return f"; {where} the {low:,.0f} to {high:,.0f} that its config expects"


def say_next(records: Sequence[ResultRecord], runs: Path) -> None:
    """Prints the command that most helps to trust or to place these results, on stderr."""
    folder = {} if runs == base.RUNS else {"--runs-dir": str(runs)}
    board = leaderboard.load_board(runs / leaderboard.BOARD)
    stored = {row.rung for row in board if not row.overrides}
    base.complain(f"next: {next_command(records, stored, folder)}")


def next_command(
    records: Sequence[ResultRecord], stored: set[str], options: Mapping[str, str]
) -> str:
    """More seeds where they are few, else the comparison with the rung before, else the report."""
    names = {record.rung: record.overrides for record in records}
    words = ["report"]
    if len(names) == 1:
        [(name, overrides)] = names.items()
        own = [name, *(word for override in overrides for word in ("--set", override))]
        before = _before(name, overrides)
        if len(records) < FEWEST_SEEDS and not any(r.data.holdout for r in records):
            words = ["run", *own, "--seeds", str(FEWEST_SEEDS)]
        elif before in stored:
            words = ["compare", before, *own]
    given = [word for option in options.items() for word in option]
    return shlex.join(["mnistladder", *words, *given])


def _before(name: str, overrides: Sequence[str]) -> str:
    """What a rung is compared with: its rung as shipped, or the rung below it; or nothing."""
    if overrides:
        return name
    if base_rung := rung_of(name):
        return base_rung
    names = shipped_names()
    place = names.index(name) if name in names else 0
    return names[place - 1] if place else ""
