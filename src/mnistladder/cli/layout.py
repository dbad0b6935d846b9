"""How wide each column of a table is, so that it fits a terminal and no name is broken."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

GAPS = (2, 1)  # blanks between columns, the first that fits


@dataclass(frozen=True)
class Layout:
    """The columns that are shown, by index, how wide they are, and the blanks between them."""

    shown: list[int]
    widths: list[int]
    gap: int

    @property
    def width(self) -> int:
        return sum(self.widths) + self.gap * (len(self.widths) - 1)


def fit(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int, drops: Sequence[str] = ()
) -> Layout:
    """The layout that shows most in so many columns of a terminal.

    First headings take two lines, then the gaps shrink, then columns are left out in the order
    of `drops`, and at last the widest column is wrapped at words. If even this is too wide, the
    layout is wider than the terminal.
    """
    columns = [[row[index] for row in rows] for index in range(len(headings))]
    for count in range(len(drops) + 1):
        shown = [index for index, name in enumerate(headings) if name not in drops[:count]]
        cells = [max(map(cell_len, columns[index]), default=0) for index in shown]
        whole = [max(cell_len(headings[i]), n) for i, n in zip(shown, cells, strict=True)]
        folded = [max(_in_two_lines(headings[i]), n) for i, n in zip(shown, cells, strict=True)]
        for gap in GAPS:
            for widths in (whole, folded):
                if (layout := Layout(shown, widths, gap)).width <= width:
                    return layout
    words = [max(map(longest_word, [headings[i], *columns[i]])) for i in shown]
    return _wrapped(layout, words, width)


def _wrapped(layout: Layout, words: list[int], width: int) -> Layout:
    """The layout with its widest columns made narrower, none narrower than its longest word."""
    widths = layout.widths.copy()
    for index in sorted(range(len(widths)), key=lambda index: words[index] - widths[index]):
        excess = Layout(layout.shown, widths, layout.gap).width - width
        widths[index] = max(words[index], widths[index] - max(excess, 0))
    return Layout(layout.shown, widths, layout.gap)


def _in_two_lines(heading: str) -> int:
    """Terminal columns that a heading needs on two lines."""
    words = heading.split()
    splits = [(" ".join(words[:count]), " ".join(words[count:])) for count in range(len(words))]
    return min((max(map(cell_len, lines)) for lines in splits), default=0)


def longest_word(text: str) -> int:
    """Terminal columns that the longest word needs."""
    return max(map(cell_len, text.split()), default=0)


def told_apart(names: Sequence[str]) -> list[str]:
    """The names without the words that all of them have; a name of no other words stays whole."""
    words = [name.split(" ") for name in names]
    common = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set[str]()
    return [
        " ".join(word for word in own if word not in common) or name
        for name, own in zip(names, words, strict=True)
    ]


def shortened(text: str, width: int) -> str:
    """The text, or as many of its first words as fit, or nothing."""
    if cell_len(text) <= width:
        return text
    ends = [match.start() for match in re.finditer(r" |(?<=-)", text)]
    starts = [f"{text[:end]}…" for end in reversed(ends)]
    return next((start for start in starts if cell_len(start) <= width), "")
