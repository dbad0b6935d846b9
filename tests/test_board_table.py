"""The board and other tables on terminals of several widths, from the committed results."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from commands import call
from rich.cells import cell_len

from mnistladder.cli.board_table import say_board
from mnistladder.report.summary import make_rows
from mnistladder.runs import results

BOARD = Path(__file__).parents[1] / "results"
RUNS = ["--runs-dir", BOARD]
NAMES = sorted({record.rung for record in results.all_results(BOARD)})
ESCAPES = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture
def terminal(monkeypatch):
    """Makes stdout a terminal of so many columns, as rich sees it."""

    def make(columns):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))

    return make


@pytest.fixture(scope="module")
def rows():
    return make_rows(results.all_results(BOARD))


def plain(text):
    return ESCAPES.sub("", text)


def name_of(line):
    return line.removeprefix("+ ").split()[0]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_report_has_one_line_a_rung_with_its_name_whole(terminal, tmp_path, columns):
    terminal(columns)
    lines = plain(call("report", *RUNS, cwd=tmp_path).stdout).splitlines()
    assert max(map(cell_len, lines)) <= columns
    assert len(lines) <= 45 or columns < 80
    table = lines[1 : lines.index("")]
    assert sorted(map(name_of, table)) == sorted(NAMES)
    assert max(map(cell_len, table)) <= columns


def test_report_at_80_has_six_columns_and_at_most_eight_lines_of_notes(terminal, tmp_path):
    terminal(80)
    lines = plain(call("report", *RUNS, cwd=tmp_path).stdout).splitlines()
    for heading in ("rung", "what is new", "n", "errors", "accuracy", "step"):
        assert heading in lines[0]
    blanks = [index for index, line in enumerate(lines) if not line]
    notes = lines[blanks[0] + 1 : blanks[1]]
    assert 0 < len(notes) <= 8
    assert "Learning-rate annealing" in "\n".join(lines)


def test_name_that_has_no_room_has_a_line_of_its_own(terminal, rows, capsys):
    terminal(80)
    own = "model05_conv batch_size=64 phases.0.lr=1e-2 phases.1.epochs=12"
    [conv] = [row for row in rows if row.name == "model05_conv"]
    say_board([rows[0], replace(conv, rung=own)])
    heading, first, name, numbers = plain(capsys.readouterr().out).splitlines()
    assert name == own
    assert first.index(" 10 ") == numbers.index(" 10 ")
    assert len(heading) == len(numbers) <= 80


def test_steps_have_colours_and_signs_on_a_terminal_alone(terminal, rows, capsys, monkeypatch):
    terminal(80)
    say_board(rows)
    coloured = capsys.readouterr().out
    assert "\x1b[32m†-2651\x1b[0m" in coloured  # better
    assert "\x1b[31m+16.2\x1b[0m" in coloured  # worse
    assert "\x1b[2m†~-23.1\x1b[0m" in coloured  # not shown
    monkeypatch.setenv("NO_COLOR", "1")
    say_board(rows)
    assert not {"\x1b[32m", "\x1b[31m"} & set(ESCAPES.findall(capsys.readouterr().out))
    monkeypatch.delenv("FORCE_COLOR")
    say_board(rows)
    assert not ESCAPES.findall(capsys.readouterr().out)


def test_wide_report_and_a_pipe_leave_out_nothing(terminal, tmp_path):
    piped = call("report", *RUNS, cwd=tmp_path).stdout
    assert "Labels the second half" in piped
    terminal(60)
    done = call("report", "--wide", *RUNS, cwd=tmp_path)
    wide = plain(done.stdout).splitlines()
    assert f"this table has {len(wide[0])} columns" in done.stderr
    assert {"95 % interval", "published %", "train time"} <= set(re.split(r"  +", wide[0].strip()))
    assert all(name in "\n".join(wide) for name in NAMES)


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["leaderboard", *RUNS],
        ["errors", "model12_averaging", *RUNS],
        ["compare", "5", "6", *RUNS],
        ["layers"],
    ],
    ids=lambda command: command[0],
)
def test_other_tables_fit_and_break_no_name(terminal, tmp_path, command, columns):
    whole = call(*command, cwd=tmp_path).stdout
    terminal(columns)
    narrow = plain(call(*command, cwd=tmp_path).stdout)
    assert max(map(cell_len, narrow.splitlines())) <= columns
    names = set(re.findall(r"model\d\d\w+", whole))
    assert names == set(re.findall(r"model\d\d\w+", narrow))


def test_columns_that_are_left_out_are_named(terminal, tmp_path):
    terminal(60)
    done = call("leaderboard", *RUNS, cwd=tmp_path)
    assert plain(done.stdout).splitlines()[-1] == "(no room for: accuracy %, device, ended)"
    terminal(120)
    assert "no room" not in call("leaderboard", *RUNS, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "options", [["--html", "page.html"], ["--curves"]], ids=lambda options: options[0]
)
@pytest.mark.parametrize(
    "other", [["--wide"], ["--check"], ["--format", "csv"], ["--figure", "a.svg"]], ids=str
)
def test_form_of_a_report_refuses_options_of_another(tmp_path, options, other):
    done = call("report", *options, *other, *RUNS, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{options[0]}: does not go with {other[0]}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_options_that_go_with_a_form_are_taken(tmp_path):
    done = call(
        "report", "--curves", "--json", "--rungs", "2", "--sort", "rung", *RUNS, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
