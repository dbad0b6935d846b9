"""Rows -> Markdown, CSV or JSON, with every column. It neither prints nor reads files."""

import csv
import io
import json
from typing import Any, Literal

from mnistladder.report.notes import histograms, notes
from mnistladder.report.steps import Step
from mnistladder.report.summary import Row
from mnistladder.report.tables import COLUMNS, cells

Format = Literal["table", "markdown", "csv", "json"]


def markdown(rows: list[Row]) -> str:
    """A Markdown table and its notes."""
    headings = [column.heading for column in COLUMNS]
    rule = ["---:" if column.align == "right" else "---" for column in COLUMNS]
    lines = [headings, rule, *(cells(row) for row in rows)]
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
    comparison = step.comparison
    return {
        "before": step.rung,
        "fewer": comparison.fewer,
        "fewer_interval": comparison.interval,
        "p": step.p,
        "tests": comparison.tests,
        "seeds_needed": comparison.seeds_needed,
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
