"""The command line: the only place that prints. Results go to stdout, everything else to stderr."""

import os
import signal
import sys
from types import FrameType

from mnistladder.cli import (
    board,
    export,
    inspect,
    machine,
    pictures,
    predict,
    provenance,
    report,
    train,
)
from mnistladder.cli.base import app, complain
from mnistladder.errors import ExitCode, Terminated, UserError

__all__ = [
    "app",
    "board",
    "export",
    "inspect",
    "machine",
    "main",
    "pictures",
    "predict",
    "provenance",
    "report",
    "train",
]


def main() -> None:
    """Runs the command line; a user's mistake ends it with one line and a documented exit code."""
    try:
        _run()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer met it first
            _drop_output()
            raise SystemExit(ExitCode.OK) from None
        if "torch" in sys.modules and isinstance(end.code, int | None):
            _leave(end.code or 0)
        raise


def _leave(code: int) -> None:
    """Ends the process at once, after its output: Python needs 0.6 s to take torch apart."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # Python's own way out says so
        return
    os._exit(code)


def _run() -> None:
    signal.signal(signal.SIGTERM, _terminate)
    hang_up = getattr(signal, "SIGHUP", None)  # not on Windows
    if hang_up and signal.getsignal(hang_up) is not signal.SIG_IGN:  # nohup wants it ignored
        signal.signal(hang_up, _terminate)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here it can still be told; at Python's end it is a mess
    except UserError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Terminated:
        sys.exit(ExitCode.TERMINATED)
    except BrokenPipeError:  # the reader of our output, such as `head`, has had enough
        _drop_output()
        sys.exit(ExitCode.OK)
    except OSError as error:
        _drop_output()
        complain(f"{error.filename or 'output'}: {error.strerror}")
        sys.exit(ExitCode.RESOURCE)


def _drop_output() -> None:
    """Points stdout at nothing, so that Python does not fail again when it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
