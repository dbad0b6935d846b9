"""Plain data -> Config, or every mistake in it: the path, what is right, the nearest known name."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from mnistladder.config import limits
from mnistladder.config.mistakes import Mistake, describe, nearest, unknown, without_echoes
from mnistladder.config.sections import keys, sections_at, tags
from mnistladder.config.spec import Config
from mnistladder.config.yaml_reader import KeyPath
from mnistladder.errors import CorruptError
from mnistladder.model.layers import LAYERS, Layer, find_layer, installed_layers

_EXPECTED = {  # the types of pydantic's errors, in words of YAML
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "finite_number": "a finite number",
    "model_type": "a mapping",
    "tuple_type": "a list",
    "too_short": "at least one entry",
    "too_long": "at most {max_length} entries",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "at most {le}",
    "model_attributes_type": "a mapping with a `name`",
    "invalid_key": "keys that are words",
}


def check(data: Any) -> tuple[Config | None, list[Mistake]]:
    """The config that plain data describes and no mistakes, or None and all its mistakes."""
    if not isinstance(data, dict):
        text = f"expected a mapping of keys, found {describe(data)}"
        return None, [Mistake((), "value", text)]
    layers, mistakes = _layers(data["model"]) if "model" in data else ((), [])
    if layers and not mistakes:
        mistakes += limits.model_mistakes(layers)
    stand_in = layers or (Layer(),)  # so that the other keys are checked whatever the model is
    try:
        config = Config.model_validate({**data, "model": stand_in} if "model" in data else data)
    except ValidationError as error:
        # If an entry of a list is wrong, pydantic also says that the list is too short.
        entries = [e for e in error.errors() if e["type"] != "too_short" or not e["input"]]
        mistakes += [_mistake(Config, data, entry) for entry in entries]
        return None, without_echoes(mistakes)
    mistakes = mistakes or limits.contradictions(config)
    return (None if mistakes else config), mistakes


def recorded_config(content: Mapping[str, object], where: str) -> Config:
    """The config that a stored result was made with. Raises CorruptError if it is not valid."""
    config, mistakes = check(content)
    if config is None:
        raise CorruptError(f"{where}: its config is refused: {mistakes[0].message}")
    return config


def _layers(raw: Any) -> tuple[tuple[Layer, ...], list[Mistake]]:
    """The layers of `model:` and the mistakes in it."""
    if not isinstance(raw, list) or not raw:
        text = f"`model`: expected a list of layers, found {describe(raw)}"
        return (), [Mistake(("model",), "value", text)]
    if len(raw) > limits.MAX_LAYERS:
        text = f"`model`: {len(raw):,} layers; at most {limits.MAX_LAYERS:,} are allowed"
        return (), [Mistake(("model",), "value", text)]
    layers: list[Layer] = []
    mistakes: list[Mistake] = []
    for index, item in enumerate(raw):
        layer = _layer(item, ("model", index))
        if isinstance(layer, Layer):
            layers.append(layer)
        else:
            mistakes += layer
    return tuple(layers), without_echoes(mistakes)


def _layer(item: Any, path: KeyPath) -> Layer | list[Mistake]:
    """A layer, written as `name` or as `name: {key: value}`; or the mistakes in it."""
    name, fields = (item, {}) if isinstance(item, str) else _only_entry(item)
    if name is None:
        text = "expected a layer, such as `relu` or `conv: {out: 7}`"
        return [Mistake(path, "value", f"{text}, found {describe(item)}")]
    kind = find_layer(name)
    where = path if isinstance(item, str) else (*path, name)
    if kind is None:
        return [unknown(where, "layer", name, {**LAYERS, **installed_layers()})]
    try:
        return kind.model_validate({} if fields is None else fields)
    except ValidationError as error:
        return [_mistake(kind, fields, entry, where) for entry in error.errors()]


def _only_entry(item: Any) -> tuple[str | None, Any]:
    if isinstance(item, dict) and len(item) == 1:
        return next(iter(item.items()))
    return None, None


def _mistake(kind: type[BaseModel], data: Any, entry: Any, prefix: KeyPath = ()) -> Mistake:
    """One of pydantic's errors about `data`, which stands at the path `prefix`, in our words."""
    path = (*prefix, *_path_in(data, entry["loc"]))
    name = str(entry["loc"][-1]) if entry["loc"] else ""
    if entry["type"] == "extra_forbidden":
        known = {key for section in sections_at(kind, entry["loc"][:-1]) for key in keys(section)}
        return unknown(path, "key", name, known)
    key = next((part for part in reversed(path) if isinstance(part, str)), kind.__name__)
    if entry["type"] == "missing" and name.isdigit():
        text = f"`{key}`: expected at least {int(name) + 1} entries, found {name}"
        return Mistake(path, "value", text)
    if entry["type"] == "missing":
        return Mistake(path, "missing", f"missing key `{name}`", name, at_key=True)
    wanted, value, words = _wanted(kind, entry)
    suggestion = nearest(value, words) if isinstance(value, str) else ""
    text = f"`{key}`: expected {wanted}"
    if entry["type"] != "value_error" or not isinstance(value, dict):  # which says what it read
        text += f", found {describe(value)}"
    return Mistake(path, "value", text, suggestion)


def _path_in(data: Any, location: tuple[str | int, ...]) -> KeyPath:
    """The path of pydantic's location in the data, without the tags that pydantic adds."""
    path: list[str | int] = []
    for part in location:
        inside = isinstance(data, dict) and part in data
        if inside or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            path.append(part)
            data = data[part]
    return tuple(path)


def _wanted(kind: type[BaseModel], entry: Any) -> tuple[str, Any, list[str]]:
    """What would be right, what stands there, and the words that are possible there."""
    value, context = entry["input"], entry.get("ctx", {})
    if entry["type"] == "union_tag_invalid":
        expected = context["expected_tags"]
        return f"one of {expected}", context["tag"], re.findall(r"'([^']+)'", expected)
    if entry["type"] == "literal_error":
        return context["expected"], value, re.findall(r"'([^']+)'", context["expected"])
    if entry["type"] == "union_tag_not_found":
        sections = sections_at(kind, entry["loc"])
        names = [f"`{name}`" for section in sections for name in tags(section).values()]
        key = context["discriminator"].strip("'")
        return f"a `{key}`, one of {', '.join(names)}", value, []
    if wording := _EXPECTED.get(entry["type"]):
        whole = {
            key: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
            for key, limit in context.items()
        }
        return wording.format(**whole), value, []
    return re.sub(r"^(Input should be|Value error,) ", "", entry["msg"]), value, []
