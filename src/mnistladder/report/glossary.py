"""The words that documents, tables and messages use, and what they mean: `docs/glossary.md`."""

from functools import cache
from pathlib import Path

from mnistladder.config.mistakes import did_you_mean
from mnistladder.errors import UsageError

_PACKAGE = Path(__file__).parents[1]
# A wheel carries the document inside the package; a checkout has it in `docs`.
_PLACES = (_PACKAGE / "glossary.md", _PACKAGE.parents[1] / "docs" / "glossary.md")


@cache
def meanings() -> dict[str, str]:
    """Each word with its meaning as plain text, in the order of the document."""
    path = next((path for path in _PLACES if path.is_file()), _PLACES[0])
    rows = [line.strip("| \n").split(" | ", 1) for line in path.read_text("utf-8").splitlines()]
    cells = [row for row in rows if len(row) == 2]
    return {word: meaning.replace("*", "") for word, meaning in cells[2:]}  # headings, dashes


def find(word: str) -> str:
    """The glossary's own form of a word: capitals, underscores and a plural do not matter.

    Raises UsageError if the glossary does not have it.
    """
    asked = " ".join(word.lower().replace("_", " ").split())
    for form in (asked, asked.removesuffix("s"), f"{asked}s"):
        if form in meanings():
            return form
    parts = [known for known in meanings() if asked in known.split()]
    if len(parts) == 1:
        return parts[0]
    hint = did_you_mean(asked, meanings())
    raise UsageError(f"{word}: not in the glossary{hint}; `mnistladder explain` lists its words")
