"""The board on a terminal: a line a rung, its name whole, coloured by what its step shows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from mnistladder.cli import base
from mnistladder.cli.layout import GAPS, shortened
from mnistladder.report.summary import Row
from mnistladder.report.tables import COLUMNS, SHORT_COLUMNS, Column, Tone

STYLES: dict[Tone | None, str] = {"better": "green", "worse": "red", "unclear": "dim", None: ""}
GAP = " " * GAPS[0]


def say_board(rows: Sequence[Row], wide: bool = False) -> None:
    """Prints the short columns, fitted to the terminal, or with `wide` all of them."""
    console = base.output()
    if wide or not console.is_terminal:
        columns = COLUMNS if wide else SHORT_COLUMNS
        right = {column.heading for column in columns if column.align == "right"}
        cells = [[_cell(column, row) for column in columns] for row in rows]
        base.print_table([column.heading for column in columns], cells, right, wide=True)
    else:
        _say_fitted(console, rows)


def _cell(column: Column, row: Row) -> Text:
    return Text(column.text(row), STYLES[column.tone(row)])


@dataclass(frozen=True)
class _Fit:
    """What a terminal has room for: columns of numbers with their widths, and the room before."""

    columns: list[Column]
    widths: list[int]
    name_width: int  # where the titles begin
    room: int  # of a name and a title


def _say_fitted(console: Console, rows: Sequence[Row]) -> None:
    """Name and title share the room before the numbers; a name without room has its own line."""
    rung, title, *_ = SHORT_COLUMNS
    fit = _fit(rows, console.width)
    headings = [Text(column.heading) for column in fit.columns]
    heading = _line(_label(rung.heading, title.heading, fit), headings, fit)
    console.print(heading, style="bold", soft_wrap=True)
    for row in rows:
        name = rung.text(row)
        label = _label(name, title.text(row), fit)
        if cell_len(name) > fit.room:
            console.print(Text(name), soft_wrap=True)
            label = ""
        cells = [_cell(column, row) for column in fit.columns]
        console.print(_line(label, cells, fit), soft_wrap=True)


def _fit(rows: Sequence[Row], width: int) -> _Fit:
    """The most columns of numbers that leave room for every name; overrides may need a line."""
    rung, title, *numbers = SHORT_COLUMNS
    longest = max(cell_len(rung.text(replace(row, rung=row.name))) for row in rows)
    for left_out in ((), ("accuracy",), ("accuracy", "n")):
        columns = [column for column in numbers if column.heading not in left_out]
        widths = [_width(column, rows) for column in columns]
        room = max(width - sum(widths) - len(GAP) * len(widths), 0)
        if room >= longest:
            break
    whole = longest + 1 + _width(title, rows)
    if room >= whole:
        return _Fit(columns, widths, longest, whole)
    rungs = [cell_len(row.name) for row in rows if not row.variant_of]
    return _Fit(columns, widths, max(rungs, default=longest), room)


def _width(column: Column, rows: Sequence[Row]) -> int:
    return max(map(cell_len, [column.heading, *(column.text(row) for row in rows)]))


def _label(name: str, title: str, fit: _Fit) -> str:
    """A name and its title; a title that has no column is shown whole or not at all."""
    if cell_len(name) <= fit.name_width:
        start = set_cell_size(name, fit.name_width) + " "
        return start + shortened(title, fit.room - cell_len(start))
    whole = name + GAP + title
    return whole if cell_len(whole) <= fit.room else name


def _line(label: str, cells: Sequence[Text], fit: _Fit) -> Text:
    line = Text(set_cell_size(label, fit.room))
    for cell, width in zip(cells, fit.widths, strict=True):
        line.append(GAP + " " * (width - cell.cell_len))
        line.append_text(cell)
    return line
