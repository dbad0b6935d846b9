"""The board as one self-contained HTML page: what it says, ready for the template."""

import base64
import io
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from mnistladder import __version__
from mnistladder.report import charts, curves, steps_chart, style, tables
from mnistladder.report.first_right import Digit, first_right
from mnistladder.report.notes import notes
from mnistladder.report.page_board import COLUMNS
from mnistladder.report.rung_section import Section, make_sections
from mnistladder.runs.predictions import Predictions
from mnistladder.runs.records import ResultRecord

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = Path(__file__).parent
OF_LADDER = ("published %", "verdict")  # columns that only the ladder has


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
    own = [section for section in sections if not section.is_shipped]
    ladder = [each for each in sections if each.is_shipped and not each.row.variant_of]
    variants = [each for each in sections if each.is_shipped and each.row.variant_of]
    return template("page.html.jinja").render(
        version=__version__,
        columns=COLUMNS,
        others=[column for column in COLUMNS if column.heading not in OF_LADDER],
        sections=[*ladder, *variants, *own],
        rungs=ladder,
        variants=variants,
        own=own,
        steps=_steps(sections),
        ladder=_ladder([*ladder, *own]),
        all_curves=_all_curves(ladder),
        digits=_digits(ladder, found),
        notes=notes([section.row for section in sections]),
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
    environment.filters |= {
        "png": png,
        "short": charts.short_name,
        "duration": tables.duration,
        "code": code,
    }
    return environment.get_template(name)


def code(text: str) -> Markup:
    """Text for HTML; what stands between two backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


def png(pixels: NDArray[np.uint8]) -> str:
    """A digit 28 x 28 as a data address of a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _steps(sections: Sequence[Section]) -> str | None:
    bars = steps_chart.step_bars([section.row for section in sections])
    if not bars:
        return None
    each = [f"{charts.short_name(bar.rung)} {bar.change.percent:+.0f} %" for bar in bars]
    text = f"Change of the errors from each rung to the next: {'; '.join(each)}"
    return style.inline(steps_chart.steps(bars), "steps", text)


def _ladder(shown: Sequence[Section]) -> str | None:
    if not shown:
        return None
    rows = [section.row for section in shown]
    each = [f"{charts.short_name(row.rung)} {100 - row.accuracy_mean:.2f} %" for row in rows]
    text = f"Test error of each rung, mean over its seeds: {'; '.join(each)}"
    return style.inline(charts.ladder(rows), "ladder", text)


def _all_curves(ladder: Sequence[Section]) -> str | None:
    if len(ladder) < 2:
        return None
    each = [
        f"{charts.short_name(section.row.rung)} {100 - last.test_accuracy:.2f} % "
        f"after {last.epoch} epochs"
        for section in ladder
        for last in section.table.epochs[-1:]
    ]
    text = f"Test error of each rung after each epoch: {'; '.join(each)}"
    chart = charts.all_curves([section.table for section in ladder])
    return style.inline(chart, "all-curves", text)


def _digits(ladder: Sequence[Section], found: Mapping[str, Predictions]) -> list[Digit]:
    """The digits that tell the rungs apart, where the predictions of all rungs are stored."""
    stored = [found[section.shown.result_id] for section in ladder if section.shown]
    return first_right(stored) if len(stored) == len(ladder) else []
