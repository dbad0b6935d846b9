"""The notebook of the lesson, cell by cell, on a few hundred digits; and its questions."""

import json
import re
import shlex
from pathlib import Path

import matplotlib as mpl
import pytest
from commands import call

import mnistladder
from mnistladder.api import calls

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOK = json.loads((DOCS / "lesson.ipynb").read_text())
FILE = re.compile(r"%%writefile (\S+)\n")
QUESTION = re.compile(r"^(?:\| )?(\d+)(?:\. | \| )", re.MULTILINE)


def cells(kind):
    return ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == kind]


@pytest.fixture
def classroom(tmp_path, digits_dir, monkeypatch):
    """An empty folder as the current one, and `run` with a single seed on few digits."""

    def run(config, *, seeds=1, holdout=None, **options):
        part = None if holdout is None else 128
        return calls.run(config, holdout=part, data_dir=digits_dir, **options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNISTLADDER_RUNS", raising=False)
    monkeypatch.setattr(mnistladder, "run", run, raising=False)
    with mpl.rc_context({"backend": "Agg"}):
        yield tmp_path


def test_every_cell_of_the_notebook_works(classroom, digits_dir, capsys):

    def on_digits(text):
        done = call(*shlex.split(text), "--data-dir", digits_dir, cwd=classroom)
        assert done.returncode == 0, (text, done.stderr)

    names = {"on_digits": on_digits}
    for text in cells("code"):
        if written := FILE.match(text):
            (classroom / written[1]).write_text(text[written.end() :])
            continue
        exec(compile(text.replace('command("errors', 'on_digits("errors'), "cell", "exec"), names)
    said = capsys.readouterr().out
    assert said.count("Difference: ") == 8
    assert "model05_conv: Convolutions" in said
    assert {"digits.png", "errors.png", "mine.yaml"} <= {path.name for path in classroom.iterdir()}


def test_notebook_is_stored_as_it_was_written():
    """No outputs, a known format, and an id for each cell, as Jupyter and Colab want it."""
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    for cell in NOTEBOOK["cells"]:
        assert cell["cell_type"] in ("code", "markdown")
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


def test_first_cell_installs_what_is_missing_and_nothing_else(monkeypatch):
    asked = []
    monkeypatch.setattr("subprocess.run", lambda words, check: asked.append(words))
    exec(cells("code")[0], {})
    assert asked == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    exec(cells("code")[0], {})
    assert asked[0][1:4] == ["-m", "pip", "install"]


def test_lesson_worksheet_key_and_notebook_have_the_same_questions():
    numbers = {
        "lesson": QUESTION.findall((DOCS / "lesson.md").read_text()),
        "worksheet": QUESTION.findall((DOCS / "worksheet.md").read_text()),
        "key": QUESTION.findall((DOCS / "lesson-key.md").read_text()),
        "notebook": QUESTION.findall("\n".join(cells("markdown"))),
    }
    for name, found in numbers.items():
        assert found == [str(number) for number in range(1, 18)], name
