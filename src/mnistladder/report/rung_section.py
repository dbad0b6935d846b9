"""The sections of the page: all that it says of each row of the board."""

import shlex
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np

from mnistladder.config import schedule
from mnistladder.config.loading import load_rung, rung_before, shipped_names, variant_names
from mnistladder.config.spec import Config
from mnistladder.config.validate import recorded_config
from mnistladder.model.shapes import LayerRow, layer_table
from mnistladder.report import charts, curves, gallery, style, tables
from mnistladder.report.config_diff import difference
from mnistladder.report.curves import CurveTable
from mnistladder.report.groups import group
from mnistladder.report.summary import Row, make_rows
from mnistladder.report.techniques import techniques
from mnistladder.runs.predictions import Predictions
from mnistladder.runs.records import ResultRecord


@dataclass(frozen=True)
class Section:
    """All that the page says of one row of the board; `plan` and `curves` are SVG elements."""

    anchor: str
    row: Row
    cells: dict[str, str]
    technique: str | None
    before: str | None
    difference: list[tuple[str, str]]  # added, removed or same; the line
    layers: list[LayerRow]
    plan: str
    curves: str
    table: CurveTable
    records: list[ResultRecord]
    command: str | None  # that makes these results again; None where the config is no more
    shown: ResultRecord | None = None  # whose predictions the rest is
    confusion: list[list[int]] | None = None
    views: tuple[gallery.View, ...] = ()

    @property
    def is_shipped(self) -> bool:
        """Whether it is a rung or a variant as shipped, on MNIST."""
        return self.row.rung in (*shipped_names(), *variant_names())

    @property
    def most_confused(self) -> int:
        """The largest count of one digit taken for another."""
        counts = np.array(self.confusion)
        return int((counts - np.diag(np.diag(counts))).max())


def make_sections(
    records: list[ResultRecord],
    found: Mapping[str, Predictions],
    rungs: Container[str] | None = None,
) -> list[Section]:
    """A section for each row of the board, in its order, each with an anchor of its own.

    With `rungs`, for the rows of these. Raises CorruptError.
    """
    counts = Counter[str]()
    sections = []
    for row, alike in zip(make_rows(records), group(records).values(), strict=True):
        if rungs is not None and row.name not in rungs:
            continue
        counts[row.name] += 1
        number = f"-{counts[row.name]}" if counts[row.name] > 1 else ""
        sections.append(_section(f"{row.name}{number}", row, alike, found))
    return sections


def _section(
    anchor: str, row: Row, records: list[ResultRecord], found: Mapping[str, Predictions]
) -> Section:
    config = recorded_config(records[-1].config, records[-1].where)
    table = curves.table(records)
    before = _before(row, records[-1])
    shown = next((record for record in records if record.result_id in found), None)
    predicted = found[shown.result_id] if shown else None
    return Section(
        anchor=anchor,
        row=row,
        cells={column.heading: column.text(row) for column in tables.COLUMNS},
        technique=None if records[-1].overrides else techniques().get(row.name),
        before=before,
        difference=difference(load_rung(before).config if before else None, config),
        layers=layer_table(config.model),
        plan=style.inline(
            charts.plan(schedule.epochs(config)), f"plan-{anchor}", _plan_text(config)
        ),
        curves=style.inline(charts.curves(table), f"curves-{anchor}", _curves_text(table)),
        table=table,
        records=records,
        command=_command(row, records[-1]),
        shown=shown,
        confusion=predicted.confusion.tolist() if predicted else None,
        views=tuple(gallery.views(predicted, 0)) if predicted else (),
    )


def _before(row: Row, record: ResultRecord) -> str | None:
    """The config that a row's is compared with: the rung before, a variant's rung, or none.

    One with overrides is compared with its own config without them.
    """
    if record.overrides and row.name in (*shipped_names(), *variant_names()):
        return row.name
    return rung_before(row.name)


def _command(row: Row, record: ResultRecord) -> str | None:
    if "[" in row.rung and not row.holdout:
        return None  # other data, another engine or an earlier config
    changes = [word for change in record.overrides for word in ("--set", change)]
    holdout = ["--holdout", str(row.holdout)] if row.holdout else []
    seeds = ["--seeds", str(row.n)] if row.n > 1 else []
    return shlex.join(["mnistladder", "run", row.name, *changes, *holdout, *seeds])


def _curves_text(table: CurveTable) -> str:
    last = table.epochs[-1]
    return (
        f"Training loss and test error over {last.epoch} epochs; after the last one the loss is "
        f"{last.loss:.4f} and the accuracy {last.test_accuracy:.2f} %"
    )


def _plan_text(config: Config) -> str:
    return "Learning rate: " + "; ".join(
        f"{phase.epochs} epochs at {schedule.rate_text(phase)}"
        + (", augmented" if phase.augment else "")
        for phase in config.phases
    )
