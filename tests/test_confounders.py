"""What a step changes beside its technique, and which variant is its control."""

from itertools import pairwise

import pytest

from mnistladder.config.loading import load_rung, shipped_names
from mnistladder.report import confounders

CLEAN = {"model03_hidden", "model05_conv", "model09_dropout", "model12_averaging"}


def test_named_technique_of_every_rung_is_new_in_its_step():
    assert list(confounders.NAMED) == shipped_names()[1:]
    for before, after in pairwise(shipped_names()):
        changes = confounders.changed(load_rung(before).config, load_rung(after).config)
        assert confounders.NAMED[after] <= changes.keys()


def test_steps_that_change_more_are_known_and_no_others():
    found = confounders.confounded_rungs()
    assert {name for name, texts in found.items() if not texts} == CLEAN
    assert found["model10_augmentation"] == ("batch 32 -> 128", "5 -> 10 epochs")
    assert found["model08_batchnorm"] == ("4 -> 5 epochs",)
    assert "sigmoid -> relu" in found["model04_deep"]


@pytest.mark.parametrize(
    ("before", "after", "step"),
    [
        ("model01_linear", "model02_normalized", ("model01_linear", "model02_normalized_clipped")),
        ("model03_hidden", "model04_deep", ("model03_hidden_relu_200", "model04_deep")),
        ("model07_vgg", "model08_batchnorm", ("model07_vgg", "model08_batchnorm_4_epochs")),
        ("model08_batchnorm", "model09_dropout", None),  # it needs none
        ("model05_conv", "model06_maxpool", None),  # nobody made one
        (
            "model12_averaging",
            "model13_pseudolabel",
            ("model13_pseudolabel_control", "model13_pseudolabel"),
        ),
    ],
)
def test_control_isolates_the_technique(before, after, step):
    assert confounders.controlled_step(before, after) == step


def test_own_rung_has_no_named_technique():
    assert confounders.also_changed("model01_linear", "mine") == ()


def test_change_of_any_aspect_is_seen():
    config = load_rung("model10_augmentation").config
    changes = {"batch_size": 64, "members": 3, "precision": "bfloat16", "augment": None}
    changes["phases"] = (config.phases[0].model_copy(update={"augment": False, "lr": 1e-2}),)
    changes["model"] = config.model[1:]
    other = config.model_copy(update=changes)
    assert confounders.changed(config, config) == {}
    assert confounders.changed(config, other).keys() == {
        "normalisation",
        "batch",
        "members",
        "precision",
        "augmentation",
        "learning rate",
    }
