"""Where jobs compute: the devices of this machine, decided once, and a slot for each job."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mnistladder import environment
from mnistladder.environment import CPU, DeviceChoice, parse_device, usable_cuda_devices


@dataclass(frozen=True)
class Slot:
    """Where one job computes: a device, and the core that its worker is bound to, if any."""

    device: DeviceChoice
    core: int | None = None


@dataclass(frozen=True)
class Devices:
    """The devices that jobs share: the CPU alone, or one or more GPUs."""

    choices: tuple[DeviceChoice, ...]

    @property
    def are_gpus(self) -> bool:
        return self.choices[0].is_gpu

    @property
    def default_jobs(self) -> int:
        """One job a GPU, or one a CPU core."""
        return len(self.choices) if self.are_gpus else environment.usable_cores()

    def slots(self, jobs: int) -> list[Slot]:
        """A slot for each of `jobs`: over the GPUs in turn, or each on a core of its own.

        Workers are bound to cores only if each core gets one; else the system places them better.
        """
        if self.are_gpus:
            return [Slot(self.choices[number % len(self.choices)]) for number in range(jobs)]
        cores = environment.usable_core_numbers()
        if jobs == len(cores):
            return [Slot(CPU, core) for core in cores]
        return [Slot(CPU)] * jobs


def decide_devices(
    name: str, find_gpus: Callable[[], Sequence[int]] = usable_cuda_devices
) -> Devices:
    """What `--device` means on this machine: `auto` is every usable CUDA device, else the CPU.

    `find_gpus` is asked only for `auto` and `cuda`, because it may take seconds. If it finds none,
    torch will refuse `cuda`. Raises UsageError for a text that names no device.
    """
    choice = parse_device(name)
    if choice.kind not in ("auto", "cuda") or choice.index is not None:
        return Devices((choice,))
    if gpus := find_gpus():
        return Devices(tuple(DeviceChoice("cuda", index) for index in gpus))
    return Devices((CPU if choice.kind == "auto" else choice,))
