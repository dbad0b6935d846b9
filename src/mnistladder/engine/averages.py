"""Batch normalisation's moving averages, made right for any number of steps."""

import copy
from typing import TypeGuard

import torch
from torch import nn

BatchNorm = nn.modules.batchnorm._BatchNorm
NEGLIGIBLE = 2.0**-24  # a share that no float32 sum of comparable size shows


def with_unbiased_averages(network: nn.Module) -> nn.Module:
    """The network whose moving averages hold batches only, and nothing of their start values.

    The averages start at mean 0 and variance 1. After t batches the start values still have the
    share (1 - momentum)^t: 20 % after 160 batches at the default momentum. This subtracts them and
    divides by what the batches' weights add up to, as Adam corrects its moments (arXiv:1412.6980,
    section 3), in a copy. The network itself comes back where the share is too small to show, or
    before the first batch.
    """
    if not any(_start_share(module) for module in network.modules()):
        return network
    corrected = copy.deepcopy(network)
    for module in corrected.modules():
        if share := _start_share(module):
            remove_start(module, share)
    return corrected


def _start_share(module: nn.Module) -> float:
    """The share of the start values in a module's averages; 0 where it does not count."""
    if not has_moving_averages(module):
        return 0.0
    batches = int(module.num_batches_tracked or 0)
    share = (1 - (module.momentum or 0.0)) ** batches
    return share if batches and share >= NEGLIGIBLE else 0.0


def has_moving_averages(module: nn.Module) -> TypeGuard[BatchNorm]:
    """Whether it keeps averages that forget; without a momentum torch takes the plain mean."""
    return (
        isinstance(module, BatchNorm)
        and module.running_mean is not None
        and module.momentum is not None
    )


@torch.no_grad()
def remove_start(module: nn.Module, share: float) -> None:
    """Takes the start values out of moving averages in which they count so much."""
    assert has_moving_averages(module)
    mean, variance = module.running_mean, module.running_var
    assert mean is not None
    assert variance is not None
    mean.div_(1 - share)
    variance.sub_(share).div_(1 - share).clamp_(min=0)  # a difference of rounded numbers
