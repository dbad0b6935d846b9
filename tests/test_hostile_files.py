"""200 forged or damaged files of a runs folder: documented codes, few lines, bounded time."""

import shutil
import signal
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import forgery
import pytest
import small
from commands import Done, call
from record_data import history_row

from mnistladder.config import yaml_reader
from mnistladder.config.recipe import resolved
from mnistladder.config.spec import Rung
from mnistladder.errors import ExitCode
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.executors import InProcess
from mnistladder.runs import results
from mnistladder.runs.stage_store import Progress, StageStore

CONFIG = small.tiny(phases=small.phases(1))
CASES = range(200) if "--thorough" in sys.argv else range(3, 200, 25)
CODES = {*ExitCode} - {ExitCode.BUSY, ExitCode.INTERRUPTED, ExitCode.TERMINATED}
MOST_LINES = 5
LONGEST_S = 10  # of computing; a machine may be busy
HANG_S = 90


def quiet(event):
    """Takes an event of training."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, source):
    """Results of two seeds, an epoch of a third, and the config."""
    folder = tmp_path_factory.mktemp("hostile")
    attempts = [Attempt(Rung("rung", CONFIG), seed, source) for seed in range(3)]
    with closing(InProcess(folder / "runs", small.CPU, quiet)) as executor:
        list(Ladder(attempts[:2], folder / "runs").climb(executor, quiet))
    last = next(attempts[2].stages)
    progress = Progress(b"checkpoint", [history_row()])
    StageStore(folder / "runs").save_progress(last.key, last.seed, progress)
    (folder / "rung.yaml").write_text(yaml_reader.dump(resolved(CONFIG)))
    return folder


@contextmanager
def no_hang():
    """Fails what waits for ever."""

    def fail(number, frame):
        raise AssertionError("it waits for ever")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def told(folder, *arguments):
    """What a command leaves; an OSError is told as `cli.main` tells it."""
    with no_hang():
        begun = time.process_time()
        try:
            done = call(*arguments, "--runs-dir", "runs", cwd=folder)
        except OSError as error:
            done = Done(ExitCode.RESOURCE, "", f"{error.filename}: {error.strerror}")
        assert time.process_time() - begun < LONGEST_S
    lines = done.stderr.splitlines()
    assert done.returncode in CODES
    assert len(lines) <= MOST_LINES
    assert len(set(lines)) == len(lines)
    assert done.stderr.replace("\n", "").isprintable()
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout
    return done


@pytest.mark.parametrize("number", CASES)
def test_spoilt_file_is_told_in_few_lines_with_a_documented_code(
    tmp_path, trained, digits_dir, number
):
    folder = Path(shutil.copytree(trained, tmp_path / "copy", symlinks=True))
    kind, path, _ = forgery.forge(number, folder / "runs")
    print(f"{kind}: {path.relative_to(folder)}")
    assert told(folder, "report").returncode in (ExitCode.OK, ExitCode.USAGE, ExitCode.CORRUPT)
    assert told(folder, "check").returncode in (ExitCode.OK, ExitCode.CORRUPT)
    told(folder, "verify", "--all", "--data-dir", digits_dir)
    run = ("run", "rung.yaml", "--data-dir", digits_dir, "--jobs", "1", "--quiet")
    for seed in range(3):
        told(folder, *run, "--seed", seed)


@pytest.mark.parametrize("number", [number for number in CASES if number % 2])
def test_damage_never_becomes_a_result(tmp_path, trained, digits_dir, number):
    """Without a hash that fits: what `run` says is right, or it says nothing."""
    folder = Path(shutil.copytree(trained, tmp_path / "copy", symlinks=True))
    forgery.forge(number, folder / "runs")
    run = ("run", "rung.yaml", "--data-dir", digits_dir, "--jobs", "1", "--quiet")
    wanted = {r.seed: r.predictions_sha256 for r in results.all_results(trained / "runs")}
    for seed, predictions in wanted.items():
        if told(folder, *run, "--seed", seed).returncode == ExitCode.OK:
            stored = results.stored_results(folder / "runs").records
            assert [r.predictions_sha256 for r in stored if r.seed == seed] == [predictions]


def test_whole_folder_is_whole(trained, digits_dir):
    """The twin: nothing is told of what is not spoilt."""
    assert told(trained, "check").returncode == ExitCode.OK
    done = told(trained, "verify", "--all", "--data-dir", digits_dir)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
