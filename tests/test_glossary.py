"""The glossary on the command line."""

import json
import re
from pathlib import Path

import pytest
from commands import call

from mnistladder.errors import ExitCode, UsageError
from mnistladder.report import glossary

DOCUMENT = Path(__file__).parents[1] / "docs" / "glossary.md"


def test_every_row_of_the_document_is_a_word_with_a_meaning():
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE)[2:]
    assert list(glossary.meanings()) == [word for word, _ in rows]
    assert glossary.meanings()["n"] == "The number of seeds in a row of a table."
    assert "*" not in "".join(glossary.meanings().values())


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ("rung", "rung"),
        ("Rungs", "rung"),
        ("error", "errors"),
        ("runs_folder", "runs folder"),
        ("deviation", "standard deviation"),
    ],
)
def test_words_are_known_in_the_forms_that_people_type(asked, word):
    assert glossary.find(asked) == word


def test_unknown_word_gets_the_nearest_one():
    with pytest.raises(UsageError, match=r"ensembel: .*; did you mean `ensemble`\?; `mnistl.*list"):
        glossary.find("ensembel")
    with pytest.raises(UsageError, match=r"^qqqq: not in the glossary; `mnistladder explain`"):
        glossary.find("qqqq")


def test_explain_prints_one_meaning_or_all_words(tmp_path):
    one = call("explain", "standard", "deviation", cwd=tmp_path)
    assert one.stdout.startswith("standard deviation: How far single seeds")
    words = call("explain", cwd=tmp_path).stdout.splitlines()
    assert words == list(glossary.meanings())
    [row] = json.loads(call("explain", "rung", "--json", cwd=tmp_path).stdout)
    assert row == {"word": "rung", "meaning": glossary.meanings()["rung"]}
    assert len(json.loads(call("explain", "--json", cwd=tmp_path).stdout)) == len(words)
    assert call("explain", "qqqq", cwd=tmp_path).returncode == ExitCode.USAGE
