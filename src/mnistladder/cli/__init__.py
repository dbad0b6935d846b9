"""The command line: the only place that prints. Results go to stdout, everything else to stderr."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from mnistladder.cli import (
    board,
    check,
    explain,
    export,
    inspect,
    machine,
    pictures,
    predict,
    provenance,
    report,
    sweep,
    train,
)
from mnistladder.cli.base import app, complain
from mnistladder.cli.output import lost_output, make_safe
from mnistladder.engine import faults
from mnistladder.errors import ExitCode, Terminated, UserError

__all__ = [
    "app",
    "board",
    "check",
    "explain",
    "export",
    "inspect",
    "machine",
    "main",
    "pictures",
    "predict",
    "provenance",
    "report",
    "sweep",
    "train",
]


# What asks a process to end. A cluster sends USR1 or XCPU before it takes a machine back.
STOPS = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")


def main() -> None:
    """Runs the command line; a user's mistake ends it with one line and a documented exit code."""
    make_safe()
    try:
        _run()
    except SystemExit as end:
        code = _code(end)
        if "torch" in sys.modules:
            _leave(code)
        sys.exit(code)


def _code(end: SystemExit) -> int:
    """The exit code; results that did not reach stdout are a failure, too."""
    code = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    lost = lost_output()
    if lost and code == ExitCode.OK:
        complain(lost)
        return ExitCode.RESOURCE
    return code


def _leave(code: int) -> NoReturn:
    """Ends the process at once, after its output: Python needs 0.6 s to take torch apart."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run() -> NoReturn:
    _catch_signals()
    try:
        app()
        sys.exit(ExitCode.OK)
    except UserError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Terminated as error:
        complain(f"stopped by {error.name}")
        sys.exit(error.exit_code)
    except OSError as error:
        complain(f"{error.filename or 'output'}: {error.strerror}")
        sys.exit(ExitCode.RESOURCE)
    except (MemoryError, RuntimeError, ImportError) as error:
        _end_by_machine(error)


def _end_by_machine(error: Exception) -> NoReturn:
    """Ends by what the machine lacks, with one line; any other error is a bug and goes on up."""
    text = faults.explain(error, "--device", "close other programs, or raise this process's limit")
    if text is None:
        raise error
    complain(text)
    sys.exit(ExitCode.RESOURCE)


def _catch_signals() -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in STOPS:
        number = getattr(signal, name, None)  # Windows has few
        if number and signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)
