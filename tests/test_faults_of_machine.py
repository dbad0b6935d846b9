"""Memory that runs out and a GPU that fails are one line with what to change, and exit code 5."""

import subprocess
import sys

import numpy as np
import pytest
import small
import torch

from mnistladder.engine import faults
from mnistladder.errors import ExitCode
from mnistladder.ladder.executors import Job, jobs

# The command line with so many MiB of address space more than torch itself takes.
LIMITED = """
import resource, sys
from pathlib import Path
import torch
from mnistladder.cli import main
pages = int(Path("/proc/self/statm").read_text().split()[0])
size = pages * resource.getpagesize() + (int(sys.argv.pop(1)) << 20)
resource.setrlimit(resource.RLIMIT_AS, (size, size))
main()
"""
MEMORY = [
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 4 bytes. Error code 12 (Cannot allocate memory)",
    "CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ...",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
    "CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "MPS backend out of memory (MPS allocated: 1 GB)",
    "std::bad_alloc",
]
DEVICE = [
    "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`",
    "Found no NVIDIA driver on your system. Please check",
]
BUGS = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"),
    RuntimeError("CUDA error: device-side assert triggered"),
    ValueError("out of memory"),
    RecursionError("maximum recursion depth exceeded"),
]


def limited(mib, *arguments, cwd):
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(mib), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("text", MEMORY)
def test_texts_of_memory_that_ran_out_are_known(text):
    line = faults.explain(RuntimeError(text), "cuda:0", "less")
    assert line.startswith("out of memory: ")
    assert line.endswith("; less")
    assert "\n" not in line
    assert "enforce fail" not in line


def test_memory_errors_of_every_origin_are_known():
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(10**14)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(10**14)
    for error in (
        of_torch.value,
        of_numpy.value,
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
    ):
        assert faults.explain(error, "cpu", "less").startswith("out of memory: ")


@pytest.mark.parametrize("text", DEVICE)
def test_failing_gpu_names_the_device_and_what_to_use(text):
    for kind in (RuntimeError, torch.AcceleratorError):
        line = faults.explain(kind(text), "cuda:1", "less")
        assert line.startswith("cuda:1: the GPU or its driver failed: ")
        assert line.endswith("or use --device cpu")
        assert "\n" not in line


@pytest.mark.parametrize("error", BUGS, ids=str)
def test_bug_is_no_fault_of_the_machine(error):
    assert faults.explain(error, "cuda:0", "less") is None


@pytest.mark.parametrize(
    ("networks", "advice"), [(4, "try --stack 2 first"), (1, "try fewer --jobs first")]
)
def test_job_that_runs_out_of_memory_names_first_what_keeps_the_recipe(
    tmp_path, source, monkeypatch, networks, advice
):
    """The data set cannot be loaded into a memory that is full."""
    stages = tuple(small.first_stage(small.tiny(), source, seed) for seed in range(networks))
    events = []

    def full(_):
        raise torch.OutOfMemoryError(MEMORY[1])

    monkeypatch.setattr("torch.from_numpy", full)
    jobs.run_job(Job(stages, networks > 1), tmp_path, small.CPU, events.append)
    assert {event.key for event in events} == {stage.key for stage in stages}
    assert {event.exit_code for event in events} == {ExitCode.RESOURCE}
    assert advice in events[0].text
    assert events[0].text.endswith("then a smaller `batch_size`")


def test_training_in_too_little_memory_ends_with_one_line_and_code_5(tmp_path):
    """All modules and the data fit; the activations of a batch do not."""
    arguments = ("run", "model05_conv", "--set", "batch_size=16384")
    done = limited(700, *arguments, "--quiet", "--jobs", 1, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.RESOURCE, "")
    assert "out of memory: " in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_data_that_do_not_fit_into_memory_end_a_command_with_one_line_and_code_5(tmp_path):
    done = limited(10, "data", "mnist", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.RESOURCE, "")
    assert done.stderr.startswith("mnistladder: out of memory: ")
    assert len(done.stderr.splitlines()) == 1
