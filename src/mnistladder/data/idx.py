"""IDX, the file format of MNIST."""

import io
import mmap
import struct

import numpy as np
from numpy.typing import NDArray

from mnistladder.errors import DataError

Bytes = NDArray[np.uint8]


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
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def encode_idx(array: Bytes) -> bytes:
    """The IDX file of an array of bytes."""
    buffer = io.BytesIO()
    buffer.write(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape))
    buffer.write(array.tobytes())
    return buffer.getvalue()
