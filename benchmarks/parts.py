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

from mnistladder import data, predict, train
from mnistladder.device import make_deterministic
from mnistladder.digits import load_digits
from mnistladder.loading import load_rung
from mnistladder.member import Member

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
        digits = load_digits(data.find("mnist"), Path(folder), CPU)
    member = Member.new(config, 0, digits.statistics, CPU)
    [phase] = config.phases

    def assembly(augment: bool) -> float:
        plan = phase.model_copy(update={"augment": augment})

        def walk() -> None:
            epoch = train.assemble_epoch(digits.train, None, config, plan, 0, 0)
            deque(train.batches([epoch], config.batch_size), maxlen=0)

        return seconds(walk)

    plain = assembly(augment=False)
    evaluation = seconds(lambda: predict.probabilities(member.network, digits.test.images))
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
