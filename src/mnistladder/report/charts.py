"""Charts of numbers: the ladder, a rung's curves, its plan."""

import textwrap
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
    StrMethodFormatter,
)

from mnistladder.config.schedule import PlannedEpoch
from mnistladder.report.curves import CurveTable
from mnistladder.report.style import BAND, FAINT, OURS, PUBLISHED, empty, literal, styled
from mnistladder.report.summary import Row

WIDTH = 4.4  # inches: its letters can still be read on a telephone
LABEL = 22  # characters of a name in one line at an axis


@styled
def ladder(rows: Sequence[Row]) -> Figure:
    """Each rung's test error on a logarithmic axis: every seed, mean and interval, published.

    A star marks a rung whose step from the one before is shown by its test. An interval that leaves
    the axis ends in an arrow.
    """
    figure, axes = empty(WIDTH, 0.3 * len(rows) + 1.2)
    left = max(min(_error(min(row.errors), row) for row in rows) / 1.6, 1e-3)
    for place, row in enumerate(rows):
        each = [_error(count, row) for count in row.errors]
        axes.plot(each, [place] * len(each), "|", color=FAINT, markersize=9)
        low, high = (_error(count, row) for count in row.errors_interval)
        axes.hlines(place, max(low, 1e-6), high, color=OURS, linewidth=2)
        if low < left:
            axes.plot(left, place, "<", color=OURS, markersize=6, clip_on=False)
    axes.plot(
        [_error(row.errors_mean, row) for row in rows],
        range(len(rows)),
        "o",
        color=OURS,
        markersize=5,
        label="ours: mean, 95 % interval",
    )
    _mark_published(axes, rows)
    _mark_steps(axes, rows)
    _error_axis(axes, left)
    axes.set_yticks(range(len(rows)), [_label(row.rung) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    figure.legend(loc="outside lower left", ncols=2, fontsize=8)
    return figure


def _mark_published(axes: Axes, rows: Sequence[Row]) -> None:
    known = [
        (100 - row.published_accuracy, place)
        for place, row in enumerate(rows)
        if row.published_accuracy is not None
    ]
    label = "published: one run"
    if known:
        places = zip(*known, strict=True)
        axes.plot(*places, "D", color=PUBLISHED, markersize=5, fillstyle="none", label=label)


def short_name(rung: str) -> str:
    """A rung's name without `model`: its number and its technique; overrides stay as they are."""
    name, space, changes = rung.partition(" ")
    return name.removeprefix("model").replace("_", " ") + space + changes


def _label(rung: str) -> str:
    """A name at an axis, in at most three lines."""
    lines = textwrap.wrap(short_name(rung), LABEL, max_lines=3, placeholder=" ...")
    return literal("\n".join(lines))


def _error(errors: float, row: Row) -> float:
    """Percent of the test images."""
    return 100 * errors / row.test_images


def _mark_steps(axes: Axes, rows: Sequence[Row]) -> None:
    shown = [place for place, row in enumerate(rows) if row.step and row.step.is_significant]
    for place in shown:
        axes.annotate(
            "*",
            (1, place),
            xycoords=("axes fraction", "data"),
            va="center",
            ha="right",
            size=13,
            color=OURS,
        )


def _error_axis(axes: Axes, left: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(left=left)
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 3)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g} %"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("test error (logarithmic); * a step that is shown", loc="right")
    axes.grid(axis="x")


@styled
def curves(table: CurveTable) -> Figure:
    """Training loss and test error after each epoch, ours and the article's log, logarithmic."""
    figure = Figure(figsize=(WIDTH, 2.6))
    loss, error = figure.subplots(1, 2)
    for axes, title, ours, published in (
        (loss, "training loss", _losses(table), _published_losses(table)),
        (error, "test error %", _test_errors(table), _published_errors(table)),
    ):
        axes.plot(*_xy(ours), "-", color=OURS, marker=".", label=f"ours, n={table.n}")
        if published:
            axes.plot(*_xy(published), "--", color=PUBLISHED, marker=".", label="published")
        axes.set(title=title, yscale="log", xlabel="epoch")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(axis="y")
    loss.legend()
    return figure


@styled
def all_curves(tables: Sequence[CurveTable]) -> Figure:
    """The test error of all rungs after each epoch, on logarithmic axes, each with its number."""
    figure, axes = empty(WIDTH, 4.2)
    for table in tables:
        points = [(epoch, max(error, LEAST)) for epoch, error in _test_errors(table)]
        axes.plot(*_xy(points), "-", color=OURS, alpha=0.75, linewidth=1.4, marker=".")
    ends = [(table.epochs[-1].epoch, 100 - table.epochs[-1].test_accuracy) for table in tables]
    for table, place in zip(tables, _spread(ends), strict=True):
        number = literal(table.rung.removeprefix("model").split("_")[0])
        axes.annotate(number, place, (5, 0), textcoords="offset points", va="center", size=8)
    axes.set(xscale="log", yscale="log", xlabel="epoch", ylabel="test error")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g} %"))
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y")
    return figure


LEAST = 1e-3  # percent that a logarithmic axis can show
APART = 1.17  # ratio of two errors whose numbers can be read above each other
BESIDE = 1.35  # ratio of two epochs whose numbers stand in one column


def _spread(ends: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Where the numbers of the curves stand: at their ends, those that end together in a column."""
    columns = dict[int, int]()  # of each epoch, the last one of its column
    for epoch in sorted({epoch for epoch, _ in ends}, reverse=True):
        after = min((later for later in columns if later > epoch), default=epoch)
        columns[epoch] = columns[after] if 1 < after / epoch < BESIDE else epoch
    places = list(ends)
    lowest = dict[int, float]()
    for place in sorted(range(len(ends)), key=lambda place: ends[place][1]):
        column = columns[ends[place][0]]
        lowest[column] = max(ends[place][1], LEAST, lowest.get(column, 0) * APART)
        places[place] = column, lowest[column]
    return places


Points = list[tuple[int, float]]  # an epoch and a value


def _xy(points: Points) -> tuple[list[int], list[float]]:
    return [epoch for epoch, _ in points], [value for _, value in points]


def _losses(table: CurveTable) -> Points:
    return [(row.epoch, row.loss) for row in table.epochs]


def _published_losses(table: CurveTable) -> Points:
    return [
        (row.epoch, row.published_loss) for row in table.epochs if row.published_loss is not None
    ]


def _test_errors(table: CurveTable) -> Points:
    return [(row.epoch, 100 - row.test_accuracy) for row in table.epochs]


def _published_errors(table: CurveTable) -> Points:
    return [
        (row.epoch, 100 - row.published_accuracy)
        for row in table.epochs
        if row.published_accuracy is not None
    ]


@styled
def plan(epochs: Sequence[PlannedEpoch], name: str = "") -> Figure:
    """The learning rate over the epochs; augmented ones shaded, the pseudo-labels' share below."""
    figure = Figure(figsize=(WIDTH, 2.6))
    has_share = any(epoch.pseudo_share for epoch in epochs)
    rate, *rest = figure.subplots(
        1 + has_share, 1, sharex=True, squeeze=False, height_ratios=[3, 1][: 1 + has_share]
    )[:, 0]
    for epoch in epochs:
        steps = np.linspace(epoch.epoch - 1, epoch.epoch, len(epoch.lr))
        rate.plot(steps, epoch.lr, color=OURS, linewidth=2)
    for is_augmented, part in groupby(epochs, lambda epoch: epoch.augment):
        first, *_, last = [epoch.epoch for epoch in part] * 2
        if is_augmented:
            rate.axvspan(first - 1, last, color=BAND, linewidth=0)
    shaded = " (shaded: augmented)" if any(epoch.augment for epoch in epochs) else ""
    rate.set(
        yscale="log", title=f"{literal(name)} learning rate{shaded}".strip(), xlim=(0, len(epochs))
    )
    rate.grid(axis="y")
    for axes in rest:
        places = [epoch.epoch - 0.5 for epoch in epochs]
        axes.bar(places, [epoch.pseudo_share for epoch in epochs], 1, color=PUBLISHED)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_title("pseudo-labels in a batch")
    rate.xaxis.set_major_locator(MaxNLocator(integer=True))
    (rest or [rate])[-1].set_xlabel("epochs")
    return figure
