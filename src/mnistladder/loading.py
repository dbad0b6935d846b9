"""Config file -> Rung, or every mistake in it with its place and the nearest known name."""

import re
import stat
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mnistladder import document
from mnistladder.config import (
    INPUT_SHAPE,
    Adam,
    AdamW,
    Augment,
    Config,
    Phase,
    Published,
    Ramp,
    Rung,
    Sgd,
    ShapeError,
    layer_table,
)
from mnistladder.document import Document
from mnistladder.errors import ConfigError, Problem, UsageError
from mnistladder.layers import LAYERS, BatchNorm, Layer, find_layer, installed_layers

_PACKAGE = Path(__file__).parent
# A wheel carries the configs inside the package; a checkout has them at its top.
CONFIG_DIR = next(
    (path for path in (_PACKAGE / "configs", _PACKAGE.parents[1] / "configs") if path.is_dir()),
    _PACKAGE / "configs",
)
_NUMBER = re.compile(r"model(\d+)")
MAX_PARAMETERS = 200_000_000
MAX_ACTIVATION_BYTES = 8 << 30

_EXPECTED = {  # pydantic's error types in words of YAML
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "finite_number": "a finite number",
    "model_type": "a mapping",
    "tuple_type": "a list",
    "too_short": "at least one entry",
    "union_tag_not_found": "a mapping with a `name`",
}

_PARTS: dict[str, type[BaseModel]] = {  # the models inside a config, by their keys
    "phases": Phase,
    "lr": Ramp,
    "augment": Augment,
    "optimizer": Adam,
    "published": Published,
}
_OPTIMIZERS: dict[str, type[BaseModel]] = {"adam": Adam, "adamw": AdamW, "sgd": Sgd}

_Path = tuple[str | int, ...]
_Mistake = tuple[_Path, str, bool]  # path, message, whether the key itself is wrong


def shipped_names() -> list[str]:
    """The rungs of the ladder in order, from a directory listing alone."""
    return sorted(path.stem for path in CONFIG_DIR.glob("*.yaml"))


def find_config(reference: str) -> Path:
    """The file of a bare rung name or of a path. Raises UsageError."""
    is_path = reference.endswith((".yaml", ".yml")) or "/" in reference or "\\" in reference
    path = Path(reference) if is_path else CONFIG_DIR / f"{reference}.yaml"
    if is_path or reference in shipped_names():
        return path
    hint = did_you_mean(reference, shipped_names())
    raise UsageError(f"{reference}: no such rung{hint}; see `mnistladder list`, or name a file")


def load_rung(reference: str, overrides: Sequence[str] = ()) -> Rung:
    """Loads the rung of a bare name or a path, with `key.path=value` overrides applied.

    Raises UsageError if there is no such file, ConfigError with all mistakes otherwise.
    """
    path = find_config(reference)
    doc = document.parse(document.decode(_read(path), str(path)), str(path))
    name = path.stem
    if not is_name(name):
        doc.report((1, 1), f"file name `{name}`: use letters, digits, `_`, `-` and `.`, at most 64")
    lines = _override(doc, overrides)
    config, mistakes = _validate(doc.data)
    problems = doc.problems + [
        lines.get(path[: len(key)], doc).problem(path, text, at_key=at_key)
        for path, text, at_key in mistakes
        for key in [_longest_prefix(path, lines)]
    ]
    if problems or config is None:
        raise ConfigError(problems)
    return Rung(name, config, tuple(overrides))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...` for a word that resembles a known one, else nothing."""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{matches[0]}`?" if matches else ""


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path}: not a file")
        with path.open("rb") as file:
            return file.read(document.MAX_BYTES + 1)
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
        parsed = document.parse(value, line.file)
        path = tuple(int(part) if part.isdecimal() else part for part in key.split("."))
        doc.problems += parsed.problems
        if message := _assign(doc.data, path, parsed.data):
            raise ConfigError([Problem(line.file, 1, 1, message)])
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


def _validate(data: Any) -> tuple[Config | None, list[_Mistake]]:
    if not isinstance(data, dict):
        return None, [((), f"expected a mapping of keys, found {_found(data)}", False)]
    layers, mistakes = _layers(data.get("model"))
    if layers and not mistakes:
        mistakes += _shape_mistakes(layers)
    stand_in = layers or (Layer(),)  # so that the other keys are checked whatever the model is
    try:
        fields = {**data, "model": stand_in} if "model" in data else data
        config = Config.model_validate(fields)
    except ValidationError as error:
        # Of a list with a wrong entry pydantic also says that it is too short.
        entries = [e for e in error.errors() if e["type"] != "too_short" or not e["input"]]
        mistakes += [_mistake(Config, data, entry) for entry in entries]
        return None, _without_echoes(mistakes)
    if mistakes:
        return None, mistakes
    return config, _contradictions(config)


def _layers(raw: Any) -> tuple[tuple[Layer, ...], list[_Mistake]]:
    """The layers of `model:`, each written as `name` or as `name: {key: value}`."""
    if raw is None:
        return (), []  # pydantic says that it is missing
    if not isinstance(raw, list) or not raw:
        return (), [(("model",), f"expected a list of layers, found {_found(raw)}", False)]
    if len(raw) > 1_000:
        return (), [(("model",), f"{len(raw)} layers; at most 1000", False)]
    layers: list[Layer] = []
    mistakes: list[_Mistake] = []
    for index, item in enumerate(raw):
        path: _Path = ("model", index)
        name, fields = (item, {}) if isinstance(item, str) else _single(item)
        if name is None:
            text = "expected a layer, such as `relu` or `conv: {out: 7}`"
            mistakes.append((path, f"{text}, found {_found(item)}", False))
            continue
        kind = find_layer(name)
        if kind is None:
            known = sorted({**LAYERS, **installed_layers()})
            hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
            mistakes.append(((*path, name), f"unknown layer `{name}`{hint}", True))
            continue
        try:
            layers.append(kind.model_validate({} if fields is None else fields))
        except ValidationError as error:
            where = path if isinstance(item, str) else (*path, name)
            mistakes += [_mistake(kind, fields, entry, where) for entry in error.errors()]
    return tuple(layers), _without_echoes(mistakes)


def _single(item: Any) -> tuple[str | None, Any]:
    if isinstance(item, dict) and len(item) == 1:
        return next(iter(item.items()))
    return None, None


def _shape_mistakes(layers: tuple[Layer, ...]) -> list[_Mistake]:
    try:
        rows = layer_table(layers)
    except ShapeError as error:
        return [(("model", error.index), str(error), False)]
    total = sum(row.parameters for row in rows)
    if total > MAX_PARAMETERS:
        return [(("model",), f"{total:,} parameters; at most {MAX_PARAMETERS:,}", True)]
    return []


def _mistake(kind: type[BaseModel], data: Any, entry: Any, prefix: _Path = ()) -> _Mistake:
    """One pydantic error in our words. Tags that pydantic puts into the path are dropped."""
    path: list[str | int] = []
    here, model = data, kind
    for part in entry["loc"]:
        inside = isinstance(here, dict) and part in here
        if inside or (isinstance(here, list) and isinstance(part, int) and part < len(here)):
            path.append(part)
            here = here[part]
    name, place = entry["loc"][-1] if entry["loc"] else "", (*prefix, *path)
    if entry["type"] == "extra_forbidden":
        known = _known_keys(kind, tuple(path), data)
        hint = did_you_mean(str(name), known) or f"; known: {', '.join(known)}"
        return place, f"unknown key `{name}`{hint}", True
    if entry["type"] == "missing":
        return place, f"missing key `{name}`", True
    key = next((part for part in reversed(place) if isinstance(part, str)), model.__name__)
    wanted = _EXPECTED.get(entry["type"]) or entry["msg"].removeprefix("Input should be ")
    return place, f"`{key}`: expected {wanted}, found {_found(entry['input'])}", False


def _known_keys(kind: type[BaseModel], path: _Path, data: Any) -> list[str]:
    """The keys allowed beside the one at `path`, in a layer (`kind`) or anywhere in a config."""
    parents = [part for part in path[:-1] if isinstance(part, str)]
    if kind is Config and parents:
        chosen = data["optimizer"].get("name", "adam") if parents[-1] == "optimizer" else ""
        kind = _OPTIMIZERS.get(chosen) or _PARTS[parents[-1]]
    return sorted(field.alias or name for name, field in kind.model_fields.items())


def _without_echoes(mistakes: list[_Mistake]) -> list[_Mistake]:
    """Drops what another mistake explains: a missing key beside its misspelling."""
    explained = {
        (path[:-1], text.split("did you mean `")[1].split("`")[0])
        for path, text, _ in mistakes
        if "did you mean `" in text
    }
    return [
        (path, text, at_key)
        for path, text, at_key in mistakes
        if not (text.startswith("missing key `") and (path, text.split("`")[1]) in explained)
    ]


def _contradictions(config: Config) -> list[_Mistake]:
    """Keys that are fine alone and impossible together."""
    mistakes: list[_Mistake] = []
    for index, phase in enumerate(config.phases):
        path: _Path = ("phases", index)
        if phase.augment and config.augment is None:
            text = "`augment: true`, but no top-level `augment:` gives the ranges"
            mistakes.append(((*path, "augment"), text, False))
        if not phase.pseudo_per_batch:
            continue
        where = (*path, "pseudo_per_batch")
        if phase.pseudo_per_batch >= config.batch_size:
            text = f"must be below the batch size, {config.batch_size}"
            mistakes.append((where, f"`pseudo_per_batch`: {text}", False))
        if config.pool is None:
            text = "`pseudo_per_batch` is set, but no `pool:` names the unlabelled images"
            mistakes.append((where, text, False))
        if index == 0:
            text = "the first phase has no trained members yet that could label the pool"
            mistakes.append((where, text, False))
    if config.loss == "clipped_cross_entropy" and config.label_smoothing:
        text = "works with `loss: cross_entropy` only"
        mistakes.append((("label_smoothing",), f"`label_smoothing`: {text}", False))
    if config.batch_size == 1 and any(isinstance(layer, BatchNorm) for layer in config.model):
        text = "`batch_size`: batch normalisation needs at least 2 images"
        mistakes.append((("batch_size",), text, False))
    return mistakes + _too_large(config)


def _too_large(config: Config) -> list[_Mistake]:
    """A network whose activations of one batch no machine of a student's would hold."""
    values = sum(_volume(row.output_shape) for row in layer_table(config.model))
    needed = (values + _volume(INPUT_SHAPE)) * config.batch_size * 4
    if needed <= MAX_ACTIVATION_BYTES:
        return []
    limit = MAX_ACTIVATION_BYTES >> 30
    text = f"one batch would fill {needed / 2**30:,.0f} GiB with activations; at most {limit}"
    return [(("batch_size",), text, False)]


def _volume(shape: tuple[int, ...]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def _found(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "nothing"}
    if type(value) in names:
        return names[type(value)]
    text = repr(value) if isinstance(value, str) else str(value).lower()
    return text if len(text) <= 60 else text[:57] + "..."


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
