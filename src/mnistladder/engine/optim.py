"""What a config says of learning: the loss, the optimizer, and which weights do not decay."""

from collections.abc import Callable, Collection

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnistladder.config import spec
from mnistladder.config.optimizers import ParameterKind
from mnistladder.engine.joined_weights import JoinedWeights
from mnistladder.task import LEAST_PROBABILITY

Loss = Callable[[Tensor, Tensor], Tensor]
NORMALISATIONS = (
    nn.modules.batchnorm._NormBase,  # batch and instance normalisation
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def clipped_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of softmax outputs clipped to [1e-7, 1 - 1e-7], as in Keras 1.

    A saturated wrong prediction has no gradient: this is what makes rung 1 as bad as published.
    """
    shares = logits.softmax(1)
    shares = shares / shares.sum(1, keepdim=True)
    clipped = shares.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return functional.nll_loss(clipped.log(), labels)


def make_loss(config: spec.Config) -> Loss:
    """The loss of logits N x 10 and labels N that the config names."""
    if config.loss == "clipped_cross_entropy":
        return clipped_cross_entropy
    return nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)


def make_optimizer(config: spec.Config, weights: JoinedWeights) -> torch.optim.Optimizer:
    """The config's optimizer, one parameter group for each segment of the weights.

    Learning rates come step by step.
    """
    first, *others = weights.segments
    optimizer = config.optimizer.build([first])
    for segment in others:
        optimizer.add_param_group({"params": [segment]})
    for group, decays in zip(optimizer.param_groups, weights.decays, strict=True):
        if not decays:
            group["weight_decay"] = 0.0
    return optimizer


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
