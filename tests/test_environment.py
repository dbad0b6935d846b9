"""The device that a text names."""

import pytest
import torch

from mnistladder import environment
from mnistladder.engine import devices
from mnistladder.environment import AUTO, CPU, DeviceChoice, parse_device
from mnistladder.errors import UsageError


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("auto", DeviceChoice("auto")),
        ("cpu", DeviceChoice("cpu")),
        ("mps", DeviceChoice("mps")),
        ("cuda", DeviceChoice("cuda")),
        ("cuda:0", DeviceChoice("cuda", 0)),
        ("cuda:12", DeviceChoice("cuda", 12)),
    ],
)
def test_device_is_parsed_and_written_again(text, choice):
    assert parse_device(text) == choice
    assert str(choice) == text


@pytest.mark.parametrize("text", ["", "gpu", "cuda:", "cuda:x", "cuda:1000", "cpu:0", "auto:", "²"])
def test_text_that_names_no_device_is_refused(text):
    with pytest.raises(UsageError, match="expected auto, cpu, cuda, cuda:N or mps"):
        parse_device(text)


@pytest.mark.parametrize(
    ("usable", "decided"),
    [((), CPU), ((0, 1), DeviceChoice("cuda", 0)), ((1,), DeviceChoice("cuda", 1))],
)
def test_auto_is_the_first_gpu_that_works_here(monkeypatch, usable, decided):
    monkeypatch.setattr(environment, "usable_cuda_devices", lambda: usable)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    assert AUTO.decided() == decided
    assert AUTO.is_gpu == bool(usable)
    assert devices.choose(AUTO) == torch.device(str(decided))


@pytest.mark.parametrize(("text", "is_gpu"), [("cpu", False), ("cuda:1", True), ("mps", True)])
def test_named_device_is_decided_already(text, is_gpu):
    choice = parse_device(text)
    assert choice.decided() is choice
    assert choice.is_gpu == is_gpu
