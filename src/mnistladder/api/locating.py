"""Where the result is that a user means: in the runs folder, or in the package."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mnistladder.api import naming
from mnistladder.runs import ready
from mnistladder.runs.records import ResultRecord


class Located(NamedTuple):
    """A result, and the folder that has it and its networks."""

    record: ResultRecord
    runs: Path


def locate(
    reference: str,
    runs_dir: Path,
    seed: int = 0,
    overrides: Sequence[str] | None = None,
    *,
    holdout: int | None = None,
    tell: naming.Tell = naming.quietly,
) -> Located:
    """The one result that a user means, as `result`; if there is none, that of the package.

    `tell` then says so. Raises UsageError, ConfigError, CorruptError.
    """
    try:
        found = naming.result(reference, runs_dir, seed, overrides, holdout=holdout, tell=tell)
    except naming.NoResultError:
        try:
            record = naming.result(reference, ready.FOLDER, seed, overrides, holdout=holdout)
        except naming.NoResultError:
            pass
        else:
            tell(f"{record.label}: not in {runs_dir}; the ready networks of mnistladder are used")
            return Located(record, ready.FOLDER)
        raise
    return Located(found, runs_dir)
