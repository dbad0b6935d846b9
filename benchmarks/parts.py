"""Parts of an epoch beside the steps, one thread: augmentation and evaluation, in seconds."""

import json
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from mnistladder.config.loading import load_rung
from mnistladder.data import datasets
from mnistladder.engine import evaluate, inputs
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.tensors import load_digits
from mnistladder.engine.train_state import TrainState

CPU = torch.device("cpu")
REPEATS = 5


def seconds(function: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times)


def main() -> None:
    make_deterministic()
    config = load_rung("model10_augmentation").config
    with tempfile.TemporaryDirectory() as folder:
        digits = load_digits(datasets.find("mnist"), Path(folder), CPU)
    state = TrainState.new(config, 0, digits.statistics, CPU)
    [phase] = config.phases

    def assembly(augment: bool) -> float:
        plan = phase.model_copy(update={"augment": augment})

        def walk() -> None:
            epoch = inputs.assemble_epoch(digits.train, None, config, plan, 0, 0)
            deque(inputs.batches([epoch], config.batch_size), maxlen=0)

        return seconds(walk)

    plain = assembly(augment=False)
    evaluation = seconds(lambda: evaluate.probabilities(state.network, digits.test.images))
    json.dump(
        {
            "augmentation_s": assembly(augment=True) - plain,
            "assembly_s": plain,
            "evaluation_s": evaluation,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
