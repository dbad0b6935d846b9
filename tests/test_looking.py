"""Commands that look write nothing into the runs folder."""

import errno
import os

import pytest
import torch
from commands import call

from mnistladder import storage
from mnistladder.cli import doctor
from mnistladder.data import datasets
from mnistladder.engine.tensors import load_digits

RUNG = "model02_normalized"


def tree(folder):
    """Every entry of a folder, with the bytes of the files and the time of the last change."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in [folder, *folder.rglob("*")]
    }


class KeepsNoSpeeds(storage.Disk):
    """A disk that refuses calibration.json."""

    def replace(self, source, target):
        if target.name == "calibration.json":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        super().replace(source, target)


@pytest.fixture(scope="module")
def climbed(tmp_path_factory, digits_dir):
    """A folder with a run on the small data, and without the unpacked copy of them."""
    folder = tmp_path_factory.mktemp("looked at")
    assert call("run", RUNG, "--data-dir", digits_dir, cwd=folder).returncode == 0
    for path in sorted((folder / "runs" / "data").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder / "runs" / "data").rmdir()
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "--all", "--data-dir", "DIGITS"),
        ("report",),
        ("report", "--curves"),
        ("leaderboard",),
        ("show", RUNG),
        ("list",),
        ("doctor", "--data-dir", "DIGITS"),
        ("ladder", RUNG, "--data-dir", "DIGITS", "--dry-run"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_looking_changes_nothing_in_the_runs_folder(climbed, digits_dir, arguments):
    before = tree(climbed / "runs")
    filled = [digits_dir if argument == "DIGITS" else argument for argument in arguments]
    done = call(*filled, cwd=climbed)
    assert (done.returncode, done.stderr) == (0, "")
    assert tree(climbed / "runs") == before


def test_training_changes_the_runs_folder(climbed, digits_dir):
    """The twin of the test above."""
    before = tree(climbed / "runs")
    assert call("run", RUNG, "--seed", 1, "--data-dir", digits_dir, cwd=climbed).returncode == 0
    assert tree(climbed / "runs") != before


def test_dry_run_makes_no_folder(tmp_path, digits_dir):
    done = call("ladder", RUNG, "--data-dir", digits_dir, "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_dry_run_names_the_one_file_that_it_keeps_in_a_folder(tmp_path, digits_dir):
    (tmp_path / "runs").mkdir()
    done = call("ladder", RUNG, "--data-dir", digits_dir, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    assert "the measured speeds are kept in runs/calibration.json" in done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["calibration.json"]


def test_dry_run_on_a_disk_that_refuses_keeps_nothing(tmp_path, digits_dir, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr(storage, "disk", KeepsNoSpeeds())
    done = call("ladder", RUNG, "--data-dir", digits_dir, "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "below a file", "link to nowhere"])
def test_doctor_names_a_folder_that_cannot_be_one(tmp_path, kind):
    runs = tmp_path / "runs"
    runs.symlink_to("nowhere") if kind[0] == "l" else runs.touch()
    found = doctor.check_runs(runs / "below" if kind[0] == "b" else runs)
    assert found.problem == f"{runs}: results cannot be stored there; give another --runs-dir"


def test_packed_data_are_read_without_a_copy():
    """Arrays of unpacked bytes cannot be written to; torch warns of such."""
    digits = load_digits(datasets.find("mnist"), None, torch.device("cpu"))
    assert (len(digits.train), len(digits.test)) == (60_000, 10_000)
