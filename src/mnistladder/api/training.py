"""Rungs and options -> trained results, for the commands and for programs alike."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mnistladder import storage
from mnistladder.config.limits import check_plan
from mnistladder.config.spec import Rung
from mnistladder.data.holdout import find
from mnistladder.environment import parse_device
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder, Outcome
from mnistladder.ladder.executors import make_executor
from mnistladder.ladder.executors.interface import Emit
from mnistladder.ladder.slots import Devices, decide_devices
from mnistladder.ladder.survey import survey

CPU_STACK = 4  # of 1, 2, 3, 4, 5 and 8 the fastest on rung 9: more overflow a core's cache
GPU_STACK = 32  # not measured yet


@dataclass(frozen=True, kw_only=True)
class Options:
    """What decides how and where rungs are trained."""

    runs_dir: Path
    device: str = "auto"
    seeds: range = range(1)
    jobs: int | None = None
    data: str = ""
    data_dir: Path | None = None
    holdout: int | None = None
    keep_going: bool = False
    stack: int | None = None

    @cached_property
    def devices(self) -> Devices:
        """The devices that `device` means here; deciding takes seconds where there is a GPU."""
        return decide_devices(self.device)

    @property
    def largest_stack(self) -> int:
        return self.stack or (GPU_STACK if self.devices.are_gpus else CPU_STACK)


def plan(rungs: list[Rung], options: Options, *, seed_by_seed: bool = False) -> Ladder:
    """The ladder of these rungs at all seeds, in their order, or all rungs at a seed first.

    Raises UsageError, DataError, CorruptError.
    """
    parse_device(options.device)
    check_plan(rungs, len(options.seeds))
    source = find(options.data, options.data_dir, options.holdout)
    attempts = [Attempt(rung, seed, source) for rung in rungs for seed in options.seeds]
    if seed_by_seed:
        attempts.sort(key=lambda attempt: attempt.seed)
    state = survey(attempts, options.runs_dir)
    largest_stack = options.largest_stack if state.missing else 1  # stored results need no device
    return Ladder(attempts, options.runs_dir, largest_stack, state=state)


def worker_count(ladder: Ladder, options: Options) -> int:
    """How many jobs run at once: never more than there are stages to train."""
    return min(options.jobs or options.devices.default_jobs, max(len(ladder.missing), 1))


def outcomes(ladder: Ladder, options: Options, emit: Emit) -> Iterator[Outcome]:
    """Trains what is missing; each attempt's outcome as soon as it is decided.

    `emit` takes what happens on the way. Raises CorruptError, ResourceError.
    """
    if not ladder.missing:
        yield from ladder.climb(None, emit, options.keep_going)
        return
    storage.check_writable(ladder.runs)
    slots = options.devices.slots(worker_count(ladder, options))
    with closing(make_executor(options.runs_dir, emit, slots)) as executor:
        yield from ladder.climb(executor, emit, options.keep_going)
