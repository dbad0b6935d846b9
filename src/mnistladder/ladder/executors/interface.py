"""What an executor is: it runs jobs, passes their events on, and says how each stage ended."""

from collections.abc import Callable
from typing import Protocol

from mnistladder.ladder.events import Event, Failed, Finished
from mnistladder.ladder.job_schedule import Job

Emit = Callable[[Event], None]


class Executor(Protocol):
    """Runs up to `size` jobs at once."""

    size: int

    @property
    def free(self) -> int:
        """How many jobs it can take now."""
        ...

    def submit(self, job: Job) -> None:
        """Takes a job; only allowed while `free` is not 0."""
        ...

    def finish_one(self) -> Finished | Failed:
        """Passes events on until a stage has ended; returns how it ended.

        A stage is stored in the runs folder before its `Finished` is returned.
        """
        ...

    def close(self) -> None:
        """Stops all jobs at once. Every stored epoch stays; epochs in training are lost."""
        ...
