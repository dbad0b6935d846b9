"""Documents that can go stale are checked: generated blocks, commands, the file map."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import small
import torch

from mnistladder.cli import app
from mnistladder.config.spec import Phase, Ramp
from mnistladder.ladder.trainer import Trainer
from mnistladder.runs.stage_store import StageStore

TOP = Path(__file__).parents[1]
README = (TOP / "README.md").read_text()


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
def test_every_command_has_help_and_is_in_the_readme(command):
    registered = {c.name or c.callback.__name__: c.callback for c in app.registered_commands}
    assert registered[command].__doc__
    assert f"mnistladder {command}" in README


def test_every_option_in_the_readme_exists():
    known = {"--help", "--gpus", "--rm", "--logdir"}  # some are docker's and TensorBoard's
    for path in (TOP / "src/mnistladder/cli").glob("*.py"):
        known |= set(re.findall(r"\"(--[a-z-]+)\"", path.read_text()))
    known |= {"--seed", "--install-completion"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) <= known


def test_file_map_names_every_module_and_nothing_else():
    section = README.split("src/mnistladder/\n")[1].split("tests/")[0]
    named = set(re.findall(r"^  ([\w./]+)", section, re.MULTILINE))
    real = {path.name + "/" * path.is_dir() for path in (TOP / "src/mnistladder").iterdir()}
    assert named == real - {"__pycache__/", "__init__.py", "__main__.py"}


def test_no_document_names_an_exit_code_that_does_not_exist():
    from mnistladder.errors import ExitCode

    table = README.split("| exit code |")[1].split("\n\n")[0]
    codes = {
        int(n) for line in table.splitlines()[2:] for n in re.findall(r"\d+", line.split("|")[1])
    }
    assert codes == {int(code) for code in ExitCode}


def test_fields_of_a_history_row_are_those_in_the_readme(tmp_path, source):
    section = README.split("## Watch it elsewhere")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    ramp = Ramp(**{"from": 1e-2}, to=1e-3, per="step")
    config = small.tiny(phases=(*small.phases(1), Phase(epochs=1, lr=ramp)))
    stage = small.first_stage(config, source)
    Trainer(StageStore(tmp_path), torch.device("cpu"), lambda event: None).train([stage])
    for row in StageStore(tmp_path).history(stage.key):
        assert {*row} == {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
        assert row.images == 512
    assert (row.epoch, row.phase) == (2, 1)
    assert row.lr[0] > row.lr[1]


MATRIX = (TOP / "docs" / "reliability.md").read_text()
ROWS = {"A": 16, "B": 16, "C": 9, "D": 23, "E": 9, "F": 8, "G": 13, "H": 10, "I": 7, "J": 8}


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
