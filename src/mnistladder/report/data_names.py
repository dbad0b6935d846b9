"""What data sets are called in tables: known ones by their name, own folders by the folder's."""

from collections.abc import Iterable

from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.runs.records import BoardRow

SHORT = 6  # characters of a hash


def clashing(results: Iterable[BoardRow]) -> frozenset[str]:
    """The hashes of data sets that share their name with another one."""
    hashes: dict[str, set[str]] = {}
    for record in results:
        hashes.setdefault(_called(record), set()).add(record.data.sha256)
    return frozenset(sha256 for group in hashes.values() if len(group) > 1 for sha256 in group)


def data_name(record: BoardRow, clashes: frozenset[str] = frozenset()) -> str:
    """The name of a result's data; where names clash, the beginning of its hash as well."""
    if record.data.sha256 == MNIST_SHA256:  # older records name its folder
        return "mnist"
    name = record.data.name
    return f"{name} {record.data.sha256[:SHORT]}" if record.data.sha256 in clashes else name


def _called(record: BoardRow) -> str:
    """All that is said of the data but its hash: parts of one data set have its name, too."""
    said = {key: value for key, value in record.data.plain().items() if key != "sha256"}
    return str(sorted({**said, "name": data_name(record)}.items()))
