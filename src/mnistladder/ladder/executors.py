"""Where stages run: in this process, or in single-threaded workers, one job at a time each.

A worker that dies takes its stages' unfinished epoch with it and nothing else. Workers end when
their parent does, however that dies.
"""

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Protocol

from mnistladder import environment
from mnistladder.errors import ExitCode, UserError
from mnistladder.ladder.events import Event, Failed, Finished
from mnistladder.ladder.stages import Stage
from mnistladder.runs.stage_store import StageStore

Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Job:
    """Stages of one plan for one worker: one alone, or several stacked."""

    stages: tuple[Stage, ...]
    stacked: bool = False


class Executor(Protocol):
    """Runs as many jobs at once as it has free places, of `size` in all."""

    size: int

    @property
    def free(self) -> int: ...
    def submit(self, job: Job) -> None: ...
    def finish_one(self) -> Finished | Failed: ...
    def close(self) -> None: ...


def run_job(job: Job, runs: Path, device: str, emit: Emit, cores: int = 1) -> None:
    """Trains a job here and says how each stage ended; every ordinary error in one line.

    On a CPU it uses up to two cores, if it may have them.
    """
    left = {stage.key for stage in job.stages}

    def tell(event: Event) -> None:
        if isinstance(event, Finished | Failed):
            left.discard(event.key)
        emit(event)

    try:
        _train(job, StageStore(runs), device, tell, cores)
    except Exception as error:
        for key in sorted(left):
            emit(_failure(key, error))


def _train(job: Job, store: StageStore, device: str, emit: Emit, cores: int) -> None:
    gc.set_threshold(100_000)  # torch is so many objects that looking for garbage takes 0.4 s
    from mnistladder.engine import devices
    from mnistladder.engine.second_core import SecondCore
    from mnistladder.ladder.trainer import Trainer

    devices.make_deterministic()
    chosen = devices.choose(environment.parse_device(device))
    with SecondCore() if cores > 1 and chosen.type == "cpu" else nullcontext() as overlap:
        Trainer(store, chosen, emit, overlap).train(job.stages, job.stacked)


def _failure(key: str, error: Exception) -> Failed:
    import torch

    if isinstance(error, UserError):
        return Failed(key, str(error), error.exit_code)
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        text = f"out of memory: {str(error).splitlines()[0] if str(error) else 'no room'}"
        return Failed(key, f"{text}; try a smaller batch_size", ExitCode.RESOURCE)
    trace = "".join(traceback.format_exception(error))  # a bug: the parent says so, others go on
    return Failed(key, f"a bug in mnistladder:\n{trace}", ExitCode.FAILED)


class InProcess:
    """One job at a time, in this process."""

    size = 1

    def __init__(self, runs: Path, device: str, emit: Emit) -> None:
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
            run_job(job, self._runs, self._device, self._tell, environment.usable_cores())
        return self._ended.popleft()

    def _tell(self, event: Event) -> None:
        if isinstance(event, Finished | Failed):
            self._ended.append(event)
        else:
            self._emit(event)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Place:
    """Where a worker computes: a device, and the core it is bound to, if any."""

    device: str
    core: int | None = None


def places(device: str, jobs: int, gpus: int) -> list[Place]:
    """A place for each of `jobs` workers: over the GPUs in turn, or each on a core of its own.

    Workers are bound to cores only if each core gets one: with fewer, the system knows better.
    """
    if gpus and device in ("auto", "cuda"):
        return [Place(f"cuda:{number % gpus}") for number in range(jobs)]
    cores = environment.usable_core_numbers()
    if device not in ("auto", "cpu") or jobs != len(cores):
        return [Place(device)] * jobs
    return [Place(device, core) for core in cores]


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    place: Place
    keys: set[str] = field(default_factory=set)  # of the stages it has in hand


class LocalProcesses:
    """Spawned workers, one for each place."""

    def __init__(self, runs: Path, emit: Emit, places: Sequence[Place]) -> None:
        self._runs = runs
        self._emit = emit
        self._context = multiprocessing.get_context("spawn")
        self.size = len(places)
        self._vacant = list(reversed(places))
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
        with contextlib.suppress(ConnectionError):  # it died idle; finish_one will say so
            worker.pipe.send(job)

    def _spawn(self, place: Place) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._runs, place), daemon=True, name="mnistladder-worker"
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, place)

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
            self._bury(worker)
            return
        if not isinstance(event, Finished | Failed):
            self._emit(event)
            return
        self._ended.append(event)
        worker.keys.remove(event.key)
        if not worker.keys:
            del self._busy[worker.pipe]
            self._idle.append(worker)

    def _bury(self, worker: _Worker) -> None:
        """A worker died: the stages it had in hand failed, and its place is vacant."""
        worker.process.join()
        del self._busy[worker.pipe]
        self._vacant.append(worker.place)
        code = worker.process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        for key in sorted(worker.keys):
            text = f"its worker process ended {how}"
            self._ended.append(Failed(key, text, ExitCode.RESOURCE))

    def close(self) -> None:
        """Ends the workers at once; what they stored is whole, the begun epoch is not kept."""
        workers = [*self._idle, *self._busy.values()]
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


def _serve(pipe: Connection, runs: Path, place: Place) -> None:
    """A worker's life: receive a job, train it, say how its stages ended."""
    if place.core is not None:
        os.sched_setaffinity(0, {place.core})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            run_job(pipe.recv(), runs, place.device, pipe.send)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
