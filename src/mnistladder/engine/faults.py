"""Errors that are the machine's: memory that ran out, a GPU that failed. Each becomes one line.

torch has few classes for them, so their texts decide. torch itself is not needed here.
"""

import re

_MEMORY = re.compile(
    r"out of memory|can(?:'t|not) allocate|not enough memory|bad_alloc|_ALLOC_FAILED"
    r"|failed to map segment|can't start new thread",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"\b(?:CUDA|HIP|NVML|cuDNN|cuBLAS|MPS backend) error|CUDNN_STATUS_|CUBLAS_STATUS_"
    r"|NVIDIA driver|No CUDA GPUs",
    re.IGNORECASE,
)
_OURS = "device-side assert"  # an index out of range: a bug, which keeps its traceback
_NOISE = re.compile(r"^\[enforce fail[^\]]*\] [^.]*\. ")  # where in torch's source it was


def explain(error: BaseException, device: str, advice: str) -> str | None:
    """One line for an error of the machine, with what to change; None for any other error.

    `advice` is what helps where memory ran out.
    """
    reason = _NOISE.sub("", str(error).strip().partition("\n")[0]) or "no memory is left"
    if isinstance(error, MemoryError) or (_is_torchs(error) and _MEMORY.search(str(error))):
        return f"out of memory: {reason}; {advice}"
    if not _is_torchs(error) or _OURS in str(error):
        return None
    if type(error).__name__ == "AcceleratorError" or _DEVICE.search(str(error)):
        return (
            f"{device}: the GPU or its driver failed: {reason}; check both with nvidia-smi, or use "
            "--device cpu"
        )
    return None


def _is_torchs(error: BaseException) -> bool:
    """Whether it may come from torch: its errors of memory and devices are of these classes."""
    return isinstance(error, RuntimeError | ImportError)
