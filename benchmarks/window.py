"""What all contenders share: arguments, the digits, the timed window and one line of JSON."""

import argparse
import json
import resource
import sys
import time

import numpy as np

from mnistladder.data import datasets


def arguments(**more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=32, help="images a step")
    parser.add_argument("--warmup", type=int, default=40, help="steps before the clock starts")
    parser.add_argument("--steps", type=int, default=240, help="timed steps")
    for name, help_ in more.items():
        parser.add_argument(f"--{name}", help=help_)
    return parser.parse_args()


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The training images N x 28 x 28, bytes, and labels N."""
    train = datasets.read_folder(datasets.MNIST_DIR, "mnist").train
    return train.images, train.labels


class Window:
    """Counts steps; the clock runs from the end of the last warm-up step to that of the last."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.done = 0
        self.started = self.ended = 0.0

    def step(self) -> bool:
        """To be called at each step's end; True when it was the last."""
        self.done += 1
        if self.done == self.options.warmup:
            self.started = time.perf_counter()
        if self.done == self.options.warmup + self.options.steps:
            self.ended = time.perf_counter()
        return self.ended > 0

    def print(self) -> None:
        images = self.options.steps * self.options.batch
        print_result(images / (self.ended - self.started))


def print_result(images_per_s: float, **more: object) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump({"images_per_s": images_per_s, "peak_mib": peak, **more}, sys.stdout)
