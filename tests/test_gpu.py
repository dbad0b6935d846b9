"""What only a CUDA device can show: its epochs are never waited for, and its bits come again."""

from contextlib import contextmanager

import pytest
import small
import torch

from mnistladder.config.spec import Augment, Sgd
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.tensors import load_digits
from mnistladder.engine.train_state import TrainState, hash_weights

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
    pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype"),
]
CONFIG = small.tiny(augment=Augment(), phases=small.phases(1, augment=True, pseudo_per_batch=8))


@contextmanager
def no_waiting():
    """Any wait of the host for the GPU raises RuntimeError."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def trained(source, folder, seeds, config=CONFIG, device="cuda"):
    """Networks of a plan after one epoch on the device, and their losses."""
    make_deterministic()
    device = torch.device(device)
    digits = load_digits(source, folder, device)
    members = [TrainState.new(config, seed, digits.statistics, device) for seed in seeds]
    pool = digits.test if config.phases[0].pseudo_per_batch else None
    losses = small.train_epoch(config, members, seeds, digits.train, pool, during=no_waiting)
    return [hash_weights(member.network) for member in members], losses


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]], ids=["alone", "stacked"])
def test_epoch_is_not_waited_for_and_has_the_same_bits_again(source, tmp_path, seeds):
    assert trained(source, tmp_path, seeds) == trained(source, tmp_path, seeds)


def test_stacked_networks_have_the_losses_of_those_alone(source, tmp_path):
    _, stacked = trained(source, tmp_path, [0, 1, 2])
    alone = [trained(source, tmp_path, [seed])[1][0] for seed in (0, 1, 2)]
    assert stacked == pytest.approx(alone, rel=1e-3)


def test_losses_are_those_of_a_cpu(source, tmp_path):
    """Without dropout, whose masks are drawn on the device."""
    model = tuple(layer for layer in small.LAYERS if type(layer).__name__ != "Dropout")
    config = CONFIG.model_copy(update={"model": model, "optimizer": Sgd()})
    (_, [found]), (_, [expected]) = (
        trained(source, tmp_path, [0], config, device) for device in ("cuda", "cpu")
    )
    assert found == pytest.approx(expected, rel=1e-3)
