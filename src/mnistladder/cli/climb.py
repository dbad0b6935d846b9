"""What `run` and `ladder` do once their arguments are known."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import typer

from mnistladder import storage
from mnistladder.cli import base, watch
from mnistladder.cli.board_table import say_board
from mnistladder.config.limits import check_plan
from mnistladder.config.spec import Rung
from mnistladder.data.datasets import find
from mnistladder.environment import parse_device
from mnistladder.errors import ExitCode, Terminated
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Failure, Ladder, Outcome, Success
from mnistladder.ladder.events import Event, Notice
from mnistladder.ladder.executors import make_executor
from mnistladder.ladder.slots import Devices, decide_devices
from mnistladder.ladder.survey import survey
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

CPU_STACK = 4  # of 1, 2, 3, 4, 5 and 8 the fastest on rung 9: more overflow a core's cache
GPU_STACK = 32  # not measured yet


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of both commands."""

    runs_dir: Path
    device: str = "auto"
    seeds: range = range(1)
    jobs: int | None = None
    data: str = ""
    data_dir: Path | None = None
    json: bool = False
    quiet: bool = False
    keep_going: bool = False
    stack: int | None = None
    log: str | None = None

    @cached_property
    def devices(self) -> Devices:
        """The devices that `device` means here; deciding takes seconds where there is a GPU."""
        return decide_devices(self.device)

    @property
    def largest_stack(self) -> int:
        return self.stack or (GPU_STACK if self.devices.are_gpus else CPU_STACK)


def plan(rungs: list[Rung], options: Options) -> Ladder:
    """The ladder of these rungs at all seeds. Raises UsageError, DataError, CorruptError."""
    parse_device(options.device)
    check_plan(rungs, len(options.seeds))
    source = find(options.data, options.data_dir)
    attempts = [Attempt(rung, seed, source) for rung in rungs for seed in options.seeds]
    state = survey(attempts, options.runs_dir)
    largest_stack = options.largest_stack if state.missing else 1  # stored results need no device
    return Ladder(attempts, options.runs_dir, largest_stack, state=state)


def climb(rungs: list[Rung], options: Options) -> None:
    """Trains what is missing and prints each result; the first failure decides the exit code."""
    watch.check_log(options.log)
    ladder = plan(rungs, options)
    outcomes = []
    for outcome in _outcomes(ladder, options):
        outcomes.append(outcome)
        if isinstance(outcome, Failure):
            base.complain(_failure_line(outcome))
        elif not options.json:
            base.say(_result_line(outcome))
    outcomes.sort(key=lambda outcome: ladder.attempts.index(outcome.attempt))
    if options.json:
        base.print_json([_as_json(outcome) for outcome in outcomes if isinstance(outcome, Success)])
    elif len(rungs) > 1:
        _print_results(outcomes)
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            raise typer.Exit(outcome.exit_code)


def _outcomes(ladder: Ladder, options: Options) -> Iterator[Outcome]:
    """A ladder's outcomes, with progress on stderr; after an interruption, how to go on."""
    if not ladder.missing:
        yield from ladder.climb(None, _print_notice, options.keep_going)
        return
    storage.check_writable(ladder.runs)
    jobs = worker_count(ladder, options)
    watcher = watch.Watcher(ladder, jobs, options.quiet, options.log)
    executor = make_executor(options.runs_dir, watcher, options.devices.slots(jobs))
    try:
        with closing(watcher), closing(executor):
            for outcome in ladder.climb(executor, watcher, options.keep_going):
                watcher.decided(outcome)
                yield outcome
    except (KeyboardInterrupt, Terminated) as error:
        command = shlex.join(["mnistladder", *sys.argv[1:]])
        by, code = "", int(ExitCode.INTERRUPTED)
        if isinstance(error, Terminated):
            by, code = f" by {error.name}", error.exit_code
        base.complain(f"stopped{by}; every finished epoch is kept. To go on: {command}")
        raise typer.Exit(code) from None


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
    for outcome in _outcomes(ladder, options):
        if isinstance(outcome, Success):
            return outcome.record
        base.complain(_failure_line(outcome))
        raise typer.Exit(outcome.exit_code)
    raise AssertionError("a ladder of one attempt has one outcome")


def worker_count(ladder: Ladder, options: Options) -> int:
    """How many jobs run at once: never more than there are stages to train."""
    return min(options.jobs or options.devices.default_jobs, max(len(ladder.missing), 1))


def _name(attempt: Attempt) -> str:
    return f"{attempt.rung.label} seed {attempt.seed}"


def _failure_line(outcome: Failure) -> str:
    return f"{_name(outcome.attempt)}: no result: {outcome.text}"


def _result_line(outcome: Success) -> str:
    record = outcome.record
    parameters = tables.times(record.members, f"{record.parameters:,}")
    return (
        f"{_name(outcome.attempt)}: {record.accuracy:.2f} % "
        f"({record.errors} errors of {record.test_images:,}), {parameters} parameters, "
        f"trained in {tables.duration(record.train_s)} on {record.device}"
        f"{' [stored]' if outcome.reused else ''}"
    )


def _print_results(outcomes: list[Outcome]) -> None:
    records = [outcome.record for outcome in outcomes if isinstance(outcome, Success)]
    base.say("")
    say_board(make_rows(records))


def _as_json(outcome: Success) -> dict[str, Any]:
    return {
        **{name: getattr(outcome.record, name) for name in JSON_FIELDS},
        "overrides": list(outcome.record.overrides),
        "reused": outcome.reused,
    }
