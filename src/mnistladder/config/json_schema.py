"""The JSON Schema (draft 7) of a config, for editors, from the models and the registry."""

from inspect import getdoc
from typing import Any

from mnistladder.config.spec import Config
from mnistladder.model.layers import LAYERS, Layer

DRAFT = "http://json-schema.org/draft-07/schema#"


def config_schema() -> dict[str, Any]:
    """A schema that accepts what the loader accepts, as far as a schema can say it."""
    schema = _draft7(Config.model_json_schema(mode="validation"))
    schema["properties"]["model"] = {
        "description": "the layers from the pixels to the 10 classes",
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [option for name in LAYERS for option in _layer_options(name)]},
    }
    return {"$schema": DRAFT, **schema, "title": "mnistladder rung"}


def _layer_options(name: str) -> list[dict[str, Any]]:
    """A layer is its bare name, if nothing is required of it, or `name: {key: value}`."""
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
    """Pydantic writes draft 2020-12, which differs here only in the name of the definitions."""
    if isinstance(node, dict):
        renamed = {("definitions" if k == "$defs" else k): _draft7(v) for k, v in node.items()}
        renamed.pop("discriminator", None)
        return renamed
    if isinstance(node, list):
        return [_draft7(item) for item in node]
    return node.replace("#/$defs/", "#/definitions/") if isinstance(node, str) else node
