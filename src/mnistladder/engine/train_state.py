"""A network in training: its weights as one tensor, its optimizer, and both as stored bytes."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from mnistladder.config.spec import Config
from mnistladder.engine import optim
from mnistladder.engine.averages import with_unbiased_averages
from mnistladder.engine.joined_weights import JoinedWeights, join_weights
from mnistladder.engine.weight_average import PREFIX, WeightAverage
from mnistladder.errors import CorruptError
from mnistladder.model import network
from mnistladder.model.views import with_views

WEIGHT, MOMENT = "weight/", "optimizer/"


@dataclass
class TrainState:
    """One network in training.

    `joined` holds all parameters and their gradients; `optimizer` knows no others, and `backward`
    adds a loss's gradient to them. `precision` is that of activations and products in training
    (torch's automatic mixed precision; bfloat16 has the range of float32, so that no loss needs
    scaling). `average` follows the weights if the config asks for it.
    """

    network: nn.Module
    joined: JoinedWeights
    optimizer: torch.optim.Optimizer
    precision: torch.dtype = torch.float32
    backward: Callable[[Tensor], None] = Tensor.backward
    average: WeightAverage | None = None
    moment_kinds: frozenset[str] = frozenset()  # what a checkpoint must have of the optimizer
    views: int = 1  # of an image in evaluation

    @classmethod
    def new(
        cls, config: Config, seed: int, statistics: tuple[float, float], device: torch.device
    ) -> "TrainState":
        """The network with its initial weights. Raises UsageError as `join_weights`.

        `statistics` are the training pixels' mean and standard deviation.
        """
        return cls.of(config, network.build(config.model, seed, statistics).to(device))

    @classmethod
    def of(cls, config: Config, built: nn.Module, networks: int = 1) -> "TrainState":
        """The network, or so many stacked ones, with its weights joined; what the config says."""
        exempt = optim.without_decay(built, config.optimizer.no_decay)
        joined = join_weights(built, exempt, optim.matrices(built, config.optimizer))
        optimizer = optim.make_optimizer(config, joined, networks)
        average = WeightAverage.of(config.average, joined, built) if config.average else None
        precision = getattr(torch, config.precision)
        return cls(
            built,
            joined,
            optimizer,
            precision,
            average=average,
            moment_kinds=optim.moment_kinds(config.optimizer),
            views=config.views,
        )

    @property
    def evaluated(self) -> nn.Module:
        """The network that is scored, hashed and exported.

        That with the averaged weights, or without such an average the one in training; the moving
        averages of batch normalisation are unbiased, and all views of an image count.
        """
        if self.average and self.average.updates:
            return with_views(self.average.network(self.network, self.joined), self.views)
        return with_views(with_unbiased_averages(self.network), self.views)

    @property
    def weights(self) -> nn.Parameter:
        """All weights as one tensor, whose gradient is that of the loss."""
        return self.joined.values

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x 10, float32, of images N x 1 x 28 x 28, for training."""
        if self.precision == torch.float32:
            return self.network(images.float())
        # A cache would help a weight that is used twice; a CUDA graph cannot have one.
        with torch.autocast(images.device.type, self.precision, cache_enabled=False):
            return self.network(images.float()).float()

    def save(self) -> bytes:
        """Weights, buffers, optimizer state and average as safetensors bytes."""
        tensors = {WEIGHT + name: value for name, value in self.network.state_dict().items()}
        tensors |= {MOMENT + kind: value for kind, value in self.moments().items()}
        tensors |= self.average.stored() if self.average else {}
        return safetensors.torch.save(
            {name: value.cpu().contiguous() for name, value in tensors.items()}
        )

    def load(self, checkpoint: bytes) -> None:
        """Takes over the state of `save`. Raises CorruptError if it is another's, or none."""
        try:
            tensors = safetensors.torch.load(checkpoint)
        except (SafetensorError, KeyError, ValueError) as error:  # hashes hold against accidents
            raise CorruptError(f"a checkpoint that cannot be read: {error}") from None
        weights, moments = (
            {n.removeprefix(kind): value for n, value in tensors.items() if n.startswith(kind)}
            for kind in (WEIGHT, MOMENT)
        )
        if lacking := sorted(self.moment_kinds - moments.keys()):
            raise CorruptError(f"a checkpoint that lacks {', '.join(lacking)} of its optimizer")
        for kind, value in moments.items():
            if not value.is_floating_point():
                raise CorruptError(f"a checkpoint of another network: {value.dtype} in {kind}")
            if value.dim() and value.shape != self.weights.shape:
                raise CorruptError(f"a checkpoint of another network: {len(value)} of {kind}")
        try:
            self.network.load_state_dict(weights)
        except RuntimeError as error:
            raise CorruptError(f"a checkpoint of another network: {error}") from None
        self.take_moments(moments)
        if self.average:
            self.average.take({n: value for n, value in tensors.items() if n.startswith(PREFIX)})

    def moments(self) -> dict[str, Tensor]:
        """The optimizer's state by kind: laid out as `weights`, or one number for all of them."""
        states = [self.optimizer.state.get(segment, {}) for segment in self.joined.segments]
        first = states[0]
        kinds = [kind for kind, value in first.items() if value is not None]
        if len(states) == 1:
            return {kind: first[kind] for kind in kinds}
        return {
            kind: torch.cat([state[kind] for state in states]) if first[kind].dim() else first[kind]
            for kind in kinds
        }

    def take_moments(self, moments: dict[str, Tensor]) -> None:
        """Makes a copy of these, on the weights' device, the optimizer's state."""
        parts = {
            kind: self.joined.cut(value) if value.dim() else [value] * len(self.joined.segments)
            for kind, value in moments.items()
        }
        states = {
            number: {kind: part[number].clone() for kind, part in parts.items()}
            for number in range(len(self.joined.segments))
        }
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})


def hash_weights(trained: nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of each weight and buffer, in order of name."""
    digest = hashlib.sha256()
    for name, value in sorted(trained.state_dict().items()):
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
