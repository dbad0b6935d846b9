"""The moving average of the weights against a plain sum over all of them."""

import numpy as np
import pytest
import small
import torch
from safetensors import torch as safetensors

from mnistladder.config.spec import Average
from mnistladder.data import datasets
from mnistladder.engine import evaluate, inputs, loop, optim
from mnistladder.engine.averages import with_unbiased_averages
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.tensors import Images, load_digits
from mnistladder.engine.train_state import TrainState, hash_weights
from mnistladder.errors import CorruptError
from mnistladder.ladder.events import EpochDone
from mnistladder.ladder.stages import member_stages
from mnistladder.ladder.trainer import Trainer
from mnistladder.runs.stage_store import StageStore

CPU = torch.device("cpu")
STATISTICS = (33.3, 78.6)
STEPS = 8


@pytest.fixture(autouse=True)
def _deterministic():
    make_deterministic()


@pytest.fixture(scope="module")
def images(digits_dir):
    train = datasets.read_folder(digits_dir, "digits").train
    pixels = torch.from_numpy(train.images.copy())[:, None]
    return Images(pixels, torch.from_numpy(train.labels.copy()).long())


def new_state(config, seed=0):
    return TrainState.new(config, seed, STATISTICS, CPU)


def train(config, state, images, steps=STEPS, first=0):
    """So many steps of 64 images, from step number `first` of the epoch on."""
    epoch = inputs.assemble_epoch(images, None, config, config.phases[0], 0, 0)
    part = epoch[64 * first : 64 * (first + steps)]
    generators = [inputs.stream(0, "dropout", first)]
    loop.run_epoch(state, optim.make_loss(config), [part], 64, [1e-2] * steps, generators)


def plan(decay, every=1, **changes):
    return small.tiny(average=Average(decay=decay, every=every), **changes)


def floats(network):
    return {name: v for name, v in network.state_dict().items() if v.is_floating_point()}


def expected_average(config, images):
    """The weighted mean of the states after each update, batch normalisation's start left out.

    Also the last state itself.
    """
    state, states, shares = new_state(config), [], []
    for step in range(STEPS):
        train(config, state, images, 1, step)
        if (step + 1) % config.average.every == 0:
            states.append({name: value.double() for name, value in floats(state.network).items()})
            shares.append(0.99 ** (step + 1))  # the default momentum of batch normalisation is 0.01
    ages = range(len(states))[::-1]
    weights = np.array([config.average.decay**age for age in ages])
    weights /= weights.sum()
    mean = {
        name: sum(w * s[name] for w, s in zip(weights, states, strict=True)) for name in states[0]
    }
    share = float(weights @ shares)
    return {
        name: (value - share * ("var" in name)) / (1 - share) if "running" in name else value
        for name, value in mean.items()
    }, states[-1]


@pytest.mark.parametrize(("decay", "every"), [(0.5, 1), (0.9, 3), (0.999, 2), (1e-9, 1)])
def test_average_is_the_weighted_mean_of_the_weights_after_each_update(images, decay, every):
    config = plan(decay, every)
    state = new_state(config)
    for step in range(STEPS):  # dropout draws as in the slow reference
        train(config, state, images, 1, step)
    expected, last = expected_average(config, images)
    found = floats(state.evaluated)
    for name, value in expected.items():
        assert torch.allclose(found[name].double(), value, rtol=1e-5, atol=1e-6), name
    name = "03_conv.weight"
    assert torch.allclose(found[name].double(), last[name], atol=1e-4) is (decay < 1e-6)


def test_average_equal_to_what_batch_normalisation_keeps_is_no_special_case(images):
    config = plan(0.99)
    shares = []
    for decay in (0.99, 0.99 + 1e-7):
        state = new_state(plan(decay))
        train(config, state, images)
        shares.append(state.average.start_share(0.99))
    assert shares[0] == pytest.approx(np.mean([0.99**n for n in range(1, 9)]), rel=1e-2)
    assert shares[1] == pytest.approx(shares[0], rel=1e-5)


def test_average_changes_nothing_of_training(images):
    with_it, without = plan(0.9), small.tiny()
    states = [new_state(config) for config in (with_it, without)]
    for config, state in zip((with_it, without), states, strict=True):
        train(config, state, images)
    assert hash_weights(states[0].network) == hash_weights(states[1].network)
    assert hash_weights(states[0].evaluated) != hash_weights(states[0].network)


def test_network_before_the_first_update_is_the_one_in_training(images):
    config = plan(0.9, every=STEPS)
    state = new_state(config)
    train(config, state, images, STEPS - 1)
    before = hash_weights(state.evaluated)
    assert before == hash_weights(with_unbiased_averages(state.network))
    train(config, state, images, 1)
    assert hash_weights(state.evaluated) != before
    assert state.average.updates == 1


@pytest.fixture
def stage(source):
    config = plan(0.7, 3, phases=small.phases(1, 2))
    return small.first_stage(config, source)


def run(stages, store, emit=lambda event: None):
    for stage in stages:
        Trainer(store, CPU, emit).train([stage])
    return store.record(stages[-1].key)


def cut_off(event):
    if isinstance(event, EpochDone):
        raise InterruptedError


def test_training_cut_off_after_every_epoch_ends_with_the_same_average(tmp_path, stage):
    whole, pieces = StageStore(tmp_path / "whole"), StageStore(tmp_path / "pieces")
    expected = run([stage], whole)
    for _ in range(3):
        with pytest.raises(InterruptedError):
            run([stage], pieces, cut_off)
    found = run([stage], pieces)
    assert found.weights_sha256 == expected.weights_sha256
    assert pieces.checkpoint(stage.key) == whole.checkpoint(stage.key)


def test_stored_probabilities_and_hash_are_those_of_the_average(tmp_path, stage, source):
    store = StageStore(tmp_path)
    record = run([stage], store)
    digits = load_digits(source, store.data_folder(source), CPU)
    state = TrainState.new(stage.config, 0, digits.statistics, CPU)
    state.load(store.checkpoint(stage.key))
    assert record.weights_sha256 == hash_weights(state.evaluated) != hash_weights(state.network)
    found, other = (
        evaluate.probabilities(network, digits.test.images).numpy()
        for network in (state.evaluated, state.network)
    )
    assert np.array_equal(found, store.probabilities(stage.key))
    assert not np.array_equal(other, found)


def test_average_goes_on_through_stages(tmp_path, source):
    """Two stages give what one with the same phases gives."""
    config = plan(0.7, 3, phases=small.phases(1, 1))
    split = config.model_copy(update={"phases": small.phases(1, 1, new_stage=True)})
    records = []
    for name, of in (("one", config), ("two", split)):
        stages = [level[0] for level in member_stages(of, 0, source)]
        records.append(run(stages, StageStore(tmp_path / name)))
    assert records[0].weights_sha256 == records[1].weights_sha256


def test_checkpoint_without_its_average_is_corrupt(images):
    config = plan(0.9)
    state = new_state(config)
    train(config, state, images, 1)
    stored = safetensors.load(state.save())
    whole = {**stored, "average/weights": stored["average/weights"][1:]}
    missing = {n: v for n, v in stored.items() if not n.startswith("average/0")}
    for damaged in (whole, missing):
        with pytest.raises(CorruptError, match="average does not fit"):
            new_state(config).load(safetensors.save(damaged))
