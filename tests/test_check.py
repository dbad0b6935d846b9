"""`check` finds every fault of a runs folder, writes nothing, and mends it if asked."""

import json
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest
import small
from commands import call
from record_data import history_row

from mnistladder import sealed
from mnistladder.config.spec import Rung
from mnistladder.errors import ExitCode
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.executors import InProcess
from mnistladder.runs import leaderboard, results
from mnistladder.runs.stage_store import Progress, StageStore

TOP = Path(__file__).parents[1]
CONFIG = small.tiny(phases=small.phases(1))


def quiet(event):
    """Takes an event of training."""


def climb(folder, attempts):
    with closing(InProcess(folder, small.CPU, quiet)) as executor:
        return [outcome.record for outcome in Ladder(attempts, folder).climb(executor, quiet)]


@pytest.fixture(scope="module")
def attempts(source):
    return [Attempt(Rung("rung", CONFIG), seed, source) for seed in range(4)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, attempts):
    """A folder with the results of three seeds and the first epoch of a fourth."""
    folder = tmp_path_factory.mktemp("check") / "runs"
    climb(folder, attempts[:3])
    last = next(attempts[3].stages)
    progress = Progress(b"checkpoint", [history_row()])
    StageStore(folder).save_progress(last.key, last.seed, progress)
    return folder


@pytest.fixture
def runs(tmp_path, trained):
    """A copy to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def contents(folder):
    """Each path with what it is."""
    return {
        path: path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else path.lstat().st_mode
        for path in folder.rglob("*")
    }


def check(runs, *options):
    done = call("check", "--json", *options, "--runs-dir", "runs", cwd=runs.parent)
    return done.returncode, json.loads(done.stdout)


def result(runs, attempts, seed):
    return results.result_path(runs, "rung", attempts[seed].result_id)


def network(runs, attempts, seed):
    return runs / "members" / next(attempts[seed].stages).key


def cut(path):
    path.write_bytes(path.read_bytes()[:-9])


def test_whole_folder_is_whole(runs):
    before = contents(runs)
    done = call("check", "--runs-dir", "runs", cwd=runs.parent)
    assert (done.returncode, done.stdout) == (ExitCode.OK, "3 results, 3 networks: whole\n")
    assert check(runs)[1]["begun"] == 1
    assert contents(runs) == before


def test_committed_results_are_whole():
    done = call("check", "--runs-dir", "results", cwd=TOP)
    assert done.returncode == ExitCode.OK
    assert done.stdout.endswith(" results, 0 networks: whole\n")


def test_folder_that_is_not_there_is_told(tmp_path):
    assert call("check", cwd=tmp_path).returncode == ExitCode.USAGE


def swap_networks(runs, attempts):
    first, second = network(runs, attempts, 0), network(runs, attempts, 1)
    first.rename(runs / "kept")
    second.rename(first)
    (runs / "kept").rename(second)
    return {first, second}


def cut_result(runs, attempts):
    cut(result(runs, attempts, 0))
    return {result(runs, attempts, 0), runs / leaderboard.BOARD}


def pipe_as_result(runs, attempts):
    os.mkfifo(runs / "results" / "rung" / "0123.json")
    return {runs / "results" / "rung" / "0123.json"}


def copied_result(runs, attempts):
    copy = runs / "results" / "copy" / f"{attempts[0].result_id}.json"
    copy.parent.mkdir()
    shutil.copy(result(runs, attempts, 0), copy)
    return {copy}


def link_to_nowhere(runs, attempts):
    (runs / "results" / "rung" / "0123.json").symlink_to("none")
    return {runs / "results" / "rung" / "0123.json"}


def deleted_result(runs, attempts):
    result(runs, attempts, 0).unlink()
    return {runs / leaderboard.BOARD}


def endless_board(runs, attempts):
    (runs / leaderboard.BOARD).unlink()
    (runs / leaderboard.BOARD).symlink_to("/dev/zero")
    return {runs / leaderboard.BOARD}


def missing_board(runs, attempts):
    (runs / leaderboard.BOARD).unlink()
    return {runs / leaderboard.BOARD}


def cut_checkpoint(runs, attempts):
    cut(network(runs, attempts, 0) / "checkpoint.safetensors")
    return {network(runs, attempts, 0)}


def missing_history(runs, attempts):
    (network(runs, attempts, 0) / "history.jsonl").unlink()
    return {network(runs, attempts, 0)}


def linked_network(runs, attempts):
    folder = network(runs, attempts, 0)
    folder.rename(runs.parent / "elsewhere")
    folder.symlink_to(runs.parent / "elsewhere")
    return {folder}


def cut_epoch(runs, attempts):
    cut(network(runs, attempts, 3) / "epoch-0001.safetensors")
    return {network(runs, attempts, 3) / "progress.json"}


def progress_of_another_seed(runs, attempts):
    path = network(runs, attempts, 3) / "progress.json"
    content = sealed.unseal(path.read_bytes(), "")
    path.write_bytes(sealed.seal({**content, "key": next(attempts[0].stages).key}))
    return {path}


def lock_as_folder(runs, attempts):
    path = runs / "members" / f"{next(attempts[0].stages).key}.lock"
    path.unlink(missing_ok=True)
    path.mkdir()
    return {path}


def file_as_network(runs, attempts):
    (runs / "members" / "file").touch()
    return {runs / "members" / "file"}


def bad_predictions(runs, attempts):
    (runs / "predictions").mkdir()
    (runs / "predictions" / "0123.json").touch()
    return {runs / "predictions" / "0123.json"}


def cut_data(runs, attempts):
    path = next(runs.glob("data/*/train-images-idx3-ubyte"))
    cut(path)
    return {path.parent}


def bad_calibration(runs, attempts):
    (runs / "calibration.json").write_text("{}")
    return {runs / "calibration.json"}


DAMAGES = [
    swap_networks,
    cut_result,
    pipe_as_result,
    copied_result,
    link_to_nowhere,
    deleted_result,
    endless_board,
    missing_board,
    cut_checkpoint,
    missing_history,
    linked_network,
    cut_epoch,
    progress_of_another_seed,
    lock_as_folder,
    file_as_network,
    bad_predictions,
    cut_data,
    bad_calibration,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_mended_and_the_next_run_has_the_same_bits(
    runs, attempts, trained, damage
):
    expected = damage(runs, attempts)
    before = contents(runs)
    code, found = check(runs)
    assert code == ExitCode.CORRUPT
    assert {runs.parent / fault["file"] for fault in found["faults"]} == expected
    assert all("mnistladder " in fault["remedy"] for fault in found["faults"])
    assert contents(runs) == before
    assert check(runs, "--repair")[0] == ExitCode.OK
    assert check(runs)[0] == ExitCode.OK
    wanted = [results.load_result(result(trained, attempts, seed)) for seed in range(3)]
    after = climb(runs, attempts[:3])
    for old, new in zip(wanted, after, strict=True):
        assert (old.weights_sha256, old.predictions_sha256) == (
            new.weights_sha256,
            new.predictions_sha256,
        )
    assert check(runs)[0] == ExitCode.OK


def test_all_damages_at_once_are_all_named(runs, attempts):
    together = (cut_result, pipe_as_result, copied_result, missing_history, cut_epoch)
    together += (lock_as_folder, file_as_network, bad_predictions, bad_calibration, cut_data)
    expected = set().union(*(damage(runs, attempts) for damage in together))
    done = call("check", "--runs-dir", "runs", cwd=runs.parent)
    assert done.returncode == ExitCode.CORRUPT
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * len(expected) == 22
    assert all(line.startswith("  what mends it: mnistladder ") for line in lines[1::2])
    done = call("check", "--repair", "--runs-dir", "runs", cwd=runs.parent)
    assert done.returncode == ExitCode.OK
    done = call("check", "--runs-dir", "runs", cwd=runs.parent)
    assert done.returncode == ExitCode.OK
    assert "leftovers of stopped processes and earlier repairs" in done.stderr
