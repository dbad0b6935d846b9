"""The training engine: an epoch's inputs, then the only hot loop. No files, no terminal."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnistladder import config as spec
from mnistladder.augment import draw_maps, warp
from mnistladder.streams import Purpose, derive_seed

Loss = Callable[[Tensor, Tensor], Tensor]
KERAS_EPSILON = 1e-7


@dataclass(frozen=True)
class Images:
    """Images N x 1 x 28 x 28, bytes, and labels N, int64, on the device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


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


def make_optimizer(config: spec.Config, network: nn.Module) -> torch.optim.Optimizer:
    """The config's optimizer, fused: one kernel for all parameters. Learning rates come later."""
    chosen = config.optimizer
    parameters = list(network.parameters())
    if isinstance(chosen, spec.Sgd):
        return torch.optim.SGD(
            parameters,
            momentum=chosen.momentum,
            nesterov=chosen.nesterov,
            weight_decay=chosen.weight_decay,
            fused=True,
        )
    kind = torch.optim.AdamW if isinstance(chosen, spec.AdamW) else torch.optim.Adam
    return kind(
        parameters,
        betas=(chosen.beta1, chosen.beta2),
        eps=chosen.eps,
        weight_decay=chosen.weight_decay,
        fused=True,
    )


def learning_rates(phase: spec.Phase, epoch: int, steps: int) -> list[float]:
    """The learning rate of each step of the phase's epoch number `epoch`, counted from 0."""
    ramp = phase.lr
    if not isinstance(ramp, spec.Ramp):
        return [ramp] * steps
    if ramp.per == "epoch":
        return [_ramp(ramp, epoch / max(phase.epochs - 1, 1))] * steps
    last = max(phase.epochs * steps - 1, 1)
    return [_ramp(ramp, (epoch * steps + step) / last) for step in range(steps)]


def _ramp(ramp: spec.Ramp, progress: float) -> float:
    if ramp.shape == "exponential":
        return ramp.from_ ** (1 - progress) * ramp.to**progress
    if ramp.shape == "cosine":
        progress = (1 - math.cos(math.pi * progress)) / 2
    return ramp.from_ + (ramp.to - ramp.from_) * progress


def stream(seed: int, purpose: Purpose, epoch: int) -> torch.Generator:
    """A CPU generator at the start of the derived stream."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, epoch))


def steps_per_epoch(count: int, real_per_batch: int, pseudo_per_batch: int = 0) -> int:
    """Batches of one pass; the last one may be short, but a single image cannot be normalised."""
    full, rest = divmod(count, real_per_batch)
    return full + (rest > 0 and rest + pseudo_per_batch > 1)


def mixed_order(
    count: int, pool: int, config: spec.Config, phase: spec.Phase, seed: int, epoch: int
) -> Tensor:
    """Indices of an epoch in batch order: `count` training images, each once, then pool images.

    Every batch ends with exactly `pseudo_per_batch` of the pool, numbered from `count` on; the pool
    is walked in a new order each time round. The last batch has what is left of the real images.
    """
    pseudo = phase.pseudo_per_batch
    real = config.batch_size - pseudo
    steps = steps_per_epoch(count, real, pseudo)
    order = torch.randperm(count, generator=stream(seed, "order", epoch))[: steps * real]
    if not pseudo:
        return order
    generator = stream(seed, "pseudo", epoch)
    rounds = -(-steps * pseudo // pool)
    drawn = torch.cat([torch.randperm(pool, generator=generator) for _ in range(rounds)]) + count
    batches = zip(order.split(real), drawn[: steps * pseudo].split(pseudo), strict=True)
    return torch.cat([part for batch in batches for part in batch])


def assemble_epoch(
    train: Images,
    pool: Images | None,
    config: spec.Config,
    phase: spec.Phase,
    seed: int,
    epoch: int,
) -> Images:
    """All that is random about an epoch's inputs: images in order, distorted if so planned.

    `epoch` counts the member's epochs from 0 across phases; `pool` carries the guessed labels.
    """
    count = len(train)
    order = mixed_order(count, len(pool) if pool else 0, config, phase, seed, epoch)
    order = order.to(train.images.device)
    if phase.pseudo_per_batch and pool:
        train = Images(
            torch.cat([train.images, pool.images]), torch.cat([train.labels, pool.labels])
        )
    images, labels = train.images[order], train.labels[order]
    if phase.augment and config.augment:
        maps = draw_maps(config.augment, len(images), stream(seed, "augment", epoch))
        images = warp(images, maps.to(images.device), config.augment.interpolation)
    return Images(images, labels)


def run_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_function: Loss,
    epoch: Images,
    batch_size: int,
    rates: list[float],
    clip_norm: float | None = None,
) -> Tensor:
    """Trains on the assembled images, batch by batch; the mean loss per image, on the device.

    `rates` is the learning rate of each step. Dropout draws from torch's global generator.
    """
    network.train()
    parameters = list(network.parameters())
    total = torch.zeros((), device=epoch.images.device)
    batches = zip(epoch.images.split(batch_size), epoch.labels.split(batch_size), strict=True)
    for rate, (images, labels) in zip(rates, batches, strict=True):
        loss = loss_function(network(images.float()), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, clip_norm)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        total += loss.detach() * len(labels)
    return total / len(epoch)
