"""The only module that writes files: whole or not at all, synced, locked, hashed."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mnistladder.errors import CorruptError, ResourceError


def write(path: Path, content: bytes) -> None:
    """Replaces the file by new content; after a crash it holds the old or the new, never a part.

    Raises ResourceError where the disk refuses.
    """
    with _temporary(path, content) as temporary:
        temporary.replace(path)


def create(path: Path, content: bytes) -> bool:
    """Writes a file that must not exist yet; False, and nothing changed, if it does.

    Raises ResourceError where the disk refuses.
    """
    with _temporary(path, content) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    return True


@contextlib.contextmanager
def _temporary(path: Path, content: bytes) -> Iterator[Path]:
    """A synced file beside `path`, gone at the end; the caller renames or links it."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        yield temporary
        _sync_folder(path.parent)
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable; where folders cannot be synced (Windows), the system sees to it."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Removes a file that may be gone already."""
    path.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Renames a damaged file to the first free NAME.corrupt-N beside it; nothing is deleted."""
    number = 1
    while (target := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    path.rename(target)
    return target


def read_verified(path: Path, sha256: str) -> bytes:
    """The file's content, hashed before anyone parses it. Raises CorruptError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorruptError(f"{path}: cannot be read: {error.strerror}") from None
    if (found := hash_bytes(content)) != sha256:
        raise CorruptError(f"{path}: damaged: SHA-256 {found[:12]}..., recorded {sha256[:12]}...")
    return content


def hash_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def lock(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock file `path`, which the kernel frees when its holder dies, however it dies.

    Calls `on_wait` once if another process holds it, then waits. Raises ResourceError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(path)
        try:
            held.acquire(timeout=0)
        except Timeout:
            on_wait()
            held.acquire()
    except OSError as error:
        raise ResourceError(f"{path}: cannot be locked: {error.strerror}") from error
    try:
        yield
    finally:
        held.release()


def check_writable(folder: Path) -> None:
    """Proves by a real write that results can be stored there. Raises ResourceError."""
    with _temporary(folder / "probe", b"probe"):
        pass


def remove_empty(folder: Path) -> None:
    """Removes a folder that holds nothing; any other stays."""
    with contextlib.suppress(OSError):
        folder.rmdir()
