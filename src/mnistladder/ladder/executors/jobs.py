"""Trains one job in this process and turns every error into an event."""

import gc
import traceback
from contextlib import nullcontext
from pathlib import Path

from mnistladder.engine import faults
from mnistladder.environment import DeviceChoice
from mnistladder.errors import ExitCode, UserError
from mnistladder.ladder.events import Event, Failed, Finished
from mnistladder.ladder.executors.interface import Emit
from mnistladder.ladder.job_schedule import Job
from mnistladder.runs.stage_store import StageStore


def run_job(job: Job, runs: Path, device: DeviceChoice, emit: Emit, cores: int = 1) -> None:
    """Trains a job here and emits how each of its stages ended, errors included.

    On a CPU it uses up to two cores, if `cores` allows them.
    """
    unfinished = {stage.key for stage in job.stages}

    def emit_and_note(event: Event) -> None:
        if isinstance(event, Finished | Failed):
            unfinished.discard(event.key)
        emit(event)

    try:
        _train(job, StageStore(runs), device, emit_and_note, cores)
    except Exception as error:
        for key in sorted(unfinished):
            emit(_failure(key, error, str(device), len(job.stages)))


def _train(job: Job, store: StageStore, device: DeviceChoice, emit: Emit, cores: int) -> None:
    gc.set_threshold(100_000)  # torch has so many objects that a garbage collection takes 0.4 s
    from mnistladder.engine import devices
    from mnistladder.engine.second_core import SecondCore
    from mnistladder.ladder.trainer import Trainer

    devices.make_deterministic()
    chosen = devices.choose(device)
    with SecondCore() if cores > 1 and chosen.type == "cpu" else nullcontext() as second_core:
        Trainer(store, chosen, emit, second_core).train(job.stages, job.stacked)


def _failure(key: str, error: Exception, device: str, networks: int) -> Failed:
    """How a stage of a job with so many networks failed."""
    if isinstance(error, UserError):
        return Failed(key, str(error), error.exit_code)
    if text := faults.explain(error, device, _memory_advice(networks)):
        return Failed(key, text, ExitCode.RESOURCE)
    trace = "".join(traceback.format_exception(error))  # the parent reports it, other jobs go on
    return Failed(key, f"a bug in mnistladder:\n{trace}", ExitCode.FAILED)


def _memory_advice(networks: int) -> str:
    """What needs less memory: first what leaves the recipe, and so the result's id, as it is."""
    first = f"--stack {networks // 2}" if networks > 1 else "fewer --jobs"
    return f"try {first} first, which keeps the recipe, then a smaller `batch_size`"
