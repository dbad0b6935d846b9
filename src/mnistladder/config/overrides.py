"""Overrides of a config from the command line: `--set key.path=value`.

`model.dropout=null` leaves out all layers of that name.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from mnistladder.config import yaml_reader
from mnistladder.config.mistakes import Mistake, did_you_mean
from mnistladder.config.sections import default_table, keys, sections_at
from mnistladder.config.spec import Config
from mnistladder.config.yaml_reader import Document, KeyPath
from mnistladder.errors import UsageError

_INDEX = re.compile(r"[0-9]{1,6}")


def apply(doc: Document, overrides: Sequence[str]) -> dict[KeyPath, Document]:
    """Applies overrides to the document's data; which override wrote the value at each path.

    An override that cannot be applied becomes a problem of the document. Raises UsageError if one
    is not of the form `key.path=value`, ConfigError if its value is not YAML.
    """
    origins: dict[KeyPath, Document] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        origin = Document(f"--set {text}")
        if not equals:
            raise UsageError(f"--set {text}: expected key.path=value, such as phases.0.lr=1e-3")
        parsed = yaml_reader.parse(value, origin.file)
        path = tuple(int(part) if _INDEX.fullmatch(part) else part for part in key.split("."))
        doc.problems += parsed.problems
        if message := _assign(doc.data, path, parsed.data):
            doc.problems.append(origin.problem((), message))
        for written in _written(path, doc, origins):
            origins[written] = origin
    return origins


def _written(path: KeyPath, doc: Document, origins: Iterable[KeyPath]) -> list[KeyPath]:
    """The path, and the tables on the way to it that neither the file nor an override has.

    Of layers that are left out, the model: those after them have other indices than in the file.
    """
    if _is_layer_name(path):
        return [path[:-1]]
    known = {*doc.values, *origins}
    tables = [path[:length] for length in range(1, len(path))]
    return [path, *(table for table in tables if table not in known)]


def _assign(data: Any, path: KeyPath, value: Any) -> str | None:
    """Sets data[path] = value in place; if it cannot, the reason."""
    here = data
    for depth, key in enumerate(path[:-1]):
        _open_default(here, path[: depth + 1], path[depth + 1])
        if reason := _no_place(here, path[:depth], key):
            return reason
        if isinstance(here, dict) and key not in here:
            known = [*here, *_default_keys(path[:depth])]
            return f"{_name(path[:depth])} has no `{key}`{did_you_mean(str(key), known)}"
        here = here[key]
    if _is_layer_name(path) and isinstance(here, list) and value is None:
        return _leave_out(here, path[-1])
    if reason := _no_place(here, path[:-1], path[-1]):
        return reason
    here[path[-1]] = value
    return None


def _is_layer_name(path: KeyPath) -> bool:
    return path[:-1] == ("model",) and isinstance(path[-1], str)


def _leave_out(model: list[Any], name: str | int) -> str | None:
    """Takes all layers of that name out of the list; if it has none, says so."""
    kept = [layer for layer in model if _layer_name(layer) != name]
    if len(kept) == len(model):
        known = [known for layer in model if (known := _layer_name(layer))]
        return f"`model` has no layer `{name}`{did_you_mean(str(name), known)}"
    model[:] = kept
    return None


def _layer_name(layer: Any) -> str | None:
    """The name of a layer as YAML writes it, alone or with its keys; None if it is no layer."""
    name = next(iter(layer), None) if isinstance(layer, dict) else layer
    return name if isinstance(name, str) else None


def _default_keys(path: KeyPath) -> list[str]:
    return [key for section in sections_at(Config, path) for key in keys(section)]


def _open_default(container: Any, path: KeyPath, following: str | int) -> None:
    """Writes out a table that is at its default, so that a key of it can be set.

    It may be absent, such as `optimizer:`, or null, or a layer that is written as its name alone.
    """
    key = path[-1]
    if isinstance(container, dict):
        table = default_table(Config, path) if container.get(key) is None else None
        if table is not None:
            container[key] = table
    elif path[:-1] == ("model",) and following in _entry(container, key):
        container[key] = {following: {}}


def _entry(container: Any, index: str | int) -> list[Any]:
    """The entry of a list in a list, or nothing if the list has no such entry."""
    inside = isinstance(container, list) and isinstance(index, int) and index < len(container)
    return [container[index]] if inside else []


def _no_place(container: Any, path: KeyPath, key: str | int) -> str | None:
    """Why the container, which stands at `path`, cannot have the key; None if it can."""
    if isinstance(container, list):
        if not isinstance(key, int) or key >= len(container):
            return f"{_name(path)} has entries 0 to {len(container) - 1}, not `{key}`"
    elif path[:-1] == ("model",) and isinstance(container, str):
        return f"{_name(path)} is the layer `{container}`, not `{key}`"
    elif not isinstance(container, dict):
        return f"{_name(path)} is a single value and has no `{key}`"
    return None


def _name(path: KeyPath) -> str:
    return f"`{'.'.join(map(str, path))}`" if path else "the config"


def idle_mistakes(config: Config, overridden: Iterable[KeyPath]) -> list[Mistake]:
    """Overrides of `augment` if no phase augments: they would change nothing, silently."""
    used = config.augment is None or any(phase.augment for phase in config.phases)
    paths = [path for path in overridden if path[0] == "augment"]
    if used or not paths:
        return []
    text = (
        "no phase has `augment: true`, so this changes nothing; "
        "add --set phases.0.augment=true, or the number of another phase"
    )
    return [Mistake(path, "combination", text) for path in paths[:1]]
