"""The only hot loop: trains one network, or several as one, batch by batch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mnistladder.engine import replay
from mnistladder.engine.inputs import Epoch, batches
from mnistladder.engine.optim import Loss, mean_losses
from mnistladder.engine.tensors import Images
from mnistladder.engine.train_state import TrainState
from mnistladder.model.modules import DropoutMasks


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

    `rates` is the learning rate of each step; a network's generator draws its dropout masks. All
    that differs between two steps is an argument of `step`, so that CUDA can replay it.
    """
    network, weights, optimizer = state.network.train(), state.weights, state.optimizer
    device, networks = weights.device, len(generators)
    total = torch.zeros(networks, device=device)
    dropouts = DropoutMasks(network, batch_size, generators)

    def step(rate: float | Tensor, images: Tensor, labels: Tensor, *masks: Tensor) -> None:
        dropouts.set(masks)
        losses = mean_losses(loss_function, state.forward(images), labels, networks)
        weights.grad.zero_()  # type: ignore[union-attr]
        state.backward(losses.sum())
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(weights, clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        total.add_(losses.detach() * len(labels))

    with dropouts, replay.state_on_device(optimizer, device):
        run = replay.replayed(step, optimizer, device)
        steps = zip(
            replay.rates_for(optimizer, rates, device), batches(epochs, batch_size), strict=True
        )
        for rate, (images, labels) in steps:
            run(rate, images, labels, *dropouts.draw())
            if state.average:
                state.average.after_step()
    return total / len(epochs[0])
