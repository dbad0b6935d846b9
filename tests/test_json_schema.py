"""The JSON Schema says what the loader does, as far as a schema can."""

import jsonschema
import pytest

from mnistladder.config import yaml_reader
from mnistladder.config.json_schema import config_schema
from mnistladder.config.loading import CONFIG_DIR, shipped_names
from mnistladder.model.layers import LAYERS

VALIDATOR = jsonschema.Draft7Validator(config_schema())
GOOD = "title: t\nmodel: [flatten, {dense: {out: 10}}]\nphases: [{epochs: 1, lr: 1e-3}]\n"


def accepts(text):
    return VALIDATOR.is_valid(yaml_reader.parse(text, "test").data)


def test_schema_is_valid_draft_7():
    jsonschema.Draft7Validator.check_schema(config_schema())


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_config_satisfies_the_schema(name):
    assert accepts((CONFIG_DIR / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_config_names_the_schema_in_its_first_line(name):
    first = (CONFIG_DIR / f"{name}.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=schema.json"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: t\n", ""),
        ("title: t", "titel: t"),
        ("flatten", "flaten"),
        ("out: 10", "out: ten"),
        ("out: 10", "size: 10"),
        ("epochs: 1", "epochs: 0"),
        ("lr: 1e-3", "lr: -1"),
        ("lr: 1e-3", "lr: {from: 1e-3}"),
        ("phases: [{epochs: 1, lr: 1e-3}]", "phases: []"),
        ("title: t", "title: t\noptimizer: {name: lion}"),
    ],
)
def test_schema_refuses_what_the_loader_refuses(old, new):
    assert accepts(GOOD)
    assert not accepts(GOOD.replace(old, new))


def accepts_layer(layer):
    return VALIDATOR.is_valid({**yaml_reader.parse(GOOD, "test").data, "model": [layer]})


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_may_stand_by_its_name_alone_unless_it_needs_a_key(name):
    needed = {key for key, field in LAYERS[name].model_fields.items() if field.is_required()}
    assert accepts_layer(name) == (not needed)
    assert accepts_layer({name: {}}) == (not needed)
    assert not accepts_layer({name: {"no_such_key": 1}})
    assert not accepts_layer(f"{name}x")


def test_layer_with_a_needed_key_may_stand_with_it():
    assert accepts_layer({"dense": {"out": 3}})
    assert accepts_layer({"conv": {"out": 3, "kernel": 5}})
