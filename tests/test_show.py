"""What `show` teaches about a config."""

import json

import pytest
from commands import call

from mnistladder.config.loading import find_config
from mnistladder.report.techniques import techniques

RUNG = "model06_maxpool"


@pytest.fixture
def shown(tmp_path):
    """What `show --json` says, from an empty folder."""

    def show(*arguments):
        return json.loads(call("show", *arguments, "--json", cwd=tmp_path).stdout)

    return show


def test_show_says_what_is_new_and_what_changed_since_the_rung_before(tmp_path):
    text = call("show", RUNG, cwd=tmp_path).stdout
    assert techniques()[RUNG].strip() in text
    assert "\nFrom model05_conv to here (+ new, - gone):\n" in text
    lines = text.splitlines()
    assert "+   - maxpool" in lines
    assert "-   - {conv: {out: 7}}" in lines


def test_json_of_show_has_all_that_the_screen_has(shown):
    what = shown(RUNG)
    assert what["technique"] == techniques()[RUNG]
    assert what["compared_with"] == "model05_conv"
    assert {"change": "added", "line": "  - maxpool"} in what["difference"]
    layers = what["layers"]
    assert (
        sum(layer["multiply_adds"] for layer in layers) == (what["cost"]["multiply_adds_per_image"])
    )
    assert sum(layer["parameters"] for layer in layers) == what["parameters"]
    assert layers[1] == {
        "layer": "conv",
        "options": {"out": 7},
        "output_shape": [7, 28, 28],
        "parameters": 70,
        "multiply_adds": 28 * 28 * 9 * 7,
    }


def test_first_rung_is_compared_with_nothing(tmp_path, shown):
    what = shown("model01_linear")
    assert (what["compared_with"], what["difference"]) == (None, [])
    assert "to here" not in call("show", "model01_linear", cwd=tmp_path).stdout


def test_overridden_rung_is_compared_with_its_rung_and_has_no_technique(shown):
    what = shown(RUNG, "--set", "batch_size=64")
    assert (what["compared_with"], what["technique"]) == (RUNG, None)
    assert {"change": "added", "line": "batch_size: 64"} in what["difference"]


def test_own_config_is_compared_with_the_shipped_one_that_shares_most_lines(tmp_path, shown):
    text = find_config(RUNG).read_text().replace("epochs: 5", "epochs: 6")
    (tmp_path / "mine.yaml").write_text(text)
    what = shown("mine.yaml")
    assert (what["compared_with"], what["technique"]) == (RUNG, None)


def test_other_config_of_a_shipped_name_is_not_taken_for_it(tmp_path, shown):
    (tmp_path / f"{RUNG}.yaml").write_text(find_config("model05_conv").read_text())
    what = shown(f"./{RUNG}.yaml")
    assert (what["compared_with"], what["technique"]) == (RUNG, None)
    assert {"change": "removed", "line": "  - maxpool"} in what["difference"]


@pytest.mark.parametrize(
    ("name", "before"),
    [("model02_normalized", "model01_linear"), ("model03_hidden_relu", "model03_hidden")],
)
def test_variant_is_compared_with_its_rung(shown, name, before):
    assert shown(name)["compared_with"] == before
