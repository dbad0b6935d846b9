"""YAML text becomes plain data by the rules of YAML 1.2, and every part knows its place."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mnistladder.config.yaml_reader import decode, parse, resolve_scalar
from mnistladder.errors import ConfigError, Problem


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("+3", 3),
        ("007", 7),
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5e+2", -150.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("yes", "yes"),
        ("on", "on"),
        ("no", "no"),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("e5", "e5"),
        (".", "."),
        ("nan", "nan"),
        ("1e", "1e"),
    ],
)
def test_plain_scalar_has_the_value_of_yaml_1_2(text, value):
    found = resolve_scalar(text)
    assert (found, type(found)) == (value, type(value))


def test_nan_is_not_a_number():
    assert math.isnan(resolve_scalar(".nan"))


def test_number_of_100_digits_is_read_and_a_longer_one_refused():
    assert resolve_scalar("9" * 100) == 10**100 - 1
    for text in ("9" * 101, "0." + "9" * 99):
        with pytest.raises(ValueError, match="a number of 101 characters"):
            resolve_scalar(text)


@pytest.mark.parametrize("text", ["'1'", '"1"', "|\n  1\n", ">\n  1\n"])
def test_quoted_and_block_scalars_are_text(text):
    assert parse(f"a: {text}", "f").data["a"].strip() == "1"


def test_places_of_keys_and_values_count_from_1():
    found = parse("a: 1\nbb:\n  - {c: x}\n  -   y\n", "f")
    assert found.data == {"a": 1, "bb": [{"c": "x"}, "y"]}
    assert found.keys == {("a",): (1, 1), ("bb",): (2, 1), ("bb", 0, "c"): (3, 6)}
    assert found.values[("bb", 0, "c")] == (3, 9)
    assert found.values[("bb", 1)] == (4, 7)


def test_problem_stands_at_the_nearest_enclosing_thing():
    found = parse("a:\n  b: 1\n", "f")
    assert found.problem(("a", "b"), "m") == Problem("f", 2, 6, "m")
    assert found.problem(("a", "b"), "m", at_key=True) == Problem("f", 2, 3, "m")
    assert found.problem(("a", "x", "y"), "m") == Problem("f", 2, 3, "m")
    assert found.problem(("zzz",), "m") == Problem("f", 1, 1, "m")
    assert str(Problem("f", 2, 6, "m")) == "f:2:6: m"


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("a: 1\na: 2", (2, 1), "`a` is repeated; it is first on line 1"),
        ("a: {b: 1, b: 2}", (1, 11), "`b` is repeated; it is first on line 1"),
        ("a: &x 1", (1, 4), "anchor `&x`"),
        ("a: *x", (1, 4), "alias `*x`"),
        ("a: !!str 1", (1, 4), "tag `tag:yaml.org,2002:str`"),
        ("a: !x [1]", (1, 4), "tag `!x`"),
        ("{[1]: 2}", (1, 2), "a key must be a word"),
        ("a: 1\n---\nb: 1", (2, 1), "a second document begins here"),
    ],
)
def test_what_a_config_never_needs_is_kept_as_a_problem(text, place, expected):
    [found] = parse(text, "f").problems
    assert (found.line, found.column) == place
    assert expected in found.message


def test_problems_of_one_text_are_all_kept():
    assert len(parse("a: &x 1\nb: *x\na: 2\nc: !t 3\n", "f").problems) == 4


def test_repeated_key_keeps_its_first_value_and_what_follows_is_read():
    assert parse("a: 1\na: {b: [1, 2]}\nc: 3", "f").data == {"a": 1, "c": 3}


def test_key_that_is_no_word_is_left_out_and_what_follows_is_read():
    assert parse("? [1, {x: y}]\n: {b: 1}\nc: 3", "f").data == {"c": 3}


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\t", "a: 'x", "%x", "@", "a: \x01", "}"])
def test_text_that_is_no_yaml_is_a_config_error(text):
    with pytest.raises(ConfigError, match=r"^f:[0-9]+:[0-9]+: not YAML: "):
        parse(text, "f")


def test_empty_text_is_nothing():
    assert parse("", "f").data is None
    assert parse("# only this", "f").data is None


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000])
def test_deep_nesting_is_refused_before_it_hurts(text):
    with pytest.raises(ConfigError):
        parse(text, "f")


@pytest.mark.parametrize("text", ["? " * 5000, "{" * 5000 + "a" + "}: 1" * 5000])
def test_deep_nesting_of_keys_is_refused_before_it_hurts(text):
    with pytest.raises(ConfigError):
        parse(text, "f")


def test_size_and_encoding_are_checked():
    assert decode(b"\xef\xbb\xbfa: \xc3\xa9", "f") == "a: \xe9"
    assert len(decode(b"x" * 65536, "f")) == 65536
    with pytest.raises(ConfigError, match=r"^f:1:1: the file is larger than 64 KiB"):
        decode(b"x" * 65537, "f")
    with pytest.raises(ConfigError, match=r"^f:3:1: the file is not UTF-8 text"):
        decode(b"a\nb\n\xc3", "f")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab:#-' \n"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex("k[a-z]{0,5}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(plain)
def test_dumped_data_parses_to_itself(data):
    found = parse(yaml.safe_dump(data), "f")
    assert found.data == data
    assert not found.problems


@given(st.text(max_size=60))
def test_any_text_gives_data_or_a_config_error(text):
    try:
        found = parse(text, "f")
    except ConfigError as error:
        assert error.problems
    else:
        assert all(line >= 1 and column >= 1 for line, column in found.values.values())
