"""One rule for every file that a user asks for: what may be replaced, and what never is."""

import os
import shutil
import socket
from pathlib import Path

import pytest
from commands import call

from mnistladder import outputs
from mnistladder.errors import ExitCode, UsageError

TOP = Path(__file__).parents[1]
RUNS = ("--runs-dir", TOP / "results")
FIGURE = ("show", "model02_normalized", "--figure")
PAGE = ("report", "--rungs", "1-2", *RUNS, "--html")


def plant(path, kind):
    """Something in the place of a file; the content of the file that a link leads to."""
    if kind == "link":
        path.with_name("mine").write_text("precious")
        path.symlink_to("mine")
    elif kind == "link to nowhere":
        path.symlink_to("nowhere")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        path.mkdir()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", ["link", "link to nowhere", "pipe", "socket", "folder"])
def test_what_is_no_file_is_never_replaced(tmp_path, kind, force):
    path = tmp_path / "x.svg"
    plant(path, kind)
    before = path.lstat()
    with pytest.raises(UsageError, match=rf"x\.svg: is a {kind[:4]}.*; give the name of a file"):
        outputs.write(path, b"new", force)
    assert path.lstat() == before
    assert not (tmp_path / "nowhere").exists()
    assert kind != "link" or path.read_text() == "precious"


def test_device_is_never_replaced():
    with pytest.raises(UsageError, match="/dev/null: is a device"):
        outputs.write(Path("/dev/null"), b"new", force=True)


@pytest.mark.parametrize("suffix", [*outputs.MARKS])
def test_file_with_our_mark_is_replaced_and_any_other_only_when_forced(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    ours = b"a" * 1000 + outputs.MARKS[suffix] + b"z" * 1000
    outputs.write(path, ours)
    outputs.write(path, b"foreign")
    assert path.read_bytes() == b"foreign"
    with pytest.raises(UsageError, match=r"exists already.*--force"):
        outputs.write(path, ours)
    assert path.read_bytes() == b"foreign"
    outputs.write(path, ours, force=True)
    assert path.read_bytes() == ours


def test_mark_of_another_kind_does_not_count(tmp_path):
    path = tmp_path / "x.svg"
    path.write_bytes(outputs.MARKS[".html"])
    with pytest.raises(UsageError, match="exists already"):
        outputs.write(path, b"new")


@pytest.mark.parametrize(
    "name", ["leaderboard.json", "history.jsonl", "members/key/checkpoint.safetensors"]
)
def test_what_a_runs_folder_stores_is_kept_even_when_forced(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("stored")
    (tmp_path / "members" / "key").mkdir(parents=True, exist_ok=True)
    (tmp_path / "members" / "key" / "record.json").touch()
    with pytest.raises(UsageError, match="is part of a runs folder"):
        outputs.write(path, b"new", force=True)
    assert path.read_text() == "stored"


@pytest.mark.parametrize("command", [PAGE, FIGURE], ids=["page", "figure"])
def test_commands_replace_what_they_wrote_and_keep_what_they_did_not(tmp_path, command):
    path = tmp_path / ("x.html" if command is PAGE else "x.svg")
    assert [call(*command, path.name, cwd=tmp_path).returncode for _ in "ab"] == [0, 0]
    written = path.read_bytes()
    path.write_text("mine")
    refused = call(*command, path.name, cwd=tmp_path)
    assert refused.returncode == ExitCode.USAGE
    assert refused.stderr.startswith(f"{path.name}: exists already")
    assert path.read_text() == "mine"
    assert call(*command, path.name, "--force", cwd=tmp_path).returncode == 0
    assert path.read_bytes() == written


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_every_kind_of_figure_carries_its_mark(tmp_path, suffix):
    for _ in "ab":
        assert call(*FIGURE, f"x.{suffix}", cwd=tmp_path).returncode == 0


def identities(folder):
    """Which file has each name, its size and when it was written; looking changes none of it."""
    states = {path.name: path.lstat() for path in folder.iterdir()}
    return {name: (s.st_ino, s.st_size, s.st_mtime_ns) for name, s in states.items()}


@pytest.mark.parametrize(
    "arguments",
    [
        (*PAGE, "leaderboard.json"),
        (*PAGE, "/dev/stdout"),
        (*PAGE, "link.html"),
        (*FIGURE, "link.svg"),
        ("gallery", "model12_averaging", *RUNS, "--dir", "."),
        ("errors", "model12_averaging", *RUNS, "--figure", "link.svg"),
        ("data", "mnist", "--figure", "link.svg"),
        ("new", "link"),
    ],
    ids=lambda arguments: f"{arguments[0]} {arguments[-1]}",
)
def test_every_command_that_writes_follows_the_rule(tmp_path, arguments):
    (tmp_path / "leaderboard.json").write_text("mine")
    for name in ("link.html", "link.svg", "link.yaml", "sure-wrong.png"):
        (tmp_path / name).symlink_to("leaderboard.json")
    before = identities(tmp_path)
    done = call(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert len(done.stderr.splitlines()) == 1
    assert identities(tmp_path) == before
    assert Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize(
    ("option", "name"), [("--html", "report.html"), ("--figure", "ladder.svg")]
)
def test_committed_files_are_replaced_without_force(tmp_path, option, name):
    shutil.copy(TOP / "docs" / name, tmp_path)
    assert call("report", *RUNS, option, name, cwd=tmp_path).returncode == 0
