"""The drawing of a network, read back from the figure."""

import pytest
import small
from commands import call

from mnistladder.config.loading import load_rung
from mnistladder.errors import UsageError
from mnistladder.model.layers import Conv, Dense, Flatten
from mnistladder.report import network_chart
from mnistladder.report.network_chart import Block


def drawn(config, **options):
    """The texts and the boxes of a network's drawing, from top to bottom."""
    [axes] = network_chart.network(network_chart.blocks(config), "a title", **options).axes
    return [text.get_text() for text in axes.texts if text.get_text()], axes.patches


def test_layers_without_parameters_and_new_shape_join_the_box_before():
    found = network_chart.blocks(load_rung("model04_deep").config)
    assert found == [
        Block(("image", "normalize"), (1, 28, 28), 0),
        Block(("flatten",), (784,), 0),
        Block(("dense out=200", "relu"), (200,), 157_000),
        Block(("dense out=200", "relu"), (200,), 40_200),
        Block(("dense out=200", "relu"), (200,), 40_200),
        Block(("dense out=10",), (10,), 2_010),
    ]


@pytest.mark.parametrize("name", ["model01_linear", "model09_dropout"])
def test_boxes_hold_all_layers_and_all_parameters(name):
    config = load_rung(name).config
    found = network_chart.blocks(config)
    assert sum(len(block.layers) for block in found) == 1 + len(config.model)
    assert sum(block.parameters for block in found) == config.parameters
    assert found[-1].shape == (10,)


def test_figure_says_layers_shapes_parameters_and_members():
    config = load_rung("model05_conv").config
    texts, boxes = drawn(config, members=5)
    assert texts[2:4] == ["image, normalize", "1x28x28"]
    assert texts[4:7] == ["conv out=7, relu", "7x28x28", "70"]
    assert texts[-1] == "5 x 55,856 in all"
    assert len(boxes) == len(network_chart.blocks(config))
    filled = [box.get_facecolor()[3] > 0 for box in boxes]
    assert filled == [False, True, True, True, False, True]


def test_long_layers_are_wrapped_and_boxes_do_not_overlap():
    wide = Conv(out=7, kernel=5, stride=2, padding="valid", init="glorot_normal")
    _, boxes = drawn(small.tiny(model=(wide, Flatten(), Dense(out=10))))
    assert network_chart.blocks(small.tiny(model=(wide, Flatten(), Dense(out=10))))[1].lines[1:]
    ends = [box.get_y() + box.get_height() for box in boxes]
    assert all(end < box.get_y() for end, box in zip(ends, boxes[1:], strict=False))


def test_network_that_is_too_long_for_a_picture_is_refused():
    long = [Block(("relu",), (10,), 0)] * 900
    with pytest.raises(UsageError, match="900 boxes of layers are too many"):
        network_chart.network(long, "a title")


def test_show_draws_the_network_or_the_plan(tmp_path):
    call("show", "model03_hidden", "--figure", "network.svg", cwd=tmp_path)
    call("show", "model03_hidden", "--figure", "plan.svg", "--chart", "plan", cwd=tmp_path)
    network, plan = ((tmp_path / name).read_text() for name in ("network.svg", "plan.svg"))
    assert "dense out=100, sigmoid" in network
    assert "learning rate" in plan
    assert "learning rate" not in network
