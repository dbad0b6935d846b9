"""Runs jobs in worker processes, one job at a time each.

A worker that dies loses the epochs that it was training, and nothing else. Workers end when their
parent process ends, however it ends.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from mnistladder.errors import ExitCode
from mnistladder.ladder.events import Event, Failed, Finished
from mnistladder.ladder.executors.interface import Emit
from mnistladder.ladder.executors.jobs import run_job
from mnistladder.ladder.job_schedule import Job
from mnistladder.ladder.slots import Slot

TERMINATION_LIMIT_S = 2.0  # a stop is promised within 5 s


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    slot: Slot
    keys: set[str] = field(default_factory=set)  # of the stages that it trains now


class LocalProcesses:
    """Spawned workers, one for each slot."""

    def __init__(self, runs: Path, emit: Emit, slots: Sequence[Slot]) -> None:
        self._runs = runs
        self._emit = emit
        self._context = multiprocessing.get_context("spawn")
        self.size = len(slots)
        self._vacant = list(reversed(slots))
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, _Worker] = {}
        self._ended = deque[Finished | Failed]()

    @property
    def free(self) -> int:
        return len(self._idle) + len(self._vacant)

    def submit(self, job: Job) -> None:
        worker = self._idle.pop() if self._idle else self._spawn(self._vacant.pop())
        worker.keys = {stage.key for stage in job.stages}
        self._busy[worker.pipe] = worker
        with contextlib.suppress(ConnectionError):  # it died idle: finish_one reports that
            worker.pipe.send(job)

    def _spawn(self, slot: Slot) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._runs, slot), daemon=True, name="mnistladder-worker"
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, slot)

    def finish_one(self) -> Finished | Failed:
        """Passes events on until some stage has ended."""
        while not self._ended:
            for pipe in wait(list(self._busy)):
                self._receive(self._busy[pipe])  # type: ignore[index]
        return self._ended.popleft()

    def _receive(self, worker: _Worker) -> None:
        try:
            event: Event = worker.pipe.recv()
        except (EOFError, ConnectionError):
            self._note_death(worker)
            return
        if not isinstance(event, Finished | Failed):
            self._emit(event)
            return
        self._ended.append(event)
        worker.keys.remove(event.key)
        if not worker.keys:
            del self._busy[worker.pipe]
            self._idle.append(worker)

    def _note_death(self, worker: _Worker) -> None:
        """Notes that a worker died: its stages failed, and its slot is free for another worker."""
        worker.process.join()
        del self._busy[worker.pipe]
        self._vacant.append(worker.slot)
        code = worker.process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        for key in sorted(worker.keys):
            text = f"its worker process ended {how}"
            self._ended.append(Failed(key, text, ExitCode.RESOURCE))

    def close(self) -> None:
        """Ends the workers at once: stored epochs stay, epochs in training are lost.

        A worker that does not end in time, because somebody stopped it, is killed.
        """
        processes = [worker.process for worker in [*self._idle, *self._busy.values()]]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + TERMINATION_LIMIT_S
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
        for process in processes:
            process.kill()
            process.join()


def _serve(pipe: Connection, runs: Path, slot: Slot) -> None:
    """What a worker does: receive a job, train it, send events; again and again."""
    if slot.core is not None:
        os.sched_setaffinity(0, {slot.core})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            run_job(pipe.recv(), runs, slot.device, pipe.send)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
