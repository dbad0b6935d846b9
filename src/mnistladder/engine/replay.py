"""How the steps of an epoch run on CUDA: without the host's numbers, and as a CUDA graph if asked.

A small network's step is a few hundred kernels, and the host takes longer to call them than the GPU
to compute. A CUDA graph is a step that was recorded once: one call replays all of its kernels. It
is off, and was not run on a GPU yet; `MNISTLADDER_GRAPH=1` turns it on.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

Step = Callable[..., None]  # of a learning rate, images, labels, and masks
DEVICES = ("cuda",)  # where the rate and the optimizer's state are on the device
VARIABLE = "MNISTLADDER_GRAPH"


class Replayed:
    """A step that is a CUDA graph from its fourth call on; it lives for one epoch.

    All that differs between two batches must be an input, and a tensor on the device: inputs are
    copied to where the recorded kernels read them. Inputs of other shapes, the short last batch,
    are a plain call.
    """

    WARM_UPS = 3  # real steps, after which the libraries and the optimizer have all their memory

    def __init__(self, step: Step) -> None:
        self._step, self._steps = step, 0
        self._stream, self._graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        self._inputs: list[Tensor] = []

    def __call__(self, *inputs: Tensor) -> None:
        if not self._inputs:
            self._inputs = [value.clone() for value in inputs]
        if any(own.shape != new.shape for own, new in zip(self._inputs, inputs, strict=True)):
            self._step(*inputs)
            return
        for own, new in zip(self._inputs, inputs, strict=True):
            own.copy_(new)
        self._steps += 1
        if self._steps <= self.WARM_UPS:
            self._warm_up()
            return
        if self._steps == self.WARM_UPS + 1:
            with torch.cuda.graph(self._graph, stream=self._stream):  # records; nothing runs
                self._step(*self._inputs)
        self._graph.replay()

    def _warm_up(self) -> None:
        """A step on the stream on which the next ones are recorded, as torch asks for."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._step(*self._inputs)
        torch.cuda.current_stream().wait_stream(self._stream)


def replayed(step: Step, optimizer: torch.optim.Optimizer, device: torch.device) -> Step:
    """The step as a CUDA graph, where that is asked for and possible; else the step itself."""
    wanted = os.environ.get(VARIABLE) == "1"
    return Replayed(step) if wanted and _takes_tensors(optimizer, device) else step


def rates_for(
    optimizer: torch.optim.Optimizer, rates: Sequence[float], device: torch.device
) -> Sequence[float | Tensor]:
    """The learning rates as the optimizer takes them: on CUDA numbers on the device."""
    if not _takes_tensors(optimizer, device):
        return rates
    return torch.tensor(rates, dtype=torch.float32).to(device, non_blocking=True).unbind()


@contextmanager
def state_on_device(optimizer: torch.optim.Optimizer, device: torch.device) -> Iterator[None]:
    """Inside, no step of an optimizer on CUDA needs a number of the host.

    Afterwards the parameter groups are as before.
    """
    if not _takes_tensors(optimizer, device):
        yield
        return
    before = [dict(group) for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        if "capturable" in group:
            group["capturable"] = True
            group["foreach"] = None if group.get("fused") else True
    for state in optimizer.state.values():
        for name, value in state.items():
            if value is not None:  # a count of steps that was loaded lies on the CPU
                state[name] = value.to(device, non_blocking=True)
    try:
        with warnings.catch_warnings():  # torch warns of `capturable` without a graph
            warnings.filterwarnings("ignore", "This instance was constructed with capturable")
            yield
    finally:
        for group, old in zip(optimizer.param_groups, before, strict=True):
            group.update(old)


def _takes_tensors(optimizer: torch.optim.Optimizer, device: torch.device) -> bool:
    """Whether a step can do without the host; not with an optimizer that has no such option."""
    groups = optimizer.param_groups
    return device.type in DEVICES and all(
        "capturable" in group or group.get("fused") for group in groups
    )
