"""Config file -> Rung, or every mistake in it with its line and the nearest known name."""

import re
import stat
from collections.abc import Sequence
from pathlib import Path

from mnistladder.config import yaml_reader
from mnistladder.config.mistakes import Mistake, did_you_mean
from mnistladder.config.overrides import apply, idle_mistakes
from mnistladder.config.spec import Config, Rung
from mnistladder.config.validate import check
from mnistladder.config.yaml_reader import Document, KeyPath
from mnistladder.errors import ConfigError, Problem, UsageError

_PACKAGE = Path(__file__).parents[1]
# A wheel carries the configs inside the package; a checkout has them at its top.
CONFIG_DIR = next(
    (path for path in (_PACKAGE / "configs", _PACKAGE.parents[1] / "configs") if path.is_dir()),
    _PACKAGE / "configs",
)
_NUMBER = re.compile(r"model(\d+)")
NAME_RULE = "use 1 to 64 letters, digits, `_`, `-` and `.`; begin with a letter or a digit"


def shipped_names() -> list[str]:
    """The rungs of the ladder in order, from a directory listing alone."""
    return sorted(path.stem for path in CONFIG_DIR.glob("*.yaml"))


def variant_names() -> list[str]:
    """The variants of rungs, in order; the name of a variant begins with the name of its rung."""
    return sorted(path.stem for path in (CONFIG_DIR / "variants").glob("*.yaml"))


def rung_of(name: str) -> str | None:
    """The rung of the ladder that a variant belongs to; None if the name is not a variant."""
    if name not in variant_names():
        return None
    return next((rung for rung in shipped_names() if name.startswith(f"{rung}_")), None)


def rung_before(name: str) -> str | None:
    """What a shipped config is compared with: the rung before, a variant's rung, or nothing."""
    ladder = shipped_names()
    return ladder[ladder.index(name) - 1] if name in ladder[1:] else rung_of(name)


def own_names() -> list[str]:
    """The names that a user's own rungs may have: of YAML files in this folder, in order."""
    taken = {*shipped_names(), *variant_names()}
    return sorted(
        path.stem for path in Path().glob("*.yaml") if path.stem not in taken and is_name(path.stem)
    )


def is_path(reference: str) -> bool:
    """Whether a user means a file, and not a name."""
    return reference.endswith((".yaml", ".yml")) or "/" in reference or "\\" in reference


def find_config(reference: str) -> Path:
    """The file of a rung's number or name, of an own rung in this folder, or of a path.

    Raises UsageError if no rung has this name, or if a range means several.
    """
    if is_path(reference):
        return Path(reference)
    names = _numbered(reference) or [reference]
    if len(names) > 1:
        raise UsageError(f"{reference}: means {len(names)} rungs; name one")
    for folder, known in (
        (CONFIG_DIR, shipped_names()),
        (CONFIG_DIR / "variants", variant_names()),
        (Path(), own_names()),
    ):
        if names[0] in known:
            return folder / f"{names[0]}.yaml"
    hint = did_you_mean(reference, [*shipped_names(), *variant_names(), *own_names()])
    raise UsageError(
        f"{reference}: no such rung{hint}; `mnistladder list` shows all, or give a file"
    )


def load_rung(reference: str, overrides: Sequence[str] = ()) -> Rung:
    """Loads the rung of a name or of a path, with overrides `key.path=value` applied.

    Raises UsageError if there is no such file, ConfigError if there are mistakes in it.
    """
    path = find_config(reference)
    doc = yaml_reader.parse(yaml_reader.decode(_read(path), str(path)), str(path))
    name = path.stem
    if not is_name(name):
        doc.report((1, 1), f"file name `{name}`: {NAME_RULE}")
    origins = apply(doc, overrides)
    config, mistakes = check(doc.data)
    if config is not None:
        mistakes = idle_mistakes(config, origins)
    problems = _problems(doc, origins, mistakes)
    if problems or config is None:
        raise ConfigError(problems)
    if overrides and config == _plain(reference):
        overrides = ()  # they change nothing: this is the rung itself
    return Rung(name, config, tuple(overrides))


def _problems(
    doc: Document, origins: dict[KeyPath, Document], mistakes: list[Mistake]
) -> list[Problem]:
    """The problems of reading and the mistakes, each in the file or the override that made it.

    A value that could not be read, such as an alias, is not reported a second time as missing.
    """
    unreadable = {(p.file, p.line, p.column) for p in doc.problems}
    located = [
        origins.get(_longest_prefix(mistake.path, origins), doc).problem(
            mistake.path, mistake.message, at_key=mistake.at_key
        )
        for mistake in mistakes
    ]
    return doc.problems + [p for p in located if (p.file, p.line, p.column) not in unreadable]


def _plain(reference: str) -> Config | None:
    """The config without overrides; None if it is not valid without them."""
    try:
        return load_rung(reference).config
    except UsageError:
        return None


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path}: not a regular file")
        with path.open("rb") as file:
            return file.read(yaml_reader.MAX_BYTES + 1)
    except FileNotFoundError:
        hint = did_you_mean(path.stem, shipped_names())
        raise UsageError(f"{path}: no such file{hint}") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def is_name(name: str) -> bool:
    """Whether a rung may have this name, which becomes part of paths, tables and commands."""
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
    return set(name) <= allowed and name[:1].isalnum() and len(name) <= 64


def _longest_prefix(path: KeyPath, table: dict[KeyPath, Document]) -> KeyPath:
    prefixes = (path[:length] for length in range(len(path), 0, -1))
    return next((prefix for prefix in prefixes if prefix in table), ())


def select_rungs(references: Sequence[str]) -> list[Rung]:
    """The rungs that names, paths, numbers and ranges such as `1-9` mean, without repeats.

    No reference means all shipped rungs. Raises UsageError, ConfigError.
    """
    return [load_rung(name) for name in rung_names(references) or shipped_names()]


def rung_names(references: Sequence[str]) -> list[str]:
    """The references with numbers and ranges written out, without repeats. Raises UsageError."""
    names = [name for part in references for name in _numbered(part) or [part]]
    return list(dict.fromkeys(names))


def _numbered(reference: str) -> list[str]:
    """The shipped rungs that a number or a range means; nothing for any other text."""
    match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", reference)
    if not match:
        return []
    first, last = int(match[1]), int(match[2] or match[1])
    numbers = {name: int(m[1]) for name in shipped_names() if (m := _NUMBER.match(name))}
    chosen = [name for name, number in numbers.items() if first <= number <= last]
    if not chosen:
        raise UsageError(f"{reference}: no such rung; the ladder has 1 to {max(numbers.values())}")
    return chosen
