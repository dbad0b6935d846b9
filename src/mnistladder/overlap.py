"""A second core for one network alone: weight gradients on a thread beside the backward pass.

A convolution's weight gradient is needed only by the optimizer, its input gradient at once. Both
are computed by the same kernels as ever, one thread each, so that no bit changes. Measured on two
cores: 1.1 times the images a second of one thread alone, where torch's own two threads would give
other bits.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mnistladder.device import make_deterministic
from mnistladder.member import Member


class Overlap:
    """The thread, and the gradients it still owes; used as a context."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, initializer=make_deterministic)
        self._owed: list[Future[None]] = []

    def __enter__(self) -> "Overlap":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def attach(self, member: Member) -> None:
        """Makes all convolutions of a member on the CPU use the thread."""
        member.backward = self._backward
        for module in member.network.modules():
            if type(module) is nn.Conv2d and _pads_with_zeros(module):
                module.forward = partial(_Convolution.apply, module, self, module.weight)  # type: ignore[method-assign]

    def owe(self, module: nn.Conv2d, gradient: Tensor, values: Tensor) -> None:
        """Has the weight gradient computed some time before `backward` returns."""
        self._owed.append(self._thread.submit(_add_weight_gradient, module, gradient, values))

    def _backward(self, loss: Tensor) -> None:
        """The whole backward pass. Raises what the thread raised."""
        loss.backward()
        for future in self._owed:
            future.result()
        self._owed.clear()


def _pads_with_zeros(module: nn.Conv2d) -> bool:
    """Whether the backward pass below is that of this convolution."""
    return module.padding_mode == "zeros" and not isinstance(module.padding, str)


class _Convolution(torch.autograd.Function):
    """nn.Conv2d with zero padding, whose backward pass gives the input's gradient only."""

    @staticmethod
    def forward(
        ctx: Any, module: nn.Conv2d, overlap: Overlap, weight: Tensor, values: Tensor
    ) -> Tensor:
        # `weight` is there for autograd to see that something needs a gradient.
        ctx.module, ctx.overlap = module, overlap
        ctx.save_for_backward(values)
        return nn.Conv2d.forward(module, values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, None, Tensor | None]:
        [values] = ctx.saved_tensors
        if not ctx.needs_input_grad[3]:  # the first layer: nothing else is left to do here
            _add_weight_gradient(ctx.module, gradient, values)
            return None, None, None, None
        ctx.overlap.owe(ctx.module, gradient, values)
        return None, None, None, _gradients(ctx.module, gradient, values, [True, False, False])[0]


@torch.no_grad()
def _add_weight_gradient(module: nn.Conv2d, gradient: Tensor, values: Tensor) -> None:
    has_bias = module.bias is not None
    _, weight, bias = _gradients(module, gradient, values, [False, True, has_bias])
    for parameter, found in ((module.weight, weight), (module.bias, bias)):
        if parameter is not None:
            parameter.grad.add_(found)  # type: ignore[union-attr]


def _gradients(
    module: nn.Conv2d, gradient: Tensor, values: Tensor, wanted: list[bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Those wanted of input, weight and bias gradient, by the kernels that autograd calls."""
    kind = gradient.dtype  # in mixed precision that of the forward pass, else the weight's own
    return torch.ops.aten.convolution_backward.default(
        gradient, values.to(kind), module.weight.to(kind), [module.out_channels], module.stride,
        module.padding, module.dilation, False, [0, 0], module.groups, wanted,
    )  # fmt: skip
