"""A mistake carries its suggestion as data, and what another one explains is left out."""

import pytest

from mnistladder.config.mistakes import Mistake, describe, unknown, without_echoes


def missing(name, *path):
    return Mistake(path, "missing", f"missing key `{name}`", name, at_key=True)


def test_unknown_name_gets_the_nearest_known_one_or_all():
    near = unknown(("bach",), "key", "bach", ["batch", "model"])
    far = unknown(("zzz",), "key", "zzz", ["model", "batch"])
    assert (near.suggestion, near.message) == ("batch", "unknown key `bach`; did you mean `batch`?")
    assert (far.suggestion, far.message) == ("", "unknown key `zzz`; known: batch, model")


def test_missing_key_beside_its_misspelling_is_left_out():
    misspelt = unknown(("phases", 0, "epoch"), "key", "epoch", ["epochs"])
    others = [missing("epochs", "phases", 1), missing("lr", "phases", 0)]
    echo = missing("epochs", "phases", 0)
    assert without_echoes([misspelt, echo, *others]) == [misspelt, *others]


def test_message_of_a_missing_key_has_no_suggestion():
    assert missing("lr", "phases", 0).message == "missing key `lr`"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "a mapping"),
        ([], "an empty list"),
        ([1], "a list"),
        (None, "nothing"),
        (True, "true"),
        ("a", "'a'"),
        (3, "3"),
    ],
)
def test_values_are_described_in_words_of_yaml(value, words):
    assert describe(value) == words


def test_long_value_is_cut():
    assert len(describe("x" * 1000)) == 60
