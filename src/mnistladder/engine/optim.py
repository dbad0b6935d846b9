"""What a config says of learning: the loss, the optimizer, and which weights do not decay."""

from collections.abc import Collection
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnistladder.config import spec
from mnistladder.config.optimizers import Muon, OptimizerSection, ParameterKind
from mnistladder.engine.joined_weights import JoinedWeights
from mnistladder.task import CLASSES, LEAST_PROBABILITY

NORMALISATIONS = (
    nn.modules.batchnorm._NormBase,  # batch and instance normalisation
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


class Loss(Protocol):
    """A loss of logits N x 10 and labels N: their mean, or N values with reduction `none`."""

    def __call__(self, logits: Tensor, labels: Tensor, /, *, reduction: str = "mean") -> Tensor: ...


def clipped_cross_entropy(logits: Tensor, labels: Tensor, *, reduction: str = "mean") -> Tensor:
    """Cross-entropy of softmax outputs clipped to [1e-7, 1 - 1e-7], as in Keras 1.

    A saturated wrong prediction has no gradient: this is what makes rung 1 as bad as published.
    """
    shares = logits.softmax(1)
    shares = shares / shares.sum(1, keepdim=True)
    clipped = shares.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return functional.nll_loss(clipped.log(), labels, reduction=reduction)


def make_loss(config: spec.Config) -> Loss:
    """The loss that the config names."""
    if config.loss == "clipped_cross_entropy":
        return clipped_cross_entropy
    return partial(functional.cross_entropy, label_smoothing=config.label_smoothing)


def mean_losses(loss: Loss, logits: Tensor, labels: Tensor, networks: int) -> Tensor:
    """The mean losses, K, of K networks: of logits N x 10*K, and of labels N or N x K.

    On a CPU one call a network: a kernel's rounding may depend on how many rows it is given. On a
    GPU one call for all; their means are summed in double precision, where the order of the
    summands changes no bit of the float32 result.
    """
    if logits.device.type == "cpu":
        by_network = zip(logits.chunk(networks, 1), labels.chunk(networks, -1), strict=True)
        return torch.stack([loss(own, truth.flatten()) for own, truth in by_network])
    rows = loss(logits.reshape(-1, CLASSES), labels.flatten(), reduction="none")
    return rows.view(-1, networks).mean(0, dtype=torch.float64).float()


def make_optimizer(
    config: spec.Config, weights: JoinedWeights, networks: int = 1
) -> torch.optim.Optimizer:
    """The config's optimizer, one parameter group for each segment of the weights.

    The weights are those of so many stacked networks. Learning rates come step by step.
    """
    first, *others = weights.segments
    optimizer = config.optimizer.build([first])
    for segment in others:
        optimizer.add_param_group({"params": [segment]})
    for group, decays in zip(optimizer.param_groups, weights.decays, strict=True):
        if not decays:
            group["weight_decay"] = 0.0
    if weights.matrices:
        optimizer.param_groups[0]["matrices"] = weights.matrix_places(networks)
    return optimizer


def moment_kinds(section: OptimizerSection) -> frozenset[str]:
    """The names of what the optimizer remembers of a weight after a step."""
    probe = nn.Parameter(torch.zeros(1))
    probe.grad = torch.zeros(1)
    optimizer = section.build([probe])
    optimizer.step()
    return frozenset(kind for kind, value in optimizer.state[probe].items() if value is not None)


def matrices(built: nn.Module, optimizer: OptimizerSection) -> set[nn.Parameter]:
    """The network's parameters that the optimizer treats as matrices: dense layers, convolutions.

    The last such layer gives the classes; an optimizer may leave it out.
    """
    if not isinstance(optimizer, Muon):
        return set()
    found = [parameter for parameter in built.parameters() if parameter.dim() > 1]
    return set(found if optimizer.last_layer else found[:-1])


def without_decay(built: nn.Module, kinds: Collection[ParameterKind]) -> set[nn.Parameter]:
    """The network's parameters of these kinds, to which weight decay does not apply.

    Normalisations are those of torch and what derives from them.
    """
    exempt = set[nn.Parameter]()
    for module in built.modules():
        for name, parameter in module.named_parameters(recurse=False):
            kind = "norm" if isinstance(module, NORMALISATIONS) else name.split("_")[-1]
            if kind in kinds:
                exempt.add(parameter)
    return exempt
