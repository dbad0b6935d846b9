"""All weights of a network in one tensor, so that an optimizer's step is one call.

The matrices that an optimizer treats as such come first, and parameters without weight decay last:
each segment is what one parameter group of the optimizer holds.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mnistladder.errors import UsageError
from mnistladder.model.muon import Matrices

ALIGNMENT = 16  # float32 values in a cache line; kernels read a weight from the start of one


@dataclass(frozen=True)
class JoinedWeights:
    """All weights as one tensor, whose gradient holds all gradients; the parameters are its views.

    `segments` are views of it as well, one after the other: the matrices, the other weights with
    weight decay, then those without it. A segment that would be empty is left out.
    """

    values: nn.Parameter
    parameters: list[nn.Parameter]  # in the order in which they lie there
    segments: list[nn.Parameter]
    decays: list[bool]  # whether weight decay applies to each segment
    matrices: list[nn.Parameter]  # the parameters in the first segment, if it is theirs

    def split(self, joined: Tensor) -> Iterator[Tensor]:
        """The parts of a tensor that is laid out as the weights, one for each parameter."""
        return split_weights(joined, self.parameters)

    def cut(self, joined: Tensor) -> list[Tensor]:
        """The segments of a tensor that is laid out as the weights; views of it."""
        return list(joined.split([len(segment) for segment in self.segments]))

    def matrix_places(self, networks: int) -> list[Matrices]:
        """Where the matrices of so many stacked networks lie in the first segment.

        A convolution's filters are the rows of one matrix.
        """
        places, start = list[Matrices](), 0
        for parameter in self.matrices:
            rows = len(parameter) // networks
            places.append(Matrices(start, networks, rows, parameter[0].numel()))
            start += _aligned(parameter.numel())
        return places


def join_weights(
    built: nn.Module,
    exempt: Collection[nn.Parameter] = (),
    matrices: Collection[nn.Parameter] = (),
) -> JoinedWeights:
    """Moves all parameters of the network into one tensor; they become views of it.

    The `exempt` ones are those without weight decay; the `matrices` get a segment of their own.
    Convolutions are laid out channels last. Raises UsageError if a parameter is not float32.
    """
    for name, parameter in built.named_parameters():
        if parameter.dtype != torch.float32:
            raise UsageError(f"parameter {name} is {parameter.dtype}; a layer must have float32")
    own = [parameter for parameter in built.parameters() if parameter in set(matrices)]
    groups = [own] + [
        [p for p in built.parameters() if p not in set(own) and (p not in exempt) is decays]
        for decays in (True, False)
    ]
    parameters = [parameter for group in groups for parameter in group]
    sizes = [sum(_aligned(parameter.numel()) for parameter in group) for group in groups]
    values = nn.Parameter(torch.zeros(sum(sizes), device=parameters[0].device))
    values.grad = torch.zeros_like(values)
    parts = (split_weights(joined, parameters) for joined in (values.data, values.grad))
    for parameter, part, gradient in zip(parameters, *parts, strict=True):
        parameter.data = part.copy_(parameter.data)
        parameter.grad = gradient
    decays = [decay for decay, size in zip((True, True, False), sizes, strict=True) if size]
    segments = _segments(values, [size for size in sizes if size])
    return JoinedWeights(values, parameters, segments, decays, own)


def _segments(values: nn.Parameter, sizes: Sequence[int]) -> list[nn.Parameter]:
    """Parameters of these sizes that share the memory of the weights and of their gradient."""
    if len(sizes) == 1:
        return [values]
    assert values.grad is not None
    segments = [nn.Parameter(part) for part in values.data.split(list(sizes))]
    for segment, gradient in zip(segments, values.grad.split(list(sizes)), strict=True):
        segment.grad = gradient
    return segments


def split_weights(joined: Tensor, parameters: Sequence[nn.Parameter]) -> Iterator[Tensor]:
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
