"""JSON records that carry their own SHA-256, so that damage is found before it is believed."""

import hashlib
import json
from collections.abc import Mapping
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
