"""stdout and stderr that are closed, full or of another encoding; signals from the first moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MODULE = [sys.executable, "-m", "mnistladder"]
RESULTS = ["report", "--runs-dir", "results"]
RUN = ["run", "model02_normalized", "--set", "phases.0.epochs=1"]
REPOSITORY = Path(__file__).parents[1]


def shell(line, folder=REPOSITORY, **environment):
    """A line of sh, in which `$M` is the command line; exit code, stdout, stderr."""
    command = ["sh", "-c", line]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "M": " ".join(MODULE), **environment},
    )
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp932", "latin-1", "utf-8"])
def test_a_table_is_whole_in_every_encoding(encoding):
    code, output, errors = shell(f"$M {' '.join(RESULTS)}", PYTHONIOENCODING=encoding)
    assert (code, errors) == (0, "")
    text = output.decode(encoding)
    assert "model13_pseudolabel" in text
    assert ("±" in text) == (encoding != "ascii")


def test_a_character_that_the_encoding_lacks_becomes_the_nearest_one(tmp_path):
    code, output, _ = shell("$M report --runs-dir results", PYTHONIOENCODING="ascii")
    assert code == 0
    assert b"3440 +- 1327" in output


@pytest.mark.parametrize("command", [["list"], RESULTS, ["--help"], ["layers"]], ids=" ".join)
def test_a_closed_stdout_is_one_line_and_exit_5(command):
    code, _, errors = shell(f"$M {' '.join(command)} >&-")
    assert (code, errors) == (5, "mnistladder: stdout: is closed\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("command", [["list"], RESULTS, ["--help"]], ids=" ".join)
def test_a_full_stdout_is_one_line_and_exit_5(command):
    code, _, errors = shell(f"$M {' '.join(command)} > /dev/full")
    assert (code, errors) == (5, "mnistladder: stdout: No space left on device\n")


def test_a_reader_that_has_had_enough_is_no_error():
    code, output, errors = shell(f"$M {' '.join(RESULTS)} --format json | head -1; true")
    assert (code, output, errors) == (0, b"[\n", "")


@pytest.mark.parametrize(
    "ending", ["2>&1 | head -0", "2>&1 >/dev/null | head -1", "2>&-", "2>/dev/full"]
)
def test_training_goes_on_whatever_happens_to_its_progress(tmp_path, digits_dir, ending):
    command = [*RUN, "--data-dir", str(digits_dir), "--runs-dir", str(tmp_path)]
    shell(f"$M {' '.join(command)} {ending}")
    assert len(list((tmp_path / "results").glob("*/*.json"))) == 1


def test_a_result_that_no_one_could_read_is_stored_and_said(tmp_path, digits_dir):
    command = [*RUN, "--data-dir", str(digits_dir), "--runs-dir", str(tmp_path), "--quiet"]
    code, _, errors = shell(f"$M {' '.join(command)} >&-")
    assert (code, errors) == (5, "mnistladder: stdout: is closed\n")
    assert len(list((tmp_path / "results").glob("*/*.json"))) == 1


# A suite in the background ignores SIGINT. Before "begun", Python itself answers to signals.
BEGIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from mnistladder.__main__ import main
print("begun", flush=True)
main()
"""


def started(arguments):
    """The command line as a terminal starts it, from its first moment on."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.parametrize("delay_s", [0.02, 0.1, 0.2, 0.4, 0.8, 1.6])
def test_ctrl_c_at_any_moment_leaves_no_traceback(tmp_path, digits_dir, delay_s):
    process = started([*RUN, "--data-dir", str(digits_dir), "--runs-dir", str(tmp_path)])
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in (130, 0)
    assert "Traceback" not in errors


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGUSR2", "SIGXCPU"])
def test_a_signal_that_stops_is_named(tmp_path, digits_dir, name):
    plan = ["run", "model02_normalized", "--set", "phases.0.epochs=2000"]
    process = started([*plan, "--data-dir", str(digits_dir), "--runs-dir", str(tmp_path)])
    deadline = time.monotonic() + 20
    while not list(tmp_path.rglob("progress.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + getattr(signal, name)
    assert f"stopped by {name}; every finished epoch is kept. To go on: mnistladder run" in errors
