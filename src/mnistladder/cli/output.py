"""stdout and stderr, made safe: a reader that leaves or a full disk never ends the work.

Progress and results are written by many hands (typer, rich, print). All write to these streams. The
first write that fails is kept as `failure`, and what comes later is dropped. The command goes on.
"""

import codecs
import errno
import io
import os
import sys
import unicodedata
from typing import TextIO, cast

NEAREST = {"±": "+-", "█": "#", "…": "...", "•": "*"}
HANDLER = "mnistladder.nearest"


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """For characters that the encoding lacks: the nearest ASCII, else their escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(_ascii, text)), error.end


def _ascii(character: str) -> str:
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    escape = character.encode("ascii", "backslashreplace").decode()
    return NEAREST.get(character) or plain or escape


codecs.register_error(HANDLER, _nearest)


class SafeStream(io.TextIOWrapper):
    """A text stream that never raises on writing; `failure` is the first error, if there was one.

    Characters that its encoding lacks are written as the nearest ASCII ones.
    """

    failure: OSError | None = None

    def write(self, text: str) -> int:
        """Writes, or drops the text if a write has failed before."""
        if self.failure is None:
            try:
                return super().write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Writes out what is buffered."""
        if self.failure is None:
            try:
                super().flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """From now on all goes to the null device, what is still buffered too."""
        self.failure = error
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)


def make_safe() -> None:
    """Puts safe streams in the place of stdout and stderr."""
    sys.stdout = cast(TextIO, _safe(sys.stdout))
    sys.stderr = cast(TextIO, _safe(sys.stderr))


def _safe(stream: TextIO | None) -> SafeStream:
    if isinstance(stream, SafeStream):
        return stream
    if stream is None:  # the process was started with it closed
        # The null device takes its number, so that no file that is opened later gets it.
        safe = SafeStream(open(os.devnull, "wb"), "utf-8", HANDLER)  # noqa: PTH123, SIM115
        safe.failure = OSError(errno.EBADF, "is closed")
        return safe
    is_lines, encoding = getattr(stream, "line_buffering", False), stream.encoding
    buffer = cast(io.TextIOWrapper, stream).detach()
    return SafeStream(buffer, encoding, HANDLER, line_buffering=is_lines)


def lost_output() -> str | None:
    """Why results did not reach stdout; None if they did, or if their reader has had enough."""
    stream = sys.stdout
    if not isinstance(stream, SafeStream) or stream.failure is None:
        return None
    if stream.failure.errno == errno.EPIPE:  # such as `head`
        return None
    return f"stdout: {stream.failure.strerror}"
