"""Stored files are written only here: whole or not at all, synced and locked."""

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mnistladder.errors import ResourceError


class Disk:
    """The file operations of the system, one call each; fault tests replace it."""

    def create(self, path: Path) -> int:
        """A descriptor of a new file; never of one that exists, nor of a link's target."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)

    def write(self, descriptor: int, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def make_folder(self, folder: Path) -> None:
        folder.mkdir()

    def sync_folder(self, folder: Path) -> None:
        """Makes its entries durable; where folders cannot be synced (Windows), the system does."""
        if os.name != "posix":
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


disk = Disk()
_TEMPORARY = re.compile(r"^\..*-\d+-[0-9a-f]{8}$")
# What file systems without hard links answer: vfat, exFAT, some network folders, Windows' FAT.
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


def write(path: Path, content: bytes) -> None:
    """Replaces the file's content; after a crash it holds all of the old or all of the new.

    Raises ResourceError if the disk refuses, or if the path is a device, a pipe or a folder.
    """
    if path.exists() and not path.is_file():  # a rename would replace /dev/null
        raise ResourceError(f"{path}: cannot be written: not a file")
    with _temporary(path, content) as temporary:
        disk.replace(temporary, path)


def create(path: Path, content: bytes) -> bool:
    """Writes a new file. Returns False and changes nothing if the file exists.

    Raises ResourceError if the disk refuses.
    """
    with _temporary(path, content) as temporary:
        try:
            disk.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return _create_without_link(path, temporary)
    return True


def _create_without_link(path: Path, whole: Path) -> bool:
    """Takes the name `path` with an empty file, then puts the file `whole` in its place.

    A crash in between leaves the empty file. No record is empty, so the next run sets it aside.
    """
    try:
        disk.close(disk.create(path))
    except FileExistsError:
        return False
    try:
        disk.replace(whole, path)
    except OSError:
        with contextlib.suppress(OSError):
            disk.unlink(path)
        raise
    return True


@contextlib.contextmanager
def _temporary(path: Path, content: bytes) -> Iterator[Path]:
    """A synced file beside `path` for the caller to rename or link; at the end it is removed."""
    temporary = _temporary_name(path)
    with _refusal(path, "written"):
        make_folder(path.parent)
        try:
            _write_synced(temporary, content)
            yield temporary
            disk.sync_folder(path.parent)
        finally:
            if temporary.exists():  # it was not renamed
                with contextlib.suppress(OSError):
                    disk.unlink(temporary)


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}-{os.getpid()}-{secrets.token_hex(4)}")


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = disk.create(path)
    try:
        disk.write(descriptor, content)
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)


def make_folder(folder: Path) -> None:
    """Makes a folder and the folders above it, all durable: a lost folder loses its files."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):  # another process was first, or a file is in the way
        disk.make_folder(folder)
    disk.sync_folder(folder.parent)


def sweep(folder: Path, name: str = "") -> None:
    """Removes temporary files of killed writers of NAME...; nobody may be writing there now."""
    for path in folder.glob(f".{name}*"):
        if is_temporary(path):
            remove(path)


def is_temporary(path: Path) -> bool:
    """Whether it has the name of a file that is being written, or that a killed writer left."""
    return _TEMPORARY.search(path.name) is not None


def remove(path: Path) -> None:
    """Removes a file that may be gone already. Raises ResourceError."""
    with _refusal(path, "removed"), contextlib.suppress(FileNotFoundError):
        disk.unlink(path)


def set_aside(path: Path) -> Path:
    """Renames a damaged file to the first free NAME.corrupt-N beside it; nothing is deleted.

    Raises ResourceError.
    """
    number = 1
    while os.path.lexists(target := path.with_name(f"{path.name}.corrupt-{number}")):
        number += 1
    with _refusal(path, "renamed"):
        disk.rename(path, target)
    return target


@contextlib.contextmanager
def lock(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock file `path`, which the kernel frees when its holder dies, however it dies.

    Calls `on_wait` once if another process holds it, then waits. Raises ResourceError, also where
    the file system has no locks: a file that only exists would stay when its holder dies.
    """
    with _refusal(path, "locked"):
        make_folder(path.parent)
        held = FileLock(path, fallback_to_soft=False)
        try:
            held.acquire(timeout=0)
        except Timeout:
            on_wait()
            held.acquire()
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            text = f"{path}: cannot be locked: {error.strerror}; use a disk that has file locks"
            raise ResourceError(text) from None
    try:
        yield
    finally:
        held.release()


@contextlib.contextmanager
def _refusal(path: Path, action: str) -> Iterator[None]:
    """Turns an error of the disk into one line. Raises ResourceError."""
    try:
        yield
    except OSError as error:
        raise ResourceError(f"{path}: cannot be {action}: {error.strerror}") from error


def check_writable(folder: Path) -> None:
    """Makes a file as a record is made, and locks it, to prove that training can store its results.

    Raises ResourceError.
    """
    for name in ("probe", ".probe"):  # also the probes of other processes: they need them no more
        sweep(folder, name)
    probe = _temporary_name(folder / "probe")
    create(probe, b"probe")
    try:
        with lock(probe):
            pass
    finally:
        remove(probe)
