"""Probabilities in .npy files, read without trust."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnistladder.errors import CorruptError

MAGIC = b"\x93NUMPY\x01\x00"
START = len(MAGIC) + 2  # of the header's text; two bytes are its length


def parse(content: bytes, shape: tuple[int, int], path: Path) -> NDArray[np.float32]:
    """The array of a .npy file, which must have this shape. Raises CorruptError.

    Format: version 1.0 of numpy's NEP 1. The header must be that of such an array, so nothing is
    evaluated; the array is a view of the content, so nothing that a header asks for is allocated.
    """
    end = START + int.from_bytes(content[len(MAGIC) : START], "little")
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    values = memoryview(content)[end:]
    size = np.dtype(np.float32).itemsize * shape[0] * shape[1]
    is_ours = content.startswith(MAGIC) and content[START:end].strip() == header.encode()
    if not is_ours or len(values) != size:
        raise CorruptError(f"{path}: not an array of {shape[0]:,} x {shape[1]} float32 numbers")
    return np.frombuffer(values, "<f4").reshape(shape)
