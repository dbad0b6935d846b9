"""A mistake in a config, and the words in which we describe it."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from mnistladder.config.yaml_reader import KeyPath


@dataclass(frozen=True)
class Mistake:
    """What is wrong at one path of a config.

    `suggestion` is the known name nearest to a wrong one, or the name of a missing key, or nothing.
    `at_key` says that the key itself is wrong, not its value.
    """

    path: KeyPath
    kind: Literal["unknown", "missing", "value", "combination"]
    text: str
    suggestion: str = ""
    at_key: bool = False

    @property
    def message(self) -> str:
        """The text for the user, with the suggestion if there is one."""
        if self.kind == "missing" or not self.suggestion:
            return self.text
        return f"{self.text}; did you mean `{self.suggestion}`?"


def unknown(path: KeyPath, what: str, name: str, known: Iterable[str]) -> Mistake:
    """A name that is not among the known ones; `what` is the kind of thing that it names."""
    names = sorted(known)
    suggestion = nearest(name, names)
    text = f"unknown {what} `{name}`"
    if not suggestion:
        text += f"; known: {', '.join(names)}"
    return Mistake(path, "unknown", text, suggestion, at_key=True)


def without_echoes(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """The mistakes, without a missing key whose misspelling is reported too."""
    mistakes = list(mistakes)
    explained = {(m.path[:-1], m.suggestion) for m in mistakes if m.kind == "unknown"}
    return [m for m in mistakes if m.kind != "missing" or (m.path, m.suggestion) not in explained]


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that resembles this one, or nothing."""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` for a word that resembles a known one, else nothing."""
    suggestion = nearest(word, known)
    return f"; did you mean `{suggestion}`?" if suggestion else ""


def describe(value: object) -> str:
    """A value of a YAML file in a few words."""
    names = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "nothing"}
    if value == []:
        return "an empty list"
    if type(value) in names:
        return names[type(value)]
    text = repr(value) if isinstance(value, str) else str(value).lower()
    return text if len(text) <= 60 else text[:57] + "..."
