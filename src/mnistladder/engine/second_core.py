"""A second core for one network alone: weight gradients on a thread beside the backward pass.

A convolution's weight gradient is needed only by the optimizer, its input gradient at once. Both
are computed by the same kernels as without it, one thread each, so that no bit changes. Torch's own
two threads would give other bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

import torch
from torch import Tensor, nn
from torch.nn import functional

from mnistladder.engine.devices import make_thread_deterministic
from mnistladder.engine.train_state import TrainState


@dataclass(frozen=True)
class Owed:
    """The weight and bias gradient of a convolution, still to be computed."""

    module: nn.Conv2d
    gradient: Tensor  # of its output
    values: Tensor  # its input

    @torch.no_grad()
    def pay(self) -> None:
        """Adds them to the parameters' gradients, by the kernel that autograd calls."""
        module = self.module
        kind = self.gradient.dtype  # in mixed precision that of the forward pass
        _, *gradients = torch.ops.aten.convolution_backward.default(
            self.gradient,
            self.values.to(kind),
            module.weight.to(kind),
            [module.out_channels],
            module.stride,
            module.padding,
            module.dilation,
            False,
            [0, 0],
            module.groups,
            [False, True, module.bias is not None],
        )
        for parameter, part in zip((module.weight, module.bias), gradients, strict=True):
            if parameter is not None:
                parameter.grad.add_(part)  # type: ignore[union-attr]


class SecondCore:
    """The thread, and the gradients it still owes; used as a context.

    `lent_to` is a context within it: a network has the second core only there.
    """

    def __init__(self) -> None:
        self._owed: SimpleQueue[Owed | None] = SimpleQueue()
        self._paid: SimpleQueue[Exception | None] = SimpleQueue()
        self._left = 0
        self._is_lent = False
        self._thread = Thread(target=self._work, daemon=True)

    def __enter__(self) -> "SecondCore":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._owed.put(None)
        self._thread.join()

    @contextmanager
    def lent_to(self, state: TrainState) -> Iterator[None]:
        """Inside, the convolutions of a network on the CPU use the thread; `backward` waits for it.

        Afterwards the network is a plain one again.
        """
        convolutions = [
            module
            for module in state.network.modules()
            if type(module) is nn.Conv2d and _pads_with_zeros(module)
        ]
        plain, state.backward = state.backward, self._backward
        for module in convolutions:
            module.forward = partial(self._convolve, module)  # type: ignore[method-assign]
        self._is_lent = True
        try:
            yield
        finally:
            self._is_lent = False
            state.backward = plain
            for module in convolutions:
                del module.forward  # the method of the class is visible again

    def _convolve(self, module: nn.Conv2d, values: Tensor) -> Tensor:
        """The convolution, whose backward pass computes the gradient of its input only."""
        if not values.requires_grad:  # the first layer: nothing else is left to do
            return nn.Conv2d.forward(module, values)
        bias = module.bias.detach() if module.bias is not None else None
        maps = functional.conv2d(
            values,
            module.weight.detach(),
            bias,
            module.stride,
            module.padding,
            module.dilation,
            module.groups,
        )
        maps.register_hook(lambda gradient: self._owe(Owed(module, gradient, values)))
        return maps

    def _owe(self, owed: Owed) -> None:
        if not self._is_lent:  # the backward pass of an earlier loss: nobody waits for the thread
            owed.pay()
            return
        self._left += 1
        self._owed.put(owed)

    def _work(self) -> None:
        make_thread_deterministic()
        while (owed := self._owed.get()) is not None:
            try:
                owed.pay()
                self._paid.put(None)
            except Exception as error:
                self._paid.put(error)

    def _backward(self, loss: Tensor) -> None:
        """The whole backward pass. Raises what the thread raised."""
        loss.backward()
        while self._left:
            self._left -= 1
            try:
                owed = self._owed.get_nowait()  # what the thread has not begun is done here
            except Empty:
                if error := self._paid.get():
                    raise error from None
            else:
                if owed:
                    owed.pay()


def _pads_with_zeros(module: nn.Conv2d) -> bool:
    """Whether the backward pass above is that of this convolution."""
    return module.padding_mode == "zeros" and not isinstance(module.padding, str)
