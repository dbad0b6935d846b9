"""The chart of the steps: which part of the errors each rung takes away."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mnistladder.report.charts import WIDTH, short_name
from mnistladder.report.statistics import Comparison, Interval
from mnistladder.report.style import BAND, FAINT, INK, OURS, PUBLISHED, empty, styled
from mnistladder.report.summary import Row
from mnistladder.report.tables import CONFOUNDED, change_text

LOWEST, HIGHEST = -100.0, 60.0  # percent, of the axis; at the lowest no error is left
HATCH = "////"


@dataclass(frozen=True)
class Change:
    """A change of errors in percent of the errors before it, with its 95 % interval."""

    percent: float
    interval: Interval


@dataclass(frozen=True)
class StepBar:
    """A step as the chart shows it."""

    rung: str
    text: str  # the change in errors
    change: Change
    alone: Change | None  # the technique alone, by a control
    is_confounded: bool
    is_shown: bool


class _Look(TypedDict):
    facecolor: str
    edgecolor: str
    hatch: str | None


def step_bars(rows: Sequence[Row]) -> list[StepBar]:
    """The steps of the ladder in order; rows of variants are there for the controls."""
    means = {row.name: row.errors_mean for row in rows if row.name == row.rung}
    bars = []
    for row in rows:
        step = row.step
        if step is None or row.variant_of or not means.get(step.rung):
            continue
        control = step.control
        alone = _change(control.comparison, means.get(control.before)) if control else None
        text = CONFOUNDED * bool(step.confounded_by) + change_text(step)
        change = _change(step.comparison, means[step.rung])
        if change:
            confounded = bool(step.confounded_by)
            bars.append(StepBar(row.rung, text, change, alone, confounded, step.is_significant))
    return bars


def _change(comparison: Comparison, before: float | None) -> Change | None:
    """None where nothing is known of the errors before, or there were none."""
    if not before:
        return None
    low, high = (100 * limit / before for limit in comparison.interval)
    return Change(100 * comparison.difference / before, (low, high))


@styled
def steps(bars: Sequence[StepBar]) -> Figure:
    """A bar a step, in percent of the errors before it; confounded ones are hatched.

    A filled bar is shown by its test, an empty one is not. An interval that leaves the axis ends in
    an arrow.
    """
    figure, axes = empty(WIDTH, 0.34 * len(bars) + 1.5)
    for place, bar in enumerate(bars):
        axes.barh(place, _inside(bar.change.percent), 0.62, linewidth=0.8, **_look(bar))
        _interval(axes, place - 0.12 * bool(bar.alone), bar.change.interval, INK)
        if bar.alone:
            _interval(axes, place + 0.2, bar.alone.interval, PUBLISHED)
            axes.plot(_inside(bar.alone.percent), place + 0.2, "D", color=PUBLISHED, markersize=4)
        axes.text(1.02, place, bar.text, transform=axes.get_yaxis_transform(), va="center", size=8)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlim(LOWEST, HIGHEST)
    axes.set_yticks(range(len(bars)), [short_name(bar.rung) for bar in bars])
    axes.invert_yaxis()
    axes.set_xlabel("change of the errors, % of the rung before; right: in errors")
    axes.grid(axis="x")
    figure.legend(handles=_legend(bars), loc="outside lower left", ncols=2, fontsize=8)
    return figure


def _look(bar: StepBar) -> _Look:
    return {
        "facecolor": OURS if bar.is_shown and not bar.is_confounded else BAND,
        "edgecolor": OURS if bar.is_shown else FAINT,
        "hatch": HATCH if bar.is_confounded else None,
    }


def _inside(percent: float) -> float:
    return min(max(percent, LOWEST), HIGHEST)


def _interval(axes: Axes, place: float, interval: Interval, color: str) -> None:
    low, high = interval
    axes.hlines(place, _inside(low), _inside(high), color=color, linewidth=1.4)
    for limit, edge, arrow in ((low, LOWEST, "<"), (high, HIGHEST, ">")):
        if limit != _inside(limit):
            axes.plot(edge, place, arrow, color=color, markersize=5, clip_on=False)


def _legend(bars: Sequence[StepBar]) -> list[Patch | Line2D]:
    """Only what the chart has."""
    entries: list[tuple[bool, Patch | Line2D]] = [
        (
            any(bar.is_shown and not bar.is_confounded for bar in bars),
            Patch(facecolor=OURS, edgecolor=OURS, label="the technique alone"),
        ),
        (
            any(bar.is_confounded for bar in bars),
            Patch(facecolor=BAND, edgecolor=OURS, hatch=HATCH, label="more than it is new"),
        ),
        (
            any(not bar.is_shown for bar in bars),
            Patch(facecolor=BAND, edgecolor=FAINT, label="~ no difference shown"),
        ),
        (
            any(bar.alone for bar in bars),
            Line2D([], [], color=PUBLISHED, marker="D", markersize=4, label="alone, by a control"),
        ),
    ]
    return [handle for is_used, handle in entries if is_used]
