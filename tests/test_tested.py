"""A recipe that is changed and tested again is counted; what is no new choice is not."""

import json

import pytest
from record_data import result

from mnistladder.report import formats, notes
from mnistladder.report.summary import make_rows

ON_HOLDOUT = {"name": "mnist", "sha256": "h", "holdout": 10_000}


def counts(*results):
    """The counts of all rows, as JSON has them."""
    return [row["tested"] for row in json.loads(formats.to_json(make_rows(results)))]


def own(**changes):
    return result(**{"rung": "my_rung", **changes})


def test_each_changed_recipe_on_the_test_images_counts():
    assert counts(own()) == [1]
    assert counts(*(own(config_sha256=recipe) for recipe in "abc")) == [3, 3, 3]


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"title": "Another title"},
        {"engine": 1},
        {"data": ON_HOLDOUT, "config_sha256": "b"},
        {"data": {"name": "kmnist", "sha256": "k"}, "config_sha256": "b"},
        {"rung": "other_rung", "config_sha256": "b"},
    ],
    ids=["seed", "title", "engine", "holdout", "other data", "other name"],
)
def test_what_is_no_new_choice_on_these_images_does_not_count(changes):
    assert set(counts(own(), own(**changes))) <= {1, None}
    assert counts(own(), own(config_sha256="b")) == [2, 2]


def test_holdouts_are_there_to_choose_on():
    rows = [own(data=ON_HOLDOUT, config_sha256=recipe) for recipe in "abc"]
    assert counts(*rows) == [None, None, None]
    assert sorted(counts(*rows, own(config_sha256="c")), key=str) == [1, None, None, None]


def test_shipped_recipes_do_not_count_but_their_overrides_do():
    shipped = [result(config_sha256=recipe) for recipe in "ab"]
    assert counts(*shipped, result(rung="model09_dropout_bfloat16")) == [None, None, None]
    changed = result(config_sha256="c", overrides=["batch_size=64"])
    assert counts(shipped[0], changed) == [None, 2]


def test_notes_name_what_was_tested_again_once():
    again = notes.notes(make_rows([own(config_sha256=recipe) for recipe in "abc"]))
    assert [line for line in again if " was tested " in line] == [
        "my_rung was tested 3 times: 3 recipes of this name have results on the test images. The "
        "best of them looks better than it is; choose with --holdout, and test once."
    ]
    assert not [line for line in notes.notes(make_rows([own()])) if " was tested " in line]


def test_notes_explain_rows_on_a_holdout():
    assert any("`holdout N`" in line for line in notes.notes(make_rows([own(data=ON_HOLDOUT)])))
    assert not any("`holdout N`" in line for line in notes.notes(make_rows([own()])))
