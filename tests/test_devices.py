"""The numerics flags."""

import pytest
import torch
from torch.nn import functional

from mnistladder.engine import devices
from mnistladder.environment import parse_device
from mnistladder.errors import UsageError


def test_bits_of_a_product_do_not_depend_on_where_its_operands_lie():
    rows, features, outputs = 20, 294, 10  # on an AMD processor MKL has four answers for this
    generator = torch.Generator().manual_seed(0)
    images, weights = (torch.randn(n, features, generator=generator) for n in (rows, outputs))
    found = set()
    for offset in range(8):
        wide = torch.zeros(rows, features + offset)
        wide[:, offset:] = images
        moved = torch.zeros(offset + weights.numel())[offset:].view_as(weights).copy_(weights)
        found.add(functional.linear(wide[:, offset:], moved).numpy().tobytes())
    assert len(found) == 1


@pytest.fixture
def two_gpus(monkeypatch):
    """The numbers that became the current device, on a machine that says it has two GPUs."""
    current = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    return current


def test_chosen_gpu_becomes_the_current_one(two_gpus):
    for name in ("cuda:1", "cuda", "cpu"):
        assert devices.choose(parse_device(name)) == torch.device(name)
    assert two_gpus == [1, 0]


@pytest.mark.parametrize("value", ["", ":8:8", "4096"])
def test_setting_of_cublas_that_torch_refuses_is_told(two_gpus, monkeypatch, value):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", value)
    with pytest.raises(UsageError, match=r"CUBLAS_WORKSPACE_CONFIG=.*unset it, or use :4096:8"):
        devices.choose(parse_device("cuda"))
    devices.choose(parse_device("cpu"))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    devices.choose(parse_device("cuda"))
    assert two_gpus == [0]
