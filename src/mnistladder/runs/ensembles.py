"""A result's trained networks as one: images in, their averaged probabilities out."""

import torch

from mnistladder.config.validate import recorded_config
from mnistladder.engine.train_state import TrainState
from mnistladder.model.ensemble import UNFITTED, Ensemble
from mnistladder.runs import ready
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore


def load(record: ResultRecord, store: StageStore, device: torch.device) -> Ensemble:
    """The stored networks of a result. Raises UsageError where they are not, CorruptError."""
    runs = store.root.parent
    if ready.has(runs, record):
        return Ensemble(network.to(device) for network in ready.load(record, runs))
    config = recorded_config(record.config, record.where)
    store.need(record.member_keys, record)
    networks = []
    for key, seed in zip(record.member_keys, record.member_seeds, strict=True):
        state = TrainState.new(config, seed, UNFITTED, device)
        state.load(store.checkpoint(key))
        networks.append(state.evaluated.requires_grad_(False))
    return Ensemble(networks)
