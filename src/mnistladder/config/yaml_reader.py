"""YAML text -> plain data with the line and column of each key and value; and data -> text.

PyYAML supplies only the events. Scalars follow the core schema of YAML 1.2: `1e-4` is a number and
`on` is text. What a config never needs is refused: aliases, anchors, tags, repeated keys, a second
document.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from mnistladder.errors import ConfigError, Problem

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20
MAX_DIGITS = 100  # longer numbers are a mistake, and Python refuses to convert the longest

KeyPath = tuple[str | int, ...]
Place = tuple[int, int]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times as fast
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".inf": float("inf"),
    "+.inf": float("inf"),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
}


@dataclass
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and the place of each path in it."""

    file: str
    data: Any = None
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: KeyPath, message: str, *, at_key: bool = False) -> Problem:
        """A problem at the place of `path`, or of the nearest enclosing value that has a place."""
        table = self.keys if at_key and path in self.keys else self.values
        while path and path not in table:
            path = path[:-1]
        line, column = table.get(path, (1, 1))
        return Problem(self.file, line, column, message)

    def report(self, place: Place, message: str) -> None:
        self.problems.append(Problem(self.file, *place, message))


def resolve_scalar(text: str) -> Any:
    """The value of a plain YAML 1.2 scalar.

    Raises ValueError for a number of more than 100 characters.
    """
    if text in _SPECIAL:
        return _SPECIAL[text]
    for pattern, convert in ((_INT, int), (_FLOAT, float)):
        if pattern.fullmatch(text):
            if len(text) > MAX_DIGITS:
                raise ValueError(
                    f"a number of {len(text)} characters; at most {MAX_DIGITS} are allowed"
                )
            return convert(text)
    return text


def decode(raw: bytes, file: str) -> str:
    """The text of a config file: UTF-8, at most 64 KiB, with or without a byte order mark.

    Raises ConfigError if it is not such a text.
    """
    if len(raw) > MAX_BYTES:
        raise ConfigError([Problem(file, 1, 1, f"the file is larger than {MAX_BYTES // 1024} KiB")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(file, line, 1, "the file is not UTF-8 text")]) from None


def parse(text: str, file: str) -> Document:
    """Parses one YAML document. Raises ConfigError if the text is not YAML.

    Mistakes that leave the rest readable, such as a repeated key, go into `problems`.
    """
    document = Document(file)
    try:
        events = iter(yaml.parse(text, Loader=_Loader))
        next(events)  # the stream starts
        event = next(events)
        if isinstance(event, yaml.StreamEndEvent):
            return document
        document.data = _node(document, events, next(events), ())
        next(events)  # the document ends
        if not isinstance(second := next(events), yaml.StreamEndEvent):
            document.report(
                _place(second), "a second document begins here; a config is one document"
            )
    except yaml.MarkedYAMLError as error:
        place = _mark_place(error.problem_mark)
        raise ConfigError([Problem(file, *place, f"not YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        first = str(error).splitlines()[0]
        raise ConfigError([Problem(file, 1, 1, f"not YAML: {first}")]) from None
    return document


def _place(event: yaml.Event) -> Place:
    return _mark_place(event.start_mark)


def _mark_place(mark: Any) -> Place:
    """Line and column from 1; PyYAML counts from 0, and may know no place."""
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _refuse_extras(doc: Document, event: yaml.Event, place: Place) -> None:
    """Reports an anchor or a tag. The value beside it is read nevertheless."""
    if anchor := getattr(event, "anchor", None):
        doc.report(place, f"anchor `&{anchor}`: anchors are not allowed in a config")
    if tag := getattr(event, "tag", None):
        doc.report(place, f"tag `{tag}`: tags are not allowed in a config")


def _node(doc: Document, events: Iterator[yaml.Event], event: yaml.Event, path: KeyPath) -> Any:
    place = _place(event)
    doc.values[path] = place
    if isinstance(event, yaml.AliasEvent):
        doc.report(
            place, f"alias `*{event.anchor}`: aliases are not allowed; write the value itself"
        )
        return None
    _refuse_extras(doc, event, place)
    if len(path) > MAX_DEPTH:
        raise ConfigError([Problem(doc.file, *place, f"nested more than {MAX_DEPTH} levels deep")])
    kinds: dict[type, Callable[..., Any]] = {
        yaml.ScalarEvent: _scalar,
        yaml.SequenceStartEvent: _sequence,
        yaml.MappingStartEvent: _mapping,
    }
    return kinds[type(event)](doc, events, event, path)


def _scalar(doc: Document, _: Iterator[yaml.Event], event: yaml.ScalarEvent, path: KeyPath) -> Any:
    if event.style:  # quoted or a block, so text
        return event.value
    try:
        return resolve_scalar(event.value)
    except ValueError as error:
        doc.report(_place(event), str(error))
        return None


def _sequence(
    doc: Document, events: Iterator[yaml.Event], _: yaml.SequenceStartEvent, path: KeyPath
) -> list[Any]:
    items: list[Any] = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        items.append(_node(doc, events, event, (*path, len(items))))
    return items


def _mapping(
    doc: Document, events: Iterator[yaml.Event], _: yaml.MappingStartEvent, path: KeyPath
) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        place = _place(event)
        if not isinstance(event, yaml.ScalarEvent):
            doc.report(place, "a key must be a word, not a list or a mapping")
            _skip(doc, events, event, (*path, "?"))
            _skip(doc, events, next(events), (*path, "?"))
            continue
        key = event.value
        child = (*path, key)
        if key in mapping:
            doc.report(place, f"`{key}` is repeated; it is first on line {doc.keys[child][0]}")
            _skip(doc, events, next(events), child)
            continue
        doc.keys[child] = place
        mapping[key] = _node(doc, events, next(events), child)
    return mapping


def _skip(doc: Document, events: Iterator[yaml.Event], event: yaml.Event, path: KeyPath) -> None:
    """Reads a node and forgets it. It must not be nested too deep either."""
    _node(Document(doc.file), events, event, path)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that `parse` would read back as a number, null, true or false.

    PyYAML itself quotes by the rules of YAML 1.1.
    """


def _dump_text(dumper: _Dumper, text: str) -> yaml.Node:
    try:
        quoted = not isinstance(resolve_scalar(text), str)
    except ValueError:
        quoted = True
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)


_Dumper.add_representer(str, _dump_text)


def dump(data: Any) -> str:
    """Plain data as YAML that `parse` reads back to equal data."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False)
