"""Which device computes, and the numerics flags that make it compute the same each time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mnistladder import environment
from mnistladder.environment import DeviceChoice
from mnistladder.errors import ResourceError, UsageError

WORKSPACES = (":4096:8", ":16:8")  # cuBLAS's memory, with which torch has deterministic products


def choose(choice: DeviceChoice) -> torch.device:
    """The torch device of a choice; `auto` takes the first usable CUDA device, else the CPU.

    A CUDA device becomes the current one, which records graphs. MPS must be named: torch has no
    deterministic max-pooling there, and raises an error. Raises ResourceError if this machine has
    no such device, and UsageError for a setting of cuBLAS that torch does not accept.
    """
    choice = choice.decided()
    if choice.kind == "cuda":
        count = torch.cuda.device_count()
        if (choice.index or 0) >= count:
            raise ResourceError(f"--device {choice}: {count} CUDA devices here; use auto or cpu")
        _check_workspace()
        torch.cuda.set_device(choice.index or 0)
    if choice.kind == "mps" and not _has_mps():
        raise ResourceError("--device mps: no Metal device here; use auto or cpu")
    return torch.device(str(choice))


def _check_workspace() -> None:
    """Raises UsageError where the user's environment makes products of a GPU vary."""
    value = os.environ.get("CUBLAS_WORKSPACE_CONFIG", WORKSPACES[0])
    if value not in WORKSPACES:
        raise UsageError(
            f"CUBLAS_WORKSPACE_CONFIG={value}: results on a GPU would vary from run to run; "
            f"unset it, or use {' or '.join(WORKSPACES)}"
        )


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
