"""Small configs and stages for the tests of the engine."""

from mnistladder.config import Config, Phase
from mnistladder.layers import (
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Normalize,
    Relu,
)
from mnistladder.stages import member_stages

LAYERS = (
    Normalize(), MaxPool(), Conv(out=4), Relu(), Conv(out=6, stride=2), Relu(), BatchNorm(),
    Dropout(p=0.2), Flatten(), Dense(out=10),
)  # fmt: skip


def tiny(**changes):
    """A config of a few hundred parameters with every kind of state; 2 epochs of 8 steps."""
    plan = {"title": "Tiny", "model": LAYERS, "batch_size": 64, "phases": phases(2)}
    return Config(**{**plan, **changes})


def phases(*epochs, **last):
    """Phases of so many epochs; the keywords belong to the last one."""
    plan = [Phase(epochs=count, lr=1e-2) for count in epochs]
    return (*plan[:-1], plan[-1].model_copy(update=last))


def first_stage(config, source, seed=0):
    """The first stage of the rung's first member."""
    return member_stages(config, seed, source)[0][0]
