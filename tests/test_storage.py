"""Files are whole or not there; a lock is a lock for other processes too."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faulty_disk import NoLinks

from mnistladder import sealed, storage
from mnistladder.errors import CorruptError, ResourceError

LOCKER = """
import sys, time
from pathlib import Path
from mnistladder import storage
with storage.lock(Path(sys.argv[1]) / "x.lock"):
    print("held", flush=True)
    sys.stdin.readline()
    (Path(sys.argv[1]) / "done").touch()
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_write_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "deep" / "file"
    storage.write(path, b"one")
    storage.write(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(path.parent) == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_write_is_never_seen_in_part(tmp_path):
    """A file that was opened before the write still has its old content: it was replaced."""
    path = tmp_path / "file"
    storage.write(path, b"old")
    with path.open("rb") as opened:
        storage.write(path, b"new!")
        assert opened.read() == b"old"
    assert path.read_bytes() == b"new!"


def test_write_that_fails_keeps_the_old_file_and_leaves_nothing_beside(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(ResourceError, match="file: cannot be written: "):
        storage.write(tmp_path / "file", b"new")
    assert names(tmp_path) == ["file"]


def test_write_puts_no_file_in_the_place_of_what_is_none(tmp_path):
    """A device or a pipe would be gone; through a link to one, too."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(ResourceError, match=f"{name}: cannot be written: not a file"):
            storage.write(tmp_path / name, b"new")
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()


def test_write_below_a_file_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="cannot be written"):
        storage.write(tmp_path / "file" / "below", b"x")


def test_create_refuses_to_overwrite(tmp_path):
    path = tmp_path / "file"
    assert storage.create(path, b"one") is True
    assert storage.create(path, b"two") is False
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["file"]


def test_read_verified_detects_a_flipped_byte(tmp_path):
    path = tmp_path / "file"
    storage.write(path, b"content")
    sha256 = sealed.hash_bytes(b"content")
    assert sealed.read_verified(path, sha256) == b"content"
    for damaged in (b"Content", b"conten", b"content\0", b""):
        path.write_bytes(damaged)
        with pytest.raises(CorruptError, match=r"file: damaged: SHA-256 \w{12}\.\.\., recorded "):
            sealed.read_verified(path, sha256)


def test_read_verified_tells_a_missing_file(tmp_path):
    with pytest.raises(CorruptError, match="cannot be read: No such file"):
        sealed.read_verified(tmp_path / "none", "")


@pytest.fixture
def strange(tmp_path):
    """By name, what must not be read as a file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, target in (("endless", "/dev/zero"), ("nowhere", "none"), ("loop", "loop")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", sealed.Limit.RECORD + 1)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pipe", "not a regular file"),
        ("folder", "not a regular file"),
        ("endless", "not a regular file"),
        ("nowhere", "cannot be read: No such file"),
        ("loop", "cannot be read: Too many levels"),
        ("large", "larger than 32 MiB"),
    ],
)
def test_what_is_no_stored_file_is_refused_at_once(strange, name, expected):
    opened = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(CorruptError, match=f"{name}: {expected}"):
        sealed.read(strange / name, sealed.Limit.RECORD)
    assert len(list(Path("/dev/fd").iterdir())) == opened


def test_link_to_a_file_is_read(tmp_path):
    """git-annex puts links in the place of large files."""
    storage.write(tmp_path / "objects" / "1", b"content")
    (tmp_path / "file").symlink_to("objects/1")
    assert sealed.read(tmp_path / "file", sealed.Limit.RECORD) == b"content"


def test_set_aside_keeps_a_link_to_nowhere(tmp_path):
    for name in ("file", "file.corrupt-1"):
        (tmp_path / name).symlink_to(f"none-{name}")
    assert storage.set_aside(tmp_path / "file").name == "file.corrupt-2"
    assert names(tmp_path) == ["file.corrupt-1", "file.corrupt-2"]


def test_set_aside_never_overwrites(tmp_path):
    path = tmp_path / "file"
    for content in ("one", "two", "three"):
        path.write_text(content)
        storage.set_aside(path)
    assert names(tmp_path) == ["file.corrupt-1", "file.corrupt-2", "file.corrupt-3"]
    assert (tmp_path / "file.corrupt-2").read_text() == "two"


def test_remove_takes_files_that_are_gone_already(tmp_path):
    storage.write(tmp_path / "file", b"")
    storage.remove(tmp_path / "file")
    storage.remove(tmp_path / "file")
    assert names(tmp_path) == []


def test_check_writable_leaves_nothing(tmp_path):
    storage.check_writable(tmp_path / "new")
    assert names(tmp_path / "new") == []
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError):
        storage.check_writable(tmp_path / "file")


@pytest.fixture
def put_disk():
    """Puts a disk in the place of the system's, for one test."""

    def put(disk):
        storage.disk = disk

    yield put
    storage.disk = storage.Disk()


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_disk_without_hard_links_creates_a_file_once_and_whole(tmp_path, put_disk, code):
    put_disk(NoLinks(code=code))
    path = tmp_path / "file"
    assert storage.create(path, b"one") is True
    assert storage.create(path, b"two") is False
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["file"]
    storage.check_writable(tmp_path)
    assert names(tmp_path) == ["file"]


def test_full_disk_without_hard_links_leaves_no_empty_file(tmp_path, put_disk):
    """Operations: create, write, sync of the temporary file, then create the name, replace it."""
    disk = NoLinks(at=5, error=errno.ENOSPC)
    put_disk(disk)
    with pytest.raises(ResourceError, match="cannot be written: No space left"):
        storage.create(tmp_path / "file", b"one")
    assert disk.refused == "replace"
    assert names(tmp_path) == []


def test_link_that_fails_otherwise_is_told(tmp_path, put_disk):
    put_disk(NoLinks(code=errno.EIO))
    with pytest.raises(ResourceError, match="cannot be written: Input/output error"):
        storage.create(tmp_path / "file", b"one")
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK])
def test_disk_without_locks_is_told_before_training(tmp_path, monkeypatch, code):
    def flock(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(ResourceError, match=r"cannot be locked: .*; use a disk that has file lock"):
        storage.check_writable(tmp_path)
    assert names(tmp_path) == []


@pytest.fixture
def locker(tmp_path):
    """Another process that holds the lock until it is given a line."""
    command = [sys.executable, "-c", LOCKER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_lock_waits_for_the_process_that_holds_it(tmp_path, locker):
    waits = []

    def let_go():
        waits.append(time.monotonic())
        assert not (tmp_path / "done").exists()
        os.write(locker.stdin.fileno(), b"\n")

    with storage.lock(tmp_path / "x.lock", let_go):
        assert (tmp_path / "done").exists()
    assert len(waits) == 1


def test_lock_of_a_killed_process_is_free(tmp_path, locker):
    locker.kill()
    locker.wait()
    with storage.lock(tmp_path / "x.lock", lambda: pytest.fail("it is held")):
        assert not (tmp_path / "done").exists()


def test_lock_that_nobody_holds_does_not_wait(tmp_path):
    for _ in range(2):
        with storage.lock(tmp_path / "new" / "x.lock", lambda: pytest.fail("it is held")):
            pass


def test_lock_below_a_file_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="cannot be locked"), storage.lock(tmp_path / "file/x"):
        pass
