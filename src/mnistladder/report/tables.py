"""Rows -> columns of text. It neither prints nor reads files."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from mnistladder.config.loading import shipped_names
from mnistladder.report.statistics import Interval
from mnistladder.report.steps import ControlledStep, Step
from mnistladder.report.summary import Row

Sort = Literal["rung", "accuracy", "errors", "time", "parameters"]


ALL_IMAGES = 10_000  # that MNIST tests with


def sort_rows(rows: list[Row], by: Sort) -> list[Row]:
    """As they are (the order of the ladder), or with the best, the fewest, the fastest first."""
    keys: dict[str, Any] = {
        "rung": lambda row: 0,
        "accuracy": lambda row: -row.accuracy_mean,
        "errors": lambda row: row.errors_mean,
        "time": lambda row: row.train_s_mean,
        "parameters": lambda row: row.parameters,
    }
    return sorted(rows, key=keys[by])


Align = Literal["left", "right"]
Tone = Literal["better", "worse", "unclear"]


def _no_tone(_: Row) -> None:
    return None


class Column(NamedTuple):
    """A column of the board: its heading, the text of a row's cell, and how a cell is shown.

    `tone` is what a cell says of the row, for a screen that has colours.
    """

    heading: str
    text: Callable[[Row], str]
    align: Align = "right"
    tone: Callable[[Row], Tone | None] = _no_tone


def cells(row: Row) -> list[str]:
    """A row as text, one entry for each of COLUMNS."""
    return [column.text(row) for column in COLUMNS]


def rung_text(row: Row) -> str:
    """The rung's name; a variant's name follows a plus sign."""
    return f"+ {row.rung}" if row.variant_of else row.rung


def _title(row: Row) -> str:
    views = f" ({row.views} views)" if row.views > 1 else ""
    return row.title + (" (transductive)" if row.transductive else "") + views


def _parameters(row: Row) -> str:
    return times(row.members, f"{row.parameters:,}")


def _epochs(row: Row) -> str:
    return times(row.members, str(row.epochs))


def _errors(row: Row) -> str:
    return mean_text(row.errors_mean, row.errors_sd, 1 if row.n > 1 else 0) + _of(row)


def _errors_interval(row: Row) -> str:
    return interval_text(row.errors_interval, row.errors_mean) + ("*" if row.n == 1 else "")


def _uncontested(row: Row) -> str:
    return "-" if row.uncontested_mean is None else f"{row.uncontested_mean:.1f}"


def _accuracy(row: Row) -> str:
    return mean_text(row.accuracy_mean, row.accuracy_sd, 3 if row.n > 1 else 2)


def _published(row: Row) -> str:
    return "-" if row.published_accuracy is None else f"{row.published_accuracy:.2f}"


def _verdict_tone(row: Row) -> Tone | None:
    return row.verdict if row.verdict in ("better", "worse") else None


def _step(row: Row) -> str:
    return step_text(row.step) + _from(row) if row.step else "-"


def _step_tone(row: Row) -> Tone | None:
    if row.step is None:
        return None
    if not row.step.is_significant:
        return "unclear"
    return "better" if row.step.comparison.difference < 0 else "worse"


CONFOUNDED = "†"  # before a step that changes more than the technique that its rung is named for
ERRORS, STEP = "errors", "errors against the rung before"
COLUMNS = (
    Column("rung", rung_text, "left"),
    Column("what is new", _title, "left"),
    Column("parameters", _parameters),
    Column("epochs", _epochs),
    Column("n", lambda row: str(row.n)),
    Column(ERRORS, _errors),
    Column("95 % interval", _errors_interval),
    Column("uncontested", _uncontested),
    Column("accuracy %", _accuracy),
    Column("published %", _published),
    Column("verdict", lambda row: row.verdict or "-", "left", _verdict_tone),
    Column(STEP, _step, tone=_step_tone),
    Column("train time", lambda row: duration(row.train_s_mean)),
    Column("device", lambda row: row.device, "left"),
)


def short_errors(row: Row) -> str:
    digits = 0 if row.errors_mean >= 100 or row.n == 1 else 1
    return mean_text(row.errors_mean, row.errors_sd, digits) + ("*" if _of(row) else "")


def _short_step(row: Row) -> str:
    if row.step is None:
        return "-"
    text = change_text(row.step).replace(" ", "")  # each column of a terminal counts
    return CONFOUNDED * bool(row.step.confounded_by) + text


SHORT_COLUMNS = (  # what a reader asks first; fits a terminal
    Column("rung", rung_text, "left"),
    Column("what is new", lambda row: row.title, "left"),
    Column("n", lambda row: str(row.n)),
    Column("errors", short_errors),
    Column("accuracy", lambda row: f"{row.accuracy_mean:.2f} %"),
    Column("step", _short_step, tone=_step_tone),
)


def change_text(step: Step | ControlledStep) -> str:
    """The change of the mean number of errors; `~` if it may be chance."""
    change = step.comparison.difference
    sign = "" if step.is_significant else "~ "
    return f"{sign}{change:+.{0 if abs(change) >= 100 else 1}f}"


def _of(row: Row) -> str:
    """Of how many test images, where it is not all of MNIST's."""
    return "" if row.test_images == ALL_IMAGES else f" of {row.test_images:,}"


def _from(row: Row) -> str:
    """Which rung a step starts from, where that is not the one above."""
    ladder = shipped_names()
    if row.step is None or row.variant_of or row.name == ladder[0]:
        return ""
    is_direct = row.step.rung == ladder[ladder.index(row.name) - 1]
    return "" if is_direct else f" (from {row.step.rung})"


def step_text(step: Step) -> str:
    """The change of the mean number of errors, its interval and p; `~` if it may be chance."""
    change = step.comparison.difference
    interval = interval_text(step.comparison.interval, change)
    sign = CONFOUNDED * bool(step.confounded_by) + ("" if step.is_significant else "~ ")
    return f"{sign}{change:+.1f} [{interval}], p {p_text(step.p)}{_few(step)}"


def _few(step: Step) -> str:
    return "" if step.comparison.covers_seeds else ", 1 seed"


def p_text(p: float) -> str:
    """A p value with as many digits as say something."""
    return f"= {p:.3f}" if p >= 0.001 else "< 0.001"


def interval_text(interval: Interval, size: float) -> str:
    """Both limits, with a decimal where the value itself is small."""
    digits = 0 if abs(size) >= 100 else 1
    return " to ".join(f"{value:.{digits}f}" for value in interval)


def times(members: int, text: str) -> str:
    """What one network has, for a rung of several."""
    return f"{members} x {text}" if members > 1 else text


def mean_text(mean: float, deviation: float | None, digits: int) -> str:
    """A mean over seeds, and their standard deviation if there are several."""
    spread = "" if deviation is None else f" ± {deviation:.{digits}f}"
    return f"{mean:.{digits}f}{spread}"


def duration(seconds: float) -> str:
    """Seconds as text of two units at the most."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
