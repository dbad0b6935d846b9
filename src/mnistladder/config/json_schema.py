"""The JSON Schema (draft 7) of a config for editors, made from the models and the layers."""

from inspect import getdoc
from typing import Any

from mnistladder.config.spec import Config
from mnistladder.model.layers import LAYERS, Layer

DRAFT = "http://json-schema.org/draft-07/schema#"


def config_schema() -> dict[str, Any]:
    """The schema of a config. It cannot express which keys and layers fit together."""
    schema = _draft7(Config.model_json_schema(mode="validation"))
    schema["properties"]["model"] = {
        "description": "the layers from the pixels to the 10 classes",
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [option for name in LAYERS for option in _layer_options(name)]},
    }
    return {"$schema": DRAFT, **schema, "title": "mnistladder rung"}


def _layer_options(name: str) -> list[dict[str, Any]]:
    """The ways to write a layer: `name: {key: value}`, or its name alone if no key is required."""
    kind: type[Layer] = LAYERS[name]
    fields = _draft7(kind.model_json_schema())
    options: list[dict[str, Any]] = [
        {
            "type": "object",
            "properties": {name: fields},
            "required": [name],
            "additionalProperties": False,
        }
    ]
    if not fields.get("required"):
        options.append({"const": name, "description": getdoc(kind)})
    return options


def _draft7(node: Any) -> Any:
    """Pydantic's schema (draft 2020-12) as draft 7; only the name of the definitions differs."""
    if isinstance(node, dict):
        renamed = {("definitions" if k == "$defs" else k): _draft7(v) for k, v in node.items()}
        renamed.pop("discriminator", None)
        return renamed
    if isinstance(node, list):
        return [_draft7(item) for item in node]
    return node.replace("#/$defs/", "#/definitions/") if isinstance(node, str) else node
