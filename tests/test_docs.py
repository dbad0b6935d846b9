"""Documents that can go stale are checked: generated blocks, commands, links, the package list."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import small
import torch

from mnistladder.cli import app
from mnistladder.config import spec
from mnistladder.config.spec import Phase, Ramp
from mnistladder.ladder.trainer import Trainer
from mnistladder.runs.stage_store import StageStore

TOP = Path(__file__).parents[1]
DOCS = TOP / "docs"
README = (TOP / "README.md").read_text()
CONTRIBUTING = (TOP / "CONTRIBUTING.md").read_text()
USER_DOCUMENTS = [TOP / "README.md", *sorted(DOCS.glob("*.md"))]
USER_TEXT = "\n".join(path.read_text() for path in USER_DOCUMENTS)
PROGRAMS = (DOCS / "programs.md").read_text()
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(text):
    """The anchors that GitHub gives the headings of a Markdown text."""
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#+ (.*)$", without_code, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def dead_links(path):
    """The relative links of a document that lead nowhere."""
    for link in LINK.findall(path.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            yield link


def test_generated_parts_are_current():
    done = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command", [c.name or c.callback.__name__ for c in app.registered_commands]
)
def test_every_command_has_help_and_is_in_the_documents(command):
    registered = {c.name or c.callback.__name__: c.callback for c in app.registered_commands}
    assert registered[command].__doc__
    assert f"mnistladder {command}" in USER_TEXT


def test_every_option_in_the_documents_exists():
    known = {"--help", "--gpus", "--rm", "--logdir", "--thorough"}  # some are other programs'
    for path in (TOP / "src/mnistladder/cli").glob("*.py"):
        known |= set(re.findall(r"\"(--[a-z-]+)\"", path.read_text()))
    known |= {"--seed", "--install-completion"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", USER_TEXT)) <= known


def test_readme_is_short():
    assert len(README.splitlines()) <= 180


def test_readme_lists_every_document():
    index = (DOCS / "README.md").read_text()
    for path in DOCS.glob("*.md"):
        assert path.name == "README.md" or f"(docs/{path.name})" in README
        assert path.name == "README.md" or f"({path.name})" in index


@pytest.mark.parametrize(
    "path", [*TOP.glob("*.md"), *DOCS.glob("*.md")], ids=lambda path: path.stem
)
def test_links_between_documents_lead_somewhere(path):
    assert [*dead_links(path)] == []


def test_dead_links_are_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b`: c\n[1](gone.md) [2](#a-b-c) [3](#d) [4](page.md#a-b-c) [5](page.md#e)\n"
    )
    assert [*dead_links(page)] == ["gone.md", "#d", "page.md#e"]


def test_package_list_names_every_package_and_nothing_else():
    section = CONTRIBUTING.split("src/mnistladder/\n")[1].split("```")[0]
    folders = {path.parent.name for path in (TOP / "src/mnistladder").glob("*/__init__.py")}
    assert set(re.findall(r"^  (\w+)/ ", section, re.MULTILINE)) == folders


def test_package_list_names_the_modules_that_all_may_use():
    [line] = re.findall(r"^  \*\.py +(.*)$", CONTRIBUTING, re.MULTILINE)
    modules = {path.stem for path in (TOP / "src/mnistladder").glob("[!_]*.py")}
    assert modules <= set(re.findall(r"\w+", line))


def paths_named(text):
    """The source files, as `package/module.py`, that a text names."""
    return set(re.findall(r"`(\w+/[\w/]+\.(?:py|yaml|json|jinja))`", text))


def test_files_that_contributing_names_exist():
    source = TOP / "src" / "mnistladder"
    named = paths_named(CONTRIBUTING)
    assert len(named) > 20
    missing = [p for p in sorted(named) if not ((source / p).exists() or (TOP / p).exists())]
    assert missing == []


def test_no_document_names_an_exit_code_that_does_not_exist():
    from mnistladder.errors import ExitCode

    table = PROGRAMS.split("| exit code |")[1].split("\n\n")[0]
    codes = {
        int(n) for line in table.splitlines()[2:] for n in re.findall(r"\d+", line.split("|")[1])
    }
    assert codes == {int(code) for code in ExitCode}


def test_fields_of_a_history_row_are_those_in_the_document(tmp_path, source):
    section = PROGRAMS.split("## Histories")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    ramp = Ramp(**{"from": 1e-2}, to=1e-3, per="step")
    config = small.tiny(phases=(*small.phases(1), Phase(epochs=1, lr=ramp)))
    stage = small.first_stage(config, source)
    Trainer(StageStore(tmp_path), torch.device("cpu"), lambda event: None).train([stage])
    for row in StageStore(tmp_path).history(stage.key):
        assert {*row.plain()} == {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
        assert row.images == 512
    assert (row.epoch, row.phase) == (2, 1)
    assert row.lr[0] > row.lr[1]


MATRIX = (TOP / "docs" / "reliability.md").read_text()
ROWS = {"A": 23, "B": 26, "C": 10, "D": 23, "E": 9, "F": 8, "G": 16, "H": 12, "I": 7, "J": 8}


def named_rows():
    """The rows of the fault matrix that the document has, ranges written out."""
    for first in re.findall(r"^\| ([A-J]\d[^|]*) \|", MATRIX, re.MULTILINE):
        for part in first.split(", "):
            letter, (low, _, high) = part[0], part.replace(part[0], "").partition("-")
            yield from (f"{letter}{number}" for number in range(int(low), int(high or low) + 1))


def test_every_row_of_the_fault_matrix_is_held_by_a_test_or_excused():
    assert sorted(named_rows()) == sorted(
        f"{letter}{number}" for letter, count in ROWS.items() for number in range(1, count + 1)
    )
    lines = [line for line in MATRIX.splitlines() if re.match(r"\| [A-J]\d", line)]
    assert all("`test_" in line or "| no test" in line for line in lines)


def test_tests_that_the_reliability_document_names_exist():
    tests = "".join(path.read_text() for path in (TOP / "tests").glob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", MATRIX))
    assert len(named) > 50
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []


def test_every_key_of_a_config_is_in_its_document_and_in_the_template():
    sections = [spec.Config, spec.Phase, spec.Augment, spec.Average]
    keys = {name for section in sections for name in section.model_fields}
    written = (TOP / "docs" / "config.md").read_text()
    assert [
        key for key in sorted(keys) if f"`{key}`" not in written and f"`{key}:" not in written
    ] == []
    template = (TOP / "src/mnistladder/config/template.yaml").read_text()
    own = keys - {"new_stage", "pseudo_per_batch", "published", "expect"}
    assert [key for key in sorted(own) if f"{key}:" not in template] == []
