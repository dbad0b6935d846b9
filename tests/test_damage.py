"""One damaged thing in a runs folder is named by every command, and stops none of the others."""

import json
import os
from contextlib import closing

import pytest
import small
from commands import call

from mnistladder.config.spec import Rung
from mnistladder.errors import ExitCode
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.executors import InProcess
from mnistladder.runs import leaderboard, results

CONFIG = small.tiny(phases=small.phases(1))


def quiet(event):
    """Takes an event of training."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory, source):
    """Two seeds of a rung, and a record of a third seed that each test damages."""
    folder = tmp_path_factory.mktemp("damage") / "runs"
    attempts = [Attempt(Rung("rung", CONFIG), seed, source) for seed in range(3)]
    with closing(InProcess(folder, small.CPU, quiet)) as executor:
        list(Ladder(attempts, folder).climb(executor, quiet))
    return folder


@pytest.fixture(params=["cut", "pipe", "nowhere", "swapped name"])
def damaged(request, runs):
    """The path of a damaged record; afterwards all is as it was."""
    path = next(path for path in results.result_paths(runs) if '"seed": 2,' in path.read_text())
    content, board = path.read_bytes(), (runs / leaderboard.BOARD).read_bytes()
    path.unlink()
    if request.param == "cut":
        path.write_bytes(content[:-9])
    elif request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "nowhere":
        path.symlink_to("none")
    else:
        path.with_name("0123456789abcdef.json").write_bytes(content)
        path = path.with_name("0123456789abcdef.json")
    yield path
    path.unlink()
    true_path = (
        next(iter(results.result_paths(runs))).parent / f"{json.loads(content)['result_id']}.json"
    )
    true_path.write_bytes(content)
    (runs / leaderboard.BOARD).write_bytes(board)


def test_report_leaves_it_out_and_ends_with_4(runs, damaged):
    done = call("report", "--json", "--runs-dir", "runs", cwd=runs.parent)
    assert done.returncode == ExitCode.CORRUPT
    assert done.stderr.count(damaged.name) == 1
    assert [row["seeds"] for row in json.loads(done.stdout)] == [[0, 1]]


def test_leaderboard_says_that_it_lists_what_is_not_whole(runs, damaged):
    done = call("leaderboard", "--json", "--runs-dir", "runs", cwd=runs.parent)
    assert done.returncode == ExitCode.CORRUPT
    assert len(json.loads(done.stdout)) == 3
    assert "1 of its results have no whole record" in done.stderr
    done = call("leaderboard", "--rebuild", "--json", "--runs-dir", "runs", cwd=runs.parent)
    assert done.returncode == ExitCode.CORRUPT
    assert len(json.loads(done.stdout)) == 2
    assert damaged.name in done.stderr


def test_verify_looks_at_all_others(runs, damaged, digits_dir):
    options = ("--runs-dir", "runs", "--data-dir", digits_dir)
    done = call("verify", "--all", "--json", *options, cwd=runs.parent)
    assert done.returncode == ExitCode.CORRUPT
    assert [row["verified"] for row in json.loads(done.stdout)] == [True, True]
    assert damaged.name in done.stderr
    done = call("verify", "rung", "--seed", "2", *options, cwd=runs.parent)
    assert done.returncode == ExitCode.CORRUPT


def test_another_result_can_be_used(runs, damaged, digits_dir, tmp_path):
    options = ("--seed", "1", "--runs-dir", runs, "--data-dir", digits_dir)
    done = call("export", "rung", "--to", "pt2", *options, cwd=tmp_path)
    assert (done.returncode, len(list(tmp_path.iterdir()))) == (ExitCode.OK, 1)
    assert damaged.name in done.stderr
    done = call("errors", "rung", *options, cwd=tmp_path)
    assert done.returncode == ExitCode.OK
    assert damaged.name in done.stderr


def test_compare_names_it_once_though_it_reads_two_references(runs, damaged):
    ids = [record.result_id for record in results.stored_results(runs).records]
    done = call("compare", *ids, "--json", "--runs-dir", "runs", cwd=runs.parent)
    assert (done.returncode, done.stderr.count(damaged.name)) == (ExitCode.OK, 1)
    done = call("compare", ids[0], "other", "--runs-dir", "runs", cwd=runs.parent)
    assert done.returncode == ExitCode.CORRUPT


def test_whole_folder_is_reported_without_a_word(runs):
    done = call("report", "--json", "--runs-dir", "runs", cwd=runs.parent)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert [row["n"] for row in json.loads(done.stdout)] == [3]


def test_damaged_board_does_not_hide_the_records(runs):
    path = runs / leaderboard.BOARD
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    done = call("report", "--json", "--runs-dir", "runs", cwd=runs.parent)
    path.write_bytes(content)
    assert done.returncode == ExitCode.CORRUPT
    assert "leaderboard.json: no record of mnistladder" in done.stderr
    assert [row["n"] for row in json.loads(done.stdout)] == [3]


def test_board_that_lists_what_is_gone_says_so(runs):
    path = sorted(results.result_paths(runs))[0]
    content = path.read_bytes()
    path.unlink()
    done = call("leaderboard", "--runs-dir", "runs", cwd=runs.parent)
    path.write_bytes(content)
    assert done.returncode == ExitCode.CORRUPT
    assert "1 of its results have no whole record, and it lacks 0" in done.stderr
