"""Which device computes, and the numerics flags that make it compute the same each time."""

import os

import torch

from mnistladder import environment
from mnistladder.errors import ResourceError


def choose(name: str) -> torch.device:
    """`auto` takes CUDA, else the CPU; any other must be on this machine.

    MPS must be asked for: torch has no deterministic max-pooling there, and says so. Raises
    ResourceError where there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ResourceError(f"--device {name}: {count} CUDA devices here; use auto or cpu")
    if kind == "mps" and not _has_mps():
        raise ResourceError("--device mps: no Metal device here; use auto or cpu")
    return torch.device(name)


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def make_deterministic() -> None:
    """One thread, full float32, deterministic kernels: the same bits on every run of one machine.

    On a CPU the bits depend on the number of threads, so it is always one; two processes with one
    thread each are faster than one with two. Denormals are flushed: Adam's moments decay into them.
    To be called before the first product of matrices: MKL reads its setting then.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if not environment.cpu_name().startswith("Intel"):
        # Elsewhere MKL takes another kernel, with other bits, by where in memory a matrix starts.
        os.environ.setdefault("MKL_CBWR", "AUTO")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.set_deterministic_debug_mode("error")  # the other way to say it imports a compiler, 1 s
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # 3 % of a step
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
