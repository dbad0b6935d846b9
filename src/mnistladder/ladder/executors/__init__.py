"""Where jobs run. An executor is a module here, and `make_executor` says when it is chosen."""

from collections.abc import Sequence
from pathlib import Path

from mnistladder.ladder.executors.in_process import InProcess
from mnistladder.ladder.executors.interface import Emit, Executor
from mnistladder.ladder.executors.jobs import run_job
from mnistladder.ladder.executors.workers import LocalProcesses
from mnistladder.ladder.job_schedule import Job
from mnistladder.ladder.slots import Slot

__all__ = [
    "Executor",
    "InProcess",
    "Job",
    "LocalProcesses",
    "make_executor",
    "run_job",
]


def make_executor(runs: Path, emit: Emit, slots: Sequence[Slot]) -> Executor:
    """This process for one slot; a worker process for each of several."""
    if len(slots) == 1:
        return InProcess(runs, slots[0].device, emit)
    return LocalProcesses(runs, emit, slots)
