"""Which device computes, and the numerics flags that make it compute the same each time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mnistladder import environment
from mnistladder.environment import DeviceChoice
from mnistladder.errors import ResourceError


def choose(choice: DeviceChoice) -> torch.device:
    """The torch device of a choice; `auto` takes the first usable CUDA device, else the CPU.

    MPS must be named: torch has no deterministic max-pooling there, and raises an error. Raises
    ResourceError if this machine has no such device.
    """
    choice = choice.decided()
    if choice.kind == "cuda" and (choice.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ResourceError(f"--device {choice}: {count} CUDA devices here; use auto or cpu")
    if choice.kind == "mps" and not _has_mps():
        raise ResourceError("--device mps: no Metal device here; use auto or cpu")
    return torch.device(str(choice))


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def make_thread_deterministic() -> None:
    """The flags that every thread has for itself; a thread that computes sets them first.

    On a CPU the bits depend on the number of threads, so it is always one; two processes with one
    thread each are faster than one with two. Denormals are flushed: Adam's moments decay into them.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def make_deterministic() -> None:
    """One thread, full float32, deterministic kernels: the same bits on every run of one machine.

    A process calls it once it begins to train, to evaluate or to measure its speed, before the
    first product of matrices: MKL reads its setting then. The flags belong to the process and stay.
    """
    make_thread_deterministic()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if not environment.cpu_name().startswith("Intel"):
        # Elsewhere MKL takes another kernel, with other bits, by where in memory a matrix starts.
        os.environ.setdefault("MKL_CBWR", "AUTO")
    torch.set_deterministic_debug_mode("error")  # the other way to say it imports a compiler, 1 s
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # 3 % of a step
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@contextmanager
def kept_flags() -> Iterator[None]:
    """Sets the flags of `make_deterministic` back at the end: a program has torch for itself, too.

    torch does not say whether denormals were flushed; at the end they are not, as at its start.
    """
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    deterministic = torch.utils.deterministic
    filled = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    speed = cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
        torch.set_deterministic_debug_mode(mode)
        deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = speed
