"""What `--device` means on a machine, and how jobs share its devices."""

import os

import pytest
import torch

from mnistladder import environment
from mnistladder.environment import DeviceChoice, parse_device
from mnistladder.errors import UsageError
from mnistladder.ladder.slots import Devices, Slot, decide_devices

CPU = DeviceChoice("cpu")
CORES = Devices((CPU,))
GPU, SECOND_GPU = (DeviceChoice("cuda", index) for index in (0, 1))


def never():
    raise AssertionError("a named device needs no search")


@pytest.mark.parametrize(
    ("name", "gpus", "names"),
    [
        ("auto", (), ("cpu",)),
        ("auto", (0, 1), ("cuda:0", "cuda:1")),
        ("cuda", (1,), ("cuda:1",)),  # the first one is there and does not work
        ("cuda", (), ("cuda",)),  # torch refuses it
    ],
)
def test_devices_are_those_that_work(name, gpus, names):
    assert decide_devices(name, lambda: gpus) == Devices(tuple(map(parse_device, names)))


@pytest.mark.parametrize("name", ["cpu", "mps", "cuda:1"])
def test_named_device_is_taken_without_a_search(name):
    assert decide_devices(name, never) == Devices((parse_device(name),))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device works here")
def test_device_file_without_a_working_driver_is_no_gpu(monkeypatch):
    monkeypatch.setattr(environment, "_may_have_cuda", lambda: True)
    assert environment.usable_cuda_devices.__wrapped__() == ()
    two_files = environment._CUDA_PROBE.replace("torch.cuda.device_count()", "2")
    monkeypatch.setattr(environment, "_CUDA_PROBE", two_files)
    assert environment.usable_cuda_devices.__wrapped__() == ()
    working = two_files.replace('device=f"cuda:{number}"', "device='cpu'")
    monkeypatch.setattr(environment, "_CUDA_PROBE", working)
    assert environment.usable_cuda_devices.__wrapped__() == (0, 1)


def test_unknown_name_is_refused():
    with pytest.raises(UsageError, match="expected auto, cpu"):
        decide_devices("gpu", never)


def test_gpus_take_one_job_each_and_the_cpu_one_a_core():
    assert Devices((GPU, SECOND_GPU)).default_jobs == 2
    assert Devices((DeviceChoice("cuda"),)).default_jobs == 1
    assert 1 <= CORES.default_jobs <= len(os.sched_getaffinity(0))
    assert [devices.are_gpus for devices in (CORES, Devices((DeviceChoice("mps"),)))] == [
        False,
        True,
    ]


def test_workers_are_bound_to_cores_only_if_each_core_gets_one():
    cores = sorted(os.sched_getaffinity(0))
    assert CORES.slots(len(cores)) == [Slot(CPU, core) for core in cores]
    assert CORES.slots(len(cores) + 1) == [Slot(CPU)] * (len(cores) + 1)


def test_workers_are_spread_over_the_gpus():
    slots = Devices((GPU, SECOND_GPU)).slots(3)
    assert slots == [Slot(GPU), Slot(SECOND_GPU), Slot(GPU)]
    assert Devices((SECOND_GPU,)).slots(2) == [Slot(SECOND_GPU)] * 2
