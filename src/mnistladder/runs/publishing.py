"""Puts a trained result into a folder of ready networks."""

from pathlib import Path

from mnistladder import sealed, storage
from mnistladder.runs import predictions, ready, results
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore


def publish(record: ResultRecord, runs: Path, target: Path) -> None:
    """Copies a result, its predictions and the networks of `runs` into a folder of ready ones.

    Raises UsageError where the networks are not stored in `runs`, CorruptError, ResourceError.
    """
    import safetensors.torch
    import torch

    from mnistladder.runs import ensembles

    trained = ensembles.load(record, StageStore(runs), torch.device("cpu")).networks
    for network, sha256 in zip(trained, record.weights_sha256, strict=True):
        tensors = {name: value.contiguous().clone() for name, value in network.state_dict().items()}
        storage.write(ready.path_of(target, sha256), safetensors.torch.save(tensors))
    ready.load(record, target)
    predictions.publish(record, runs, target)
    path = results.result_path(target, record.rung, record.result_id)
    storage.write(path, sealed.seal(record.plain()))
