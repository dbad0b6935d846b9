"""Networks by the hash of their weights: those that come with the package, and the like.

A folder of ready networks is a runs folder without stages: `results/` and `predictions/` as always,
and `networks/<hash>.safetensors`, weights and buffers alone. To add a result is to copy files.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mnistladder import sealed
from mnistladder.config.validate import recorded_config
from mnistladder.errors import CorruptError
from mnistladder.runs.records import BoardRow, ResultRecord

if TYPE_CHECKING:
    from torch import nn

FOLDER = Path(__file__).parents[1] / "ready"


def path_of(runs: Path, weights_sha256: str) -> Path:
    return runs / "networks" / f"{weights_sha256}.safetensors"


def has(runs: Path, record: BoardRow) -> bool:
    """Whether a folder has a result's networks by their hashes."""
    return all(path_of(runs, sha256).is_file() for sha256 in record.weights_sha256)


def best(records: Sequence[ResultRecord]) -> ResultRecord | None:
    """The result with the fewest errors; of equal ones, the one with fewer networks, or passes.

    It answers for a user's own pictures, so that no figure of ours is chosen by it.
    """
    on_all = [record for record in records if record.data.holdout is None]
    return min(on_all, key=lambda r: (r.errors, r.transductive, r.members, r.rung), default=None)


def load(record: ResultRecord, runs: Path) -> "list[nn.Module]":
    """The networks of a result, on the CPU. Raises CorruptError where one is not what it was."""
    return [_network(record, path_of(runs, sha256), sha256) for sha256 in record.weights_sha256]


def _network(record: ResultRecord, path: Path, weights_sha256: str) -> "nn.Module":
    import safetensors.torch
    from safetensors import SafetensorError

    from mnistladder.engine.train_state import hash_weights
    from mnistladder.model import network
    from mnistladder.model.ensemble import UNFITTED

    config = recorded_config(record.config, record.where)
    built = network.build(config.model, 0, UNFITTED)
    content = sealed.read(path, sealed.Limit.CHECKPOINT)
    try:
        built.load_state_dict(safetensors.torch.load(content))
    except (SafetensorError, RuntimeError):
        raise CorruptError(f"{path}: no weights of such a network") from None
    if hash_weights(built) != weights_sha256:
        raise CorruptError(f"{path}: damaged: the hash of its weights is not its name")
    return built.requires_grad_(False)
