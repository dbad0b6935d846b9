"""What a config says of itself: its recipe, its table of layers, its limits."""

import pytest
import small
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mnistladder.config import yaml_reader
from mnistladder.config.loading import load_rung
from mnistladder.config.recipe import recipe, resolved
from mnistladder.config.spec import Adam, AdamW, Augment, Phase, Published, Ramp, Rung, Sgd
from mnistladder.model.layers import Conv, Dense, Flatten, MaxPool, Normalize
from mnistladder.model.shapes import layer_table
from mnistladder.sealed import digest

TEXT = """title: T
model: [flatten, dense: {out: 10}]
phases: [{epochs: 1, lr: 1}]
"""


def load(folder, text):
    path = folder / "x.yaml"
    path.write_text(text)
    return load_rung(str(path)).config


def hash_of(config):
    return digest(recipe(config))


@pytest.mark.parametrize(
    "extra",
    [
        "loss: cross_entropy",
        "batch_size: 32",
        "members: 1",
        "optimizer: {name: adam}",
        "optimizer: {name: adam, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0}",
        "label_smoothing: 0",
        "label_smoothing: 0.0",
        "published: {accuracy: 99}",
        "clip_norm: null",
        "augment:",
        "pool: ~",
        "precision: float32",
    ],
)
def test_written_default_changes_no_hash(tmp_path, extra):
    assert hash_of(load(tmp_path, f"{TEXT}{extra}\n")) == hash_of(load(tmp_path, TEXT))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: T", "title: Other"),
        ("flatten", "flatten: {}"),
        ("lr: 1", "lr: 1.0"),
        ("out: 10", "out: 10, bias: true"),
        ("out: 10", "init: glorot_uniform, out: 10"),
        ("lr: 1", "lr: 1, augment: false, pseudo_per_batch: 0"),
    ],
)
def test_other_spelling_changes_no_hash(tmp_path, old, new):
    assert hash_of(load(tmp_path, TEXT.replace(old, new))) == hash_of(load(tmp_path, TEXT))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lr: 1", "lr: 1.5"),
        ("lr: 1", "lr: {from: 1, to: 1}"),
        ("epochs: 1", "epochs: 2"),
        ("flatten", "normalize, flatten"),
        ("out: 10", "out: 10, bias: false"),
        ("title: T", "title: T\noptimizer: {name: sgd}"),
        ("title: T", "title: T\nmembers: 2"),
        ("title: T", "title: T\noptimizer: {name: adamw}"),
        ("title: T", "title: T\noptimizer: {name: adamw, weight_decay: 0}"),
    ],
)
def test_other_recipe_has_another_hash(tmp_path, old, new):
    assert hash_of(load(tmp_path, TEXT.replace(old, new))) != hash_of(load(tmp_path, TEXT))


def test_recipe_is_pinned():
    """Stored results are found by this hash: a change here orphans all of them."""
    assert (
        hash_of(small.tiny()) == "8b2f69b3170e4281228f6016e8733a15a3d47d8508d97d41b9cdb31f98cd15d5"
    )


optimizers = (
    st.builds(Adam, beta1=st.floats(0, 0.99), eps=st.floats(1e-12, 1))
    | st.builds(AdamW, weight_decay=st.floats(0, 1))
    | st.builds(Sgd, momentum=st.floats(0, 0.99), nesterov=st.booleans())
)
augments = st.none() | st.builds(
    Augment,
    rotate_deg=st.floats(0, 180),
    zoom=st.floats(0, 0.9),
    interpolation=st.sampled_from(["bilinear", "nearest"]),
)
configs = st.builds(
    small.tiny,
    optimizer=optimizers,
    augment=augments,
    batch_size=st.integers(2, 1000),
    label_smoothing=st.floats(0, 0.9),
    published=st.none() | st.builds(Published, accuracy=st.floats(0, 100)),
)


@given(configs)
def test_default_filled_config_has_the_same_hash(tmp_path_factory, config):
    folder = tmp_path_factory.getbasetemp()
    again = load(folder, yaml_reader.dump(resolved(config)))
    assert again == config
    assert hash_of(again) == hash_of(config)
    assert resolved(again) == resolved(config)


@given(configs, configs)
def test_hashes_are_equal_just_where_recipes_are(one, other):
    assert (hash_of(one) == hash_of(other)) is (recipe(one) == recipe(other))


def test_resolved_keeps_the_order_of_the_fields():
    found = list(resolved(small.tiny(pool="test", augment=Augment())))
    assert found[:4] == ["title", "model", "loss", "label_smoothing"]
    assert found[-2:] == ["augment", "phases"]


def test_resolved_writes_a_ramp_by_its_yaml_names():
    ramp = Ramp(**{"from": 1.0}, to=0.5)
    found = resolved(small.tiny(phases=(Phase(epochs=1, lr=ramp),)))["phases"][0]["lr"]
    assert found == {"from": 1.0, "to": 0.5, "shape": "linear", "per": "step"}


def test_config_is_frozen_and_hashable():
    config = small.tiny()
    with pytest.raises(ValidationError, match="frozen"):
        config.batch_size = 3
    assert len({config, small.tiny(), small.tiny(batch_size=3)}) == 2


def test_config_sums_epochs_and_parameters():
    config = small.tiny(phases=small.phases(2, 3))
    assert config.epochs == 5
    assert config.parameters == (9 + 1) * 4 + (4 * 9 + 1) * 6 + 2 * 6 + (6 * 7 * 7 + 1) * 10


def test_transductive_is_who_trains_on_the_pool():
    assert not small.tiny(pool="test").transductive
    assert small.tiny(pool="test", phases=small.phases(1, 1, pseudo_per_batch=1)).transductive


def test_layer_table_gives_shape_and_parameters_of_each_layer():
    layers = (Normalize(), Conv(out=7), MaxPool(), Flatten(), Dense(out=10))
    rows = layer_table(layers)
    assert [(row.name, row.output_shape, row.parameters) for row in rows] == [
        ("normalize", (1, 28, 28), 0),
        ("conv", (7, 28, 28), 70),
        ("maxpool", (7, 14, 14), 0),
        ("flatten", (1372,), 0),
        ("dense", (10,), 13_730),
    ]


def test_label_names_the_rung_and_its_overrides():
    assert Rung("r", small.tiny(), ("a=1", "b=2")).label == "r a=1 b=2"
