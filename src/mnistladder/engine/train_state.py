"""A network in training: its weights as one tensor, its optimizer, and both as stored bytes."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from safetensors import torch as safetensors
from torch import Tensor, nn

from mnistladder.config.spec import Config
from mnistladder.engine import optim
from mnistladder.errors import CorruptError, UsageError
from mnistladder.model import network

WEIGHT, MOMENT = "weight/", "optimizer/"
ALIGNMENT = 16  # float32 values in a cache line; kernels read a weight from the start of one


@dataclass
class TrainState:
    """One network in training.

    `weights` and its gradient hold those of all parameters; `optimizer` knows no others, and
    `backward` adds a loss's gradient to them. `precision` is that of activations and products in
    training (torch's automatic mixed precision; bfloat16 has the range of float32, so that no loss
    needs scaling).
    """

    network: nn.Module
    weights: nn.Parameter
    optimizer: torch.optim.Optimizer
    precision: torch.dtype = torch.float32
    backward: Callable[[Tensor], None] = Tensor.backward

    @classmethod
    def new(
        cls, config: Config, seed: int, statistics: tuple[float, float], device: torch.device
    ) -> "TrainState":
        """The member with its initial weights. Raises UsageError as `join_weights`.

        `statistics` are the training pixels' mean and standard deviation.
        """
        built = network.build(config.model, seed, statistics).to(device)
        weights = join_weights(built)
        return cls.of(config, built, weights)

    @classmethod
    def of(cls, config: Config, built: nn.Module, weights: nn.Parameter) -> "TrainState":
        """The network, whose weights these are, with the config's optimizer and precision."""
        optimizer = optim.make_optimizer(config, weights)
        return cls(built, weights, optimizer, getattr(torch, config.precision))

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x 10, float32, of images N x 1 x 28 x 28, for training."""
        if self.precision == torch.float32:
            return self.network(images.float())
        with torch.autocast(images.device.type, self.precision):
            return self.network(images.float()).float()

    def save(self) -> bytes:
        """Weights, buffers and optimizer state as safetensors bytes."""
        tensors = {WEIGHT + name: value for name, value in self.network.state_dict().items()}
        tensors |= {
            MOMENT + kind: value
            for kind, value in self.optimizer.state.get(self.weights, {}).items()
            if value is not None
        }
        return safetensors.save({name: value.cpu().contiguous() for name, value in tensors.items()})

    def load(self, checkpoint: bytes) -> None:
        """Takes over the state of `save`. Raises CorruptError where it is another network's."""
        tensors = safetensors.load(checkpoint)
        weights, moments = (
            {name.removeprefix(kind): value for name, value in tensors.items() if kind in name}
            for kind in (WEIGHT, MOMENT)
        )
        groups = self.optimizer.state_dict()["param_groups"]
        try:
            self.network.load_state_dict(weights)
            self.optimizer.load_state_dict({"state": {0: moments}, "param_groups": groups})
        except (RuntimeError, ValueError) as error:
            raise CorruptError(f"a checkpoint of another network: {error}") from None
        for kind, value in moments.items():
            if value.dim() and value.shape != self.weights.shape:
                raise CorruptError(f"a checkpoint of another network: {len(value)} of {kind}")


def join_weights(built: nn.Module) -> nn.Parameter:
    """One tensor that holds all parameters of the network, which become views of it.

    An optimizer then updates all in one pass. The gradients are views of the tensor's gradient, and
    convolutions are laid out channels last. Raises UsageError where one is not float32.
    """
    parameters = list(built.parameters())
    for name, parameter in built.named_parameters():
        if parameter.dtype != torch.float32:
            raise UsageError(f"parameter {name} is {parameter.dtype}; a layer must have float32")
    size = sum(_aligned(parameter.numel()) for parameter in parameters)
    weights = nn.Parameter(torch.zeros(size, device=parameters[0].device))
    weights.grad = torch.zeros_like(weights)
    for joined in (weights.data, weights.grad):
        for parameter, part in zip(parameters, split_weights(joined, parameters), strict=True):
            if joined is weights.grad:
                parameter.grad = part
            else:
                parameter.data = part.copy_(parameter.data)
    return weights


def split_weights(joined: Tensor, parameters: list[nn.Parameter]) -> Iterator[Tensor]:
    """The parts of joined values, ... x all, as views ... x shape of each parameter."""
    start = 0
    for parameter in parameters:
        part = joined[..., start : start + parameter.numel()]
        if parameter.dim() == 4:
            out, channels, *sides = parameter.shape
            yield part.unflatten(-1, (out, *sides, channels)).movedim(-1, -3)
        else:
            yield part.unflatten(-1, parameter.shape)
        start += _aligned(parameter.numel())


def _aligned(count: int) -> int:
    return -(-count // ALIGNMENT) * ALIGNMENT


def hash_weights(trained: nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of each weight and buffer, in order of name."""
    digest = hashlib.sha256()
    for name, value in sorted(trained.state_dict().items()):
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
