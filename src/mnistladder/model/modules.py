"""The few torch modules and initialisers that torch.nn does not have under these names."""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Module = TypeVar("Module", nn.Linear, nn.Conv2d)

INITIALIZERS: dict[str, Callable[[Tensor], Tensor]] = {
    "glorot_uniform": nn.init.xavier_uniform_,
    "glorot_normal": nn.init.xavier_normal_,
    "he_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "he_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "lecun_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear"),
    "orthogonal": nn.init.orthogonal_,
}


def initialized(module: Module, name: str) -> Module:
    """The module with its weight drawn anew by the named initialiser and its bias zero."""
    INITIALIZERS[name](module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


class Standardize(nn.Module):
    """(x - mean) / std; what was not given is taken from the training pixels by `fit`."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float | None, std: float | None) -> None:
        super().__init__()
        self.given = (mean, std)
        self.register_buffer("mean", torch.tensor(0.0 if mean is None else mean))
        self.register_buffer("std", torch.tensor(1.0 if std is None else std))

    def fit(self, mean: float, std: float) -> None:
        """Sets the statistics that the config left open; a constant image set keeps its scale."""
        for buffer, given, measured in zip(
            (self.mean, self.std), self.given, (mean, std or 1.0), strict=True
        ):
            if given is None:
                buffer.fill_(measured)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class Dropout(nn.Module):
    """Zeroes each value with probability p in training; the others are scaled to keep the mean.

    Drawing is a tenth of a small network's step, so the training loop draws the masks of many
    batches at once, from 16-bit words, and `DropoutMasks` sets each batch's `mask` before its
    forward pass: p is rounded to a multiple of 2^-16. Without a mask torch's own dropout does it.
    """

    AHEAD = 1 << 19  # values drawn at a time, which fit into a core's cache
    AHEAD_ON_GPU = 1 << 21  # fewer calls, and 8 MiB for each network and dropout
    WORDS = 1 << 16
    mask: Tensor | None

    def __init__(self, p: float, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.p = p
        self.shape = shape
        self.register_buffer("mask", None, persistent=False)

    def masks(self, batch_size: int, generators: Sequence[torch.Generator]) -> Iterator[Tensor]:
        """Without end, the mask of each batch: batch_size x shape, on the generators' device.

        Those of several networks, one of each generator, are joined along the channels.
        """
        streams = [self._masks(batch_size, generator) for generator in generators]
        if len(streams) == 1:
            return streams[0]
        return (torch.cat(masks, 1) for masks in zip(*streams, strict=True))

    def _masks(self, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
        zeroed = min(round(self.p * self.WORDS), self.WORDS - 1)
        ahead = self.AHEAD if generator.device.type == "cpu" else self.AHEAD_ON_GPU
        steps = max(1, ahead // (batch_size * prod(self.shape)))
        count = steps * batch_size * prod(self.shape)
        while True:
            words = torch.empty(-(-count // 4), dtype=torch.int64, device=generator.device)
            words.random_(-(2**63), None, generator=generator)
            values = torch.empty(count, device=generator.device)
            torch.ge(words.view(torch.int16)[:count], zeroed - self.WORDS // 2, out=values)
            yield from self._batches(values.mul_(self.WORDS / (self.WORDS - zeroed)), steps)

    def _batches(self, values: Tensor, steps: int) -> tuple[Tensor, ...]:
        """Flat values as one tensor a batch, laid out in memory as feature maps are."""
        channels, *sides = self.shape
        return values.view(steps, -1, *sides, channels).movedim(-1, 2).unbind()

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return values
        if self.mask is None:
            return functional.dropout(values, self.p)
        return values * self.mask[: len(values)].to(values.dtype)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class DropoutMasks:
    """The masks of all dropouts of a network, batch by batch; used as a context.

    Each network in a stack has its own generator. After the context no dropout has a mask.
    """

    def __init__(
        self, network: nn.Module, batch_size: int, generators: Sequence[torch.Generator]
    ) -> None:
        self._dropouts = [part for part in network.modules() if isinstance(part, Dropout)]
        self._drawn = [part.masks(batch_size, generators) for part in self._dropouts]

    def draw(self) -> list[Tensor]:
        """The masks of the next batch, one for each dropout."""
        return [next(masks) for masks in self._drawn]

    def set(self, masks: Sequence[Tensor | None]) -> None:
        """Makes these the masks of the next forward pass."""
        for dropout, mask in zip(self._dropouts, masks, strict=True):
            dropout.mask = mask

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.set([None] * len(self._dropouts))


class StackedLinear(nn.Module):
    """Several networks' nn.Linear: features N x networks*in_features -> N x networks*out_features.

    Weight and bias are those of the networks, joined along their first dimension. The bias is
    added as a product too: the rounding of its gradient, a sum over images, would otherwise depend
    on the number of networks.
    """

    def __init__(self, networks: int, in_features: int, out_features: int, bias: bool) -> None:
        super().__init__()
        self.networks = networks
        self.weight = nn.Parameter(torch.zeros(networks * out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(networks * out_features)) if bias else None

    def forward(self, features: Tensor) -> Tensor:
        own = features.unflatten(1, (self.networks, -1)).transpose(0, 1)
        weights = self.weight.unflatten(0, (self.networks, -1)).transpose(1, 2)
        products = torch.bmm(own, weights)
        if self.bias is not None:
            ones = features.new_ones(self.networks, len(features), 1)
            products = torch.baddbmm(products, ones, self.bias.view(self.networks, 1, -1))
        return products.transpose(0, 1).flatten(1)


class StackedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation of several networks' channels, or features, side by side.

    On a CPU, a kernel rounds the channels that fill no whole vector otherwise than those that do,
    so a few spare channels fill the last one: no network's bits then depend on how many there are.
    If a channel is a single value, kernels take several vectors at a time.
    """

    VECTOR = 16

    def __init__(self, channels: int, sides: tuple[int, ...], eps: float, momentum: float) -> None:
        super().__init__(channels, eps, momentum)
        self.vector = self.VECTOR if prod(sides) > 1 else 2 * self.VECTOR
        self.spare = 0

    def fill_vectors(self) -> None:
        """Adds the spare channels; what the weights and buffers held is lost."""
        self.spare = -self.num_features % self.vector
        super().__init__(self.num_features + self.spare, self.eps, self.momentum)

    def forward(self, values: Tensor) -> Tensor:
        if not self.spare:
            return super().forward(values)
        sides = (0,) * 2 * (values.dim() - 2)
        padded = super().forward(functional.pad(values, (*sides, 0, self.spare)))
        return functional.pad(padded, (*sides, 0, -self.spare))  # keeps the layout both ways

    def _check_input_dim(self, values: Tensor) -> None:
        """Takes N x features as well."""


class GlobalAverage(nn.Module):
    """NCHW -> NC. A plain mean, because adaptive pooling has no deterministic CUDA backward."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean((2, 3))


class GlobalMaximum(nn.Module):
    """NCHW -> NC."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.amax((2, 3))
