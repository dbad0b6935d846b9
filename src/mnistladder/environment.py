"""Code, versions and machine, as records name them. Torch is never imported here."""

import math
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, get_args

from mnistladder import __version__
from mnistladder.errors import UsageError

DeviceKind = Literal["auto", "cpu", "cuda", "mps"]

RUNS = Path("runs")  # the runs folder, unless another one is named
PACKAGES = ("torch", "torchvision", "numpy", "safetensors", "pydantic")


@cache
def versions() -> dict[str, str | None]:
    """Versions of Python, of this package, and of the packages that can change a result."""
    known: dict[str, str | None] = {"python": platform.python_version(), "mnistladder": __version__}
    for name in PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            known[name] = None
    return known


@cache
def git_state() -> dict[str, str | bool | None]:
    """Commit and dirty flag of the checkout that holds this code; None for an installed wheel."""
    top = Path(__file__).parents[2]
    unknown: dict[str, str | bool | None] = {"commit": None, "dirty": None}
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
    """Cores that this process may use; empty if the system does not report them."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def usable_cores() -> int:
    """How many cores this process may keep busy: those it may use, or its container's quota."""
    cores = len(usable_core_numbers()) or os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else min(cores, max(1, math.ceil(quota)))


def cpu_quota(
    mounted: Path = Path("/sys/fs/cgroup"), memberships: Path = Path("/proc/self/cgroup")
) -> float | None:
    """CPU seconds a second that the control groups of this process allow; None for no limit.

    A group is limited by those above it, too, so that the smallest quota counts. Reads version 2
    (`cpu.max`) and version 1 (`cpu.cfs_quota_us`).
    """
    try:
        lines = memberships.read_text().splitlines()
    except OSError:  # not Linux
        return None
    quotas = list[float]()
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = mounted / controllers
        groups = [top / group.lstrip("/"), *(top / group.lstrip("/")).parents]
        for folder in groups[: groups.index(top) + 1]:
            quotas += _group_quota(folder)
    return min(quotas, default=None)


def _group_quota(folder: Path) -> list[float]:
    """The quota of one control group, if it has one."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return [int(quota) / int(period)] if int(quota) > 0 else []
    except (OSError, ValueError, ZeroDivisionError):  # no such group here, or "max": no limit
        return []


def peak_mib() -> float:
    """The most memory that this process has held; 0 if the system does not report it.

    Linux's own counter comes first: `getrusage` also counts the parent's memory before `exec`.
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
        """The device that `auto` means here: the first usable CUDA device, else the CPU.

        Any other choice is already decided. It takes seconds if the machine may have a GPU.
        """
        if self.kind != "auto":
            return self
        usable = usable_cuda_devices()
        return DeviceChoice("cuda", usable[0]) if usable else CPU

    @property
    def is_gpu(self) -> bool:
        """Whether networks train on a GPU here."""
        return self.decided().kind in ("cuda", "mps")


AUTO, CPU = DeviceChoice("auto"), DeviceChoice("cpu")


def parse_device(text: str) -> DeviceChoice:
    """The device that a text names. Raises UsageError for a text that names none."""
    kind, colon, index = text.partition(":")
    for known in get_args(DeviceKind):
        if kind == known and not colon:
            return DeviceChoice(known)
    if kind == "cuda" and re.fullmatch(r"[0-9]{1,3}", index):
        return DeviceChoice("cuda", int(index))
    raise UsageError(f"--device {text}: expected auto, cpu, cuda, cuda:N or mps")


# A process of its own, because torch takes a second to import and a broken driver may hang.
_CUDA_PROBE = """
import sys, torch
for number in range(torch.cuda.device_count()):
    try:
        torch.zeros(1, device=f"cuda:{number}")
    except RuntimeError:
        continue
    sys.stdout.write(f"{number} ")
"""
_CUDA_PROBE_LIMIT_S = 60


@cache
def usable_cuda_devices() -> tuple[int, ...]:
    """Numbers of the CUDA devices that torch can use, by a test that runs once.

    It takes seconds if the machine may have a GPU. `CUDA_VISIBLE_DEVICES` hides devices.
    """
    if not _may_have_cuda():
        return ()
    command = [sys.executable, "-c", _CUDA_PROBE]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_CUDA_PROBE_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return ()
    return tuple(int(number) for number in done.stdout.split()) if done.returncode == 0 else ()


def _may_have_cuda() -> bool:
    """Whether this machine shows any trace of a GPU; without one the test would cost a second."""
    traces = [*Path("/dev").glob("nvidia*"), *map(Path, ("/dev/dxg", "/dev/kfd"))]
    return any(path.exists() for path in traces) or shutil.which("nvidia-smi") is not None
