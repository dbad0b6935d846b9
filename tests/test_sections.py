"""The sections of a config are read from its models, so that none is listed by hand."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from mnistladder.config.sections import default_table, keys, sections_at, tags
from mnistladder.config.spec import Adam, Augment, Config, Expected, Phase, Published, Ramp, Sgd


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ((), Config),
        (("phases", 3), Phase),
        (("phases", 0, "lr"), Ramp),
        (("phases", 0, "lr", "ramp"), Ramp),
        (("augment",), Augment),
        (("published",), Published),
        (("expect",), Expected),
        (("optimizer", "adam"), Adam),
        (("optimizer", "sgd"), Sgd),
    ],
)
def test_path_leads_to_its_section(path, section):
    assert sections_at(Config, path) == [section]


def test_path_without_a_tag_leads_to_all_sections_that_may_stand_there():
    assert {Adam, Sgd} < set(sections_at(Config, ("optimizer",)))


@pytest.mark.parametrize("path", [("batch_size",), ("phases", 0, "epochs"), ("title",)])
def test_plain_value_is_no_section(path):
    assert sections_at(Config, path) == []


def test_keys_are_those_of_yaml():
    assert keys(Ramp) == ["from", "to", "shape", "per"]


def test_tag_is_a_literal_of_one_value():
    assert (tags(Sgd), tags(Ramp)) == ({"name": "sgd"}, {})


def test_default_of_a_section_is_its_tag_or_nothing():
    assert default_table(Config, ("optimizer",)) == {"name": "adam"}
    assert default_table(Config, ("augment",)) == {}
    assert default_table(Config, ("phases", 0, "lr")) == {}


@pytest.mark.parametrize("path", [("phases",), ("batch_size",), ("nothing",), ("phases", 0)])
def test_list_value_or_unknown_key_has_no_default_table(path):
    assert default_table(Config, path) is None


class Red(BaseModel):
    kind: Literal["red"] = "red"
    glow: int = 1


class Blue(BaseModel):
    kind: Literal["blue"] = "blue"


class Picture(BaseModel):
    colour: Annotated[Red | Blue, Field(discriminator="kind")] = Blue()


def test_new_section_is_known_without_a_line_elsewhere():
    assert sections_at(Picture, ("colour", "red")) == [Red]
    assert default_table(Picture, ("colour",)) == {"kind": "blue"}
