"""This machine's single-precision matrix peak: the best of several sizes, one thread, GFLOP/s."""

import json
import sys
import time

import torch


def gflops(size: int) -> float:
    first, second = torch.randn(2, size, size)
    best = 0.0
    for _ in range(20):
        start = time.perf_counter()
        torch.mm(first, second)
        best = max(best, 2 * size**3 / (time.perf_counter() - start) / 1e9)
    return best


if __name__ == "__main__":
    torch.set_num_threads(1)
    json.dump({"gflops": max(gflops(size) for size in (256, 512, 1024, 2048))}, sys.stdout)
