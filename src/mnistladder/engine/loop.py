"""The only hot loop: trains one network, or several as one, batch by batch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mnistladder.engine.inputs import Epoch, batches
from mnistladder.engine.optim import Loss
from mnistladder.engine.tensors import Images
from mnistladder.engine.train_state import TrainState
from mnistladder.model.modules import dropout_masks


def run_epoch(
    state: TrainState,
    loss_function: Loss,
    epochs: Sequence[Epoch | Images],
    batch_size: int,
    rates: list[float],
    generators: Sequence[torch.Generator],
    clip_norm: float | None = None,
) -> Tensor:
    """Trains K networks in one, an epoch for each, batch by batch; their mean losses per image, K.

    `rates` is the learning rate of each step; a network's generator draws its dropout masks.
    """
    network, weights, optimizer = state.network.train(), state.weights, state.optimizer
    networks = len(generators)
    total = torch.zeros(networks, device=weights.device)
    with dropout_masks(network, batch_size, generators) as set_next_masks:
        for rate, (images, labels) in zip(rates, batches(epochs, batch_size), strict=True):
            set_next_masks()
            logits = state.forward(images)
            by_network = zip(logits.chunk(networks, 1), labels.chunk(networks, -1), strict=True)
            # One call a network: a kernel's rounding may depend on how many rows it is given.
            losses = torch.stack([loss_function(own, truth.flatten()) for own, truth in by_network])
            weights.grad.zero_()  # type: ignore[union-attr]
            state.backward(losses.sum())
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(weights, clip_norm)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            total += losses.detach() * len(labels)
    return total / len(epochs[0])
