"""The command line: the only place that prints. Results go to stdout, everything else to stderr."""

import os
import signal
import sys
from types import FrameType

from mnistladder.cli import train, inspect, machine, board
from mnistladder.cli.base import app, complain
from mnistladder.errors import ExitCode, Terminated, UserError

__all__ = ["app", "board", "inspect", "machine", "main", "train"]


def main() -> None:
    """Runs the command line; a user's mistake ends it with one line and a documented exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except UserError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Terminated:
        sys.exit(ExitCode.TERMINATED)
    except BrokenPipeError:  # the reader of our output, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.OK)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
