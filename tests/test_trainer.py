"""A stage ends with the same bits however often it is cut off, and damage is never believed."""

import os
import re
from importlib.metadata import version
from typing import ClassVar

import numpy as np
import pytest
import small
import torch
from safetensors import torch as safetensors
from torch import nn

from mnistladder.config.spec import Adadelta, Adam, AdamW, Muon, Phase, RmsProp, Sgd
from mnistladder.data import datasets, idx
from mnistladder.engine import evaluate
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.inputs import stream
from mnistladder.engine.tensors import load_digits
from mnistladder.engine.train_state import MOMENT, TrainState, hash_weights
from mnistladder.errors import CorruptError, ExitCode
from mnistladder.ladder.events import EpochDone, Failed, Finished, Notice, Started
from mnistladder.ladder.executors import Job, run_job
from mnistladder.ladder.stages import member_stages
from mnistladder.ladder.trainer import Trainer
from mnistladder.model.layers import LAYERS, Dense, Flatten, Layer, Normalize, Relu
from mnistladder.runs.stage_store import StageStore

CPU = torch.device("cpu")
STATISTICS = (33.3, 78.6)
OPTIMIZERS = [
    Adam(),
    AdamW(),
    Sgd(momentum=0.9, nesterov=True),
    RmsProp(),
    Adadelta(),
    Muon(no_decay=["bias"]),
    AdamW(weight_decay=0.1, no_decay=["bias", "norm"]),
]


@pytest.fixture(autouse=True)
def _deterministic():
    make_deterministic()


@pytest.fixture
def store(tmp_path):
    return StageStore(tmp_path)


class CutOffError(Exception):
    """Stands for whatever ends a process."""


def cut_off_at(epoch):
    """An emit that ends training when this epoch is stored."""

    def emit(event):
        if isinstance(event, EpochDone) and event.row.epoch == epoch:
            raise CutOffError

    return emit


def train(stage, store, emit=lambda event: None):
    """The record of the stage, trained from wherever it stands."""
    Trainer(store, CPU, emit).train([stage])
    return store.record(stage.key)


def train_cut_off(stage, store, *epochs):
    for epoch in epochs:
        with pytest.raises(CutOffError):
            Trainer(store, CPU, cut_off_at(epoch)).train([stage])


def ended(stage, runs, emit=lambda event: None):
    """How the stage ended as a job of its own."""
    events = []
    run_job(Job((stage,)), runs, small.CPU, lambda event: (events.append(event), emit(event)))
    return events[-1]


def flip_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def losses(store, key):
    return [row.loss for row in store.history(key)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_stage_cut_off_after_every_epoch_ends_with_the_same_bits(tmp_path, source, optimizer):
    stage = small.first_stage(small.tiny(optimizer=optimizer, phases=small.phases(1, 2)), source)
    whole, pieces = StageStore(tmp_path / "whole"), StageStore(tmp_path / "pieces")
    expected = train(stage, whole)
    train_cut_off(stage, pieces, 1, 2, 3)
    found = train(stage, pieces)
    assert found.weights_sha256 == expected.weights_sha256
    assert losses(pieces, stage.key) == losses(whole, stage.key)
    assert (expected.resumed, found.resumed) == (0, 3)
    assert np.array_equal(pieces.probabilities(stage.key), whole.probabilities(stage.key))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_stage_resumed_with_its_moments_at_zero_ends_with_other_bits(tmp_path, source, optimizer):
    stage = small.first_stage(small.tiny(optimizer=optimizer), source)
    expected = train(stage, StageStore(tmp_path / "whole"))
    store = StageStore(tmp_path / "without")
    train_cut_off(stage, store, 1)
    progress = store.progress(stage.key)
    tensors = safetensors.load(progress.checkpoint)
    forgotten = {
        name: torch.zeros_like(value) if name.startswith(MOMENT) else value
        for name, value in tensors.items()
    }
    progress.checkpoint = safetensors.save(forgotten)
    store.save_progress(stage.key, stage.seed, progress)
    assert train(stage, store).weights_sha256 != expected.weights_sha256


def test_other_seed_ends_with_other_bits(tmp_path, source):
    records = [
        train(small.first_stage(small.tiny(), source, s), StageStore(tmp_path)) for s in (0, 1)
    ]
    assert records[0].weights_sha256 != records[1].weights_sha256


def test_saved_member_loads_to_the_same_bytes(store, source):
    stage = small.first_stage(small.tiny(), source)
    train(stage, store)
    member = TrainState.new(stage.config, 0, STATISTICS, CPU)
    before = hash_weights(member.network)
    member.load(store.checkpoint(stage.key))
    assert member.save() == store.checkpoint(stage.key)
    assert hash_weights(member.evaluated) == store.record(stage.key).weights_sha256 != before


def test_checkpoint_of_another_shape_is_corrupt(store, source):
    stage = small.first_stage(small.tiny(), source)
    train(stage, store)
    model = (*small.LAYERS[:2], small.LAYERS[2].model_copy(update={"out": 8}), *small.LAYERS[3:])
    other = small.first_stage(small.tiny(model=model), source)
    with pytest.raises(CorruptError, match="another network"):
        TrainState.new(other.config, 0, STATISTICS, CPU).load(store.checkpoint(stage.key))


def test_checkpoint_of_other_layers_is_corrupt(store, source):
    stage = small.first_stage(small.tiny(), source)
    train(stage, store)
    other = small.first_stage(small.tiny(model=(Flatten(), Dense(out=10))), source)
    with pytest.raises(CorruptError, match="another network"):
        TrainState.new(other.config, 0, STATISTICS, CPU).load(store.checkpoint(stage.key))


@pytest.mark.parametrize("name", ["progress.json", "epoch-0001.safetensors"])
@pytest.mark.parametrize("damage", [flip_byte, lambda path: path.write_bytes(b"")])
def test_damaged_progress_is_set_aside_and_training_starts_again(tmp_path, source, name, damage):
    stage = small.first_stage(small.tiny(), source)
    expected = train(stage, StageStore(tmp_path / "whole"))
    store = StageStore(tmp_path / "damaged")
    train_cut_off(stage, store, 1)
    damage(store.root / stage.key / name)
    events = []
    found = train(stage, store, events.append)
    assert "set aside" in next(e.text for e in events if isinstance(e, Notice))
    assert [e.epochs_done for e in events if isinstance(e, Started)] == [0]
    assert found.weights_sha256 == expected.weights_sha256
    assert (store.root / stage.key / f"{name}.corrupt-1").exists()


def test_progress_whose_checkpoint_is_gone_starts_again(store, source):
    stage = small.first_stage(small.tiny(), source)
    train_cut_off(stage, store, 1)
    (store.root / stage.key / "epoch-0001.safetensors").unlink()
    events = []
    train(stage, store, events.append)
    assert [e.row.epoch for e in events if isinstance(e, EpochDone)] == [1, 2]


def pseudo_stages(source, seed=0):
    """Two stages of one member: one epoch, then one with pseudo-labels."""
    plan = small.phases(1, 1, pseudo_per_batch=16)
    levels = member_stages(small.tiny(phases=plan, pool="test"), seed, source)
    return [level[0] for level in levels]


def test_damaged_checkpoint_of_a_finished_stage_is_an_error(tmp_path, source):
    store = StageStore(tmp_path)
    first, second = pseudo_stages(source)
    train(first, store)
    flip_byte(store.root / first.key / "checkpoint.safetensors")
    with pytest.raises(CorruptError, match=r"checkpoint.safetensors: damaged"):
        store.checkpoint(first.key)
    end = ended(second, tmp_path)
    assert isinstance(end, Failed)
    assert end.exit_code is ExitCode.CORRUPT
    assert not store.is_stored(second.key)


def test_next_stage_goes_on_from_weights_and_moments(tmp_path, source):
    store = StageStore(tmp_path)
    first, second = pseudo_stages(source)
    train(first, store)
    train(second, store)
    steps = [
        safetensors.load(store.checkpoint(stage.key))[f"{MOMENT}step"].item()
        for stage in (first, second)
    ]
    assert steps == [8, 8 + 11]  # 512 digits by 64, then by 48
    [row] = store.history(second.key)
    assert (row.epoch, row.phase, row.images) == (2, 1, 512 + 11 * 16)


def changed_digits(digits_dir, folder, name, change):
    """The data set with one file of its test split changed."""
    folder.mkdir()
    for path in digits_dir.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    array = idx.decode_idx((folder / name).read_bytes(), name).copy()
    (folder / name).write_bytes(idx.encode_idx(np.ascontiguousarray(change(array))))
    return datasets.find("", folder)


@pytest.mark.parametrize(
    ("name", "change", "same"),
    [
        ("t10k-labels-idx1-ubyte", lambda labels: 9 - labels, True),
        ("t10k-images-idx3-ubyte", lambda images: images[:, ::-1], False),
    ],
)
def test_pseudo_labelling_sees_test_images_but_never_their_labels(
    tmp_path, source, digits_dir, name, change, same
):
    other = changed_digits(digits_dir, tmp_path / "changed", name, change)
    hashes = []
    for place in (source, other):
        store = StageStore(tmp_path / place.sha256[:8])
        hashes.append([train(stage, store).weights_sha256 for stage in pseudo_stages(place)])
    assert hashes[0][0] == hashes[1][0]
    assert (hashes[0][1] == hashes[1][1]) is same


def test_draws_elsewhere_do_not_change_the_bits(tmp_path, source):
    stage = small.first_stage(small.tiny(), source)
    expected = train(stage, StageStore(tmp_path / "quiet"))
    torch.manual_seed(os.getpid())
    found = train(stage, StageStore(tmp_path / "noisy"), lambda event: torch.rand(7))
    assert found.weights_sha256 == expected.weights_sha256


class Probe(Layer):
    """Draws a number in training, as dropout does, and notes it."""

    noted: ClassVar[list[float]] = []

    def module(self, shape):
        class Note(nn.Module):
            def forward(module, inputs):  # noqa: N805
                if module.training:
                    self.noted.append(torch.rand(1).item())
                return inputs

        return Note()


@pytest.mark.parametrize("seed", [0, 1])
def test_what_dropout_draws_follows_from_member_seed_and_epoch(store, source, monkeypatch, seed):
    monkeypatch.setitem(LAYERS, "probe", Probe)
    Probe.noted.clear()
    model = (Probe(), Flatten(), Dense(out=10))
    config = small.tiny(model=model, batch_size=512, phases=small.phases(1, 2))
    train(small.first_stage(config, source, seed), store)
    generators = [stream(seed, "dropout", epoch) for epoch in range(3)]
    assert Probe.noted == [torch.rand(1, generator=each).item() for each in generators]


def test_training_leaves_the_global_generator_alone(store, source):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    train(small.first_stage(small.tiny(), source), store)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert not torch.equal(torch.get_rng_state(), before)


DEEP = (Flatten(), *[layer for _ in range(6) for layer in (Dense(out=50), Relu())], Dense(out=10))


def test_diverged_loss_names_epoch_and_phase(store, source):
    plan = (Phase(epochs=1, lr=1e-3), Phase(epochs=2, lr=100.0))
    stage = small.first_stage(small.tiny(model=DEEP, optimizer=Sgd(), phases=plan), source)
    events = []
    Trainer(store, CPU, events.append).train([stage])
    assert re.match(r"epoch 2, phase 1: the loss is (nan|inf); lower its", events[-1].text)
    assert events[-1].exit_code is ExitCode.DIVERGED
    assert not store.is_stored(stage.key)
    assert len(store.progress(stage.key).history) == 1


def test_last_step_of_an_epoch_that_diverges_is_told(tmp_path, source):
    plan = {"optimizer": Sgd(), "phases": small.phases(1, lr=100.0), "batch_size": 512}
    huge = (Normalize(mean=0.0, std=1e-12), *DEEP)  # one step, with a finite loss, is enough
    stage = small.first_stage(small.tiny(model=huge, **plan), source)
    end = ended(stage, tmp_path)
    assert end.exit_code is ExitCode.DIVERGED
    assert "the test loss is nan" in end.text


def test_record_says_what_was_trained_where(store, source):
    stage = small.first_stage(small.tiny(), source)
    record = train(stage, store)
    assert (record.key, record.seed, record.epochs) == (stage.key, 0, 2)
    assert (record.images_seen, record.test_images) == (1024, 256)
    assert (record.device, record.threads, record.precision) == ("cpu", 1, "float32")
    assert record.data.plain() == {"name": source.name, "sha256": source.sha256}
    assert record.versions["torch"] == version("torch")


def test_record_says_the_precision(store, source):
    stage = small.first_stage(small.tiny(precision="bfloat16"), source)
    assert train(stage, store).precision == "bfloat16"


def test_recorded_errors_are_those_of_the_stored_probabilities(store, source):
    stage = small.first_stage(small.tiny(), source)
    record = train(stage, store)
    found, labels = store.probabilities(stage.key), source.test_labels()
    assert (found.argmax(1) != labels).sum() == record.test_errors
    of_truth = found[np.arange(256), labels].clip(1e-7)
    assert store.history(stage.key)[-1].test_loss == pytest.approx(-np.log(of_truth).mean())


def test_stored_checkpoint_gives_the_stored_probabilities(store, source):
    stage = small.first_stage(small.tiny(), source)
    train(stage, store)
    digits = load_digits(source, store.data_folder(source), CPU)
    member = TrainState.new(stage.config, 0, digits.statistics, CPU)
    member.load(store.checkpoint(stage.key))
    found = evaluate.probabilities(member.evaluated, digits.test.images)
    assert np.array_equal(found.numpy(), store.probabilities(stage.key))


def test_stored_stage_is_not_trained_again(tmp_path, source):
    stage = small.first_stage(small.tiny(), source)
    events = []
    ended(stage, tmp_path, events.append)
    assert [type(event) for event in events] == [Started, EpochDone, EpochDone, Finished]
    ended(stage, tmp_path, events.append)
    assert events[4:] == [Finished(stage.key)]


def test_tiny_network_learns(store, source):
    stage = small.first_stage(small.tiny(phases=small.phases(6)), source)
    assert train(stage, store).test_errors < 256 * 0.5
    found = losses(store, stage.key)
    assert found[-1] < found[0] / 2
