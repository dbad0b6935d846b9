"""The part of a config that decides training, as plain data to be hashed."""

from typing import Any

from mnistladder.config.spec import Config
from mnistladder.model.layers import layer_name

RECIPE_VERSION = 2  # raised when the engine computes another result from the same config


def resolved(config: Config) -> dict[str, Any]:
    """The config with all defaults filled in, as plain data that loads to an equal config."""
    data = config.model_dump(by_alias=True, exclude={"model"}, exclude_none=True)
    data["phases"] = list(data["phases"])
    data["model"] = [{layer_name(layer): layer.model_dump()} for layer in config.model]
    return {key: data[key] for key in type(config).model_fields if key in data}


def recipe(config: Config) -> dict[str, Any]:
    """The keys that decide training and are not at their defaults.

    So a new key with a default changes no old hash.
    """
    elsewhere = {"title", "published", "expect", "model"}
    data = config.model_dump(by_alias=True, exclude=elsewhere, exclude_defaults=True)
    data["model"] = [
        {layer_name(layer): layer.model_dump(exclude_defaults=True)} for layer in config.model
    ]
    if "optimizer" in data:  # `name` is at its default in each class, but it decides which class
        data["optimizer"]["name"] = config.optimizer.name
    return data
