"""A disk that fails: it stops, refuses, or loses what was not synced, at one file operation."""

import errno
import os
import random

from mnistladder import storage


class Crash(BaseException):
    """The process is gone: nothing it would still do reaches the disk."""


class FaultyDisk(storage.Disk):
    """Counts operations, and at number `at` fails: as `Crash` before or after it, or as an OSError.

    After a crash every operation is refused, so that no clean-up runs. What was synced is tracked:
    `lose` puts the folder into a state that a power cut may leave.
    """

    def __init__(self, at=None, error=None, crash="before"):
        self.at, self.error, self.crash = at, error, crash
        self.count, self.gone = 0, False
        self.names = []
        self.refused = ""  # the operation that failed with an error
        self.open = {}  # descriptor -> path
        self.unsynced = set()  # files with content that is only in memory
        self.pending = []  # changes of folders since each was synced: (folder, undo)

    def _step(self, name, act):
        if self.gone:
            raise Crash
        self.count += 1
        self.names.append(name)
        if self.count == self.at and self.error:
            self.refused = name
            raise OSError(self.error, os.strerror(self.error))
        if self.count == self.at and self.crash == "before":
            self.gone = True
            raise Crash
        result = act()
        if self.count == self.at:
            self.gone = True
            raise Crash
        return result

    def _change(self, path, undo):
        """A folder's entry that a power cut may undo until the folder is synced."""
        self.pending.append((path.parent, undo))

    def create(self, path):
        descriptor = self._step("create", lambda: super(FaultyDisk, self).create(path))
        self.open[descriptor] = path
        self.unsynced.add(path)
        self._change(path, lambda: path.unlink(missing_ok=True))
        return descriptor

    def write(self, descriptor, content):
        self._step("write", lambda: super(FaultyDisk, self).write(descriptor, content))

    def sync(self, descriptor):
        self._step("sync", lambda: super(FaultyDisk, self).sync(descriptor))
        self.unsynced.discard(self.open[descriptor])

    def close(self, descriptor):
        super().close(descriptor)  # the system closes what a dead process held

    def replace(self, source, target):
        old = target.read_bytes() if target.is_file() else None
        self._step("replace", lambda: super(FaultyDisk, self).replace(source, target))
        self._renamed(source, target)
        self._change(target, lambda: _put_back(target, old))

    def link(self, source, target):
        self._step("link", lambda: super(FaultyDisk, self).link(source, target))
        if source in self.unsynced:
            self.unsynced.add(target)
        self._change(target, lambda: target.unlink(missing_ok=True))

    def rename(self, source, target):
        self._step("rename", lambda: super(FaultyDisk, self).rename(source, target))
        self._renamed(source, target)
        self._change(target, lambda: target.exists() and target.rename(source))

    def _renamed(self, source, target):
        self.unsynced.discard(target)
        if source in self.unsynced:
            self.unsynced.discard(source)
            self.unsynced.add(target)

    def unlink(self, path):
        content = path.read_bytes() if path.exists() else None
        self._step("unlink", lambda: super(FaultyDisk, self).unlink(path))
        if content is not None:
            self._change(path, lambda: _put_back(path, content))

    def make_folder(self, folder):
        self._step("make_folder", lambda: super(FaultyDisk, self).make_folder(folder))
        self._change(folder, lambda: _lose_folder(folder))

    def sync_folder(self, folder):
        self._step("sync_folder", lambda: super(FaultyDisk, self).sync_folder(folder))
        self.pending = [(parent, undo) for parent, undo in self.pending if parent != folder]

    def lose(self, seed):
        """A power cut: unsynced content is cut short, unsynced entries are lost, each by a draw."""
        draws = random.Random(seed)
        for path in sorted(self.unsynced):
            if path.is_file() and draws.random() < 0.7:
                content = path.read_bytes()
                path.write_bytes(content[: draws.randrange(len(content) + 1)])
        for _, undo in reversed(self.pending):
            if draws.random() < 0.5:
                undo()


class NoLinks(FaultyDisk):
    """A disk that refuses hard links, as vfat does; it may fail besides."""

    def __init__(self, at=None, error=None, crash="before", code=errno.EPERM):
        super().__init__(at, error, crash)
        self.code = code

    def link(self, source, target):
        raise OSError(self.code, os.strerror(self.code))


def _put_back(path, content):
    if content is None:
        path.unlink(missing_ok=True)
    elif path.parent.is_dir():
        path.write_bytes(content)


def _lose_folder(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    if folder.is_dir():
        folder.rmdir()
