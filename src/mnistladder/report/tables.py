"""Rows -> Markdown, CSV, JSON or cells. It neither prints nor reads files."""

import csv
import io
import json
from typing import Any, Literal

from mnistladder.config.loading import shipped_names
from mnistladder.data import contested
from mnistladder.report import statistics
from mnistladder.report.summary import Row, Step

Format = Literal["table", "markdown", "csv", "json"]
Sort = Literal["rung", "accuracy", "errors", "time", "parameters"]


def sort_rows(rows: list[Row], by: Sort) -> list[Row]:
    """By rung (the order of the ladder), or with the best, the fewest, the fastest first."""
    keys: dict[str, Any] = {
        "rung": lambda row: row.rung,
        "accuracy": lambda row: -row.accuracy_mean,
        "errors": lambda row: row.errors_mean,
        "time": lambda row: row.train_s_mean,
        "parameters": lambda row: row.parameters,
    }
    return sorted(rows, key=keys[by])


HEADINGS = (
    "rung",
    "what is new",
    "parameters",
    "epochs",
    "n",
    "errors",
    "95 % interval",
    "uncontested",
    "accuracy %",
    "published %",
    "verdict",
    "errors against the rung before",
    "train time",
    "device",
)
LEFT = {"rung", "what is new", "verdict", "device"}
RIGHT = {heading for heading in HEADINGS if heading not in LEFT}


def cells(row: Row) -> list[str]:
    """A row as text, one entry for each heading."""
    return [
        f"+ {row.rung}" if row.variant_of else row.rung,
        row.title + (" (transductive)" if row.transductive else ""),
        times(row.members, f"{row.parameters:,}"),
        times(row.members, str(row.epochs)),
        str(row.n),
        _number(row.errors_mean, row.errors_sd, 1 if row.n > 1 else 0) + _of(row),
        _interval(row.errors_interval, row.errors_mean) + ("*" if row.n == 1 else ""),
        "-" if row.uncontested_mean is None else f"{row.uncontested_mean:.1f}",
        _number(row.accuracy_mean, row.accuracy_sd, 3 if row.n > 1 else 2),
        "-" if row.published_accuracy is None else f"{row.published_accuracy:.2f}",
        row.verdict or "-",
        step_text(row.step) + _from(row) if row.step else "-",
        duration(row.train_s_mean),
        row.device,
    ]


def _of(row: Row) -> str:
    """Of how many test images, where it is not all of MNIST's."""
    return "" if row.test_images == 10_000 else f" of {row.test_images:,}"


def _from(row: Row) -> str:
    """Which rung a step starts from, where that is not the one above."""
    ladder = shipped_names()
    if row.step is None or row.variant_of or row.name == ladder[0]:
        return ""
    is_direct = row.step.rung == ladder[ladder.index(row.name) - 1]
    return "" if is_direct else f" (from {row.step.rung})"


def step_text(step: Step) -> str:
    """The change of the mean number of errors, its interval and p; `~` if it may be chance."""
    low, high = step.comparison.interval
    change = _interval((0 - high, 0 - low), step.comparison.fewer)
    sign = "" if step.is_significant else "~ "
    return f"{sign}{0 - step.comparison.fewer:+.1f} [{change}], p {p_text(step.p)}{_few(step)}"


def _few(step: Step) -> str:
    return "" if step.comparison.covers_seeds else ", 1 seed"


def comparison_text(about: dict[str, Any]) -> str:
    """What `compare` found, in three lines."""
    (n_before, n_after), (before, after) = about["n"], about["errors"]
    sign, word = (1, "fewer") if about["fewer"] >= 0 else (-1, "more")
    low, high = sorted(sign * limit for limit in about["interval"])
    lines = [
        f"{about['before']}: {before:.1f} errors of {about['images']:,} (n={n_before}); "
        f"{about['after']}: {after:.1f} (n={n_after})",
        f"{about['after']} makes {abs(about['fewer']):.1f} errors {word}, 95 % interval "
        f"{low:+.1f} to {high:+.1f}; p {p_text(about['p'])} "
        f"({', '.join(f'{name} {p_text(p)}' for name, p in about['tests'].items())})",
    ]
    lines.append(_conclusion(about["p"] < 1 - statistics.LEVEL, min(n_before, n_after)))
    if about["seeds_needed"]:
        lines[-1] += (
            f" For a true difference of this size, {about['seeds_needed']} seeds each "
            "would show it 4 times in 5."
        )
    return "\n".join(lines)


def _conclusion(is_shown: bool, seeds: int) -> str:
    if not is_shown:
        return "~ No difference is shown."
    if seeds == 1:
        return "~ These networks differ; whether the rungs do, one seed cannot say."
    return "The difference is shown."


def p_text(p: float) -> str:
    """A p value with as many digits as say something."""
    return f"= {p:.3f}" if p >= 0.001 else "< 0.001"


def _interval(interval: statistics.Interval, size: float) -> str:
    digits = 0 if abs(size) >= 100 else 1
    return " to ".join(f"{value:.{digits}f}" for value in interval)


def times(members: int, text: str) -> str:
    """What one network has, for a rung of several."""
    return f"{members} x {text}" if members > 1 else text


def _number(mean: float, deviation: float | None, digits: int) -> str:
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


def notes(rows: list[Row]) -> list[str]:
    """What a reader must know of the numbers above."""
    where = sorted({f"{row.device} ({row.device_name})" for row in rows})
    first, last = min(row.ended for row in rows)[:10], max(row.ended for row in rows)[:10]
    lines = [
        "Last epoch of every stored seed; ± is the standard deviation over n seeds. Errors count "
        "test images; train time is summed over a rung's networks and excludes evaluation.",
        "The interval is that of the mean, Student's t over seeds; `*`: of one draw, exact "
        "binomial. Verdict: whether it covers the published figure. Uncontested: errors without "
        f"the {len(contested.ids())} images whose label people contest.",
        "`~`: no difference shown. p is the larger of a permutation test over images and Welch's "
        "over seeds, after Holm over all steps; one seed (McNemar's test) cannot show a step. A "
        "variant (`+`) is compared with its rung.",
        f"Measured on {', '.join(where)}, {first if first == last else f'{first} to {last}'}.",
    ]
    if any(row.transductive for row in rows):
        lines.append("Transductive: saw the test images, without their labels, while training.")
    if others := sorted({row.data for row in rows} - {"mnist"}):
        lines.append(f"Some rows are of other data than MNIST: {', '.join(others)}.")
    return lines + [
        f"{row.rung}: {row.verdict}; {'; '.join(reasons)}."
        for row in rows
        if row.verdict not in (None, "reproduced") and (reasons := _reasons(row))
    ]


def _reasons(row: Row) -> list[str]:
    """Why the published figure may not be ours."""
    remarks = [row.published_remark] if row.published_remark else []
    chance = "a single run, as that one was, may be so far from our mean by chance"
    return remarks + [chance] * row.may_be_one_run


def histograms(rows: list[Row]) -> list[str]:
    """A bar of errors for each seed of the rungs where digit classes die."""
    lines = []
    for row in rows:
        if not any(row.dead_classes) or row.n == 1:
            continue
        lines.append(f"{row.rung}: errors and dead classes of each seed")
        for seed, errors, dead in sorted(
            zip(row.seeds, row.errors, row.dead_classes, strict=True), key=lambda each: each[1]
        ):
            bar = "█" * round(40 * errors / row.test_images)
            lines.append(f"  seed {seed:<3} {errors:>6,}  {bar} {dead} dead")
    return lines


def markdown(rows: list[Row]) -> str:
    """A Markdown table and its notes."""
    rule = ["---:" if heading in RIGHT else "---" for heading in HEADINGS]
    lines = [list(HEADINGS), rule, *(cells(row) for row in rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    bars = histograms(rows)
    block = "\n```text\n" + "\n".join(bars) + "\n```\n" if bars else ""
    return table + "\n\n" + "\n".join(f"- {note}" for note in notes(rows)) + "\n" + block


def plain(row: Row) -> dict[str, Any]:
    """A row as JSON data; times in seconds, accuracies in percent, changes as errors fewer."""
    fields = {name: getattr(row, name) for name in row.__dataclass_fields__ if name != "step"}
    difference = None if row.difference is None else round(row.difference, 6)
    return {**fields, "difference": difference, "verdict": row.verdict, **_plain_step(row.step)}


def _plain_step(step: Step | None) -> dict[str, Any]:
    if step is None:
        return dict.fromkeys(("before", "fewer", "fewer_interval", "p", "tests", "seeds_needed"))
    found = step.comparison
    return {
        "before": step.rung,
        "fewer": found.fewer,
        "fewer_interval": found.interval,
        "p": step.p,
        "tests": found.tests,
        "seeds_needed": found.seeds_needed,
    }


def to_json(rows: list[Row]) -> str:
    """A list of rows."""
    return json.dumps([plain(row) for row in rows], indent=1) + "\n"


def to_csv(rows: list[Row]) -> str:
    """A line of headings, then one line for each row."""
    text = io.StringIO()
    names = list(plain(rows[0])) if rows else ["rung"]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _csv_value(value) for name, value in plain(row).items()})
    return text.getvalue()


def _csv_value(value: Any) -> Any:
    if isinstance(value, dict):
        return " ".join(f"{name}={number}" for name, number in value.items())
    return " ".join(map(str, value)) if isinstance(value, tuple) else value
