"""Time in which a process was stopped is no training time."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from mnistladder.ladder.running_clock import RunningClock

CLOCK = """
import json, sys, time
from mnistladder.ladder import running_clock
running_clock.LONGEST_S = 0.8
with running_clock.RunningClock() as clock:
    ours, wall = clock.seconds(), time.perf_counter()
    print(flush=True)
    sys.stdin.readline()
    print(json.dumps([clock.seconds() - ours, time.perf_counter() - wall]))
"""


def durations(stop):
    """Seconds by our clock and on the wall, of a process that is stopped, or only waits."""
    command = [sys.executable, "-c", CLOCK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        if stop:
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        time.sleep(2)
        process.send_signal(signal.SIGCONT)
        return json.loads(process.communicate(b"\n")[0])


def test_stopped_time_is_left_out():
    ours, wall = durations(stop=True)
    assert wall > 2
    assert ours < 1


def test_time_in_which_a_process_waits_counts():
    """The twin of the test above."""
    ours, wall = durations(stop=False)
    assert ours == pytest.approx(wall, abs=0.1)
    assert wall > 2


def test_clock_is_that_of_the_wall_while_the_process_runs():
    with RunningClock() as clock:
        ours, wall = clock.seconds(), time.perf_counter()
        time.sleep(0.6)
        assert clock.seconds() - ours == pytest.approx(time.perf_counter() - wall, abs=0.01)
