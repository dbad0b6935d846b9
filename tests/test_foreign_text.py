"""Text of stored files that a stranger chose: what each kind of output makes of it."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from commands import call
from record_data import result

from mnistladder import sealed
from mnistladder.config.validate import check
from mnistladder.errors import CorruptError, one_line, printable
from mnistladder.report import charts, digit_sheets, formats, page, style
from mnistladder.report.summary import make_rows
from mnistladder.runs import results
from mnistladder.runs.records import ResultRecord

BOARD = Path(__file__).parents[1] / "results"
OBEYED = "\x1b[2J\x07red\x9b31m \u202egnp.exe\r\nsecond\tline\u2028end"
FORMULA = "=HYPERLINK(A1)"
TITLE = f"{OBEYED} | `code` [link](//x) <script>alert(1)</script> $\\frac{{1}}{{2}}$"
TEXTS = {
    "title": TITLE,
    "overrides": ["a|b=`c`\n# heading", "$x^2$"],
    "published_remark": f"{FORMULA}\x1b]0;title\x07",
    "device_name": "=1+1\x1b[31m",
    "data": {"name": "=cmd|\u202e\n[x](//y)", "sha256": "m"},
}


@pytest.fixture
def row():
    return make_rows([result(**TEXTS)])[0]


@pytest.fixture
def forged(tmp_path):
    """A runs folder with a stored result whose hash fits, and whose texts are a stranger's."""
    name = "model02_normalized"
    runs = tmp_path / "runs"
    shutil.copytree(BOARD / "results" / name, runs / "results" / name)
    for path in results.result_paths(runs):
        content = sealed.unseal(path.read_bytes(), "")
        config = {**content["config"], "title": TITLE[20:90].replace("\n", " ")}
        texts = {key: text for key, text in TEXTS.items() if key != "overrides"}
        forged = {**content, **texts, "config": config, "data": {**content["data"], "name": "\x1b"}}
        path.write_bytes(sealed.seal(forged))
    return runs


def test_text_is_one_line_without_what_a_terminal_obeys():
    assert one_line(OBEYED).isprintable()
    assert "\u202e" not in printable(OBEYED)
    assert printable("line 1\nline 2") == "line 1\nline 2"
    plain = "± █ é 数字 | ` $"
    assert one_line(plain) == plain
    assert one_line("a\u00a0b") == "a b"


def test_every_text_of_a_record_is_cleaned_where_it_enters():
    record = result(**TEXTS, more={"text\x1b": ["\x1b[2J"]})
    text = json.dumps(record.plain(), ensure_ascii=False)
    assert text.isprintable()
    assert "�" in text  # the twin: it is marked, not dropped


def test_endless_nesting_is_damage():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(CorruptError, match="nested too deeply"):
        ResultRecord.parse({"more": deep}, "file")


def test_title_of_a_config_shows_what_it_hides():
    layers = ["flatten", {"dense": {"out": 10}}]
    data = {"title": "a\u202eb", "model": layers, "phases": [{"epochs": 1, "lr": 0.1}]}
    config, mistakes = check(data)
    assert not mistakes
    assert config.title == "a�b"
    _, mistakes = check({**data, "title": "a\x1bb"})
    assert "control characters" in mistakes[0].message


def test_terminal_gets_nothing_to_obey(forged, tmp_path):
    for command in ("report", "leaderboard", "list"):
        for options in ([], ["--wide"]) if command == "report" else ([],):
            done = call(command, *options, "--runs-dir", forged, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            assert all(line.isprintable() for line in done.stdout.splitlines())
    done = call(
        "compare", "model02_normalized", "model02_normalized", "--runs-dir", forged, cwd="."
    )
    assert done.stderr.isprintable()


def test_markdown_has_no_new_cell_link_code_or_html(row):
    text = formats.markdown([row])
    heading, _, line, *rest = text.split("\n")
    bare = line.replace("\\|", "")
    assert bare.count("|") == heading.count("|")
    assert rest[0] == ""
    assert "`" not in line.replace("\\`", "")
    unescaped = text.replace("\\[", "").replace("\\<", "")
    assert not [mark for mark in ("<script", "[x](", "[link](") if mark in unescaped]


def test_spreadsheet_gets_no_formula(row):
    [line] = csv.DictReader(io.StringIO(formats.to_csv([row])))
    assert line["device_name"].startswith("'=1+1")
    assert line["data"].startswith("'=cmd")
    assert line["published_remark"] == ""  # with overrides it is not this config's
    assert not [text for text in line.values() if text.startswith(("=", "+", "@"))]
    assert float(line["errors_mean"]) == row.errors_mean


def test_page_has_no_element_of_a_stranger(forged):
    text = page.render(list(results.all_results(forged)), {})
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert "\x1b" not in text


def test_figures_show_dollars_as_they_are(row, tmp_path):
    figures = {"ladder": charts.ladder([row]), "sheet": digit_sheets.sheet([], "$x^2$")}
    for name, figure in figures.items():
        path = tmp_path / f"{name}.svg"
        style.save(figure, path)
        assert "$x^2$" in path.read_text()


def test_formula_of_a_stranger_is_no_error_of_matplotlib(tmp_path):
    style.save(digit_sheets.sheet([], r"$\frac{1}$ $"), tmp_path / "sheet.svg")
    assert r"$\frac{1}$ $" in (tmp_path / "sheet.svg").read_text()
