"""Code, versions, cores and memory, as records name them. Torch is never imported here."""

import math
import os
import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mnistladder import __version__

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
    """Cores that this process may use; empty where the system does not report them."""
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
    """The most memory that this process has held; 0 where the system does not report it.

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
