"""What happens in every epoch of a config: learning rate, augmentation, share of pseudo-labels."""

import math
from dataclasses import dataclass

from mnistladder.config.spec import Config, Phase, Ramp

STEPS = 32  # points of a curve in one epoch, where the learning rate changes at every step


@dataclass(frozen=True)
class PlannedEpoch:
    """One epoch, counted from 1, with its learning rates from the first step to the last."""

    epoch: int
    lr: tuple[float, ...]
    augment: bool
    pseudo_share: float


def epochs(config: Config) -> list[PlannedEpoch]:
    """Every epoch of one member."""
    rows = list[PlannedEpoch]()
    for phase in config.phases:
        share = phase.pseudo_per_batch / config.batch_size
        for within in range(phase.epochs):
            by_step = isinstance(phase.lr, Ramp) and phase.lr.per == "step"
            rates = tuple(learning_rates(phase, within, STEPS if by_step else 2))
            rows.append(PlannedEpoch(len(rows) + 1, rates, phase.augment, share))
    return rows


def rate_text(phase: Phase) -> str:
    """A phase's learning rate in words."""
    if isinstance(phase.lr, Ramp):
        return f"{phase.lr.from_:g} to {phase.lr.to:g}, {phase.lr.shape} by {phase.lr.per}"
    return f"{phase.lr:g}"


def learning_rates(phase: Phase, epoch: int, steps: int) -> list[float]:
    """The learning rate of each step of the phase's epoch number `epoch`, counted from 0."""
    ramp = phase.lr
    if not isinstance(ramp, Ramp):
        return [ramp] * steps
    if ramp.per == "epoch":
        return [_ramp(ramp, epoch / max(phase.epochs - 1, 1))] * steps
    last = max(phase.epochs * steps - 1, 1)
    return [_ramp(ramp, (epoch * steps + step) / last) for step in range(steps)]


def _ramp(ramp: Ramp, progress: float) -> float:
    if ramp.shape == "exponential":
        return ramp.from_ ** (1 - progress) * ramp.to**progress
    if ramp.shape == "cosine":
        progress = (1 - math.cos(math.pi * progress)) / 2
    return ramp.from_ + (ramp.to - ramp.from_) * progress
