"""The device that a text names."""

import pytest

from mnistladder import environment
from mnistladder.environment import DeviceChoice, parse_device
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


@pytest.mark.parametrize(("gpus", "kind"), [(0, "cpu"), (2, "cuda")])
def test_auto_is_decided_by_the_gpus_of_the_machine(monkeypatch, gpus, kind):
    monkeypatch.setattr(environment, "gpu_count", lambda: gpus)
    auto = DeviceChoice("auto")
    assert auto.decided() == DeviceChoice(kind)
    assert auto.is_gpu == bool(gpus)


@pytest.mark.parametrize(("text", "is_gpu"), [("cpu", False), ("cuda:1", True), ("mps", True)])
def test_named_device_is_decided_already(text, is_gpu):
    choice = parse_device(text)
    assert choice.decided() is choice
    assert choice.is_gpu == is_gpu
