"""What the report page says, read back from its HTML."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import small

from mnistladder.api import naming
from mnistladder.config.loading import load_rung, shipped_names, variant_names
from mnistladder.data import datasets
from mnistladder.errors import CorruptError
from mnistladder.report import config_diff, page, page_board, rung_section, techniques
from mnistladder.report.charts import short_name
from mnistladder.report.summary import make_rows
from mnistladder.runs import predictions, results

BOARD = Path(__file__).parents[1] / "results"
NAMES = (
    "model09_dropout",
    "model10_augmentation",
    "model11_annealing",
    "model11_annealing_constant",
)


class Reader(HTMLParser):
    """Elements with their attributes, and the cells of each table by its id."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.tables = [], {}
        self.table = self.cell = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.table = self.tables.setdefault(dict(attrs).get("id", len(self.tables)), [])
        elif tag == "tr":
            self.table.append([])
        elif tag in ("td", "th"):
            self.cell = []

    def handle_data(self, data):
        if self.cell is not None:
            self.cell.append(data)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.table[-1].append("".join(self.cell))
            self.cell = None

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def records():
    return [record for record in results.all_results(BOARD) if record.rung in NAMES]


@pytest.fixture(scope="module")
def found(records):
    record = naming.result("model11_annealing", BOARD)
    return {record.result_id: predictions.load(record, BOARD, datasets.find("mnist"))}


@pytest.fixture(scope="module")
def html(records, found):
    return page.render(records, found)


@pytest.fixture(scope="module")
def read(html):
    return Reader(html)


def check_board(read, rows):
    """The tables have the board's rows and numbers."""
    for name, part in (
        ("rungs", [row for row in rows if not row.variant_of]),
        ("variants", [row for row in rows if row.variant_of]),
    ):
        heading, *lines = read.tables[name]
        assert [line[0] for line in lines] == [short_name(row.rung) for row in part]
        for line, row in zip(lines, part, strict=True):
            cells = {column.heading: column.text(row) for column in page_board.COLUMNS}
            assert line[1:] == [cells[column] for column in heading[1:]]


def test_tables_have_the_numbers_of_the_board(read, records):
    check_board(read, make_rows(records))


def test_page_of_some_rungs_has_the_numbers_of_the_whole_board(records):
    wanted = {"model10_augmentation", "model11_annealing_constant"}
    rows = make_rows(records)
    found = Reader(page.render(records, {}, wanted))
    check_board(found, [row for row in rows if row.name in wanted])
    assert {section["id"] for section in found.all("section")} == wanted


def test_page_of_a_variant_alone_has_no_ladder(records):
    found = Reader(page.render(records, {}, {"model11_annealing_constant"}))
    assert "rungs" not in found.tables
    assert len(found.tables["variants"]) == 1 + 1
    assert len(found.all("svg")) == 2


def test_overridden_run_has_its_curves_beside_the_log(records):
    record = records[0].model_copy(update={"overrides": ("batch_size=64",)})
    [section] = rung_section.make_sections([record], {})
    assert section.row.rung == f"{section.row.name} batch_size=64"
    assert "published" in section.curves
    assert section.table.distance is not None


def test_overridden_and_own_rungs_are_in_a_table_of_their_own(records):
    first = records[0]
    changed = {"overrides": ("batch_size=64",), "config_sha256": "b", "result_id": "changed"}
    mine = {"rung": "mine", "config_sha256": "c", "result_id": "mine"}
    edited = {**mine, "config_sha256": "d", "result_id": "edited", "ended": "2026-12-31"}
    own = [first.model_copy(update=update) for update in (changed, mine, edited)]
    read = Reader(page.render([*records, *own], {}))
    names = [line[0] for line in read.tables["own"][1:]]
    assert names[0] == "09 dropout batch_size=64"
    assert len({*names}) == 3
    assert [line[0] for line in read.tables["rungs"][1:]] == [short_name(n) for n in NAMES[:3]]
    [section] = rung_section.make_sections([own[0]], {})
    assert (section.before, section.technique) == (first.rung, None)
    assert section.command == "mnistladder run model09_dropout --set batch_size=64"


def test_what_stands_between_backticks_is_code(html):
    assert page.code("a `*` & <b>") == "a <code>*</code> &amp; &lt;b&gt;"
    text = re.sub(r"<(script|style)>.*?</\1>", "", html, flags=re.DOTALL)
    assert "`" not in text


def test_page_refuses_a_record_without_a_config(records):
    record = records[0].model_copy(update={"config": {"model": []}})
    with pytest.raises(CorruptError, match=r"seed 0 \(.*\): its config is refused"):
        rung_section.make_sections([record], {})


def test_committed_page_is_that_of_the_committed_board():
    """`mnistladder report --runs-dir results --html docs/report.html` makes it."""
    text = (BOARD.parent / "docs" / "report.html").read_text()
    read = Reader(text)
    check_board(read, make_rows(results.all_results(BOARD)))
    assert len(read.tables["rungs"]) == 1 + 13
    assert len(text) < 5_000_000
    trained = {record.rung for record in results.all_results(BOARD)}
    assert {section["id"] for section in read.all("section")} == trained
    assert {*shipped_names()} <= trained <= {*shipped_names(), *variant_names()}
    for name in trained:
        technique = techniques.techniques()[name]
        assert technique.split(". ")[0].replace("&", "&amp;") in text.replace("&#39;", "'")


def test_every_rung_has_its_section_and_every_link_a_target(read):
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(NAMES) <= set(ids)
    links = [a["href"] for a in read.all("a") if "href" in a]
    assert links
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_page_asks_for_nothing_from_outside(read, html):
    for tag, attributes in read.elements:
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), (tag, value)
    assert "url(http" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_pictures_and_charts_say_in_words_what_they_show(read):
    assert len(read.all("img")) > 100
    assert all(image["alt"].startswith("Test image ") for image in read.all("img"))
    labels = [svg["aria-label"] for svg in read.all("svg")]
    assert len(labels) == 3 + 2 * len(NAMES)
    assert all(len(label) > 30 for label in labels)
    assert "11 annealing -33 %" in labels[0]
    assert "11 annealing 0.47 %" in labels[1]


def test_headers_name_their_cells(read):
    headers = read.all("th")
    assert all(header["scope"] in ("col", "row") for header in headers)


def test_section_shows_the_confusion_of_its_stored_predictions(records, found):
    sections = {section.row.name: section for section in rung_section.make_sections(records, found)}
    [prediction] = found.values()
    assert sections["model11_annealing"].confusion == prediction.confusion.tolist()
    assert sections["model11_annealing"].most_confused == 5
    assert len(sections["model11_annealing"].views) == 4
    assert sections["model09_dropout"].confusion is None


def test_difference_to_the_rung_before_is_what_is_new():
    before, after = (load_rung(name).config for name in NAMES[:2])
    changed = [
        line for line in config_diff.difference(before, after) if line[0] in ("added", "removed")
    ]
    assert changed == [
        ("added", "batch_size: 128"),
        ("added", "augment: {rotate_deg: 10.0, shear_deg: 5.73, zoom: 0.1}"),
        ("removed", "  - {epochs: 5, lr: 0.001}"),
        ("added", "  - {epochs: 10, lr: 0.001, augment: true}"),
    ]
    assert {kind for kind, _ in config_diff.difference(None, after)} == {"same"}
    assert config_diff.difference(after, after) == []


def test_variant_is_compared_with_its_rung(records, found):
    before = {
        section.row.name: section.before for section in rung_section.make_sections(records, found)
    }
    assert before["model11_annealing_constant"] == "model11_annealing"
    assert before["model11_annealing"] == "model10_augmentation"


def test_rung_of_ones_own_is_shown_with_its_whole_config(records):
    own = records[0].model_copy(update={"rung": "mine<script>", "title": "<b>Bold & new</b>"})
    [section] = rung_section.make_sections([own], {})
    assert (section.before, section.technique) == (None, None)
    assert ("same", "  - normalize") in section.difference
    text = page.render([own], {})
    assert "<b>" not in text
    assert "&lt;b&gt;Bold &amp; new&lt;/b&gt;" in text
    assert "its predictions are not stored here" in text.lower()


def test_two_configs_of_one_rung_have_anchors_of_their_own(records):
    other = records[0].model_copy(update={"config_sha256": "0" * 64, "result_id": "other"})
    anchors = [section.anchor for section in rung_section.make_sections([records[0], other], {})]
    assert anchors == ["model09_dropout", "model09_dropout-2"]


def test_every_shipped_config_has_its_paragraph_in_our_words():
    texts = techniques.techniques()
    assert texts.keys() == {*shipped_names(), *variant_names()}
    assert all(30 < len(text) < 700 for text in texts.values())


def test_config_reads_as_yaml():
    lines = config_diff.config_lines(small.tiny())
    assert "  - {conv: {out: 6, stride: 2}}" in lines
    assert "  - relu" in lines
