"""Where stages run: in this process, or in single-threaded workers, one stage at a time each.

A worker that dies takes its stage's unfinished epoch with it and nothing else. Workers end when
their parent does, however that dies.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Protocol

from mnistladder import environment
from mnistladder.errors import ExitCode, UserError
from mnistladder.events import Event, Failed, Finished
from mnistladder.members import Members
from mnistladder.stages import Stage

Emit = Callable[[Event], None]


class Executor(Protocol):
    """Runs as many stages at once as it has free places, of `size` in all."""

    size: int

    @property
    def free(self) -> int: ...
    def submit(self, stage: Stage) -> None: ...
    def finish_one(self) -> Finished | Failed: ...
    def close(self) -> None: ...


def run_stage(
    stage: Stage, runs: Path, device: str, emit: Emit, cores: int = 1
) -> Finished | Failed:
    """Trains one stage here; every ordinary error becomes an event that says it in one line.

    On a CPU it uses up to two cores, if it may have them.
    """
    import torch

    from mnistladder import device as devices
    from mnistladder.overlap import Overlap
    from mnistladder.trainer import train_stage

    try:
        devices.make_deterministic()
        chosen = devices.choose(device)
        with Overlap() if cores > 1 and chosen.type == "cpu" else nullcontext() as overlap:
            train_stage(stage, Members(runs), chosen, emit, overlap)
    except UserError as error:
        return Failed(stage.key, str(error), error.exit_code)
    except (torch.OutOfMemoryError, MemoryError) as error:
        text = f"out of memory: {str(error).splitlines()[0] if str(error) else 'no room'}"
        return Failed(stage.key, f"{text}; try a smaller batch_size", ExitCode.RESOURCE)
    except Exception:  # a bug: its trace goes to the parent, other stages go on
        return Failed(
            stage.key, f"a bug in mnistladder:\n{traceback.format_exc()}", ExitCode.FAILED
        )
    return Finished(stage.key)


class InProcess:
    """One stage at a time, in this process."""

    size = 1

    def __init__(self, runs: Path, device: str, emit: Emit) -> None:
        self._arguments = runs, device, emit
        self._stage: Stage | None = None

    @property
    def free(self) -> int:
        return int(self._stage is None)

    def submit(self, stage: Stage) -> None:
        self._stage = stage

    def finish_one(self) -> Finished | Failed:
        assert self._stage is not None, "nothing was submitted"
        stage, self._stage = self._stage, None
        return run_stage(stage, *self._arguments, cores=environment.usable_cores())

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
    key: str = ""


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

    @property
    def free(self) -> int:
        return len(self._idle) + len(self._vacant)

    def submit(self, stage: Stage) -> None:
        worker = self._idle.pop() if self._idle else self._spawn(self._vacant.pop())
        worker.key = stage.key
        self._busy[worker.pipe] = worker
        with contextlib.suppress(ConnectionError):  # it died idle; finish_one will say so
            worker.pipe.send(stage)

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
        while True:
            for pipe in wait(list(self._busy)):
                worker = self._busy[pipe]  # type: ignore[index]
                event = self._receive(worker)
                if isinstance(event, Finished | Failed):
                    del self._busy[worker.pipe]
                    return event
                self._emit(event)

    def _receive(self, worker: _Worker) -> Event:
        try:
            event: Event = worker.pipe.recv()
        except (EOFError, ConnectionError):
            worker.process.join()
            self._vacant.append(worker.place)
            code = worker.process.exitcode or 0
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            return Failed(worker.key, f"its worker process ended {how}", ExitCode.RESOURCE)
        if isinstance(event, Finished | Failed):
            self._idle.append(worker)
        return event

    def close(self) -> None:
        """Ends the workers at once; what they stored is whole, the begun epoch is not kept."""
        workers = [*self._idle, *self._busy.values()]
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


def _serve(pipe: Connection, runs: Path, place: Place) -> None:
    """A worker's life: receive a stage, train it, say how it ended."""
    if place.core is not None:
        os.sched_setaffinity(0, {place.core})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            pipe.send(run_stage(pipe.recv(), runs, place.device, pipe.send))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
