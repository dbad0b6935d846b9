"""What happens while stages run, as plain data that crosses process borders."""

from dataclasses import dataclass

from mnistladder.errors import ExitCode
from mnistladder.runs.records import HistoryRow


@dataclass(frozen=True)
class Started:
    """A stage began, or goes on after `epochs_done` of its epochs."""

    key: str
    epochs_done: int
    device: str


@dataclass(frozen=True)
class EpochDone:
    """An epoch was trained, evaluated and stored; `row` is its line of the history."""

    key: str
    row: HistoryRow


@dataclass(frozen=True)
class Notice:
    """Something a user should know: a wait, a damaged file."""

    key: str
    text: str


@dataclass(frozen=True)
class Finished:
    """A stage is stored."""

    key: str


@dataclass(frozen=True)
class Failed:
    """A stage ended without a result; the text is for the user."""

    key: str
    text: str
    exit_code: ExitCode


Event = Started | EpochDone | Notice | Finished | Failed
