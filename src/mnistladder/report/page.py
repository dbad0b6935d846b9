"""The board as one self-contained HTML page: what it says, ready for the template."""

import base64
import io
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mnistladder import __version__
from mnistladder.config import schedule
from mnistladder.config.loading import load_rung, rung_before
from mnistladder.config.spec import Config
from mnistladder.config.validate import recorded_config
from mnistladder.model.shapes import LayerRow, layer_table
from mnistladder.report import charts, curves, gallery, style, tables
from mnistladder.report.config_diff import difference
from mnistladder.report.groups import group
from mnistladder.report.notes import notes
from mnistladder.report.summary import Row, make_rows
from mnistladder.report.techniques import techniques
from mnistladder.runs.predictions import Predictions
from mnistladder.runs.records import ResultRecord

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = Path(__file__).parent
SHOWN = (  # the columns of the board that the page has room for
    "what is new",
    "n",
    "errors",
    "95 % interval",
    "accuracy %",
    "published %",
    "verdict",
    "errors against the rung before",
    "train time",
)


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
    distance: float | None
    records: list[ResultRecord]
    shown: ResultRecord | None = None  # whose predictions the rest is
    confusion: list[list[int]] | None = None
    views: tuple[gallery.View, ...] = ()

    @property
    def most_confused(self) -> int:
        """The largest count of one digit taken for another."""
        counts = np.array(self.confusion)
        return int((counts - np.diag(np.diag(counts))).max())


def render(
    records: Iterable[ResultRecord],
    found: Mapping[str, Predictions],
    rungs: Container[str] | None = None,
) -> str:
    """The page of whole records; `found` has predictions of some of them, by result id.

    With `rungs`, only these are shown; their steps are still those of the whole board, so that
    Holm's correction counts every test. Raises CorruptError.
    """
    sections = make_sections(list(records), found, rungs)
    ladder = [section for section in sections if not section.row.variant_of]
    rows = [section.row for section in sections]
    return template("page.html.jinja").render(
        version=__version__,
        columns=SHOWN,
        right={column.heading for column in tables.COLUMNS if column.align == "right"},
        sections=sections,
        rungs=ladder,
        variants=[section for section in sections if section.row.variant_of],
        ladder=style.inline(
            charts.ladder([section.row for section in ladder]), "ladder", ladder_text(ladder)
        )
        if ladder
        else None,
        notes=notes(rows),
        about_curves=curves.ABOUT,
        outcomes=dict(
            Counter(filter(None, (section.row.verdict for section in ladder))).most_common()
        ),
    )


def template(name: str) -> "Template":
    """A page's template of this folder, ready to render; those of pages extend `base.html.jinja`.

    The base has the style and the script of all pages inside, so that a page is one file.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"png": png, "short": charts.short_name, "duration": tables.duration}
    return environment.get_template(name)


def make_sections(
    records: list[ResultRecord],
    found: Mapping[str, Predictions],
    rungs: Container[str] | None = None,
) -> list[Section]:
    """A section for each row of the board, in its order, each with an anchor of its own.

    With `rungs`, for the rows of these.
    """
    counts = Counter[str]()
    sections = []
    for row, each in zip(make_rows(records), group(records).values(), strict=True):
        if rungs is not None and row.name not in rungs:
            continue
        counts[row.name] += 1
        number = f"-{counts[row.name]}" if counts[row.name] > 1 else ""
        sections.append(_section(f"{row.name}{number}", row, each, found))
    return sections


def _section(
    anchor: str, row: Row, records: list[ResultRecord], found: Mapping[str, Predictions]
) -> Section:
    config = recorded_config(records[-1].config, records[-1].where)
    table = curves.table(records)
    before = rung_before(row.name)
    shown = next((record for record in records if record.result_id in found), None)
    predicted = found[shown.result_id] if shown else None
    return Section(
        anchor=anchor,
        row=row,
        cells={column.heading: column.text(row) for column in tables.COLUMNS},
        technique=techniques().get(row.name),
        before=before,
        difference=difference(load_rung(before).config if before else None, config),
        layers=layer_table(config.model),
        plan=style.inline(
            charts.plan(schedule.epochs(config)), f"plan-{anchor}", _plan_text(config)
        ),
        curves=style.inline(charts.curves(table), f"curves-{anchor}", _curves_text(table)),
        distance=table.distance,
        records=records,
        shown=shown,
        confusion=predicted.confusion.tolist() if predicted else None,
        views=tuple(gallery.views(predicted, 0)) if predicted else (),
    )


def png(pixels: NDArray[np.uint8]) -> str:
    """A digit 28 x 28 as a data address of a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def ladder_text(rungs: list[Section]) -> str:
    """What the ladder's chart shows, in words."""
    each = [
        f"{charts.short_name(section.row.rung)} {100 - section.row.accuracy_mean:.2f} %"
        for section in rungs
    ]
    return f"Test error of each rung, mean over its seeds: {'; '.join(each)}"


def _curves_text(table: curves.CurveTable) -> str:
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
