"""Exported files say what the stored networks say."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest
import small
import torch
from commands import call

from mnistladder import data, ensemble, export, layers, network, predictions, results
from mnistladder.config import layer_table, recipe, resolved
from mnistladder.ensemble import Ensemble
from mnistladder.errors import CorruptError, ExitCode
from mnistladder.loading import load_rung, shipped_names
from mnistladder.members import Members

MNIST = data.find("mnist")
KINDS = list(export.WRITERS)
ARCHITECTURES = {  # one rung for each distinct network
    json.dumps(recipe(load_rung(name).config)["model"]): name for name in shipped_names()
}
RECORD = {"rung": "r", "overrides": [], "seed": 0, "result_id": "0" * 16, "weights_sha256": []}


def made(config, members=1):
    """Untrained networks whose batch statistics are not those of the start, and their record."""
    built = [network.build(config.model, seed, (33.0, 78.0)) for seed in range(members)]
    with torch.no_grad():
        for each in built:
            for name, buffer in each.named_buffers():
                if name.endswith("running_mean"):
                    buffer.uniform_(-0.1, 0.1)
    return Ensemble(built), {**RECORD, "config": resolved(config), "members": members}


@pytest.fixture(scope="module")
def images():
    return MNIST.load().test.images[:32]


def said(networks, images):
    with torch.inference_mode():
        return networks(torch.from_numpy(images.astype(np.float32))[:, None]).numpy()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ARCHITECTURES.values())
def test_every_architecture_is_exported(images, name, kind):
    networks, record = made(load_rung(name).config)
    content = export.WRITERS[kind](networks, record)
    found, expected = export.probabilities(content, kind, images), said(networks, images)
    assert found.dtype == np.float64
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_is_exported(images, kind):
    """All layers of the registry in one network."""
    plan = (
        layers.Normalize(), layers.Conv(out=4), layers.BatchNorm(), layers.Gelu(),
        layers.MaxPool(), layers.Conv(out=4, stride=2), layers.Silu(), layers.AvgPool(),
        layers.LeakyRelu(), layers.Dropout(p=0.5), layers.Flatten(), layers.Dense(out=12),
        layers.Tanh(), layers.Dense(out=12), layers.Sigmoid(), layers.Relu(), layers.Dense(out=10),
    )  # fmt: skip
    for model in (plan, (*plan[:6], layers.GlobalAvgPool(), layers.Dense(out=10)),
                  (*plan[:6], layers.GlobalMaxPool(), layers.Dense(out=10))):  # fmt: skip
        layer_table(model)
        networks, record = made(small.tiny(model=model), members=2)
        content = export.WRITERS[kind](networks, record)
        assert export.probabilities(content, kind, images) == pytest.approx(
            said(networks, images), abs=1e-5
        )


@pytest.fixture(scope="module")
def climbed(tmp_path_factory, digits_dir):
    """A folder where two averaged networks were trained on a few digits and tested on all."""
    folder = tmp_path_factory.mktemp("climbed")
    mixed = folder / "mixed"
    mixed.mkdir()
    for names in data.FILES.values():
        for name in names:
            there = (digits_dir if name.startswith("train") else data.MNIST_DIR) / name
            there = there if there.exists() else there.with_name(f"{name}.gz")
            (mixed / there.name).write_bytes(there.read_bytes())
    done = call("run", "model06_maxpool", "--set", "members=2", "--jobs", "1", "--quiet",
                "--data-dir", mixed, cwd=folder)  # fmt: skip
    assert done.returncode == 0
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_all_test_images_are_predicted_as_by_the_stored_networks(climbed, kind):
    [record] = results.all_results(climbed / "runs")
    done = call("export", record["result_id"], "--to", kind, "--data-dir", "mixed", "--json",
                cwd=climbed)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    about = json.loads(done.stdout)
    assert (about["same_predictions"], about["networks"]) == (10_000, 2)
    path = climbed / about["file"]
    assert about["bytes"] == path.stat().st_size
    found = export.probabilities(path.read_bytes(), kind, MNIST.load().test.images)
    stored = predictions.averaged(record, Members(climbed / "runs"))
    assert (found.argmax(1) == stored.argmax(1)).all()
    assert found == pytest.approx(stored, abs=1e-5)


def test_existing_file_is_kept_unless_forced(climbed):
    [record] = results.all_results(climbed / "runs")
    arguments = ["export", record["result_id"], "--to", "safetensors", "--data-dir", "mixed",
                 "--output", "mine.bin"]  # fmt: skip
    (climbed / "mine.bin").write_text("mine")
    refused = call(*arguments, cwd=climbed)
    assert refused.returncode == ExitCode.USAGE
    assert "mine.bin: exists already" in refused.stderr
    assert (climbed / "mine.bin").read_text() == "mine"
    assert call(*arguments, "--force", cwd=climbed).returncode == 0
    assert isinstance(export.load(climbed / "mine.bin"), Ensemble)


def test_file_that_says_something_else_is_not_written(climbed, monkeypatch):
    """The check can fail: networks whose outputs are exchanged are noticed."""
    [record] = results.all_results(climbed / "runs")
    load = ensemble.load

    def changed(*arguments):
        networks = load(*arguments)
        with torch.no_grad():
            for name, value in networks.networks[0].named_parameters():
                if name.endswith("dense.weight"):
                    value.copy_(value.flip(0))
        return networks

    monkeypatch.setattr(ensemble, "load", changed)
    done = call("export", record["result_id"], "--to", "pt2", "--data-dir", "mixed",
                "--output", "other.pt2", cwd=climbed)  # fmt: skip
    assert done.returncode == ExitCode.FAILED
    assert not (climbed / "other.pt2").exists()


@pytest.mark.parametrize("damage", [
    lambda content: b"", lambda content: b"no such file" * 9, lambda content: content[:200],
    lambda content: content[:-4], lambda content: content.replace(b"03_conv", b"03_cone"),
    lambda content: b"\xff" * 8 + content[8:], lambda content: content.replace(b"conv", b"cone"),
])  # fmt: skip
def test_foreign_or_damaged_file_is_told(damage):
    networks, record = made(small.tiny())
    content = export.to_safetensors(networks, record)
    assert export.from_safetensors(content, "whole")
    assert damage(content) != content
    with pytest.raises(CorruptError, match=r"f\.bin: no networks of mnistladder"):
        export.from_safetensors(damage(content), "f.bin")


def test_exported_weights_know_whose_they_are():
    networks, record = made(small.tiny())
    from safetensors import deserialize

    content = export.to_safetensors(networks, record)
    names = {name for name, _ in deserialize(content)}
    assert "networks.0.03_conv.weight" in names
    assert b"mnistladder" in content[:4000]
    for kind in ("pt2", "onnx"):
        assert b'"result_id": "0000000000000000"' in export.WRITERS[kind](networks, record)


def test_nothing_is_said_while_exporting(tmp_path, climbed):
    """The libraries' own chatter reaches neither stream."""
    [record] = results.all_results(climbed / "runs")
    command = [sys.executable, "-m", "mnistladder", "export", record["result_id"], "--to", "onnx",
               "--data-dir", "mixed", "--output", str(tmp_path / "a.onnx")]  # fmt: skip
    done = subprocess.run(command, cwd=climbed, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 4


def test_missing_extra_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    networks, record = made(small.tiny())
    with pytest.raises(Exception, match=r"pip install 'mnistladder\[onnx\]'"):
        export.to_onnx(networks, record)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert export.to_safetensors(networks, record)
