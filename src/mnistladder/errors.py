"""Errors that a user sees as one line, each with its exit code; and what a user can safely see."""

import signal
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process returns; documented in docs/programs.md."""

    OK = 0
    FAILED = 1  # a check failed, or a bug of ours
    USAGE = 2  # config or command line
    DATA = 3
    CORRUPT = 4  # a stored file is not what was written
    RESOURCE = 5  # device, memory, disk
    BUSY = 6  # reserved: a process waits where another one holds a lock
    DIVERGED = 7  # the loss became infinite or not a number
    INTERRUPTED = 130
    TERMINATED = 143


class UserError(Exception):
    """An error with a text for the user: where it is, what is wrong, what would be right."""

    exit_code = ExitCode.FAILED


class UsageError(UserError):
    exit_code = ExitCode.USAGE


class DataError(UserError):
    exit_code = ExitCode.DATA


class CorruptError(UserError):
    exit_code = ExitCode.CORRUPT


class ResourceError(UserError):
    exit_code = ExitCode.RESOURCE


class DivergedError(UserError):
    exit_code = ExitCode.DIVERGED


class Terminated(BaseException):
    """A signal asks to stop. Like KeyboardInterrupt, no handler of ordinary errors may catch it."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number  # as shells report it


MOST_SHOWN = 20  # mistakes of a config; with more it is probably a file of another kind


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a config file; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        if self.file.startswith(("--set", "--over")):  # the command line has no lines
            return f"{self.file}: {self.message}"
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class ConfigError(UsageError):
    """All the mistakes of a config, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        lines = [str(problem) for problem in self.problems[:MOST_SHOWN]]
        if more := len(self.problems) - len(lines):
            lines.append(f"{self.problems[0].file}: and {more} more mistakes")
        super().__init__("\n".join(lines))


MARK = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """The text with a mark in place of each character that a terminal would obey.

    Those are control characters, and marks that reverse the direction of text. Line ends stay.
    """
    if text.isprintable():
        return text
    return "\n".join("".join(map(_shown, line)) for line in text.split("\n"))


def one_line(text: str) -> str:
    """As `printable`, but a line end becomes a space: for text of a stored file."""
    return printable(text.replace("\n", " "))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else MARK
