"""What a network sees in an epoch: the order of the images, distorted, batch by batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mnistladder.config import spec
from mnistladder.config.sizes import PART, epoch_size
from mnistladder.engine import augment
from mnistladder.engine.augment import Distortions
from mnistladder.engine.tensors import Images
from mnistladder.seeds import Purpose, derive_seed


def stream(
    seed: int, purpose: Purpose, epoch: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A generator at the start of the derived stream; on a GPU it draws other numbers."""
    return torch.Generator(device).manual_seed(derive_seed(seed, purpose, epoch))


def mixed_order(
    count: int, pool: int, config: spec.Config, phase: spec.Phase, seed: int, epoch: int
) -> Tensor:
    """Indices of an epoch in batch order: `count` training images, each once, then pool images.

    Every batch ends with exactly `pseudo_per_batch` of the pool, numbered from `count` on; the pool
    is walked in a new order each time round. The last batch has what is left of the real images.
    """
    pseudo = phase.pseudo_per_batch
    real = config.batch_size - pseudo
    steps, _ = epoch_size(count, config.batch_size, pseudo)
    order = torch.randperm(count, generator=stream(seed, "order", epoch))[: steps * real]
    if not pseudo:
        return order
    generator = stream(seed, "pseudo", epoch)
    rounds = -(-steps * pseudo // pool)
    drawn = torch.cat([torch.randperm(pool, generator=generator) for _ in range(rounds)]) + count
    batches = zip(order.split(real), drawn[: steps * pseudo].split(pseudo), strict=True)
    return torch.cat([part for batch in batches for part in batch])


@dataclass(frozen=True)
class Epoch:
    """A network's inputs for one epoch; its images are gathered and distorted a part at a time.

    So an epoch takes no memory to speak of, and a part is still in the cache when it is used.
    """

    train: Images
    pool: Images | None
    order: Tensor  # indices into the training images, then the pool's
    distortions: tuple[Distortions, ...] = ()  # of all images, in batch order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, part: slice | Tensor) -> Images:
        """The images at some places of the epoch, by a slice or by their indices."""
        images, labels = self._gather(self.order[part])
        of_part = tuple(kind.part(part) for kind in self.distortions)
        return Images(augment.apply(images, of_part), labels)

    def _gather(self, order: Tensor) -> tuple[Tensor, Tensor]:
        """Images and labels in that order.

        `where` instead of a branch, because a GPU would wait for a branch.
        """
        if self.pool is None:
            return self.train.images[order], self.train.labels[order]
        count = len(self.train)
        ours, theirs = order.clamp(max=count - 1), (order - count).clamp(min=0)
        images = torch.where(
            (order < count)[:, None, None, None], self.train.images[ours], self.pool.images[theirs]
        )
        return images, torch.where(order < count, self.train.labels[ours], self.pool.labels[theirs])


def assemble_epoch(
    train: Images,
    pool: Images | None,
    config: spec.Config,
    phase: spec.Phase,
    seed: int,
    epoch: int,
) -> Epoch:
    """All that is random about an epoch's inputs: the images' order, and distortions if planned.

    `epoch` counts the network's epochs from 0 across phases; `pool` carries the guessed labels.
    """
    device = train.images.device
    order = mixed_order(len(train), len(pool) if pool else 0, config, phase, seed, epoch)
    guessed = pool if phase.pseudo_per_batch else None
    if not (phase.augment and config.augment):
        return Epoch(train, guessed, order.to(device))
    drawn = augment.draw(config.augment, len(order), stream(seed, "augment", epoch))
    distortions = tuple(kind.to(device) for kind in drawn)
    return Epoch(train, guessed, order.to(device), distortions)


def side_by_side(epochs: Sequence[Images]) -> Images:
    """The images of networks that train together as one, its channels last in memory."""
    if len(epochs) == 1:
        return epochs[0]
    pixels = torch.stack([epoch.images[:, 0] for epoch in epochs], dim=-1)
    return Images(pixels.movedim(-1, 1), torch.stack([epoch.labels for epoch in epochs], dim=1))


def batches(epochs: Sequence[Epoch | Images], batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels batch by batch, those of several networks side by side."""
    size = batch_size * max(1, PART // batch_size)
    for start in range(0, len(epochs[0]), size):
        part = side_by_side([epoch[start : start + size] for epoch in epochs])
        yield from zip(part.images.split(batch_size), part.labels.split(batch_size), strict=True)
