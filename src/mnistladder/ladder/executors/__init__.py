"""Where jobs run. An executor is a module here and one line in EXECUTORS."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mnistladder.ladder.executors import in_process
from mnistladder.ladder.executors.in_process import InProcess
from mnistladder.ladder.executors.interface import Emit, Executor
from mnistladder.ladder.executors.jobs import run_job
from mnistladder.ladder.executors.workers import LocalProcesses
from mnistladder.ladder.job_schedule import Job
from mnistladder.ladder.slots import Slot

__all__ = [
    "EXECUTORS",
    "Executor",
    "InProcess",
    "Job",
    "LocalProcesses",
    "make_executor",
    "run_job",
]

EXECUTORS: dict[str, Callable[[Path, Emit, Sequence[Slot]], Executor]] = {
    "in_process": in_process.make,
    "workers": LocalProcesses,
}


def make_executor(runs: Path, emit: Emit, slots: Sequence[Slot]) -> Executor:
    """This process for one slot; a worker process for each of several."""
    return EXECUTORS["in_process" if len(slots) == 1 else "workers"](runs, emit, slots)
