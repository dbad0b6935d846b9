"""Leaderboard -> rows -> Markdown, CSV, JSON or cells. It neither prints nor reads files."""

import csv
import io
import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from mnistladder.records import Record

Format = Literal["table", "markdown", "csv", "json"]
Sort = Literal["rung", "accuracy", "errors", "time", "parameters"]


@dataclass(frozen=True)
class Row:
    """All results of one rung and one config on one data set, aggregated."""

    rung: str
    title: str
    n: int
    seeds: tuple[int, ...]
    members: int
    parameters: int
    epochs: int
    errors_mean: float
    errors_sd: float | None  # None for a single seed
    accuracy_mean: float
    accuracy_sd: float | None
    published_accuracy: float | None
    train_s_mean: float
    device: str
    device_name: str
    data: str
    transductive: bool
    config_sha256: str
    ended: str

    @property
    def difference(self) -> float | None:
        """Points of accuracy above the published figure."""
        if self.published_accuracy is None:
            return None
        return self.accuracy_mean - self.published_accuracy


def make_rows(results: Iterable[Record]) -> list[Row]:
    """One row for each rung as configured, in order of name; every stored seed counts."""

    def identity(record: Record) -> list[str]:
        return [record["rung"], record["data"]["sha256"], record["config_sha256"]]

    ordered = sorted(results, key=lambda record: [*identity(record), record["seed"]])
    return [_row(list(group)) for _, group in groupby(ordered, identity)]


def _row(results: list[Record]) -> Row:
    last = results[-1]
    errors = [record["errors"] for record in results]
    accuracies = [record["accuracy"] for record in results]
    return Row(
        rung=_label(last),
        title=last["title"],
        n=len(results),
        seeds=tuple(record["seed"] for record in results),
        members=last["members"],
        parameters=last["parameters"],
        epochs=last["epochs"],
        errors_mean=statistics.fmean(errors),
        errors_sd=_deviation(errors),
        accuracy_mean=round(statistics.fmean(accuracies), 6),
        accuracy_sd=_deviation(accuracies),
        published_accuracy=last["published_accuracy"],
        train_s_mean=round(statistics.fmean(record["train_s"] for record in results), 3),
        device="+".join(sorted({record["device"] for record in results})),
        device_name=last["device_name"],
        data=last["data"]["name"],
        transductive=last["transductive"],
        config_sha256=last["config_sha256"],
        ended=max(record["ended"] for record in results),
    )


def _label(record: Record) -> str:
    """The rung's name, with the overrides it was trained with and the data if it is not MNIST."""
    data = record["data"]["name"]
    return " ".join(
        [record["rung"], *record["overrides"], *([f"[{data}]"] if data != "mnist" else [])]
    )


def _deviation(values: Sequence[float]) -> float | None:
    return round(statistics.stdev(values), 6) if len(values) > 1 else None


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
    "rung", "what is new", "parameters", "epochs", "n", "errors", "accuracy %",
    "published %", "difference", "train time", "device",
)  # fmt: skip
RIGHT = {"parameters", "epochs", "n", "errors", "accuracy %", "published %", "difference",
         "train time"}  # fmt: skip


def cells(row: Row) -> list[str]:
    """A row as text, one entry for each heading."""
    return [
        row.rung,
        row.title + (" (transductive)" if row.transductive else ""),
        times(row.members, f"{row.parameters:,}"),
        times(row.members, str(row.epochs)),
        str(row.n),
        _number(row.errors_mean, row.errors_sd, 1 if row.n > 1 else 0),
        _number(row.accuracy_mean, row.accuracy_sd, 3 if row.n > 1 else 2),
        "-" if row.published_accuracy is None else f"{row.published_accuracy:.2f}",
        "-" if row.difference is None else f"{row.difference:+.2f}",
        duration(row.train_s_mean),
        row.device,
    ]


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
        f"Measured on {', '.join(where)}, {first if first == last else f'{first} to {last}'}.",
    ]
    if any(row.transductive for row in rows):
        lines.append("Transductive: saw the test images, without their labels, while training.")
    if others := sorted({row.data for row in rows} - {"mnist"}):
        lines.append(f"Some rows are of other data than MNIST: {', '.join(others)}.")
    return lines


def markdown(rows: list[Row]) -> str:
    """A Markdown table and its notes."""
    rule = ["---:" if heading in RIGHT else "---" for heading in HEADINGS]
    lines = [list(HEADINGS), rule, *(cells(row) for row in rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return table + "\n\n" + "\n".join(notes(rows)) + "\n"


def plain(row: Row) -> dict[str, Any]:
    """A row as JSON data; times in seconds, accuracies in percent."""
    fields = {name: getattr(row, name) for name in row.__dataclass_fields__}
    difference = None if row.difference is None else round(row.difference, 6)
    return {**fields, "seeds": list(row.seeds), "difference": difference}


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
        data = plain(row)
        writer.writerow({**data, "seeds": " ".join(map(str, data["seeds"]))})
    return text.getvalue()
