"""What the figures show, read back from their artists; and the files they become."""

import io
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import small
from matplotlib.figure import Figure
from PIL import Image

from mnistladder.config import schedule
from mnistladder.config.loading import load_rung, shipped_names
from mnistladder.config.spec import Augment, Phase, Ramp
from mnistladder.engine import preview
from mnistladder.errors import UsageError
from mnistladder.report import charts, curves, digit_sheets, steps_chart, style
from mnistladder.report.gallery import Picture
from mnistladder.report.summary import make_rows
from mnistladder.runs import results

BOARD = Path(__file__).parents[1] / "results"


@pytest.fixture(scope="module")
def records():
    return list(results.all_results(BOARD))


@pytest.fixture(scope="module")
def rows(records):
    return [row for row in make_rows(records) if not row.variant_of]


def pictures(count):
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return [Picture(n, image, n % 10, (n + n % 3) % 10, 0.5) for n, image in enumerate(images)]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_sheet_shows_every_picture_under_its_title():
    each = pictures(23)
    figure = digit_sheets.sheet(each, "All")
    [axes] = figure.axes
    assert texts(figure) == [f"{picture.said}  {picture.sure}" for picture in each]
    colors = [text.get_color() == style.PUBLISHED for text in axes.texts]
    assert colors == [not picture.is_right for picture in each]
    cells = (
        axes.images[0]
        .get_array()
        .reshape(3, digit_sheets.CELL, 10, digit_sheets.WIDE)
        .swapaxes(1, 2)
    )
    for picture, cell, text in zip(
        each, cells.reshape(30, digit_sheets.CELL, -1), axes.texts, strict=False
    ):
        assert (cell[8:, 9:37] == picture.pixels).all()
        assert cell.sum() == picture.pixels.sum()
        row, column = divmod(picture.id, 10)
        assert (
            column * digit_sheets.WIDE < text.get_position()[0] < (column + 1) * digit_sheets.WIDE
        )
        assert row * digit_sheets.CELL < text.get_position()[1] < row * digit_sheets.CELL + 8


def test_large_sheet_says_what_it_leaves_out():
    figure = digit_sheets.sheet(pictures(digit_sheets.LARGEST + 1), "All")
    assert len(texts(figure)) == digit_sheets.LARGEST
    assert figure.axes[0].get_title("left") == "All (the first 300 of 301)"


def test_ladder_shows_means_intervals_seeds_and_published_figures(rows):
    [axes] = charts.ladder(rows).axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    ours = lines["ours: mean, 95 % interval"]
    assert ours[:, 0] == pytest.approx([100 - row.accuracy_mean for row in rows])
    assert ours[:, 1].tolist() == list(range(13))
    published = lines["published: one run"]
    assert published[:, 0] == pytest.approx([100 - row.published_accuracy for row in rows])
    seeds = [line.get_xdata() for line in axes.lines if line.get_marker() == "|"]
    assert [sorted(each) for each in seeds] == [
        pytest.approx(sorted(100 * count / 10_000 for count in row.errors)) for row in rows
    ]
    for bar, row in zip(axes.collections, rows, strict=True):
        [segment] = bar.get_segments()
        low, high = row.errors_interval
        assert segment[:, 0] == pytest.approx([max(low / 100, 1e-6), high / 100])
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == [
        "01 linear",
        "02 normalized",
    ]


def test_ladder_has_a_star_for_each_significant_step_and_no_other(rows):
    [axes] = charts.ladder(rows).axes
    marked = [text.xy[1] for text in axes.texts if text.get_text() == "*"]
    assert marked == [n for n, row in enumerate(rows) if row.step and row.step.is_significant]
    assert 0 < len(marked) < 12


def test_steps_are_bars_in_percent_hatched_where_more_is_new(rows):
    bars = steps_chart.step_bars(rows)
    [axes] = steps_chart.steps(bars).axes
    assert [bar.rung for bar in bars] == [row.rung for row in rows[1:]]
    assert [bool(patch.get_hatch()) for patch in axes.patches] == [b.is_confounded for b in bars]
    expected = [
        100 * row.step.comparison.difference / before.errors_mean for before, row in pairwise(rows)
    ]
    assert [patch.get_width() for patch in axes.patches] == pytest.approx(expected)


def test_interval_that_leaves_the_axis_ends_in_an_arrow():
    inside = steps_chart.Change(-10, (-20, 5))
    outside = steps_chart.Change(-10, (-130, 90))
    bar = steps_chart.StepBar("model09_dropout", "-9", inside, None, False, True)
    markers = [
        sorted(line.get_marker() for line in steps_chart.steps([each]).axes[0].lines)
        for each in (bar, replace(bar, change=outside), replace(bar, alone=outside))
    ]
    assert markers == [["None"], ["<", ">", "None"], ["<", ">", "D", "None"]]


def test_interval_of_a_rung_that_leaves_the_axis_ends_in_an_arrow(rows):
    [axes] = charts.ladder(rows).axes
    left = axes.get_xlim()[0]
    arrows = [line.get_xydata()[0] for line in axes.lines if line.get_marker() == "<"]
    leaving = [n for n, row in enumerate(rows) if row.errors_interval[0] / 100 < left]
    assert [tuple(place) for place in arrows] == [(left, n) for n in leaving]
    assert len(leaving) == 2


def test_legend_of_the_ladder_lies_in_the_figure_and_beside_the_axes(rows):
    for shown in (rows, rows[:1]):
        figure = charts.ladder(shown)
        figure.draw_without_rendering()
        [legend], [axes] = figure.legends, figure.axes
        box = legend.get_window_extent()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert not box.overlaps(axes.get_window_extent())


def test_name_keeps_its_overrides_and_is_wrapped_at_the_axis(rows):
    assert charts.short_name("model05_conv batch_size=256") == "05 conv batch_size=256"
    long = replace(rows[4], rung="model05_conv batch_size=256 phases.0.lr=3e-3 phases.0.epochs=2")
    [axes] = charts.ladder([long]).axes
    [label] = axes.get_yticklabels()
    assert label.get_text().splitlines() == [
        "05 conv batch_size=256",
        "phases.0.lr=3e-3",
        "phases.0.epochs=2",
    ]


def test_all_curves_are_in_one_chart_with_numbers_that_can_be_told_apart(records):
    tables = [t for t in curves.beside_published(records) if t.rung in shipped_names()]
    figure = charts.all_curves(tables)
    [axes] = figure.axes
    assert len(axes.lines) == len(axes.texts) == 13
    for line, table in zip(axes.lines, tables, strict=True):
        assert list(line.get_xdata()) == [epoch.epoch for epoch in table.epochs]
        assert list(line.get_ydata()) == [100 - epoch.test_accuracy for epoch in table.epochs]
    assert [text.get_text() for text in axes.texts] == [f"{n:02}" for n in range(1, 14)]
    figure.draw_without_rendering()
    boxes = [text.get_window_extent().shrunk(1, 0.6) for text in axes.texts]
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


def test_curves_are_ours_beside_the_published_log(records):
    tables = curves.beside_published(records)
    [table] = [table for table in tables if table.rung == "model09_dropout"]
    loss, error = charts.curves(table).axes
    log = curves.published()["model09_dropout"]
    ours, published = (line.get_ydata() for line in loss.lines)
    assert list(ours) == [row.loss for row in table.epochs]
    assert list(published) == log["loss"][: len(ours)]
    ours, published = (line.get_ydata() for line in error.lines)
    assert list(ours) == pytest.approx([100 - row.test_accuracy for row in table.epochs])
    assert list(published) == pytest.approx([100 - v for v in log["test_accuracy"][: len(ours)]])


def test_curves_of_one_epoch_and_without_a_log_are_drawn(records):
    [table] = [t for t in curves.beside_published(records) if t.rung == "model12_averaging"]
    short = replace(table, epochs=table.epochs[:1])
    assert [len(axes.lines) for axes in charts.curves(short).axes] == [1, 1]


def test_plan_shows_rates_augmentation_and_pseudo_labels():
    epochs = schedule.epochs(load_rung("model13_pseudolabel").config)
    rate, share = charts.plan(epochs).axes
    assert [tuple(line.get_ydata()) for line in rate.lines] == [epoch.lr for epoch in epochs]
    spans = [(line.get_xdata()[0], line.get_xdata()[-1]) for line in rate.lines]
    assert spans == [(n, n + 1) for n in range(33)]
    [band] = rate.patches
    assert (band.get_x(), band.get_width()) == (4, 29)
    assert [bar.get_height() for bar in share.patches] == [0] * 28 + [0.25] * 5


def test_plan_without_pseudo_labels_has_no_room_for_them():
    [rate] = charts.plan(schedule.epochs(load_rung("model05_conv").config)).axes
    assert not list(rate.patches)
    assert rate.get_title("left") == "learning rate"


def test_ramp_by_step_is_drawn_as_it_runs():
    phase = Phase(epochs=2, lr=Ramp(**{"from": 1e-1}, to=1e-3, shape="linear", per="step"))
    epochs = schedule.epochs(small.tiny(phases=(phase,)))
    first, second = charts.plan(epochs).axes[0].lines
    rates = np.concatenate([first.get_ydata(), second.get_ydata()])
    assert rates == pytest.approx(np.linspace(1e-1, 1e-3, 2 * schedule.STEPS))


def test_samples_are_the_first_of_each_digit_as_the_config_makes_them(source):
    train = source.load().train
    config = small.tiny(augment=Augment(rotate_deg=20))
    found = preview.samples(config, train, (33.0, 78.0))
    raw = found["raw"]
    assert list(found) == ["raw", *(f"augmented, draw {n}" for n in (1, 2, 3)), "normalised"]
    for digit, image in enumerate(raw):
        assert (image == train.images[np.flatnonzero(train.labels == digit)[0]]).all()
    assert found["normalised"] == pytest.approx((raw - 33) / 78)
    draws = [found[f"augmented, draw {n}"] for n in (1, 2, 3)]
    assert all(not np.array_equal(draw, raw) for draw in draws)
    assert not np.array_equal(draws[0], draws[1])


def test_samples_of_a_config_that_does_nothing_are_raw(source):
    found = preview.samples(load_rung("model01_linear").config, source.load().train, (33.0, 78.0))
    assert list(found) == ["raw"]


def test_data_figure_shows_samples_counts_and_mean(source):
    dataset = source.load()
    counts = {
        "train": dataset.class_counts(dataset.train),
        "test": dataset.class_counts(dataset.test),
    }
    found = preview.samples(small.tiny(), dataset.train, dataset.pixel_statistics())
    mean = dataset.train.images.mean(0)
    raw, normalised, bars, average = digit_sheets.data_figure(found, counts, mean, "x").axes
    assert (raw.images[0].get_array() == np.concatenate(list(found["raw"]), axis=1)).all()
    assert raw.get_title("left") == "raw: 0 to 255"
    assert normalised.images[0].get_array().min() < 0
    heights = [bar.get_height() for bar in bars.patches]
    assert heights == counts["train"] + counts["test"]
    assert (average.images[0].get_array() == mean).all()


def line():
    figure = Figure()
    figure.add_subplot().plot([1, 2], [3, 4], color=style.OURS)
    return figure


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_same_figure_is_the_same_file(tmp_path, suffix):
    paths = [tmp_path / folder / f"figure.{suffix}" for folder in ("a", "b")]
    for path in paths:
        style.save(line(), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    content = paths[0].read_bytes()
    assert not any(mark in content for mark in (b"matplotlib.org", b"CreationDate", b"dc:date"))
    if suffix == "png":
        assert Image.open(io.BytesIO(paths[0].read_bytes())).size[0] > 500


def test_other_files_are_no_figures(tmp_path):
    with pytest.raises(UsageError, match=r"ends with \.png, \.svg, \.pdf"):
        style.save(line(), tmp_path / "figure.exe")
    assert list(tmp_path.iterdir()) == []


def test_inline_figure_is_coloured_by_the_page_and_told_in_words():
    text = style.inline(line(), "one", 'loss < 1 & "falling"')
    assert text.startswith('<svg role="img" aria-label="loss &lt; 1 &amp; &quot;falling&quot;"')
    assert "var(--ours)" in text
    assert style.OURS not in text
    assert "viewBox" in text
    assert 'width="' not in text[:400].replace("stroke-width", "")


def test_inline_figures_share_no_ids():
    first, second = (
        set(re.findall(r'id="([^"]*[0-9a-f]{8,})"', style.inline(line(), name, "")))
        for name in "ab"
    )
    assert first
    assert not first & second


def test_drawing_leaves_the_process_settings_as_they_were(rows):
    before = dict(mpl.rcParams)
    charts.ladder(rows)
    assert dict(mpl.rcParams) == before


def test_gallery_of_a_result_without_errors_is_empty():
    figure = digit_sheets.sheet((), "None")
    assert texts(figure) == []
