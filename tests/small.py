"""Small configs, stages and epochs for the tests of the engine."""

from contextlib import nullcontext

from mnistladder.config.spec import Config, Phase
from mnistladder.engine import inputs, loop, optim, stacking
from mnistladder.environment import DeviceChoice
from mnistladder.ladder.stages import member_stages
from mnistladder.model.layers import (
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Normalize,
    Relu,
)

CPU = DeviceChoice("cpu")
LAYERS = (
    Normalize(),
    MaxPool(),
    Conv(out=4),
    Relu(),
    Conv(out=6, stride=2),
    Relu(),
    BatchNorm(),
    Dropout(p=0.2),
    Flatten(),
    Dense(out=10),
)


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


def train_epoch(*arguments, **options):
    """An epoch as `epoch_losses` trains it; the losses as numbers."""
    return epoch_losses(*arguments, **options).tolist()


def epoch_losses(config, members, seeds, images, pool=None, epoch=0, during=nullcontext):
    """An epoch of networks as one, on the images' device; their losses there.

    `during` makes a context for the steps alone, without what goes before and after them.
    """
    device = images.images.device
    epochs = [
        inputs.assemble_epoch(images, pool, config, config.phases[0], seed, epoch) for seed in seeds
    ]
    streams = [inputs.stream(seed, "dropout", epoch, device) for seed in seeds]
    rates = [1e-3] * -(-len(epochs[0]) // config.batch_size)
    whole, loss = stacking.join(config, members), optim.make_loss(config)
    with during():
        losses = loop.run_epoch(
            whole, loss, epochs, config.batch_size, rates, streams, config.clip_norm
        )
    stacking.split(whole, members)
    return losses
