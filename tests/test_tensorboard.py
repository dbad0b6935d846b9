"""What TensorBoard will show, read back with its own reader."""

import json
import subprocess
import sys
from contextlib import closing
from itertools import chain

import numpy as np
import pytest
import small
import torch
from record_data import history_row
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mnistladder import storage
from mnistladder.config.spec import Augment, Rung
from mnistladder.engine import tensors
from mnistladder.ladder import tensorboard
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder, Success
from mnistladder.ladder.events import EpochDone, Finished, Notice, Started
from mnistladder.ladder.executors import InProcess, LocalProcesses
from mnistladder.ladder.slots import Slot
from mnistladder.runs.stage_store import StageStore

PSEUDO = small.tiny(
    members=2,
    pool="test",
    augment=Augment(rotate_deg=15),
    phases=(
        *small.phases(1),
        *small.phases(1, augment=True),
        *small.phases(2, pseudo_per_batch=16),
    ),
)


def climb(config, source, runs, *, jobs=None, log=True, cut_after=None):
    """The outcome of the config as a rung, logged or not, and what the log had to say."""
    attempt, told, epochs = Attempt(Rung("rung", config), 0, source), [], []
    logs = tensorboard.TensorBoards([attempt], runs, told.append)

    def emit(event):
        if log:
            logs(event)
        epochs.extend([event] * isinstance(event, EpochDone))
        if cut_after and len(epochs) >= cut_after:
            raise KeyboardInterrupt

    executor = LocalProcesses(runs, emit, [Slot(small.CPU)] * jobs) if jobs else None
    with closing(logs), closing(executor or InProcess(runs, small.CPU, emit)) as executor:
        [outcome] = Ladder([attempt], runs).climb(executor, emit)
    return attempt, outcome, told


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    return events.Reload()


def logged(attempt, runs, number=0):
    """What the log says of a member."""
    member = tensorboard.Network(
        f"rung network {attempt.levels[0][number].seed}",
        tuple(level[number] for level in attempt.levels),
    )
    return read(member.folder(runs))


def history(attempt, runs, number=0):
    """A member's rows over all its stages."""
    store = StageStore(runs)
    return list(chain.from_iterable(store.history(s[number].key) for s in attempt.levels))


def points(events, tag):
    return [(point.step, point.value) for point in events.Scalars(tag)]


def check_scalars(attempt, runs, number=0):
    events, rows = logged(attempt, runs, number), history(attempt, runs, number)
    assert {*events.Tags()["scalars"]} == {*tensorboard.scalars(rows[0], 256)}
    for tag in events.Tags()["scalars"]:
        expected = [(row.epoch, np.float32(tensorboard.scalars(row, 256)[tag])) for row in rows]
        assert points(events, tag) == expected


def test_scalars_are_the_history_over_all_stages_and_no_bit_changes(tmp_path, source):
    attempt, outcome, told = climb(PSEUDO, source, tmp_path / "logged")
    for number in range(2):
        check_scalars(attempt, tmp_path / "logged", number)
    assert [row.epoch for row in history(attempt, tmp_path / "logged")] == [1, 2, 3, 4]
    _, plain, _ = climb(PSEUDO, source, tmp_path / "plain", log=False)
    same = ("predictions_sha256", "weights_sha256", "curve")
    assert [getattr(outcome.record, key) for key in same] == [
        getattr(plain.record, key) for key in same
    ]
    assert len(set(plain.record.weights_sha256)) == 2
    assert not (tmp_path / "plain" / "tensorboard").exists()
    assert told == []


def test_graph_and_images_are_there_once(tmp_path, source):
    attempt, _, _ = climb(PSEUDO, source, tmp_path)
    events = logged(attempt, tmp_path)
    assert events.Tags()["graph"] is True
    assert any("conv" in node.name for node in events.Graph().node)
    [sheet] = events.Images("training_images/augmented")
    assert (sheet.step, sheet.width, sheet.height) == (0, 8 * 28, 2 * 28)


def test_two_workers_write_the_same_log(tmp_path, source):
    attempt, outcome, _ = climb(PSEUDO, source, tmp_path, jobs=2)
    assert isinstance(outcome, Success)
    for number in range(2):
        check_scalars(attempt, tmp_path, number)


@pytest.mark.parametrize("log_at_first", [True, False])
def test_resumed_network_has_every_epoch_once(tmp_path, source, log_at_first):
    config = small.tiny(phases=small.phases(5))
    with pytest.raises(KeyboardInterrupt):
        climb(config, source, tmp_path, log=log_at_first, cut_after=2)
    assert len(list(tmp_path.glob("tensorboard/*/*/*"))) == log_at_first
    attempt, _, _ = climb(config, source, tmp_path)
    check_scalars(attempt, tmp_path)
    events = logged(attempt, tmp_path)
    assert (events.Tags()["graph"], len(events.Images("training_images/raw"))) == (True, 1)
    assert len(list(tmp_path.glob("tensorboard/*/*/*"))) == 1


def test_epochs_that_the_worker_is_ahead_are_not_doubled(tmp_path, source):
    """The main process may hear of an epoch after the next one was stored."""
    attempt, _, _ = climb(small.tiny(), source, tmp_path, log=False)
    key, rows = attempt.levels[0][0].key, history(attempt, tmp_path)
    with closing(tensorboard.TensorBoards([attempt], tmp_path, lambda event: None)) as log:
        for event in (Started(key, 0, "cpu"), *(EpochDone(key, row) for row in rows)):
            log(event)
    check_scalars(attempt, tmp_path)


def test_network_that_another_process_trained_is_logged_at_its_end(tmp_path, source):
    attempt, _, _ = climb(small.tiny(), source, tmp_path, log=False)
    with closing(tensorboard.TensorBoards([attempt], tmp_path, lambda event: None)) as log:
        log(Finished(attempt.levels[0][0].key))
    check_scalars(attempt, tmp_path)


def test_moving_learning_rate_is_drawn_at_the_end_of_the_epoch():
    row = history_row(test_errors=64, images=512, train_s=2.0, lr=[1e-2, 1e-3])
    found = tensorboard.scalars(row, 256)
    assert found["training/learning_rate"] == 1e-3
    assert found["test/accuracy_percent"] == 75
    assert found["training/images_per_s"] == 256


def test_samples_are_the_first_digits_as_the_first_augmented_epoch_gives_them(tmp_path, source):
    loaded = tensors.load_digits(source, tmp_path, torch.device("cpu"))
    raw = loaded.train.images[:16].float() / 255
    kind, found = tensorboard.sample_images(small.tiny(), 0, loaded)
    assert (kind, torch.equal(found, raw)) == ("raw", True)
    kind, found = tensorboard.sample_images(PSEUDO, 0, loaded)
    assert (kind, found.shape) == ("augmented", (16, 1, 28, 28))
    # A digit is nearer to its own distortion than to that of another, in nearly all cases.
    distances = torch.cdist(raw.flatten(1), found.flatten(1))
    assert (distances.argmin(1) == torch.arange(16)).sum() >= 14
    assert not torch.equal(found, raw)
    _, other = tensorboard.sample_images(PSEUDO, 1, loaded)
    assert not torch.equal(found, other)


def test_log_that_cannot_be_written_is_told_once_and_stops_no_training(tmp_path, source):
    storage.write(tmp_path / "tensorboard", b"in the way")
    _, outcome, told = climb(PSEUDO, source, tmp_path)
    assert isinstance(outcome, Success)
    [notice] = told
    assert isinstance(notice, Notice)
    assert "the log for TensorBoard ends here: " in notice.text


@pytest.mark.parametrize("error", [RuntimeError, TypeError, ValueError])
def test_network_without_a_graph_is_told(source, error):
    class Writer:
        def add_graph(self, network, images):
            print("chatter")
            raise error("cannot be traced\nbecause")

    stage = small.first_stage(small.tiny(), source)
    assert tensorboard._add_graph(Writer(), stage, (33.0, 78.0)) == "cannot be traced"


@pytest.mark.parametrize("command", [["run", "model02_normalized"], ["ladder", "1-2"]])
def test_missing_extra_is_a_usage_error_before_anything_is_trained(tmp_path, command, digits_dir):
    code = (
        "import sys, mnistladder.cli as c; sys.modules['tensorboard'] = None\n"
        f"sys.argv = ['mnistladder', *{command!r}, '--log', 'tensorboard']; c.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "mnistladder: --log tensorboard needs a package: pip install 'mnistladder[tensorboard]'\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_command_line_logs_and_says_nothing_of_it(tmp_path, digits_dir):
    command = [sys.executable, "-m", "mnistladder", "ladder", "1-2", "--jobs", "2", "--quiet"]
    arguments = ["--log", "tensorboard", "--data-dir", str(digits_dir), "--json"]
    done = subprocess.run(
        [*command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["rung"] for row in json.loads(done.stdout)] == [
        "model01_linear",
        "model02_normalized",
    ]
    found = {path.name for path in (tmp_path / "runs" / "tensorboard").iterdir()}
    assert found == {"model01_linear network 0", "model02_normalized network 0"}
