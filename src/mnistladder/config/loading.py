"""Config file -> Rung, or every mistake in it with its place and the nearest known name."""

import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mnistladder.config import yaml_reader
from mnistladder.config.spec import Config, Rung
from mnistladder.config.validate import check, did_you_mean
from mnistladder.config.yaml_reader import Document
from mnistladder.errors import ConfigError, UsageError

_PACKAGE = Path(__file__).parents[1]
# A wheel carries the configs inside the package; a checkout has them at its top.
CONFIG_DIR = next(
    (path for path in (_PACKAGE / "configs", _PACKAGE.parents[1] / "configs") if path.is_dir()),
    _PACKAGE / "configs",
)
_NUMBER = re.compile(r"model(\d+)")
_INDEX = re.compile(r"[0-9]{1,6}")

_Path = tuple[str | int, ...]


def shipped_names() -> list[str]:
    """The rungs of the ladder in order, from a directory listing alone."""
    return sorted(path.stem for path in CONFIG_DIR.glob("*.yaml"))


def variant_names() -> list[str]:
    """Counterfactuals of rungs; a variant's name begins with its rung's."""
    return sorted(path.stem for path in (CONFIG_DIR / "variants").glob("*.yaml"))


def rung_of(name: str) -> str | None:
    """The rung of the ladder that a variant belongs to; None for what is no variant."""
    if name not in variant_names():
        return None
    return next((rung for rung in shipped_names() if name.startswith(f"{rung}_")), None)


def find_config(reference: str) -> Path:
    """The file of a bare rung name or of a path. Raises UsageError."""
    is_path = reference.endswith((".yaml", ".yml")) or "/" in reference or "\\" in reference
    if is_path:
        return Path(reference)
    for folder, names in (
        (CONFIG_DIR, shipped_names()),
        (CONFIG_DIR / "variants", variant_names()),
    ):
        if reference in names:
            return folder / f"{reference}.yaml"
    hint = did_you_mean(reference, [*shipped_names(), *variant_names()])
    raise UsageError(f"{reference}: no such rung{hint}; see `mnistladder list`, or name a file")


def load_rung(reference: str, overrides: Sequence[str] = ()) -> Rung:
    """Loads the rung of a bare name or a path, with `key.path=value` overrides applied.

    Raises UsageError if there is no such file, ConfigError with all mistakes otherwise.
    """
    path = find_config(reference)
    doc = yaml_reader.parse(yaml_reader.decode(_read(path), str(path)), str(path))
    name = path.stem
    if not is_name(name):
        doc.report((1, 1), f"file name `{name}`: use letters, digits, `_`, `-` and `.`, at most 64")
    lines = _override(doc, overrides)
    config, mistakes = check(doc.data)
    told = {(p.file, p.line, p.column) for p in doc.problems}
    found = [
        lines.get(_longest_prefix(path, lines), doc).problem(path, text, at_key=at_key)
        for path, text, at_key in mistakes
    ]
    # An alias or an endless number has no value, which need not be told as well.
    problems = doc.problems + [p for p in found if (p.file, p.line, p.column) not in told]
    if problems or config is None:
        raise ConfigError(problems)
    if overrides and config == _plain(reference):
        overrides = ()  # they say what the file says: it is the rung itself
    return Rung(name, config, tuple(overrides))


def _plain(reference: str) -> Config | None:
    """The config without overrides, if it is whole."""
    try:
        return load_rung(reference).config
    except UsageError:
        return None


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path}: not a file")
        with path.open("rb") as file:
            return file.read(yaml_reader.MAX_BYTES + 1)
    except FileNotFoundError:
        hint = did_you_mean(path.stem, shipped_names())
        raise UsageError(f"{path}: no such file{hint}") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def is_name(name: str) -> bool:
    """Whether a rung may have this name: it becomes part of paths, tables and commands."""
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
    return set(name) <= allowed and name[:1].isalnum() and len(name) <= 64


def _longest_prefix(path: _Path, table: dict[_Path, Document]) -> _Path:
    prefixes = (path[:length] for length in range(len(path), 0, -1))
    return next((prefix for prefix in prefixes if prefix in table), ())


def _override(doc: Document, overrides: Sequence[str]) -> dict[_Path, Document]:
    """Applies overrides to the document's data; returns whose mistakes belong to which override."""
    lines: dict[_Path, Document] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        line = Document(f"--set {text}")
        if not equals:
            raise UsageError(f"--set {text}: expected key.path=value, such as phases.0.lr=1e-3")
        parsed = yaml_reader.parse(value, line.file)
        path = tuple(int(part) if _INDEX.fullmatch(part) else part for part in key.split("."))
        doc.problems += parsed.problems
        if message := _assign(doc.data, path, parsed.data):
            doc.problems.append(line.problem((), message))
        lines[path] = line
    return lines


def _assign(data: Any, path: _Path, value: Any) -> str | None:
    """Sets data[path] = value in place; says what is wrong with the path, if anything is."""
    for position, part in enumerate(path):
        where = ".".join(map(str, path[:position])) or "the config"
        last = position == len(path) - 1
        if isinstance(data, list):
            if not isinstance(part, int) or part >= len(data):
                return f"`{where}` has entries 0 to {len(data) - 1}, not `{part}`"
        elif not isinstance(data, dict):
            return f"`{where}` has no parts, so no `{part}`"
        elif part not in data and not last:
            return f"`{where}` has no `{part}`{did_you_mean(str(part), map(str, data))}"
        if last:
            data[part] = value
        else:
            data = data[part]
    return None


def select_rungs(references: Sequence[str]) -> list[Rung]:
    """The rungs of names, paths, numbers and ranges such as `1-9`, each once; none means all.

    Raises UsageError, ConfigError.
    """
    return [load_rung(name) for name in rung_names(references) or shipped_names()]


def rung_names(references: Sequence[str]) -> list[str]:
    """The references with numbers and ranges spelt out, each once. Raises UsageError."""
    names = [name for part in references for name in _numbered(part) or [part]]
    return list(dict.fromkeys(names))


def _numbered(reference: str) -> list[str]:
    """The shipped rungs that a number or a range means; nothing if it is neither."""
    match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", reference)
    if not match:
        return []
    first, last = int(match[1]), int(match[2] or match[1])
    numbers = {name: int(found[1]) for name in shipped_names() if (found := _NUMBER.match(name))}
    chosen = [name for name, number in numbers.items() if first <= number <= last]
    if not chosen:
        raise UsageError(f"{reference}: no such rungs; the ladder has 1 to {max(numbers.values())}")
    return chosen
