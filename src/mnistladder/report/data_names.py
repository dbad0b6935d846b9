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
    """The name of a result's data, and the beginning of its hash where the name is another's, too.

    So other data in a folder `mnist` are never taken for MNIST.
    """
    if record.data.sha256 == MNIST_SHA256:  # older records name its folder
        return "mnist"
    name, sha256 = record.data.name, record.data.sha256
    # A holdout of MNIST has its name, but a hash of its own.
    claims_mnist = name == "mnist" and record.data.holdout is None
    return f"{name} {sha256[:SHORT]}" if sha256 in clashes or claims_mnist else name


def _called(record: BoardRow) -> str:
    """All that is said of the data but its hash: parts of one data set have its name, too."""
    said = {key: value for key, value in record.data.plain().items() if key != "sha256"}
    return str(sorted({**said, "name": data_name(record)}.items()))
