"""A clock of the time in which this process ran."""

import threading
import time

TICK_S = 0.25
LONGEST_S = 5.0  # a busy machine lets a thread wait for less


class RunningClock:
    """Stands still while the process is stopped or the machine sleeps.

    Other clocks go on while a process is stopped. So a thread looks at one of them every TICK_S
    seconds. Where it comes more than LONGEST_S late, the process did not run, and the time between
    is left out. A shorter pause counts. The thread runs in the clock's context.
    """

    def __init__(self) -> None:
        self._left_out = 0.0
        self._looked = time.perf_counter()
        self._guard = threading.Lock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "RunningClock":
        self._end.clear()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._thread:
            self._thread.join()

    def seconds(self) -> float:
        """Seconds since some moment; two of them are subtracted."""
        with self._guard:
            now = time.perf_counter()
            since = now - self._looked
            if since > LONGEST_S:
                self._left_out += since - TICK_S
            self._looked = now
            return now - self._left_out

    def _watch(self) -> None:
        while not self._end.wait(TICK_S):
            self.seconds()
