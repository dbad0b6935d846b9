"""Plain data -> Config, or all its mistakes: each with its path, and the nearest known name."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from math import prod
from typing import Any

from pydantic import BaseModel, ValidationError

from mnistladder.config.spec import (
    Adam,
    AdamW,
    Augment,
    Config,
    Expected,
    Phase,
    Published,
    Ramp,
    Sgd,
)
from mnistladder.errors import CorruptError
from mnistladder.model.layers import LAYERS, BatchNorm, Layer, find_layer, installed_layers
from mnistladder.model.shapes import ShapeError, layer_table
from mnistladder.task import INPUT_SHAPE

MAX_PARAMETERS = 200_000_000
MAX_ACTIVATION_BYTES = 8 << 30
MAX_LAYERS = 1_000

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
    "union_tag_not_found": "a `name`, one of `adam`, `adamw`, `sgd`",
    "model_attributes_type": "a mapping with a `name`",
    "invalid_key": "keys that are words",
}

_PARTS: dict[str, type[BaseModel]] = {  # the models inside a config, by their keys
    "phases": Phase,
    "lr": Ramp,
    "augment": Augment,
    "optimizer": Adam,
    "published": Published,
    "expect": Expected,
}
_OPTIMIZERS: dict[str, type[BaseModel]] = {"adam": Adam, "adamw": AdamW, "sgd": Sgd}

Path = tuple[str | int, ...]
Mistake = tuple[Path, str, bool]  # path, message, whether the key itself is wrong


def check(data: Any) -> tuple[Config | None, list[Mistake]]:
    """The config that plain data describes, or None and its mistakes."""
    if not isinstance(data, dict):
        return None, [((), f"expected a mapping of keys, found {_found(data)}", False)]
    layers, mistakes = _layers(data["model"]) if "model" in data else ((), [])
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


def recorded_config(content: Mapping[str, object], where: str) -> Config:
    """The config that a result was made with. Raises CorruptError where it is none."""
    config, mistakes = check(content)
    if config is None:
        raise CorruptError(f"{where}: its config is refused: {mistakes[0][1]}")
    return config


def _layers(raw: Any) -> tuple[tuple[Layer, ...], list[Mistake]]:
    """The layers of `model:` and the mistakes in it."""
    if not isinstance(raw, list) or not raw:
        found = "an empty list" if raw == [] else _found(raw)
        return (), [(("model",), f"`model`: expected a list of layers, found {found}", False)]
    if len(raw) > MAX_LAYERS:
        return (), [(("model",), f"`model`: {len(raw)} layers; at most {MAX_LAYERS}", False)]
    layers: list[Layer] = []
    mistakes: list[Mistake] = []
    for index, item in enumerate(raw):
        layer = _layer(item, ("model", index))
        if isinstance(layer, Layer):
            layers.append(layer)
        else:
            mistakes += layer
    return tuple(layers), _without_echoes(mistakes)


def _layer(item: Any, path: Path) -> Layer | list[Mistake]:
    """A layer, written as `name` or as `name: {key: value}`; or what is wrong with it."""
    name, fields = (item, {}) if isinstance(item, str) else _single(item)
    if name is None:
        text = "expected a layer, such as `relu` or `conv: {out: 7}`"
        return [(path, f"{text}, found {_found(item)}", False)]
    kind = find_layer(name)
    where = path if isinstance(item, str) else (*path, name)
    if kind is None:
        known = sorted({**LAYERS, **installed_layers()})
        hint = did_you_mean(name, known) or f"; known: {', '.join(known)}"
        return [(where, f"unknown layer `{name}`{hint}", True)]
    try:
        return kind.model_validate({} if fields is None else fields)
    except ValidationError as error:
        return [_mistake(kind, fields, entry, where) for entry in error.errors()]


def _single(item: Any) -> tuple[str | None, Any]:
    if isinstance(item, dict) and len(item) == 1:
        return next(iter(item.items()))
    return None, None


def _shape_mistakes(layers: tuple[Layer, ...]) -> list[Mistake]:
    try:
        rows = layer_table(layers)
    except ShapeError as error:
        return [(("model", error.index), str(error), False)]
    total = sum(row.parameters for row in rows)
    if total > MAX_PARAMETERS:
        return [(("model",), f"{total:,} parameters; at most {MAX_PARAMETERS:,}", True)]
    return []


def _mistake(kind: type[BaseModel], data: Any, entry: Any, prefix: Path = ()) -> Mistake:
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
    wanted, found = _wanted(entry)
    return place, f"`{key}`: expected {wanted}, found {found}", False


def _wanted(entry: Any) -> tuple[str, str]:
    """What pydantic wanted and what it found, with a suggestion where a word was wanted."""
    if entry["type"] == "union_tag_invalid":
        options, value = entry["ctx"]["expected_tags"], entry["ctx"]["tag"]
    elif entry["type"] == "literal_error":
        options, value = entry["ctx"]["expected"], entry["input"]
    else:
        wanted = _EXPECTED.get(entry["type"]) or re.sub(
            r"^(Input should be|Value error,) ", "", entry["msg"]
        )
        return wanted, _found(entry["input"])
    known = re.findall(r"'([^']+)'", options)
    hint = did_you_mean(value, known) if isinstance(value, str) else ""
    return options, _found(value) + hint


def _known_keys(kind: type[BaseModel], path: Path, data: Any) -> list[str]:
    """The keys allowed beside the one at `path`, in a layer (`kind`) or anywhere in a config."""
    parents = [part for part in path[:-1] if isinstance(part, str)]
    if kind is Config and parents:
        chosen = data["optimizer"].get("name", "adam") if parents[-1] == "optimizer" else ""
        kind = _OPTIMIZERS.get(chosen) or _PARTS[parents[-1]]
    return sorted(field.alias or name for name, field in kind.model_fields.items())


def _without_echoes(mistakes: list[Mistake]) -> list[Mistake]:
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


def _contradictions(config: Config) -> list[Mistake]:
    """Keys that are fine alone and impossible together."""
    mistakes: list[Mistake] = []
    for index, phase in enumerate(config.phases):
        path: Path = ("phases", index)
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


def _too_large(config: Config) -> list[Mistake]:
    """A network whose activations of one batch no machine of a student's would hold."""
    values = sum(prod(row.output_shape) for row in layer_table(config.model))
    needed = (values + prod(INPUT_SHAPE)) * config.batch_size * 4
    if needed <= MAX_ACTIVATION_BYTES:
        return []
    limit = MAX_ACTIVATION_BYTES >> 30
    text = f"one batch would fill {needed / 2**30:,.0f} GiB with activations; at most {limit}"
    return [(("batch_size",), text, False)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...` for a word that resembles a known one, else nothing."""
    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{matches[0]}`?" if matches else ""


def _found(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "nothing"}
    if type(value) in names:
        return names[type(value)]
    text = repr(value) if isinstance(value, str) else str(value).lower()
    return text if len(text) <= 60 else text[:57] + "..."
