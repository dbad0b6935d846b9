"""An epoch of networks alone, stacked, and beside a twin."""

import pytest
import small
import torch
from torch import nn
from torch.nn import functional

from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.epoch import EpochPlan, Learner, train_epoch
from mnistladder.engine.tensors import Images, load_digits
from mnistladder.engine.train_state import TrainState
from mnistladder.errors import UsageError
from mnistladder.model.layers import LAYERS, Dense, Flatten, Relu

CPU = torch.device("cpu")
STATISTICS = (33.3, 78.6)


@pytest.fixture(autouse=True)
def _deterministic():
    make_deterministic()


@pytest.fixture
def few(source, tmp_path):
    """Digits enough for a few steps."""
    digits = load_digits(source, tmp_path, CPU)
    return Images(digits.train.images[:200], digits.train.labels[:200])


def trained(config, images, seeds, stacked=False):
    """The states of networks after an epoch together, and what the epoch gave."""
    learners = [Learner(TrainState.new(config, seed, STATISTICS, CPU), seed) for seed in seeds]
    plan = EpochPlan(config, config.phases[0], 0, 0)
    outcome = train_epoch(plan, learners, images, stacked)
    return [learner.state.save() for learner in learners], outcome


def test_epoch_says_its_images_and_the_rate_of_each_step(few):
    _, outcome = trained(small.tiny(), few, [0, 1])
    assert len(outcome.losses) == 2
    assert outcome.images == 200
    assert outcome.rates == [1e-2] * 4  # 64, 64, 64, 8


def test_stacked_network_alone_has_the_bits_of_a_stack(few):
    config = small.tiny()
    pair, both = trained(config, few, [0, 1], stacked=True)
    [twin], own = trained(config, few, [0], stacked=True)
    [alone], _ = trained(config, few, [0])
    assert twin == pair[0]
    assert own.losses == both.losses[:1]
    assert twin != alone


class Noise(Relu):
    """A layer of another package that draws as it likes, and does not say so."""

    def module(self, shape):
        class Jitter(nn.Module):
            def forward(module, values):  # noqa: N805
                return functional.dropout(values, 0.1, module.training)

        return Jitter()


def test_layer_that_draws_in_a_stack_without_saying_so_is_an_error(few, monkeypatch):
    monkeypatch.setitem(LAYERS, "noise", Noise)
    config = small.tiny(model=(Flatten(), Noise(), Dense(out=10)))
    with pytest.raises(UsageError, match=r"layer \(`noise`\) draws .* set `draws = True`"):
        trained(config, few, [0, 1])
    with pytest.raises(UsageError, match="--stack 1"):
        trained(config, few, [0], stacked=True)
    first, second = (trained(config, few, [0])[0] for _ in range(2))
    assert first == second
