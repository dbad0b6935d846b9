"""Damages and forgeries of files of a runs folder, drawn by number: the same for each number."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

from mnistladder import sealed

ESCAPES = "\x1b[2J\x1b]0;title\x07\u202e | `x` <b> $\\frac$ =1+1\r\nline"
OTHERS = (None, True, -1, 0, 1.5, 10**400, 1 << 62, 1e308, "", "../../x", ESCAPES, [], {}, [[]])
CONTENTS = ("*.json", "*.jsonl", "*.safetensors", "*.npy", "config.yaml")
Draw = random.Random


def forge(number: int, runs: Path) -> tuple[str, Path, bool]:
    """Spoils one file of a folder: in what way, which, and whether it has a new hash that fits."""
    draw = Draw(number)
    is_new_hash = number % 2 == 0
    kinds = FORGERIES if is_new_hash else DAMAGES
    kind = kinds[number // 2 % len(kinds)]
    path = draw.choice(_files(runs, ("*.json",) if is_new_hash or kind is _no_number else CONTENTS))
    if is_new_hash:
        content = sealed.unseal(path.read_bytes(), "")
        kind(content, draw)
        path.write_bytes(_sealed(content))
    else:
        kind(path, draw)
    return kind.__name__.strip("_").replace("_", " "), path, is_new_hash


def _files(runs: Path, patterns: tuple[str, ...]) -> list[Path]:
    paths = {path for pattern in patterns for path in runs.rglob(pattern)}
    return sorted(path for path in paths if path.is_file())


def _sealed(content: dict[str, object]) -> bytes:
    """As `sealed.seal`, for another schema, too."""
    return json.dumps({**content, "sha256": sealed.digest(content)}).encode()


def _inner(content: object, draw: Draw) -> tuple[dict | list, str | int]:
    """A place in plain data, at any depth: what holds it, and its name or number there."""
    while True:
        keys = list(content) if isinstance(content, dict) else range(len(content))
        key = draw.choice(keys)
        value = content[key]
        if not (isinstance(value, dict | list) and value) or draw.random() < 0.3:
            return content, key
        content = value


def _missing_field(content, draw):
    holder, key = _inner(content, draw)
    del holder[key]


def _another_value(content, draw):
    holder, key = _inner(content, draw)
    holder[key] = draw.choice(OTHERS)


def _wrong_type_on_top(content, draw):
    content[draw.choice(list(content))] = draw.choice(OTHERS)


def _huge_number(content, draw):
    names = [name for name, value in content.items() if isinstance(value, int | float)]
    content[draw.choice(names or list(content))] = draw.choice(
        (10**300, -(1 << 70), 1e308, 1 << 31)
    )


def _text_to_obey(content, draw):
    names = [name for name, value in content.items() if isinstance(value, str)]
    content[draw.choice(names or list(content))] = ESCAPES


def _two_fields_swapped(content, draw):
    first, second = draw.sample(sorted(content), 2)
    content[first], content[second] = content[second], content[first]


def _another_identity(content, draw):
    names = {"seed", "key", "rung", "result_id", "data", "engine", "config_sha256"} & content.keys()
    name = draw.choice(sorted(names) or sorted(content))
    content[name] = content[name] + 1 if isinstance(content[name], int) else "f" * 16


def _longer_and_shorter_lists(content, draw):
    for value in content.values():
        if isinstance(value, list) and value:
            value[:] = value * draw.choice((0, 2, 100))


def _a_foreign_field(content, draw):
    content[ESCAPES] = [[[ESCAPES]] * 3] * 3


def _cut(path, draw):
    path.write_bytes(path.read_bytes()[: draw.randrange(max(1, path.stat().st_size))])


def _changed_bytes(path, draw):
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 10, 100))):
        content[draw.randrange(len(content))] = draw.randrange(256)
    path.write_bytes(content)


def _other_bytes(path, draw):
    path.write_bytes(draw.randbytes(draw.choice((0, 1, 8, 1000))))


def _deeply_nested(path, draw):
    path.write_bytes(b"[" * 100_000)


def _no_number(path, draw):
    text = path.read_text()
    number = draw.choice([word for word in text.replace(",", " ").split() if word.isdigit()])
    path.write_text(text.replace(f" {number}", f" {draw.choice(('NaN', 'Infinity', '1e999'))}", 1))


def _pipe(path, draw):
    path.unlink()
    os.mkfifo(path)


def _folder(path, draw):
    path.unlink()
    path.mkdir()


def _link_elsewhere(path, draw):
    path.unlink()
    path.symlink_to(draw.choice(("/dev/zero", "/dev/full", "none", path.name, "/etc", "..")))


def _two_files_swapped(path, draw):
    others = [other for other in _files(path.parents[1], (f"*{path.suffix}",)) if other != path]
    if not others:
        return _cut(path, draw)
    other = draw.choice(others)
    kept = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def _gone(path, draw):
    path.unlink()


FORGERIES: tuple[Callable, ...] = (
    _missing_field,
    _another_value,
    _wrong_type_on_top,
    _huge_number,
    _text_to_obey,
    _two_fields_swapped,
    _another_identity,
    _longer_and_shorter_lists,
    _a_foreign_field,
)
DAMAGES: tuple[Callable, ...] = (
    _cut,
    _changed_bytes,
    _other_bytes,
    _deeply_nested,
    _no_number,
    _pipe,
    _folder,
    _link_elsewhere,
    _two_files_swapped,
    _gone,
)
