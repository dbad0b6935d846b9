"""What `run` and `ladder` do once their arguments are known."""

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from mnistladder import environment, storage
from mnistladder.cli import base, watch
from mnistladder.config.spec import Rung
from mnistladder.data.datasets import find
from mnistladder.errors import ExitCode, Terminated, UsageError
from mnistladder.ladder import estimates
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Climbed, Fallen, Ladder, Outcome
from mnistladder.ladder.events import Event, Notice
from mnistladder.ladder.executors import Executor, InProcess, LocalProcesses, places
from mnistladder.ladder.speeds import Calibration
from mnistladder.report import tables
from mnistladder.report.summary import make_rows
from mnistladder.sealed import Record

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
MOST_NETWORKS = 10_000  # so many take seconds to plan


@dataclass(frozen=True)
class Options:
    """What both commands take."""

    seeds: range
    device: str
    jobs: int | None
    data: str
    data_dir: Path | None
    runs_dir: Path
    json: bool
    quiet: bool
    keep_going: bool = False
    stack: int | None = None
    log: str | None = None

    @property
    def largest_stack(self) -> int:
        return self.stack or (GPU_STACK if environment.uses_gpu(self.device) else CPU_STACK)


def plan(rungs: list[Rung], options: Options) -> Ladder:
    """The ladder of these rungs at all seeds. Raises UsageError, DataError, CorruptError."""
    environment.check_device_name(options.device)
    networks = sum(rung.config.members for rung in rungs) * len(options.seeds)
    if networks > MOST_NETWORKS:
        raise UsageError(
            f"{networks:,} networks; at most {MOST_NETWORKS:,} at once, so fewer --seeds"
        )
    source = find(options.data, options.data_dir)
    attempts = [Attempt(rung, seed, source) for rung in rungs for seed in options.seeds]
    return Ladder(attempts, options.runs_dir, options.largest_stack)


def climb(rungs: list[Rung], options: Options) -> None:
    """Trains what is missing and prints each result; the first failure decides the exit code."""
    watch.check_log(options.log)
    ladder = plan(rungs, options)
    outcomes = []
    for outcome in _outcomes(ladder, options):
        outcomes.append(outcome)
        if isinstance(outcome, Fallen):
            base.complain(f"{_name(outcome.attempt)}: no result: {outcome.text}")
        elif not options.json:
            base.say(_sentence(outcome))
    outcomes.sort(key=lambda outcome: ladder.attempts.index(outcome.attempt))
    if options.json:
        base.print_json([_as_json(outcome) for outcome in outcomes if isinstance(outcome, Climbed)])
    elif len(rungs) > 1:
        _say_table(outcomes)
    for outcome in outcomes:
        if isinstance(outcome, Fallen):
            raise typer.Exit(outcome.exit_code)


def _outcomes(ladder: Ladder, options: Options) -> Iterator[Outcome]:
    """A ladder's outcomes, with progress on stderr; if interrupted, says how to go on."""
    if not ladder.missing:
        yield from ladder.climb(None, _complain_of, options.keep_going)
        return
    storage.check_writable(ladder.runs)
    jobs = _workers(ladder, options)
    watcher = watch.Watcher(ladder, jobs, options.quiet, options.log)
    executor = _executor(options, jobs, watcher)
    try:
        with closing(watcher), closing(executor):
            for outcome in ladder.climb(executor, watcher, options.keep_going):
                watcher.decided(outcome)
                yield outcome
    except (KeyboardInterrupt, Terminated) as error:
        again = shlex.join(["mnistladder", *sys.argv[1:]])
        by, code = "", int(ExitCode.INTERRUPTED)
        if isinstance(error, Terminated):
            by, code = f" by {error.name}", error.exit_code
        base.complain(f"stopped{by}; every finished epoch is kept. To go on: {again}")
        raise typer.Exit(code) from None


def _complain_of(event: Event) -> None:
    if isinstance(event, Notice):
        base.complain(event.text)


def again(
    before: Record, attempt: Attempt, folder: Path, device: str, jobs: int | None, quiet: bool
) -> Record:
    """Trains a attempt anew in a folder, stacked where it was before; its new record."""
    environment.check_device_name(device)
    stacked = {
        stage.key for stage, was in zip(attempt.stages, before["stacked"], strict=True) if was
    }
    options = Options(range(1), device, jobs, "", None, folder, False, quiet)
    ladder = Ladder([attempt], folder, options.largest_stack, stacked)
    for outcome in _outcomes(ladder, options):
        if isinstance(outcome, Climbed):
            return outcome.record
        base.complain(f"{_name(attempt)}: no result: {outcome.text}")
        raise typer.Exit(outcome.exit_code)
    raise AssertionError("a ladder of one attempt has one outcome")


def _default_jobs(device: str) -> int:
    if device.startswith(("cuda:", "mps")):
        return 1
    gpus = environment.gpu_count() if device in ("auto", "cuda") else 0
    return gpus or environment.usable_cores()


def _executor(options: Options, jobs: int, emit: Callable[[Event], None]) -> Executor:
    if jobs == 1:
        return InProcess(options.runs_dir, options.device, emit)
    where = places(options.device, jobs, environment.gpu_count())
    return LocalProcesses(options.runs_dir, emit, where)


def _name(attempt: Attempt) -> str:
    return f"{attempt.rung.label} seed {attempt.seed}"


def _sentence(outcome: Climbed) -> str:
    record = outcome.record
    parameters = tables.times(record["members"], f"{record['parameters']:,}")
    return (
        f"{_name(outcome.attempt)}: {record['accuracy']:.2f} % "
        f"({record['errors']} errors of {record['test_images']:,}), {parameters} parameters, "
        f"trained in {tables.duration(record['train_s'])} on {record['device']}"
        f"{' [stored]' if outcome.reused else ''}"
    )


def _say_table(outcomes: list[Outcome]) -> None:
    records = [outcome.record for outcome in outcomes if isinstance(outcome, Climbed)]
    rows = [tables.cells(row) for row in make_rows(records)]
    base.say("")
    base.print_table(list(tables.HEADINGS), rows, tables.RIGHT)


def _as_json(outcome: Climbed) -> dict[str, Any]:
    return {
        **{name: outcome.record[name] for name in JSON_FIELDS},
        "overrides": outcome.record["overrides"],
        "reused": outcome.reused,
    }


def say_plan(ladder: Ladder, options: Options) -> None:
    """What each attempt still needs; a shared stage counts for the first that needs it."""
    source = ladder.attempts[0].source
    workers = _workers(ladder, options)
    expected = estimates.estimate(ladder, workers, _calibrated(ladder, options), source.sizes())
    rows, counted = list[dict[str, Any]](), set[str]()
    for attempt in ladder.attempts:
        own = {
            stage.key: stage
            for stage in attempt.stages
            if stage.key in ladder.missing and stage.key not in counted
        }
        counted |= own.keys()
        rows.append(
            {
                "rung": attempt.rung.label,
                "seed": attempt.seed,
                "stored": attempt in ladder.known,
                "networks_to_train": len({stage.seed for stage in own.values()}),
                "epochs_to_train": sum(stage.epochs for stage in own.values()),
                "estimated_s": round(sum(expected.stages[key] for key in own), 1),
            }
        )
    if options.json:
        base.print_json(rows)
    else:
        _say_plan(rows, expected, workers)


def _say_plan(rows: list[dict[str, Any]], expected: estimates.Estimate, workers: int) -> None:
    headings = ["rung", "seed", "stored", "networks to train", "epochs to train", "core time"]
    cells = [
        [
            row["rung"],
            str(row["seed"]),
            "yes" if row["stored"] else "no",
            str(row["networks_to_train"]),
            str(row["epochs_to_train"]),
            tables.duration(row["estimated_s"]),
        ]
        for row in rows
    ]
    base.print_table(headings, cells, set(headings[1:]))
    if expected.stages:
        base.say(
            f"\nAbout {tables.duration(expected.wall_s)} with --jobs {workers}, by speeds measured "
            f"on this machine; up to {expected.peak_mib:,.0f} MiB of memory a worker."
        )


def _calibrated(ladder: Ladder, options: Options) -> Calibration:
    """Speeds of all that is to be trained; what is not known yet is measured, and kept."""
    known = Calibration(options.runs_dir, options.device)
    if not estimates.is_calibrated(ladder, _workers(ladder, options), known):
        start = time.perf_counter()
        from mnistladder.engine import devices
        from mnistladder.ladder import timing

        chosen = devices.choose(options.device)
        known.started(time.perf_counter() - start)
        workers = _workers(ladder, options)
        estimates.calibrate(
            ladder,
            workers,
            known,
            lambda config, n: timing.measure(config, n, chosen, options.runs_dir),
        )
        known.save()
    return known


def _workers(ladder: Ladder, options: Options) -> int:
    return min(options.jobs or _default_jobs(options.device), max(len(ladder.missing), 1))
