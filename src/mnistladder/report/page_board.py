"""The columns of the page's board, and what each is sorted by."""

from collections.abc import Callable
from typing import NamedTuple

from mnistladder.report import tables
from mnistladder.report.summary import Row


class PageColumn(NamedTuple):
    """A column of the page: `key` is the number that it is sorted by, None where text decides."""

    heading: str
    text: Callable[[Row], str]
    key: Callable[[Row], float | None] | None = None
    tone: Callable[[Row], tables.Tone | None] = lambda row: None

    def sorted_by(self, row: Row) -> str:
        """The number as text; empty where a row has none, or where text decides."""
        value = self.key(row) if self.key else None
        return "" if value is None else f"{value:.6g}"


def _change(row: Row) -> float | None:
    return row.step.comparison.difference if row.step else None


_BY_HEADING = {column.heading: column for column in (*tables.SHORT_COLUMNS, *tables.COLUMNS)}


def _column(heading: str, key: Callable[[Row], float | None] | None = None) -> PageColumn:
    column = _BY_HEADING[heading]
    return PageColumn(heading, column.text, key, column.tone)


COLUMNS = (  # what a reader asks first comes first: a telephone shows the first three
    _column(tables.ERRORS, lambda row: row.errors_mean),
    _column("accuracy", lambda row: row.accuracy_mean),
    _column("step", _change),
    _column("what is new"),
    _column("n", lambda row: row.n),
    _column("95 % interval", lambda row: row.errors_interval[0]),
    _column("published %", lambda row: row.published_accuracy),
    _column("verdict"),
    _column("train time", lambda row: row.train_s_mean),
)
