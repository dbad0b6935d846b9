"""A small real run that fails at each of its file operations: nothing acknowledged is lost.

After the fault the same command ends with the result of a run that never failed (A2, A3, A7, A9,
B12, G5, G7 of the fault matrix). `pytest --thorough` tries every fault at every operation;
otherwise each operation gets one of them in turn.
"""

import errno
from contextlib import closing

import numpy as np
import pytest
import small
import torch
from faulty_disk import Crash, FaultyDisk, NoLinks

from mnistladder import storage
from mnistladder.config.spec import Rung
from mnistladder.data import datasets, idx
from mnistladder.errors import CorruptError, ExitCode, ResourceError
from mnistladder.ladder import provenance
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder, Success
from mnistladder.ladder.events import EpochDone
from mnistladder.ladder.executors import InProcess
from mnistladder.runs import leaderboard, results
from mnistladder.runs.stage_store import StageStore

CPU = torch.device("cpu")
PLAN = small.tiny(phases=small.phases(1, 1))
FAULTS = [
    {"crash": "before"},
    {"crash": "after"},
    {"crash": "before", "power": 1},
    {"crash": "before", "power": 2},
    {"crash": "after", "power": 3},
    {"crash": "after", "power": 4},
    {"error": errno.EIO},
    {"error": errno.ENOSPC},
    {"error": errno.EDQUOT},
]


@pytest.fixture(scope="module")
def attempt(tmp_path_factory):
    """One network of two epochs on 64 real digits."""
    folder = tmp_path_factory.mktemp("few")
    mnist = datasets.find("mnist").load()
    for names, split in zip(datasets.FILES.values(), (mnist.train, mnist.test), strict=True):
        for name, array in zip(names, (split.images, split.labels), strict=True):
            (folder / name).write_bytes(idx.encode_idx(array[:64]))
    return Attempt(Rung("rung", PLAN), 0, datasets.find("", folder))


class Told:
    """What a run acknowledged: epochs done, and its result."""

    def __init__(self):
        self.epochs = 0
        self.outcome = None

    def run(self, attempt, runs):
        with closing(InProcess(runs, small.CPU, self.hear)) as executor:
            for outcome in Ladder([attempt], runs).climb(executor, self.hear):
                self.outcome = outcome

    def hear(self, event):
        self.epochs += isinstance(event, EpochDone)


def faulty_run(attempt, runs, fault, at, kind=FaultyDisk):
    """Runs on a disk that fails at an operation; what it acknowledged, and the disk."""
    told = Told()
    storage.disk = disk = kind(at, fault.get("error"), fault.get("crash"))
    try:
        told.run(attempt, runs)
    except (Crash, ResourceError):
        pass
    finally:
        storage.disk = storage.Disk()
    if "power" in fault:
        disk.lose(seed=1000 * at + fault["power"])
    return told, disk


@pytest.fixture(scope="module")
def honest(attempt, tmp_path_factory):
    """The record of a run that never fails, and how many operations it takes."""
    runs = tmp_path_factory.mktemp("honest") / "runs"
    told, disk = faulty_run(attempt, runs, {}, at=None)
    return told.outcome.record, disk.count


def epochs_kept(attempt, runs):
    store, [stage] = StageStore(runs), attempt.stages
    if store.is_stored(stage.key):
        return len(store.history(stage.key))
    return len(store.progress(stage.key).history)


def check_acknowledged(attempt, runs, told):
    """What the run told of is there, whole, before anything mends it."""
    assert epochs_kept(attempt, runs) >= told.epochs
    if isinstance(told.outcome, Success):
        assert results.find_result(runs, "rung", attempt.result_id) == told.outcome.record
    elif told.outcome:
        assert told.outcome.exit_code is ExitCode.RESOURCE


def check_recovered(attempt, runs, expected, leftovers=0):
    """The same command again gives the result of the run that never failed, and leaves no mess."""
    told = Told()
    told.run(attempt, runs)
    record, store = told.outcome.record, StageStore(runs)
    for name in ("weights_sha256", "predictions_sha256", "wrong_images", "curve"):
        assert getattr(record, name) == getattr(expected, name)
    [check] = provenance.check_networks(attempt, store, CPU)
    assert (check.changed, check.largest) == (0, 0.0)
    [row] = leaderboard.load_board(runs / leaderboard.BOARD)
    assert row.result_id == record.result_id
    assert len([path for path in runs.rglob(".*") if path.is_file()]) <= leftovers
    assert list(runs.rglob("*.corrupt-*")) == []


def test_every_operation_may_fail(attempt, honest, tmp_path, thorough):
    expected, count = honest
    assert count > 60
    failed = np.zeros(len(FAULTS), int)
    for at in range(1, count + 1):
        for kind in range(len(FAULTS)) if thorough else [at % len(FAULTS)]:
            runs = tmp_path / f"{at}-{kind}" / "runs"
            told, disk = faulty_run(attempt, runs, FAULTS[kind], at)
            assert disk.count >= at
            check_acknowledged(attempt, runs, told)
            # What could not be removed stays until somebody writes there again: here, nobody does.
            check_recovered(attempt, runs, expected, leftovers=disk.refused == "unlink")
            failed[kind] += 1
    print(f"{failed.sum()} faults at {count} operations")
    assert failed.min() >= count // len(FAULTS)


@pytest.mark.parametrize("crash", ["before", "after"])
def test_run_on_a_disk_without_hard_links_survives_a_crash_between_name_and_content(
    attempt, honest, tmp_path, crash
):
    """The record's name is taken by an empty file first, and then that file is replaced."""
    told, disk = faulty_run(attempt, tmp_path / "whole", {}, None, NoLinks)
    assert told.outcome.record.predictions_sha256 == honest[0].predictions_sha256
    record = ["create", "write", "sync", "create", "replace"]
    [start] = [n for n in range(disk.count) if disk.names[n : n + len(record)] == record]
    runs = tmp_path / crash
    faulty_run(attempt, runs, {"crash": crash}, start + len(record), NoLinks)
    again = Told()
    again.run(attempt, runs)
    assert again.outcome.record.predictions_sha256 == honest[0].predictions_sha256
    assert again.epochs == 0
    assert len(list(runs.rglob("*.corrupt-1"))) == (crash == "before")


def test_a_disk_that_drops_synced_files_is_found_out(attempt, honest, tmp_path):
    """The check itself can fail: without its fsync a finished record may be lost."""
    _, count = honest
    lost = 0
    for seed in range(20):
        runs = tmp_path / str(seed) / "runs"
        told, disk = faulty_run(attempt, runs, {"crash": "after"}, at=count)
        assert told.epochs == 2
        disk.unsynced = {path for path in runs.rglob("*") if path.is_file()}
        disk.lose(seed)
        try:
            check_acknowledged(attempt, runs, told)
            check_recovered(attempt, runs, honest[0])
        except CorruptError:  # nothing else: an error of this test is no finding
            lost += 1
    assert lost > 10
