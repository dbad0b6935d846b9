"""Rows -> Markdown, CSV or JSON, with every column. It neither prints nor reads files."""

import csv
import io
import json
from dataclasses import replace
from typing import Any, Literal

from mnistladder.report.notes import histograms, notes
from mnistladder.report.steps import ControlledStep, Step
from mnistladder.report.summary import Row
from mnistladder.report.tables import COLUMNS, cells

Format = Literal["table", "markdown", "csv", "json"]


MEANT = str.maketrans({sign: f"\\{sign}" for sign in "\\`|[]<>*"} | {"&": "&amp;"})
FORMULA = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001 - spreadsheets read the wide ones, too


def literal(row: Row) -> Row:
    """A row whose texts of records Markdown shows as they are: no links, no HTML, no new cells."""
    texts = ("rung", "title", "published_remark", "device", "device_name", "data")
    given = {name: getattr(row, name) for name in texts}
    return replace(row, **{name: text and text.translate(MEANT) for name, text in given.items()})


def markdown(rows: list[Row]) -> str:
    """A Markdown table and its notes."""
    bars, rows = histograms(rows), list(map(literal, rows))
    headings = [column.heading for column in COLUMNS]
    rule = ["---:" if column.align == "right" else "---" for column in COLUMNS]
    lines = [headings, rule, *(cells(row) for row in rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    block = "\n```text\n" + "\n".join(bars) + "\n```\n" if bars else ""
    return table + "\n\n" + "\n".join(f"- {note}" for note in notes(rows)) + "\n" + block


def plain(row: Row) -> dict[str, Any]:
    """A row as JSON data; times in seconds, accuracies in percent, steps in errors."""
    fields = {name: getattr(row, name) for name in row.__dataclass_fields__ if name != "step"}
    difference = None if row.difference is None else round(row.difference, 6)
    step = row.step and _plain_step(row.step)
    return {**fields, "difference": difference, "verdict": row.verdict, "step": step}


STEP_FIELDS = (
    "before",
    "difference",
    "interval",
    "p",
    "p_holm",
    "tests",
    "seeds_needed",
    "confounded_by",
    "control",
)


def _plain_step(step: Step) -> dict[str, Any]:
    comparison = step.comparison
    values = (
        step.rung,
        comparison.difference,
        comparison.interval,
        comparison.p,
        step.p_holm,
        comparison.tests,
        comparison.seeds_needed,
        list(step.confounded_by),
        step.control and _plain_control(step.control),
    )
    return dict(zip(STEP_FIELDS, values, strict=True))


def _plain_control(control: ControlledStep) -> dict[str, Any]:
    comparison = control.comparison
    return {
        "before": control.before,
        "after": control.after,
        "difference": comparison.difference,
        "interval": list(comparison.interval),
        "p": comparison.p,
    }


def to_json(rows: list[Row]) -> str:
    """A list of rows."""
    return json.dumps([plain(row) for row in rows], indent=1) + "\n"


def to_csv(rows: list[Row]) -> str:
    """A line of headings, then one line for each row; a step is spread over several columns."""
    text = io.StringIO()
    names = list(_flat(rows[0])) if rows else ["rung"]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _csv_value(value) for name, value in _flat(row).items()})
    return text.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    fields = plain(row)
    step = fields.pop("step") or dict.fromkeys(STEP_FIELDS)
    return {**fields, **{f"step_{name}": value for name, value in step.items()}}


def _csv_value(value: Any) -> Any:
    """A value in a cell; a spreadsheet takes a text that begins with these signs for a formula."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    if isinstance(value, dict):
        return " ".join(f"{name}={number}" for name, number in value.items())
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return " ".join(map(str, value)) if isinstance(value, tuple) else value
