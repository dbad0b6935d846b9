"""Which device a user names, and which one `auto` means here. Torch is never imported here."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from mnistladder.errors import UsageError

DeviceKind = Literal["auto", "cpu", "cuda", "mps"]


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

        Any other choice is already decided. It takes seconds where the machine may have a GPU.
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

    It takes seconds where the machine may have a GPU. `CUDA_VISIBLE_DEVICES` hides devices.
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
