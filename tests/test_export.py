"""Exported files say what the stored networks say."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import small
import torch
from commands import call
from safetensors import torch as safetensors

from mnistladder.config.loading import load_rung, shipped_names
from mnistladder.config.recipe import recipe, resolved
from mnistladder.config.sizes import EVALUATED
from mnistladder.data import datasets
from mnistladder.engine import evaluate, export
from mnistladder.engine.train_state import hash_weights, join_weights
from mnistladder.errors import CorruptError, ExitCode, UsageError
from mnistladder.model import layers, network
from mnistladder.model.ensemble import Ensemble
from mnistladder.model.shapes import layer_table
from mnistladder.runs import ensembles, predictions, results
from mnistladder.runs.stage_store import StageStore

MNIST = datasets.find("mnist")
KINDS = list(export.WRITERS)
ARCHITECTURES = {  # one rung for each distinct network
    json.dumps(recipe(load_rung(name).config)["model"]): name for name in shipped_names()
}
RECORD = {"rung": "r", "overrides": [], "seed": 0, "result_id": "0" * 16}


def made(config, members=1):
    """Untrained networks as training lays them out, with other batch statistics; their record."""
    built = [network.build(config.model, seed, (33.0, 78.0)) for seed in range(members)]
    with torch.no_grad():
        for each in built:
            for name, buffer in each.named_buffers():
                if name.endswith("running_mean"):
                    buffer.uniform_(-0.1, 0.1)
    for each in built:
        join_weights(each)
    hashes = [hash_weights(each) for each in built]
    record = {**RECORD, "config": resolved(config), "members": members, "weights_sha256": hashes}
    return Ensemble(built).requires_grad_(False), record


@pytest.fixture(scope="module")
def images():
    """A batch of the readers, and a single image."""
    return MNIST.load().test.images[: EVALUATED + 1]


def said(networks, images):
    with torch.inference_mode():
        return networks(torch.from_numpy(images.astype(np.float32))[:, None]).numpy()


def assert_same(networks, record, kind, images):
    """The exported file says what the networks say, of many images and of a single one."""
    content = export.WRITERS[kind](networks, record)
    found, expected = export.probabilities(content, kind, images), said(networks, images)
    assert found.dtype == np.float64
    # Rung 1's logits of raw pixels are in the hundreds: rounding them changes p by 1.5e-5.
    assert found == pytest.approx(expected, abs=1e-4)
    assert evaluate.difference(found, expected)[0] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ARCHITECTURES.values())
def test_every_architecture_is_exported(images, name, kind):
    assert_same(*made(load_rung(name).config), kind, images)


MAPS = (  # every layer that takes feature maps, with paddings that no rung has
    layers.Normalize(mean=30.0, std=70.0),
    layers.Relu(),
    layers.MaxPool(size=3, stride=2),
    layers.Conv(out=4, kernel=2, stride=3),
    layers.BatchNorm(),
    layers.Gelu(),
    layers.Silu(),
    layers.Conv(out=8, kernel=4, groups=4, bias=False),
    layers.LeakyRelu(slope=0.3),
    layers.AvgPool(size=2, stride=1),
    layers.Conv(out=8, padding="valid"),
    layers.Tanh(),
)
FEATURES = (
    layers.Dense(out=12, bias=False),
    layers.BatchNorm(eps=1e-5),
    layers.Dropout(p=0.5),
    layers.Sigmoid(),
    layers.Dense(out=10),
)
BETWEEN = (layers.Flatten(), layers.GlobalAvgPool(), layers.GlobalMaxPool())


def test_every_layer_of_the_registry_is_in_the_next_test():
    assert {type(layer) for layer in MAPS + BETWEEN + FEATURES} == {*layers.LAYERS.values()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("between", BETWEEN, ids=layers.layer_name)
def test_every_layer_is_exported(images, kind, between, capfd):
    plan = (*MAPS, between, *FEATURES)
    layer_table(plan)
    assert_same(*made(small.tiny(model=plan)), kind, images)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def climbed(tmp_path_factory, digits_dir):
    """A folder where two averaged networks were trained on a few digits and tested on all."""
    folder = tmp_path_factory.mktemp("climbed")
    mixed = folder / "mixed"
    mixed.mkdir()
    for names in datasets.FILES.values():
        for name in names:
            there = (digits_dir if name.startswith("train") else datasets.MNIST_DIR) / name
            there = there if there.exists() else there.with_name(f"{name}.gz")
            (mixed / there.name).write_bytes(there.read_bytes())
    done = call(
        "run",
        "model06_maxpool",
        "--set",
        "members=2",
        "--set",
        "phases.0.epochs=3",
        "--jobs",
        "1",
        "--quiet",
        "--data-dir",
        mixed,
        cwd=folder,
    )
    assert done.returncode == 0
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_all_test_images_are_predicted_as_by_the_stored_networks(climbed, kind):
    [record] = results.all_results(climbed / "runs")
    done = call(
        "export", record.result_id, "--to", kind, "--data-dir", "mixed", "--json", cwd=climbed
    )
    assert (done.returncode, done.stderr) == (0, "")
    about = json.loads(done.stdout)
    assert (about["same_predictions"], about["predictions"], about["networks"]) == (
        10_000,
        10_000,
        2,
    )
    path = climbed / about["file"]
    assert about["bytes"] == path.stat().st_size
    found = export.probabilities(path.read_bytes(), kind, MNIST.load().test.images)
    stored = predictions.averaged(record, StageStore(climbed / "runs"))
    assert (found.argmax(1) == stored.argmax(1)).all()
    assert len(set(found.argmax(1))) == 10  # they have learnt something
    assert found == pytest.approx(stored, abs=1e-5)


ELSEWHERE = (Path(__file__).parents[1] / "docs" / "export.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", ELSEWHERE, re.DOTALL)


@pytest.mark.parametrize(("kind", "snippet"), [*zip(KINDS, SNIPPETS, strict=True)], ids=KINDS)
def test_snippet_of_the_document_runs_and_says_the_same(images, tmp_path, kind, snippet):
    networks, record = made(small.tiny(), members=2)
    path = tmp_path / f"model12_averaging-seed0.{kind}"
    path.write_bytes(export.WRITERS[kind](networks, record))
    names = {"pixels": torch.from_numpy(images.copy()).float()[:, None]}
    with contextlib.chdir(tmp_path), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given buffer is not writable")  # torch 2.11
        exec(snippet, names)
    assert np.asarray(names["probabilities"]) == pytest.approx(said(networks, images), abs=1e-5)


def test_existing_file_is_kept_unless_forced(climbed):
    [record] = results.all_results(climbed / "runs")
    arguments = [
        "export",
        record.result_id,
        "--to",
        "safetensors",
        "--data-dir",
        "mixed",
        "--output",
        "mine.bin",
    ]
    (climbed / "mine.bin").write_text("mine")
    refused = call(*arguments, cwd=climbed)
    assert refused.returncode == ExitCode.USAGE
    assert "mine.bin: exists already" in refused.stderr
    assert (climbed / "mine.bin").read_text() == "mine"
    assert call(*arguments, "--force", cwd=climbed).returncode == 0
    assert isinstance(export.load(climbed / "mine.bin"), Ensemble)


def test_link_that_leads_nowhere_is_not_replaced_either(climbed):
    [record] = results.all_results(climbed / "runs")
    (climbed / "link.pt2").symlink_to(climbed / "nowhere")
    done = call(
        "export",
        record.result_id,
        "--to",
        "pt2",
        "--data-dir",
        "mixed",
        "--output",
        "link.pt2",
        cwd=climbed,
    )
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert (climbed / "link.pt2").is_symlink()


@pytest.mark.parametrize("output", [".", "mixed", "/"])
def test_folder_is_no_file_to_write_to(climbed, output):
    [record] = results.all_results(climbed / "runs")
    done = call(
        "export",
        record.result_id,
        "--to",
        "pt2",
        "--data-dir",
        "mixed",
        "--output",
        output,
        "--force",
        cwd=climbed,
    )
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == f"{output}: is a folder; give the name of a file"


@pytest.mark.parametrize(
    "command", [("export", "--to", "pt2", "-o", "new.pt2"), ("gallery",), ("errors",)]
)
def test_data_that_a_result_was_not_measured_on_are_refused(climbed, digits_dir, command):
    [record] = results.all_results(climbed / "runs")
    before = set(climbed.iterdir())
    done = call(*command, record.result_id, "--data-dir", digits_dir, cwd=climbed)
    assert done.returncode == ExitCode.USAGE
    assert f"{digits_dir} is not the data it was measured on" in done.stderr
    assert set(climbed.iterdir()) == before


def test_networks_that_are_not_stored_cannot_be_exported(climbed, tmp_path):
    shutil.copytree(climbed / "runs" / "results", tmp_path / "runs" / "results")
    [record] = results.all_results(tmp_path / "runs")
    done = call(
        "export", record.result_id, "--to", "pt2", "--data-dir", climbed / "mixed", cwd=tmp_path
    )
    assert done.returncode == ExitCode.USAGE
    assert "2 of its networks are not in" in done.stderr


def test_file_that_says_something_else_is_not_written(climbed, monkeypatch):
    """The check can fail: networks whose outputs are exchanged are noticed."""
    [record] = results.all_results(climbed / "runs")
    load = ensembles.load

    def changed(*arguments):
        networks = load(*arguments)
        with torch.no_grad():
            for name, value in networks.networks[0].named_parameters():
                if name.endswith("dense.weight"):
                    value.copy_(value.flip(0))
        return networks

    monkeypatch.setattr(ensembles, "load", changed)
    done = call(
        "export",
        record.result_id,
        "--to",
        "pt2",
        "--data-dir",
        "mixed",
        "--output",
        "other.pt2",
        cwd=climbed,
    )
    assert (done.returncode, done.stdout) == (ExitCode.FAILED, "")
    assert "other.pt2: not written: " in done.stderr
    assert not (climbed / "other.pt2").exists()


def remade(content, **about):
    """The file with other metadata."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return safetensors.save(safetensors.load(content), {**header["__metadata__"], **about})


DAMAGES = {
    "empty": (lambda content: b"", "Expecting value"),
    "foreign": (lambda content: b"no such file" * 9, ""),
    "header cut": (lambda content: content[:200], ""),
    "end cut": (lambda content: content[:-4], ""),
    "bit": (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "damaged"),
    "names": (lambda content: content.replace(b"03_conv", b"03_cone"), "state_dict"),
    "length": (lambda content: b"\xff" * 8 + content[8:], ""),
    "layer": (lambda content: content.replace(b"conv", b"cone"), "config is refused: .*`cone`"),
    "of another": (
        lambda content: safetensors.save(safetensors.load(content), {"format": "pt"}),
        "does not say how to build them",
    ),
    "no network": (lambda content: remade(content, weights_sha256="[]"), "0 weights"),
    "too many": (
        lambda content: remade(content, weights_sha256=json.dumps(["0"] * 10**6)),
        "weights, but",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_foreign_or_damaged_file_is_told(tmp_path, name):
    damage, reason = DAMAGES[name]
    content = export.to_safetensors(*made(small.tiny(), members=2))
    assert len(export.from_safetensors(content, "whole").networks) == 2
    path = tmp_path / "f.bin"
    path.write_bytes(damage(content))
    assert path.read_bytes() != content
    with pytest.raises(
        CorruptError, match=rf"f\.bin: no networks of mnistladder: .*{reason}"
    ) as told:
        export.load(path)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["missing.safetensors", "."])
def test_file_that_cannot_be_read_is_told(tmp_path, name):
    with pytest.raises(CorruptError, match=r"cannot be read: |not a regular file"):
        export.load(tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
def test_file_names_no_folder_of_the_machine_that_wrote_it(kind):
    content = export.WRITERS[kind](*made(small.tiny()))
    for folder in (Path(export.__file__).parent, Path(torch.__file__).parent, Path.home()):
        assert str(folder).encode() not in content


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
    command = [
        sys.executable,
        "-m",
        "mnistladder",
        "export",
        record.result_id,
        "--to",
        "onnx",
        "--data-dir",
        "mixed",
        "--output",
        str(tmp_path / "a.onnx"),
    ]
    done = subprocess.run(command, cwd=climbed, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 5


def test_onnx_file_is_in_the_oldest_format_that_holds_it():
    """Runtimes refuse a newer opset or IR than they know."""
    import onnx

    model = onnx.load_from_string(export.to_onnx(*made(small.tiny())))
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 18)]
    assert model.ir_version == 8
    onnx.checker.check_model(model, full_check=True)
    for number in (18, 8):
        assert str(number) in export.NEEDS["onnx"]


def test_missing_extra_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    networks, record = made(small.tiny())
    with pytest.raises(
        UsageError, match=r"onnxscript is missing: pip install 'mnistladder\[onnx\]'"
    ):
        export.to_onnx(networks, record)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert export.to_safetensors(networks, record)


def test_config_and_weights_are_bound_together():
    """A network of the same weights with tanh for relu would load, and say something else."""
    networks, record = made(small.tiny(), members=2)
    content = export.to_safetensors(networks, record)
    config = json.dumps(record["config"])
    assert '"relu"' in config
    other = {"config": config.replace('"relu"', '"tanh"')}
    with pytest.raises(CorruptError, match="its config is not that of its weights"):
        export.from_safetensors(remade(content, **other), "file")
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    forged = {**header["__metadata__"], **other}
    forged[export.BOUND] = export.bound_sha256(forged)  # the hash holds against accidents only
    assert len(export.from_safetensors(remade(content, **forged), "file").networks) == 2


def test_older_file_is_held_by_the_hashes_of_its_weights():
    networks, record = made(small.tiny())
    content = export.to_safetensors(networks, record)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    older = {name: text for name, text in header["__metadata__"].items() if name != export.BOUND}
    found = export.from_safetensors(safetensors.save(safetensors.load(content), older), "file")
    assert len(found.networks) == 1


def test_small_file_that_describes_many_layers_is_refused_at_once():
    plan = [*["relu"] * 900, "globalavgpool", {"dense": {"out": 10}}]
    config = {"title": "many", "model": plan, "phases": [{"epochs": 1, "lr": 0.1}]}
    about = {"config": json.dumps(config), "weights_sha256": json.dumps([""] * 400)}
    content = safetensors.save({"x": torch.zeros(8_000)}, about)
    started = time.monotonic()
    with pytest.raises(CorruptError, match="at most 50,000 are read"):
        export.from_safetensors(content, "file")
    assert time.monotonic() - started < 5


def test_pipe_in_the_place_of_a_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CorruptError, match="not a regular file"):
        export.load(tmp_path / "pipe")
