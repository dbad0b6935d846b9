"""IDX, the file format of MNIST: arrays of bytes, in files that may be packed with gzip."""

import errno
import gzip
import io
import mmap
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnistladder.errors import DataError
from mnistladder.task import INPUT_SHAPE

Bytes = NDArray[np.uint8]
MAX_IMAGES = 2_000_000  # of one file; EMNIST digits has 280,000
MAX_BYTES = 16 + MAX_IMAGES * prod(INPUT_SHAPE)  # of one file, unpacked
GZIP = b"\x1f\x8b"
# How other things begin that lie where data should be, in small letters.
OTHER_KINDS = {
    b"<": "this is an HTML page; the download failed",
    b"pk\x03\x04": "this is a ZIP archive; unpack it",
    b"version https://git-lfs": "this is a pointer of Git LFS; fetch the file with `git lfs pull`",
}


def read_idx(path: Path) -> Bytes:
    """The array in a file, packed or not: its content says which, not its name.

    An array of a file that is not packed is mapped into memory, so that all its readers share it.
    Raises DataError if it cannot be read, is too large, or is no IDX file of bytes.
    """
    try:
        content = _gunzip(path) if is_packed(path) else _map(path)
    except (OSError, EOFError, zlib.error) as error:
        if getattr(error, "errno", None) == errno.ENOMEM:  # the file is not at fault
            raise MemoryError from None
        raise DataError(f"{path}: cannot be read: {error}") from None
    if len(content) > MAX_BYTES:
        raise DataError(
            f"{path}: larger than {MAX_BYTES:,} bytes, which are {MAX_IMAGES:,} images; "
            "take fewer images"
        )
    start = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for sign, problem in OTHER_KINDS.items():
        if start.startswith(sign):
            raise DataError(f"{path}: {problem}")
    return decode_idx(content, str(path))


def is_packed(path: Path) -> bool:
    """Whether a file begins as gzip files do. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(GZIP)) == GZIP


def _map(path: Path) -> bytes | mmap.mmap:
    """The file, mapped into memory that all its readers share; a writer gets its own copy."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if path.stat().st_size else b""


def _gunzip(path: Path) -> bytes:
    """The unpacked file; of one that is too large, a byte more than is allowed."""
    with gzip.open(path) as file:
        return file.read(MAX_BYTES + 1)


def decode_idx(content: bytes | mmap.mmap, where: str) -> Bytes:
    """The array in an IDX file of unsigned bytes. Raises DataError if it is not such a file."""
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        start = content[:4].hex() or "missing"
        raise DataError(f"{where}: not an IDX file of bytes; its first bytes are {start}")
    axes = content[3]
    header = 4 + 4 * axes
    if axes not in (1, 3) or len(content) < header:
        raise DataError(
            f"{where}: the IDX header has {axes} axes; expected 1 (labels) or 3 (images)"
        )
    shape = struct.unpack(f">{axes}I", content[4:header])
    expected = int(np.prod(shape, dtype=object))
    if len(content) - header != expected:
        raise DataError(
            f"{where}: the header says {'x'.join(map(str, shape))} bytes, "
            f"but {len(content) - header} bytes follow"
        )
    if shape[0] > MAX_IMAGES:
        raise DataError(f"{where}: {shape[0]:,} items; at most {MAX_IMAGES:,}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def encode_idx(array: Bytes) -> bytes:
    """The IDX file of an array of bytes."""
    buffer = io.BytesIO()
    buffer.write(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape))
    buffer.write(array.tobytes())
    return buffer.getvalue()
