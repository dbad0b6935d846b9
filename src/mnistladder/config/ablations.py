"""What can be left out of a config, one thing at a time, as overrides."""

from collections.abc import Iterator
from dataclasses import dataclass

from mnistladder.config.spec import Config, LearningRate, Ramp
from mnistladder.model.layers import layer_name
from mnistladder.model.shapes import layer_table
from mnistladder.task import INPUT_SHAPE


@dataclass(frozen=True)
class Ablation:
    """What is left out, in words, and the overrides that leave it out."""

    what: str
    overrides: tuple[str, ...]


def ablations(config: Config) -> list[Ablation]:
    """Everything that this config has and that can go: layers first, then keys."""
    layers = [Ablation(name, (f"model.{name}=null",)) for name in _layers_to_spare(config)]
    return [*layers, *_of_phases(config), *_of_keys(config)]


def _layers_to_spare(config: Config) -> list[str]:
    """Names of layers that never change the shape, so that the others fit without them."""
    rows = layer_table(config.model)
    shapes = [INPUT_SHAPE, *(row.output_shape for row in rows)]
    names = [layer_name(layer) for layer in config.model]
    fixed = {
        name for name, *ends in zip(names, shapes, shapes[1:], strict=False) if len({*ends}) > 1
    }
    return [name for name in dict.fromkeys(names) if name not in fixed]


def _of_phases(config: Config) -> Iterator[Ablation]:
    phases = list(enumerate(config.phases))
    if off := [f"phases.{index}.augment=false" for index, phase in phases if phase.augment]:
        yield Ablation("augmentation", tuple(off))
    if off := [f"phases.{i}.pseudo_per_batch=0" for i, phase in phases if phase.pseudo_per_batch]:
        yield Ablation("pseudo-labels", tuple(off))
    highest = max(_highest(phase.lr) for phase in config.phases)
    if off := [f"phases.{i}.lr={highest!r}" for i, phase in phases if phase.lr != highest]:
        yield Ablation("changes of the learning rate", tuple(off))


def _highest(lr: LearningRate) -> float:
    return max(lr.from_, lr.to) if isinstance(lr, Ramp) else lr


def _of_keys(config: Config) -> Iterator[Ablation]:
    if config.label_smoothing:
        yield Ablation("label smoothing", ("label_smoothing=0",))
    if config.optimizer.weight_decay:
        yield Ablation("weight decay", ("optimizer.weight_decay=0",))
    if config.clip_norm is not None:
        yield Ablation("gradient clipping", ("clip_norm=null",))
    if config.average is not None:
        yield Ablation("average of the weights", ("average=null",))
    if config.members > 1:
        yield Ablation("ensemble", ("members=1",))
