"""Runs one job at a time in this process."""

from collections import deque
from pathlib import Path

from mnistladder import environment
from mnistladder.environment import DeviceChoice
from mnistladder.ladder.events import Event, Failed, Finished
from mnistladder.ladder.executors.interface import Emit
from mnistladder.ladder.executors.jobs import run_job
from mnistladder.ladder.job_schedule import Job


class InProcess:
    """One job at a time, in this process."""

    size = 1

    def __init__(self, runs: Path, device: DeviceChoice, emit: Emit) -> None:
        self._runs, self._device, self._emit = runs, device, emit
        self._job: Job | None = None
        self._ended = deque[Finished | Failed]()

    @property
    def free(self) -> int:
        return int(self._job is None and not self._ended)

    def submit(self, job: Job) -> None:
        self._job = job

    def finish_one(self) -> Finished | Failed:
        if not self._ended:
            assert self._job is not None, "nothing was submitted"
            job, self._job = self._job, None
            run_job(job, self._runs, self._device, self._receive, environment.usable_cores())
        return self._ended.popleft()

    def _receive(self, event: Event) -> None:
        if isinstance(event, Finished | Failed):
            self._ended.append(event)
        else:
            self._emit(event)

    def close(self) -> None:
        pass
