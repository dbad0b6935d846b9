"""Disks, users, environments and signals as they may be: one line, a documented code, same bits."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mnistladder.errors import ExitCode

SOURCE = Path(__file__).parents[1] / "src" / "mnistladder"
RUN = [
    sys.executable,
    "-m",
    "mnistladder",
    "run",
    "model02_normalized",
    "--json",
    "--set",
    "phases.0.epochs=2",
]


def run(digits_dir, cwd, *extra, prefix=(), **environment):
    return subprocess.run(
        [*prefix, *RUN, "--data-dir", str(digits_dir), *extra],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def predictions(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[0]["predictions_sha256"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory, digits_dir):
    return predictions(run(digits_dir, tmp_path_factory.mktemp("expected")))


@pytest.fixture
def small_disk(tmp_path):
    """A function that gives the folder `disk` its own file system of that size, or resizes it."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(disk)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount here: {done.stderr.strip()}")
        return disk

    yield mount
    with contextlib.suppress(OSError):
        subprocess.run(["umount", str(disk)], capture_output=True, check=False)


@pytest.mark.parametrize("size", ["16k", "700k", "800k"])
def test_full_disk_is_told_and_the_same_command_goes_on_once_there_is_room(
    small_disk, digits_dir, tmp_path, expected, size
):
    """G5: with no room for the data, for a checkpoint, or for the result."""
    runs = small_disk(f"size={size}") / "runs"
    done = run(digits_dir, tmp_path, "--runs-dir", str(runs), "--quiet")
    assert done.returncode == ExitCode.RESOURCE
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    small_disk("remount", "size=20m")
    assert predictions(run(digits_dir, tmp_path, "--runs-dir", str(runs))) == expected


def test_read_only_disk_is_told_before_training(small_disk, digits_dir, tmp_path):
    """G8: as root, whom permissions do not stop."""
    disk = small_disk("size=1m", "ro")
    done = run(digits_dir, tmp_path, "--runs-dir", str(disk / "runs"))
    assert done.returncode == ExitCode.RESOURCE
    assert done.stderr.splitlines()[0].endswith("Read-only file system")
    assert "epoch" not in done.stderr


@pytest.mark.parametrize("kind", ["file", "below a file", "dangling link", "link loop"])
def test_folder_that_cannot_be_one_is_told_before_training(tmp_path, digits_dir, kind):
    runs = tmp_path / "runs"
    if kind == "dangling link":
        runs.symlink_to(tmp_path / "nowhere" / "deep")
    elif kind == "link loop":
        runs.symlink_to(runs)
    else:
        runs.write_text("mine")
    done = run(digits_dir, tmp_path, "--runs-dir", str(runs / "x" if kind[0] == "b" else runs))
    assert (done.returncode, done.stdout) == (ExitCode.RESOURCE, "")
    assert len(done.stderr.splitlines()) == 1
    assert kind[0] in "dl" or runs.read_text() == "mine"


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/proc/none"},
        {"PYTHONHASHSEED": "7", "TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "COLUMNS": "1"},
        {"TERM": "dumb", "NO_COLOR": "1", "PYTHONOPTIMIZE": "2", "OMP_NUM_THREADS": "2"},
    ],
    ids=["no home", "hash seed, zone, locale", "ascii", "dumb, optimized, threads"],
)
def test_environment_changes_no_bit(tmp_path, digits_dir, expected, environment):
    """F8 and G10."""
    assert predictions(run(digits_dir, tmp_path, **environment)) == expected


@pytest.mark.parametrize(
    ("victim", "code", "message"),
    [
        ("leaderboard.json", ExitCode.OK, "set aside as leaderboard.json.corrupt-1"),
        ("leaderboard.json.lock", ExitCode.RESOURCE, "symbolic link"),
        ("members", ExitCode.RESOURCE, "cannot be locked: "),
        ("data", ExitCode.RESOURCE, "cannot be locked: "),
    ],
)
def test_planted_link_is_never_written_through(tmp_path, digits_dir, victim, code, message):
    """H7: a link to somebody's file or folder keeps its target as it was."""
    runs, mine = tmp_path / "runs", tmp_path / "mine"
    runs.mkdir()
    mine.write_text("precious")
    (runs / victim).symlink_to(mine)
    done = run(digits_dir, tmp_path)
    assert mine.read_text() == "precious"
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_secrets_of_the_environment_are_in_no_file(tmp_path, digits_dir):
    """H10."""
    predictions(run(digits_dir, tmp_path, MY_TOKEN="canary-5781"))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not any(b"canary-5781" in path.read_bytes() for path in files)


@pytest.mark.parametrize("mask", ["077", "000"])
def test_files_have_the_modes_that_the_user_wants(tmp_path, digits_dir, mask):
    """H9."""
    predictions(run(digits_dir, tmp_path, prefix=["sh", "-c", f'umask {mask}; exec "$@"', "sh"]))
    for path in (tmp_path / "runs").rglob("*.json"):
        assert path.stat().st_mode & 0o777 == 0o666 & ~int(mask, 8)


def test_hanging_up_stops_like_a_termination(tmp_path, digits_dir):
    """A6."""
    command = [*RUN, "--data-dir", str(digits_dir), "--set", "phases.0.epochs=10000"]
    heed = (  # this suite may run under nohup, which children inherit
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", heed, *command],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob("progress.json")):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"no epoch was stored: {process.communicate()[1]}")
            time.sleep(0.02)
        process.send_signal(signal.SIGHUP)
        _, messages = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGHUP
    assert "To go on: mnistladder run" in messages


def test_no_duration_is_measured_by_a_clock_that_may_jump():
    """C8: dates are told, never subtracted."""
    text = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    assert "perf_counter" in text
    assert not re.search(r"\btime\.time\(|\.timestamp\(|datetime\.now\([^)]*\) -", text)
