"""All techniques past the article in one recipe: they work together, stacked and interrupted."""

import pytest
import small
import torch
from torch import nn

from mnistladder.config.loading import load_rung
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.tensors import Images, load_digits
from mnistladder.engine.train_state import TrainState
from mnistladder.ladder.events import EpochDone
from mnistladder.ladder.trainer import Trainer
from mnistladder.model import network
from mnistladder.runs.stage_store import StageStore

CPU = torch.device("cpu")
STATISTICS = (33.3, 78.6)


def block(out, pool=False, first=False):
    """A convolution without bias, the pooling if there is one, normalisation, ReLU; as YAML."""
    more = ", kernel: 5, stride: 2" if first else ""
    lines = [f"conv: {{out: {out}, bias: false, init: he_normal{more}}}"]
    lines += ["maxpool"] * pool + ["batchnorm: {momentum: 0.1}", "relu"]
    return "".join(f"  - {line}\n" for line in lines)


LAYERS = ["normalize"], ["flatten", "dense: {out: 10}"]
RECIPE = """
optimizer: {name: muon, weight_decay: 0.01, no_decay: [bias, norm]}
average: {decay: 0.9, every: 2}
views: 5
precision: bfloat16
label_smoothing: 0.05
batch_size: 128
augment: {rotate_deg: 8, shear_deg: 7, zoom: 0.08, shift_px: 1, elastic_px: 1, erase: 0.2}
phases:
  - {epochs: 1, lr: {from: 1e-3, to: 0.04}, augment: true}
  - {epochs: 1, lr: {from: 0.04, to: 1e-4, shape: cosine}}
"""


def written(folder, blocks):
    """A config of these blocks between the first and the last layers."""
    first, last = (["".join(f"  - {layer}\n" for layer in part)] for part in LAYERS)
    path = folder / "techniques.yaml"
    path.write_text("title: All\nmodel:\n" + "".join([*first, *blocks, *last]) + RECIPE)
    return load_rung(str(path)).config


@pytest.fixture
def small_config(tmp_path):
    return written(tmp_path, [block(6, first=True), block(8, pool=True), block(12)])


@pytest.fixture(autouse=True)
def _deterministic():
    make_deterministic()


def test_network_of_97650_parameters_can_be_written(tmp_path):
    pools = {32: [False, True], 48: [False, False, True, False]}
    blocks = [block(out, pool) for out, given in pools.items() for pool in given]
    config = written(tmp_path, [block(24, first=True), *blocks])
    assert config.parameters == 97_650
    built = network.build(config.model, 0, STATISTICS)
    assert sum(parameter.numel() for parameter in built.parameters()) == 97_650
    assert built(torch.rand(2, 1, 28, 28)).shape == (2, 10)


def test_pooling_before_normalisation_and_relu_keeps_its_order(small_config):
    built = network.build(small_config.model, 0, STATISTICS)
    kinds = [type(module) for module in built if not isinstance(module, nn.Flatten)]
    assert kinds[4:8] == [nn.Conv2d, nn.MaxPool2d, nn.BatchNorm2d, nn.ReLU]
    images = 255 * torch.rand(8, 1, 28, 28)
    expected = images
    for module in built:  # as a textbook has it: no module overwrites its input
        expected = expected.relu() if isinstance(module, nn.ReLU) else module(expected.clone())
    gradients = []
    for logits in (expected, built(images)):
        built.zero_grad()
        logits.square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in built.parameters()])
    assert torch.equal(built(images), expected)
    assert all(map(torch.equal, *gradients))


def test_bits_of_a_network_are_those_in_a_stack_of_any_size(small_config, source, tmp_path):
    digits = load_digits(source, tmp_path, CPU).train
    images = Images(digits.images[:300], digits.labels[:300])
    saved = {}
    for size in (2, 3):
        states = [TrainState.new(small_config, seed, STATISTICS, CPU) for seed in range(size)]
        small.train_epoch(small_config, states, range(size), images)
        saved[size] = [state.save() for state in states]
    assert saved[2] == saved[3][:2]
    assert saved[2][0] != saved[2][1]


def test_training_cut_off_goes_on_to_the_same_bits(small_config, source, tmp_path):
    def cut_off(event):
        if isinstance(event, EpochDone):
            raise InterruptedError

    stage = small.first_stage(small_config, source)
    whole, pieces = StageStore(tmp_path / "whole"), StageStore(tmp_path / "pieces")
    Trainer(whole, CPU, lambda event: None).train([stage])
    for emit in (cut_off, cut_off):
        with pytest.raises(InterruptedError):
            Trainer(pieces, CPU, emit).train([stage])
    Trainer(pieces, CPU, lambda event: None).train([stage])
    assert pieces.checkpoint(stage.key) == whole.checkpoint(stage.key)
    assert pieces.record(stage.key).weights_sha256 == whole.record(stage.key).weights_sha256
