"""What only a CUDA device can show: its epochs are never waited for, and its bits come again."""

from contextlib import contextmanager, nullcontext

import pytest
import small
import torch

from mnistladder.config.loading import load_rung, shipped_names
from mnistladder.config.spec import Augment, Sgd
from mnistladder.engine import evaluate, replay
from mnistladder.engine.devices import make_deterministic
from mnistladder.engine.tensors import load_digits
from mnistladder.engine.train_state import TrainState, hash_weights
from mnistladder.environment import DeviceChoice
from mnistladder.ladder.events import EpochDone, Finished
from mnistladder.ladder.executors import Job, LocalProcesses, jobs
from mnistladder.ladder.slots import Slot
from mnistladder.ladder.trainer import Trainer
from mnistladder.runs.stage_store import StageStore

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


def states_of(source, folder, seeds, config=CONFIG, device="cuda", during=no_waiting):
    """Networks of a plan after one epoch on the device, and their losses."""
    make_deterministic()
    device = torch.device(device)
    digits = load_digits(source, folder, device)
    members = [TrainState.new(config, seed, digits.statistics, device) for seed in seeds]
    pool = digits.test if config.phases[0].pseudo_per_batch else None
    return members, small.train_epoch(config, members, seeds, digits.train, pool, during=during)


def trained(*arguments, **options):
    """Hashes of the weights after one epoch, and the losses."""
    members, losses = states_of(*arguments, **options)
    return [hash_weights(member.network) for member in members], losses


def weights_of(*arguments, **options):
    """The first network's weights after one epoch, on the CPU."""
    [first, *_], _ = states_of(*arguments, **options)
    return torch.cat([value.detach().flatten().cpu() for value in first.network.parameters()])


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]], ids=["alone", "stacked"])
def test_epoch_is_not_waited_for_and_has_the_same_bits_again(source, tmp_path, seeds):
    assert trained(source, tmp_path, seeds) == trained(source, tmp_path, seeds)


def test_stacked_networks_have_the_losses_of_those_alone(source, tmp_path):
    _, stacked = trained(source, tmp_path, [0, 1, 2])
    alone = [trained(source, tmp_path, [seed])[1][0] for seed in (0, 1, 2)]
    assert stacked == pytest.approx(alone, rel=1e-3)


MODEL = tuple(layer for layer in small.LAYERS if type(layer).__name__ != "Dropout")


@pytest.mark.parametrize(
    "changes", [{}, {"clip_norm": 0.1}, {"loss": "clipped_cross_entropy"}], ids=str
)
def test_weights_are_those_of_a_cpu(source, tmp_path, changes):
    """Without dropout, whose masks are drawn on the device; Adam moves weights as far as it can."""
    config = CONFIG.model_copy(update={"model": MODEL, **changes})
    before = weights_of(
        source, tmp_path, [0], config.model_copy(update={"optimizer": Sgd()}), "cpu"
    )
    found, expected = (weights_of(source, tmp_path, [0], config, on) for on in ("cuda", "cpu"))
    assert (expected - before).norm() / before.norm() > 1e-3  # the twin that must differ
    assert (found - expected).norm() / expected.norm() < 1e-3


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]], ids=["alone", "stacked"])
def test_a_graph_has_the_bits_of_plain_steps(source, tmp_path, monkeypatch, seeds, precision):
    config = CONFIG.model_copy(update={"precision": precision})
    found = []
    for wanted in ("0", "1"):
        monkeypatch.setenv(replay.VARIABLE, wanted)
        found.append(trained(source, tmp_path, seeds, config, during=nullcontext))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", shipped_names())
def test_every_rung_has_the_same_bits_again(source, tmp_path, name):
    config = load_rung(name).config
    config = config.model_copy(update={"phases": config.phases[:1]})
    assert trained(source, tmp_path, [0], config) == trained(source, tmp_path, [0], config)


def test_probabilities_are_those_of_a_cpu(source, tmp_path):
    network = TrainState.new(CONFIG, 0, (33.3, 78.6), torch.device("cpu")).network
    images = load_digits(source, tmp_path, torch.device("cpu")).test.images
    expected = evaluate.probabilities(network, images)
    found = evaluate.probabilities(network.to("cuda"), images.to("cuda"))
    assert (found.cpu() - expected).abs().max() < 1e-4


def test_spawned_workers_train_store_and_resume_the_same_bits(source, tmp_path):
    """A stage in this process at once, and in a worker that goes on from a stored epoch."""
    stage, device = small.first_stage(small.tiny(), source), DeviceChoice("cuda", 0)
    here, there = StageStore(tmp_path / "here"), StageStore(tmp_path / "there")
    jobs.run_job(Job((stage,), False), here.root.parent, device, [].append)
    begun = Trainer(there, torch.device("cuda", 0), _stop_after_an_epoch)
    with pytest.raises(KeyboardInterrupt):
        begun.train([stage])
    executor = LocalProcesses(there.root.parent, [].append, [Slot(device), Slot(device)])
    executor.submit(Job((stage,), False))
    try:
        assert isinstance(executor.finish_one(), Finished)
    finally:
        executor.close()
    assert there.record(stage.key).resumed == 1
    assert there.checkpoint(stage.key) == here.checkpoint(stage.key)


def _stop_after_an_epoch(event):
    if isinstance(event, EpochDone):
        raise KeyboardInterrupt


def test_losses_are_those_of_a_cpu(source, tmp_path):
    """Without dropout, whose masks are drawn on the device."""
    config = CONFIG.model_copy(update={"model": MODEL, "optimizer": Sgd()})
    (_, [found]), (_, [expected]) = (
        trained(source, tmp_path, [0], config, device) for device in ("cuda", "cpu")
    )
    assert found == pytest.approx(expected, rel=1e-3)
