"""The entry point: `mnistladder` and `python -m mnistladder`.

It imports nothing but the standard library at first. Importing the rest takes a moment, and Ctrl-C
in that moment ends the process at once, without a traceback: nothing has begun yet.
"""

import gc
import os
import signal
from types import FrameType


def main() -> None:
    """Runs the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not if it is ignored
        signal.signal(signal.SIGINT, _leave)
    gc.set_threshold(100_000)  # imports make many objects that stay; looking for garbage takes 5 %
    from mnistladder.cli import main as run

    run()


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
