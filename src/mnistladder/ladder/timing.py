"""How fast this machine trains given networks, measured in a second each, on noise."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch

from mnistladder.config.sizes import EVALUATED
from mnistladder.config.spec import Config, Phase
from mnistladder.engine import evaluate, inputs, loop, optim, stacking
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.tensors import Images
from mnistladder.engine.train_state import TrainState
from mnistladder.ladder.speeds import Speed
from mnistladder.runs.records import HistoryRow
from mnistladder.runs.stage_store import Progress, StageStore

BUDGET_S = 0.5
STATISTICS = (33.3, 78.6)
EPOCH = HistoryRow(  # as long as those of a network in training
    loss=0.1234567890123456,
    test_loss=0.1234567890123456,
    test_errors=100,
    eval_s=0.123,
    epoch=1,
    phase=0,
    lr=1e-3,
    images=60_000,
    train_s=1.234,
)


def measure(config: Config, networks: int, device: torch.device, runs: Path) -> Speed:
    """The speed of the config's networks, so many trained as one and stored on the disk of `runs`.

    Raises ResourceError.
    """
    make_deterministic()
    states = [TrainState.new(config, seed, STATISTICS, device) for seed in range(networks)]
    return Speed(
        train_s=_train_s(config, states, device),
        augment_s=_assemble_s(config, device),
        evaluate_s=_evaluate_s(states[0], device),
        store_s=_store_s(states[0], runs),
    )


def _train_s(config: Config, states: Sequence[TrainState], device: torch.device) -> float:
    """Seconds to train one image of one network, without augmentation."""
    networks = len(states)
    stack = stacking.join(config, states)
    loss = optim.make_loss(config)

    def steps(count: int) -> float:
        images = _noise(count * config.batch_size, device)
        generators = [inputs.stream(seed, "dropout", 0, device) for seed in range(networks)]
        epochs, rates = [images] * networks, [1e-4] * count
        return _seconds(
            lambda: loop.run_epoch(
                stack, loss, epochs, config.batch_size, rates, generators, config.clip_norm
            ),
            device,
        )

    steps(2)
    count = max(5, int(BUDGET_S / max(steps(3) / 3, 1e-5)))
    return steps(count) / (count * config.batch_size * networks)


def _evaluate_s(state: TrainState, device: torch.device) -> float:
    """Seconds to evaluate one image."""
    test = _noise(4 * EVALUATED, device).images
    evaluate.probabilities(state.evaluated, test[:EVALUATED])
    return _seconds(lambda: evaluate.probabilities(state.evaluated, test), device) / len(test)


def _store_s(state: TrainState, runs: Path) -> float:
    """Seconds to store an epoch's end; how long a disk takes to sync differs a hundredfold.

    Where no runs folder is yet, or none that we may write to, the disk of temporary files counts.
    """
    own_disk = runs if os.access(runs, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=".speed-", dir=own_disk) as folder:
        store = StageStore(Path(folder))
        seconds = list[float]()
        for epoch in range(5):
            row = EPOCH.model_copy(update={"epoch": epoch})
            start = time.perf_counter()
            store.save_progress("speed", 0, Progress(state.save(), [row]))
            seconds.append(time.perf_counter() - start)
    return median(seconds)


def _assemble_s(config: Config, device: torch.device) -> float:
    """Seconds an image that augmentation takes; 0 if there is none."""
    if not config.augment:
        return 0.0
    images = _noise(4096, device)
    phase = Phase(epochs=1, lr=1e-3, augment=True)
    plain = config.model_copy(update={"phases": (phase,)})

    def assemble() -> object:
        return inputs.assemble_epoch(images, None, plain, phase, 0, 0)[:]

    assemble()
    return _seconds(assemble, device) / len(images)


def _noise(count: int, device: torch.device) -> Images:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (count,), generator=generator)
    return Images(images.to(device), labels.to(device))


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    _wait(device)  # earlier work does not count
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    """Waits until the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
