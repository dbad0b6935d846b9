"""What a config says of learning: the loss and the optimizer."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnistladder.config import spec

Loss = Callable[[Tensor, Tensor], Tensor]
KERAS_EPSILON = 1e-7


def clipped_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of softmax outputs clipped to [1e-7, 1 - 1e-7], as in Keras 1.

    A saturated wrong prediction has no gradient: this is what makes rung 1 as bad as published.
    """
    shares = logits.softmax(1)
    shares = shares / shares.sum(1, keepdim=True)
    return functional.nll_loss(shares.clamp(KERAS_EPSILON, 1 - KERAS_EPSILON).log(), labels)


def make_loss(config: spec.Config) -> Loss:
    """The loss of logits N x 10 and labels N that the config names."""
    if config.loss == "clipped_cross_entropy":
        return clipped_cross_entropy
    return nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)


def make_optimizer(config: spec.Config, weights: nn.Parameter) -> torch.optim.Optimizer:
    """The config's optimizer of all weights in one tensor. Learning rates come step by step."""
    chosen = config.optimizer
    if isinstance(chosen, spec.Sgd):
        return torch.optim.SGD(
            [weights],
            momentum=chosen.momentum,
            nesterov=chosen.nesterov,
            weight_decay=chosen.weight_decay,
            fused=True,
        )
    kind = torch.optim.AdamW if isinstance(chosen, spec.AdamW) else torch.optim.Adam
    return kind(
        [weights],
        betas=(chosen.beta1, chosen.beta2),
        eps=chosen.eps,
        weight_decay=chosen.weight_decay,
        fused=True,
    )
