"""100 outputs that are closed, full or of another encoding: documented codes, a line, no traceback.

A child of a process that has imported everything runs each command, so that 100 take seconds.
"""

import itertools
import os
import signal
import sys
from pathlib import Path

import pytest

from mnistladder import cli
from mnistladder.errors import ExitCode

REPOSITORY = Path(__file__).parents[1]
COMMANDS = (
    ("list",),
    ("report", "--runs-dir", "results"),
    ("report", "--runs-dir", "results", "--format", "markdown"),
    ("report", "--runs-dir", "results", "--json"),
    ("leaderboard", "--runs-dir", "results"),
    ("compare", "5", "6", "--runs-dir", "results"),
    ("show", "model09_dropout"),
    ("data",),
    ("errors", "model02_normalized", "--runs-dir", "results"),
    ("show", "no such rung ±█数"),
)
OUTPUTS = (
    "closed stdout",
    "closed stderr",
    "both closed",
    "full stdout",
    "full stderr",
    "cp1252",
    "ascii",
    "cp932",
    "ascii stderr",
    "left by its reader",
)
CASES = list(itertools.product(COMMANDS, OUTPUTS))
CASES = CASES if "--thorough" in sys.argv else CASES[8::9]
CODES = {ExitCode.OK, ExitCode.USAGE, ExitCode.RESOURCE}
LONGEST_S = 10  # of computing; a machine may be busy
HANG_S = 90


def replace(number, descriptor):
    """Puts a descriptor in the place of another one."""
    os.dup2(descriptor, number)
    os.close(descriptor)


def stream(number, mode="w", encoding="utf-8"):
    """A text stream as Python makes it at its start; None where the descriptor is closed."""
    try:
        os.fstat(number)
    except OSError:
        return None
    return open(number, mode, encoding=encoding, closefd=False)


def prepare(kind):
    """Makes this process's outputs such ones."""
    closed = {"closed stdout": (1,), "closed stderr": (2,), "both closed": (1, 2)}.get(kind, ())
    for number in closed:
        os.close(number)
    if kind.startswith("full"):
        replace(1 if kind == "full stdout" else 2, os.open("/dev/full", os.O_WRONLY))
    if kind == "left by its reader":
        reading, writing = os.pipe()
        os.close(reading)
        replace(1, writing)
    encoding = kind.split()[0] if kind.split()[0] in ("cp1252", "ascii", "cp932") else "utf-8"
    sys.stdout = stream(1, encoding="utf-8" if kind == "ascii stderr" else encoding)
    sys.stderr = stream(2, encoding=encoding)


def run(command, kind, outputs):
    """A command in a child of this process; its exit code, stdout, stderr and computing seconds."""
    child = os.fork()
    if child == 0:
        signal.alarm(HANG_S)
        for number, path in zip((1, 2), outputs, strict=True):
            replace(number, os.open(path, os.O_WRONLY | os.O_CREAT))
        os.chdir(REPOSITORY)
        sys.argv = ["mnistladder", *command]
        prepare(kind)
        code = 99  # of a traceback
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            for output in (sys.stdout, sys.stderr):
                output.flush()
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    output, errors = (path.read_bytes() for path in outputs)
    return os.waitstatus_to_exitcode(status), output, errors, usage.ru_utime + usage.ru_stime


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(
    ("command", "kind"), CASES, ids=[f"{' '.join(command)}-{kind}" for command, kind in CASES]
)
def test_output_that_fails_or_lacks_characters_ends_with_a_documented_code(tmp_path, command, kind):
    code, output, errors, computing_s = run(command, kind, (tmp_path / "out", tmp_path / "err"))
    assert computing_s < LONGEST_S
    encoding = kind.split()[0] if kind in OUTPUTS[5:9] else "utf-8"
    said = errors.decode(encoding)
    assert code in CODES
    assert "Traceback" not in said
    is_mistake = command[-1].startswith("no such")
    if is_mistake:
        assert code == ExitCode.USAGE
    elif kind in ("closed stdout", "both closed", "full stdout"):
        assert code == ExitCode.RESOURCE
    else:
        assert code == ExitCode.OK
    assert len(said.splitlines()) <= 1
    if code == ExitCode.OK and kind != "left by its reader":
        assert output.decode("utf-8" if kind == "ascii stderr" else encoding)
