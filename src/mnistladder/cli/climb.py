"""What `run` and `ladder` do once their arguments are known."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from mnistladder.api import training
from mnistladder.cli import afterwards, base, watch
from mnistladder.cli.board_table import say_board
from mnistladder.config.spec import Rung
from mnistladder.environment import parse_device
from mnistladder.errors import ExitCode, Terminated
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Failure, Ladder, Outcome, Success
from mnistladder.ladder.events import Event, Notice
from mnistladder.report import tables
from mnistladder.report.summary import make_rows
from mnistladder.runs.records import ResultRecord

JSON_FIELDS = (
    "rung",
    "seed",
    "errors",
    "accuracy",
    "members",
    "parameters",
    "epochs",
    "train_s",
    "total_s",
    "device",
    "result_id",
    "predictions_sha256",
)


@dataclass(frozen=True, kw_only=True)
class Options(training.Options):
    """The options of both commands."""

    json: bool = False
    quiet: bool = False
    log: str | None = None


def climb(rungs: list[Rung], options: Options) -> None:
    """Trains what is missing and prints each result; the first failure decides the exit code."""
    watch.check_log(options.log)
    ladder = training.plan(rungs, options)
    decided = list[Outcome]()
    for outcome in outcomes(ladder, options):
        decided.append(outcome)
        if isinstance(outcome, Failure):
            base.complain(failure_line(outcome))
        elif not options.json:
            base.say(_result_line(outcome))
    decided.sort(key=lambda outcome: ladder.attempts.index(outcome.attempt))
    if options.json:
        base.print_json([_as_json(outcome) for outcome in decided if isinstance(outcome, Success)])
    else:
        _say_summary(rungs, decided, options)
    for outcome in decided:
        if isinstance(outcome, Failure):
            raise typer.Exit(outcome.exit_code)


def _go_on(event: Event) -> None:
    """Ends no climb."""


def outcomes(
    ladder: Ladder, options: Options, check: Callable[[Event], None] = _go_on
) -> Iterator[Outcome]:
    """A ladder's outcomes, with progress on stderr; after an interruption, how to go on.

    `check` sees each event after the progress does, and may end the climb by an exception.
    """
    if not ladder.missing:
        yield from training.outcomes(ladder, options, _print_notice)
        return
    jobs = training.worker_count(ladder, options)
    watcher = watch.Watcher(ladder, jobs, options.quiet, options.log)

    def emit(event: Event) -> None:
        watcher(event)
        check(event)

    try:
        with closing(watcher):
            for outcome in training.outcomes(ladder, options, emit):
                watcher.decided(outcome)
                yield outcome
    except (KeyboardInterrupt, Terminated) as error:
        by, code = "", int(ExitCode.INTERRUPTED)
        if isinstance(error, Terminated):
            by, code = f" by {error.name}", error.exit_code
        base.complain(f"stopped{by}; every finished epoch is kept. To go on: {this_command()}")
        raise typer.Exit(code) from None


def this_command() -> str:
    """The command as the user gave it."""
    return shlex.join(["mnistladder", *sys.argv[1:]])


def _print_notice(event: Event) -> None:
    if isinstance(event, Notice):
        base.complain(event.text)


def again(
    before: ResultRecord, attempt: Attempt, folder: Path, device: str, jobs: int | None, quiet: bool
) -> ResultRecord:
    """Trains an attempt again in a folder, stacked where it was before; its new record."""
    parse_device(device)
    # Older records do not say which stages were stacked: then none is.
    stacked = {stage.key for stage, was in zip(attempt.stages, before.stacked, strict=False) if was}
    options = Options(runs_dir=folder, device=device, jobs=jobs, quiet=quiet)
    ladder = Ladder([attempt], folder, options.largest_stack, stacked)
    for outcome in outcomes(ladder, options):
        if isinstance(outcome, Success):
            return outcome.record
        base.complain(failure_line(outcome))
        raise typer.Exit(outcome.exit_code)
    raise AssertionError("a ladder of one attempt has one outcome")


def failure_line(outcome: Failure) -> str:
    return f"{outcome.attempt.label}: no result: {outcome.text}"


def _result_line(outcome: Success) -> str:
    record = outcome.record
    parameters = tables.times(record.members, f"{record.parameters:,}")
    return (
        f"{outcome.attempt.label}: {record.accuracy:.2f} % "
        f"({record.errors} errors of {record.test_images:,}), {parameters} parameters, "
        f"trained in {tables.duration(record.train_s)} on {record.device}"
        f"{' [stored]' if outcome.reused else ''}"
    )


def _say_summary(rungs: list[Rung], outcomes: list[Outcome], options: Options) -> None:
    """A table for several rungs, the mean for one, and what to do next."""
    records = [outcome.record for outcome in outcomes if isinstance(outcome, Success)]
    if len(rungs) > 1:
        base.say("")
        say_board(make_rows(records))
    else:
        for row in make_rows(records):
            afterwards.say_mean(row, rungs[0].config)
    if records and not options.quiet:
        afterwards.say_next(records, options.runs_dir)


def _as_json(outcome: Success) -> dict[str, Any]:
    return {
        **{name: getattr(outcome.record, name) for name in JSON_FIELDS},
        "overrides": list(outcome.record.overrides),
        "holdout": outcome.record.data.holdout,
        "reused": outcome.reused,
    }
