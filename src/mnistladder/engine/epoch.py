"""An epoch of one network, or of several as one: from the training images to the new weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch

from mnistladder.config import schedule
from mnistladder.config.sizes import epoch_size
from mnistladder.config.spec import Config, Phase
from mnistladder.engine import inputs, loop, optim, stacking
from mnistladder.engine.second_core import SecondCore
from mnistladder.engine.tensors import Images
from mnistladder.engine.train_state import TrainState
from mnistladder.errors import UsageError
from mnistladder.model.layers import Layer, layer_name
from mnistladder.seeds import derive_seed


@dataclass(frozen=True)
class Learner:
    """A network in training, its seed, and the pool with the labels that were guessed for it."""

    state: TrainState
    seed: int
    pool: Images | None = None


@dataclass(frozen=True)
class EpochPlan:
    """An epoch of a config's plan; both numbers count from 0, `epoch` across all phases."""

    config: Config
    phase: Phase
    epoch: int
    epoch_of_phase: int


class TrainedEpoch(NamedTuple):
    """What an epoch gave: each network's mean loss per image, and what all have in common."""

    losses: list[float]
    images: int  # that each network saw
    rates: list[float]  # the learning rate of each step


def train_epoch(
    plan: EpochPlan,
    learners: Sequence[Learner],
    images: Images,
    stacked: bool = False,
    second_core: SecondCore | None = None,
) -> TrainedEpoch:
    """Trains networks that stand at the same epoch; more than one train as one.

    On a CPU a `stacked` network alone trains beside its twin: its bits must stay those of a stack.
    Raises UsageError for layers that cannot be stacked.
    """
    config, device = plan.config, images.images.device
    needs_twin = stacked and len(learners) == 1 and device.type == "cpu"
    together = [*learners, *learners] if needs_twin else learners
    size = epoch_size(len(images), config.batch_size, plan.phase.pseudo_per_batch)
    rates = schedule.learning_rates(plan.phase, plan.epoch_of_phase, size.steps)
    states = [learner.state for learner in together]
    stack = stacking.join(config, states)
    with (
        _layers_stream(plan, learners[0].seed, device, alone=len(together) == 1),
        second_core.lent_to(stack) if second_core else nullcontext(),
    ):
        losses = loop.run_epoch(
            stack,
            optim.make_loss(config),
            [_inputs(plan, learner, images) for learner in together],
            config.batch_size,
            rates,
            [inputs.stream(learner.seed, "dropout", plan.epoch, device) for learner in together],
            config.clip_norm,
        ).tolist()
    stacking.split(stack, states)
    return TrainedEpoch(losses[: len(learners)], size.images, rates)


def _inputs(plan: EpochPlan, learner: Learner, images: Images) -> inputs.Epoch:
    """What a network sees in the epoch."""
    return inputs.assemble_epoch(
        images, learner.pool, plan.config, plan.phase, learner.seed, plan.epoch
    )


@contextmanager
def _layers_stream(plan: EpochPlan, seed: int, device: torch.device, alone: bool) -> Iterator[None]:
    """Puts torch's global generators, which other packages' layers draw from, at the stream.

    Raises UsageError if a layer drew from them in a stack: its bits would depend on which
    network comes first.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(seed, "dropout", plan.epoch))
        before = _generator_states(device)
        yield
        if not alone and not torch.equal(_generator_states(device), before):
            raise UsageError(_draws_in_a_stack(plan.config.model))


def _generator_states(device: torch.device) -> torch.Tensor:
    """The states of the global generators of the CPU and of the device, as bytes."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states)


def _draws_in_a_stack(model: Sequence[Layer]) -> str:
    """The error's text, which names the layers of other packages."""
    others = [layer for layer in model if not type(layer).__module__.startswith("mnistladder.")]
    names = ", ".join(f"`{name}`" for name in sorted({layer_name(layer) for layer in others}))
    return (
        f"a layer ({names}) draws random numbers, so its networks cannot train as one: "
        "set `draws = True` in its class, or use --stack 1"
    )
