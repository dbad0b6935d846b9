"""What is stored is read here: bounded and hashed; JSON records carry their own hash."""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

from mnistladder.errors import CorruptError

SCHEMA = 1


def digest(data: object) -> str:
    """SHA-256 of the canonical JSON of plain data."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def seal(content: Mapping[str, object]) -> bytes:
    """The record as JSON text with its schema version and its hash."""
    body = {"schema": SCHEMA, **content}
    return (json.dumps({**body, "sha256": digest(body)}, indent=1, allow_nan=False) + "\n").encode()


def unseal(raw: bytes, where: str) -> dict[str, Any]:
    """The plain data of a sealed text, without its hash. Raises CorruptError."""
    try:
        record = json.loads(raw)
        sha256 = record.pop("sha256")
        schema = record["schema"]
        is_intact = digest(record) == sha256  # NaN has no digest: JSON does not know it
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise CorruptError(f"{where}: no record of mnistladder") from None
    if schema != SCHEMA:
        raise CorruptError(f"{where}: schema {schema}, this mnistladder reads schema {SCHEMA}")
    if not is_intact:
        raise CorruptError(f"{where}: damaged or edited: its SHA-256 does not match its content")
    return record


class Limit(IntEnum):
    """The most bytes of a stored file of each kind; a larger file is none of ours."""

    RECORD = 32 << 20  # the numbers of 2,000,000 wrong images are 22 MB
    BOARD = 256 << 20
    PROBABILITIES = 96 << 20  # of 2,000,000 images
    CHECKPOINT = 4 << 30  # the largest network, two moments and an average are 3.2 GB


def read(path: Path, limit: Limit) -> bytes:
    """The whole content of a stored file, without waiting: a pipe or a device is refused.

    A link to a regular file is followed, because archives such as git-annex put links in the place
    of files; hash and identity hold for what it leads to. Raises CorruptError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            content = _read_regular(descriptor, limit)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CorruptError(f"{path}: cannot be read: {error.strerror}") from None
    if isinstance(content, str):
        raise CorruptError(f"{path}: {content}")
    return content


def _read_regular(descriptor: int, limit: Limit) -> bytes | str:
    """The content, or why it is refused."""
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        return "not a regular file"
    if about.st_size > limit:
        return f"larger than {limit >> 20:,} MiB, which is the most for this kind of file"
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(about.st_size)


def read_verified(path: Path, sha256: str, limit: Limit = Limit.CHECKPOINT) -> bytes:
    """The file's content, hashed before anyone parses it. Raises CorruptError."""
    content = read(path, limit)
    if (actual := hash_bytes(content)) != sha256:
        raise CorruptError(f"{path}: damaged: SHA-256 {actual[:12]}..., recorded {sha256[:12]}...")
    return content


def hash_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
