"""Our engine on rung 9: one network alone, or several side by side as the ladder trains them."""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from window import arguments, print_result

from mnistladder import environment
from mnistladder.config.loading import load_rung
from mnistladder.config.spec import Config
from mnistladder.data import datasets
from mnistladder.engine import inputs, loop, optim, stacking, tensors
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.second_core import SecondCore
from mnistladder.engine.tensors import Digits, load_digits
from mnistladder.engine.train_state import TrainState

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Job:
    """What one process trains: `stack` networks of a rung as one."""

    rung: str
    precision: str
    batch: int
    stack: int
    warmup: int
    steps: int


def epoch(
    states: list[TrainState], digits: Digits, config: Config, images: int, number: int
) -> None:
    """An epoch of the first images, assembled, trained and given back as the ladder does."""
    few = tensors.Images(digits.train.images[:images], digits.train.labels[:images])
    epochs = [
        inputs.assemble_epoch(few, None, config, config.phases[0], seed, number)
        for seed in range(len(states))
    ]
    stack = stacking.join(config, states)
    loop.run_epoch(
        stack,
        optim.make_loss(config),
        epochs,
        config.batch_size,
        [1e-3] * -(-images // config.batch_size),
        [inputs.stream(seed, "dropout", number) for seed in range(len(states))],
    )
    stacking.split(stack, states)


def timed(job: Job, ready: Callable[[], object], overlap: SecondCore | None) -> tuple[float, float]:
    """Start and end of the timed steps, on the clock that all processes share."""
    make_deterministic()
    config = load_rung(job.rung, [f"batch_size={job.batch}", f"precision={job.precision}"]).config
    with tempfile.TemporaryDirectory() as folder:
        digits = load_digits(datasets.find("mnist"), Path(folder), CPU)
    states = [TrainState.new(config, seed, digits.statistics, CPU) for seed in range(job.stack)]
    with overlap.lent_to(states[0]) if overlap else nullcontext():
        epoch(states, digits, config, job.warmup * job.batch, 0)
        ready()
        started = time.perf_counter()
        epoch(states, digits, config, job.steps * job.batch, 1)
        return started, time.perf_counter()


def worker(core: int, job: Job, barrier: Any, results: Any) -> None:
    os.sched_setaffinity(0, {core})  # as mnistladder.ladder.executors does
    results.put(timed(job, barrier.wait, None))


def side_by_side(processes: int, job: Job) -> float:
    """Seconds from the common start until the last has ended."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    cores = environment.usable_core_numbers()
    workers = [
        context.Process(target=worker, args=(cores[number % len(cores)], job, barrier, results))
        for number in range(processes)
    ]
    for process in workers:
        process.start()
    windows = [results.get() for _ in workers]
    for process in workers:
        process.join()
    return max(end for _, end in windows) - min(start for start, _ in windows)


def main() -> None:
    options = arguments(
        processes="side by side",
        stack="networks as one",
        rung="any shipped one",
        precision="float32 or bfloat16",
    )
    processes, stacked = int(options.processes or 1), int(options.stack or 1)
    job = Job(
        options.rung or "model09_dropout",
        options.precision or "float32",
        options.batch,
        stacked,
        options.warmup,
        options.steps // stacked,
    )
    if processes == 1 == stacked:
        with SecondCore() as overlap:
            started, ended = timed(job, lambda: None, overlap)
        seconds = ended - started
    else:
        seconds = side_by_side(processes, job)
    print_result(processes * job.stack * job.steps * job.batch / seconds)


if __name__ == "__main__":
    main()
