"""Derived random streams: a seed for each (member seed, purpose, epoch), none ever carried on.

So a checkpoint needs no generator state, and nothing that draws elsewhere can change a stream.
"""

import hashlib
from typing import Literal

Purpose = Literal["init", "order", "augment", "dropout", "pseudo"]


def derive_seed(seed: int, purpose: Purpose, epoch: int = 0) -> int:
    """A 63-bit seed; `epoch` counts a member's epochs from 0 across all its phases."""
    text = f"mnistladder/1 {seed} {purpose} {epoch}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def member_seeds(seed: int, members: int) -> range:
    """The seeds of a rung's members: disjoint for different seeds of the same rung."""
    return range(seed * members, (seed + 1) * members)
