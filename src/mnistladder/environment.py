"""What a record says of code, versions and machine; found without importing torch."""

import os
import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from pathlib import Path
from typing import Any

from mnistladder import __version__
from mnistladder.errors import UsageError

PACKAGES = ("torch", "torchvision", "numpy", "safetensors", "pydantic")


@cache
def versions() -> dict[str, str | None]:
    """Python's, ours, and those of the packages that can change a result."""
    found: dict[str, str | None] = {"python": platform.python_version(), "mnistladder": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


@cache
def git_state() -> dict[str, Any]:
    """Commit and dirty flag of the checkout that the code runs from; None for a wheel."""
    top = Path(__file__).parents[2]
    unknown = {"commit": None, "dirty": None}
    if not (top / ".git").exists() or not shutil.which("git"):
        return unknown
    try:
        commit = _git(top, "rev-parse", "HEAD")
        changed = _git(top, "status", "--porcelain", "--", "src", "configs")
    except (OSError, subprocess.SubprocessError):
        return unknown
    return {"commit": commit, "dirty": bool(changed)}


def _git(top: Path, *arguments: str) -> str:
    command = ["git", "-C", str(top), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@cache
def cpu_name() -> str:
    """The processor's name as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def usable_core_numbers() -> list[int]:
    """Cores that this process may use and bind others to; empty where the system cannot say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(usable_core_numbers()) or os.cpu_count() or 1


def peak_mib() -> float:
    """The most memory that this process held so far; 0 where the system cannot say.

    Linux's own counter is asked first: `getrusage` counts the parent's memory before the `exec`.
    """
    try:
        [line] = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.M)
        return int(line) / 2**10
    except (OSError, ValueError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def check_device_name(name: str) -> None:
    """Raises UsageError for what no device is called; whether it is here, torch must say."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", name):
        raise UsageError(f"--device {name}: expected auto, cpu, cuda, cuda:N or mps")


def uses_gpu(device: str) -> bool:
    """Whether what `--device` says is a GPU here."""
    return device.startswith(("cuda", "mps")) or (device == "auto" and gpu_count() > 0)


def gpu_count() -> int:
    """NVIDIA devices that this process may see, by device files or `nvidia-smi`, without torch.

    `CUDA_VISIBLE_DEVICES` hides the others; what follows an unknown entry is hidden, too.
    """
    present = _gpus_present()
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return present
    chosen = [entry.strip() for entry in allowed.split(",") if entry.strip()]
    return min(present, len(list(takewhile(lambda entry: entry != "-1", chosen))))


@cache
def _gpus_present() -> int:
    files = len(list(Path("/dev").glob("nvidia[0-9]*")))
    if files or not shutil.which("nvidia-smi"):
        return files
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return listed.stdout.count("GPU ")
