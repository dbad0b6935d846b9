"""Files that a user asks for: pages, figures, exports, configs. One rule says what they replace.

Never through a link, and never in the place of a folder, a device or a pipe. An existing file is
replaced only if it carries our mark, else with `--force`. What a runs folder stores is kept even
then.
"""

import os
import stat
from pathlib import Path

from mnistladder import storage
from mnistladder.errors import UsageError

GENERATOR = "mnistladder"
MARKS = {  # by suffix: what the files that we write contain
    ".html": f'<meta name="generator" content="{GENERATOR}">'.encode(),
    ".pdf": f"/Creator ({GENERATOR})".encode(),
    ".png": f"tEXtSoftware\0{GENERATOR}".encode(),
    ".svg": f"<dc:title>{GENERATOR}</dc:title>".encode(),
}
SEARCHED = 1 << 16  # bytes at each end of a file: marks stand near its start, a PDF's near its end
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_RECORDS = ("record.json", "progress.json")  # in the folder of a stored network


def write(path: Path, content: bytes, force: bool = False) -> None:
    """Writes a file for the user, whole, if `check` allows it. Raises UsageError, ResourceError."""
    check(path, force)
    if os.path.lexists(path):
        storage.write(path, content)
    elif not storage.create(path, content):  # somebody else's, made since we looked
        raise UsageError(_exists(path))


def check(path: Path, force: bool = False) -> None:
    """Raises UsageError where no file may be written; a command calls it before its work begins."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "not a file")
        raise UsageError(f"{path}: is {kind}; give the name of a file")
    if _is_stored(path):
        raise UsageError(f"{path}: is part of a runs folder; give the name of another file")
    if not force and not _is_ours(path):
        raise UsageError(_exists(path))


def _exists(path: Path) -> str:
    return (
        f"{path}: exists already, and mnistladder may not replace it; give another name, or --force"
    )


def _is_stored(path: Path) -> bool:
    """Whether it looks like a file of a runs folder; our outputs are never JSON."""
    if path.suffix.lower() in (".json", ".jsonl"):
        return True
    return any((path.parent / name).exists() for name in _RECORDS)


def _is_ours(path: Path) -> bool:
    """Whether the file has the mark of its kind; kinds without a mark are never ours."""
    mark = MARKS.get(path.suffix.lower())
    if not mark:
        return False
    try:
        with path.open("rb") as file:
            start = file.read(SEARCHED)
            file.seek(max(0, path.stat().st_size - SEARCHED))
            return mark in start or mark in file.read(SEARCHED)
    except OSError:
        return False
