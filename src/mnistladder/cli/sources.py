"""The data that a result was measured on."""

from pathlib import Path

from mnistladder.cli.base import DataName
from mnistladder.data.datasets import Source, known_name
from mnistladder.data.holdout import find
from mnistladder.errors import UsageError
from mnistladder.runs.records import BoardRow


def source_of(record: BoardRow, data_dir: Path | None) -> Source:
    """The data that a result was measured on. Raises DataError, UsageError."""
    name = known_name(record.data.sha256) or record.data.name
    if data_dir is None and name not in [known.value for known in DataName]:
        raise UsageError(f"{record.label}: measured on a folder {name}; name it with --data-dir")
    source = find(name, data_dir, record.data.holdout)
    if source.sha256 != record.data.sha256:
        raise UsageError(f"{record.label}: {data_dir or name} is not the data it was measured on")
    return source
