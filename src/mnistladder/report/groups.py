"""Results that belong to one row: the same rung, data, config, engine and plug-ins."""

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

from mnistladder import sealed
from mnistladder.config.loading import shipped_names, variant_names
from mnistladder.runs.records import BoardRow, ResultRecord

AnyResult = TypeVar("AnyResult", bound=BoardRow)


class Identity(NamedTuple):
    """What results must have in common to be one row."""

    rung: str
    data_sha256: str
    config_sha256: str
    engine: int
    plugins_sha256: str


def identity(record: BoardRow) -> Identity:
    """The row that a result belongs to."""
    return Identity(
        rung=record.rung,
        data_sha256=record.data.sha256,
        config_sha256=record.config_sha256,
        engine=record.engine,
        plugins_sha256=sealed.digest(record.plugins),
    )


def group(results: Iterable[AnyResult]) -> dict[Identity, list[AnyResult]]:
    """Results by identity, each group in order of seed.

    The rungs and variants as shipped come first, then those with overrides, then one's own.
    """
    ordered = sorted(results, key=lambda record: (identity(record), record.seed))
    found = [(key, list(alike)) for key, alike in groupby(ordered, identity)]
    shipped = {*shipped_names(), *variant_names()}
    return dict(sorted(found, key=lambda item: _distance(item[1][0], shipped)))


def _distance(record: BoardRow, shipped: Container[str]) -> int:
    if record.rung not in shipped:
        return 2
    return 1 if record.overrides else 0


def latest(groups: Mapping[Identity, Sequence[BoardRow]], rung: str, data: str) -> Identity | None:
    """Of a rung without overrides, the group of the newest engine and the latest config."""
    fitting = {
        key: group
        for key, group in groups.items()
        if (key.rung, key.data_sha256) == (rung, data) and not group[0].overrides
    }
    return newest(fitting, data) if fitting else None


def newest(groups: Mapping[Identity, Sequence[BoardRow]], data: str) -> Identity:
    """Of the groups of one data set, that of the newest engine, and of these the latest."""
    return max(
        (key for key in groups if key.data_sha256 == data),
        key=lambda key: (key.engine, max(record.ended for record in groups[key]), key),
    )


def whole_records(results: Iterable[BoardRow]) -> list[ResultRecord] | None:
    """The results, if all are whole records; the rows of a board are not."""
    every = list(results)
    whole = [record for record in every if isinstance(record, ResultRecord)]
    return whole if len(whole) == len(every) else None
