"""Charts of numbers: the ladder, a rung's curves, its plan."""

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


@styled
def ladder(rows: Sequence[Row]) -> Figure:
    """Each rung's test error on a logarithmic axis: every seed, mean and interval, published.

    A star marks a rung whose step from the one before is shown by its test.
    """
    figure, axes = empty(WIDTH, 0.3 * len(rows) + 0.9)
    for place, row in enumerate(rows):
        each = [_error(count, row) for count in row.errors]
        axes.plot(each, [place] * len(each), "|", color=FAINT, markersize=9)
        low, high = (_error(count, row) for count in row.errors_interval)
        axes.hlines(place, max(low, 1e-6), high, color=OURS, linewidth=2)
    axes.plot(
        [_error(row.errors_mean, row) for row in rows],
        range(len(rows)),
        "o",
        color=OURS,
        markersize=5,
        label="ours: mean, 95 % interval",
    )
    known = [
        (100 - row.published_accuracy, place)
        for place, row in enumerate(rows)
        if row.published_accuracy is not None
    ]
    axes.plot(
        *zip(*known, strict=True),
        "D",
        color=PUBLISHED,
        markersize=5,
        fillstyle="none",
        label="published: one run",
    ) if known else None
    _mark_steps(axes, rows)
    _error_axis(axes, min(_error(min(row.errors), row) for row in rows))
    axes.set_yticks(range(len(rows)), [literal(short_name(row.rung)) for row in rows])
    axes.invert_yaxis()
    axes.legend(loc="lower right")
    return figure


def short_name(rung: str) -> str:
    """A rung's name without `model`: its number and its technique."""
    return rung.removeprefix("model").replace("_", " ")


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


def _error_axis(axes: Axes, smallest: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(left=max(smallest / 1.6, 1e-3))
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 3)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g} %"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("test error (logarithmic); * a step that is shown")
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
