"""What a record says of code, versions and machine; found without importing torch."""

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, get_args

from mnistladder import __version__
from mnistladder.errors import UsageError

DeviceKind = Literal["auto", "cpu", "cuda", "mps"]
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


@dataclass(frozen=True)
class DeviceChoice:
    """A device as `--device` names it: its kind, and the number of a CUDA device if one is named.

    Whether torch can use it here, `engine.devices.choose` checks.
    """

    kind: DeviceKind
    index: int | None = None

    def __str__(self) -> str:
        return self.kind if self.index is None else f"{self.kind}:{self.index}"

    def decided(self) -> "DeviceChoice":
        """The device that `auto` means on this machine; any other choice is already decided."""
        if self.kind != "auto":
            return self
        return DeviceChoice("cuda" if gpu_count() else "cpu")

    @property
    def is_gpu(self) -> bool:
        """Whether networks train on a GPU here."""
        return self.decided().kind in ("cuda", "mps")


def parse_device(text: str) -> DeviceChoice:
    """The device that a text names. Raises UsageError for a text that names none."""
    kind, colon, index = text.partition(":")
    for known in get_args(DeviceKind):
        if kind == known and not colon:
            return DeviceChoice(known)
    if kind == "cuda" and re.fullmatch(r"[0-9]{1,3}", index):
        return DeviceChoice("cuda", int(index))
    raise UsageError(f"--device {text}: expected auto, cpu, cuda, cuda:N or mps")


def check_device_name(name: str) -> None:
    """Raises UsageError for a text that names no device."""
    parse_device(name)


def uses_gpu(device: str) -> bool:
    """Whether the device that a text names is a GPU here. Raises UsageError."""
    return parse_device(device).is_gpu


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
