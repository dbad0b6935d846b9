"""Worker processes end when they are asked to, whatever state they are in."""

import multiprocessing
import os
import signal
import time

import small

from mnistladder.ladder.events import EpochDone
from mnistladder.ladder.executors import Job, LocalProcesses
from mnistladder.ladder.slots import Slot


class FirstEpochError(Exception):
    """Ends a test's training after its first epoch."""


def after_first_epoch(event):
    if isinstance(event, EpochDone):
        raise FirstEpochError


def close_seconds(runs, source, stop):
    """How long closing takes in mid-training, and how the worker ended, stopped before or not."""
    executor = LocalProcesses(runs, after_first_epoch, [Slot(small.CPU)])
    stage = small.first_stage(small.tiny(phases=small.phases(2_000)), source)
    executor.submit(Job((stage,)))
    try:
        executor.finish_one()
    except FirstEpochError:
        [worker] = multiprocessing.active_children()
    if stop:
        os.kill(worker.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WNOWAIT)
    start = time.perf_counter()
    executor.close()
    assert multiprocessing.active_children() == []
    return time.perf_counter() - start, worker.exitcode


def test_stopped_worker_is_killed_in_time(tmp_path, source):
    seconds, code = close_seconds(tmp_path, source, stop=True)
    assert (seconds < 4, code) == (True, -signal.SIGKILL)


def test_running_worker_is_terminated(tmp_path, source):
    seconds, code = close_seconds(tmp_path, source, stop=False)
    assert (seconds < 4, code) == (True, -signal.SIGTERM)
