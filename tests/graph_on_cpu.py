"""CUDA graphs without CUDA: operations on CPU tensors are recorded, then done again with values.

It shows what a graph of a step gets wrong: a number of the host that is recorded once and for all,
an input that is not copied to where the graph reads it, a state that is made while it is recorded.
It does not show what CUDA cannot record.
"""

from contextlib import contextmanager, nullcontext
from importlib import import_module

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mnistladder.engine import replay


class Recorder(TorchDispatchMode):
    """Notes every operation with its arguments and its results. As in a graph, nothing has run.

    The values that the operations change are set back at the end.
    """

    def __init__(self):
        super().__init__()
        self.operations, self.before = [], {}

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        options = options or {}
        for value in tensors((arguments, options)):
            storage = value.untyped_storage()
            self.before.setdefault(storage.data_ptr(), (storage, storage.clone()))
        results = operation(*arguments, **options)
        self.operations.append((operation, arguments, options, results))
        return results

    def undo(self):
        for storage, values in self.before.values():
            storage.copy_(values)


def tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


class Graph:
    """As torch.cuda.CUDAGraph: `replay` computes all again from what the tensors hold now."""

    made = 0

    def __init__(self):
        type(self).made += 1
        self.recorder, self.replays = Recorder(), 0

    def replay(self):
        self.replays += 1
        with torch._C._AutoDispatchBelowAutograd():
            self._compute()

    def _compute(self):
        for operation, arguments, options, results in self.recorder.operations:
            again = operation(*arguments, **options)
            inputs = {value.data_ptr() for value in tensors((arguments, options))}
            for old, new in zip(tensors(results), tensors(again), strict=True):
                if old.data_ptr() not in inputs:  # neither a view nor changed in place
                    old.copy_(new)


@contextmanager
def recording(graph, stream):
    """As torch.cuda.graph."""
    with graph.recorder:
        yield
    graph.recorder.undo()


class Stream:
    """As torch.cuda.Stream; a CPU has one."""

    def wait_stream(self, other):
        pass


def graphs_on_cpu(monkeypatch, wanted=True):
    """From now on steps on the CPU are those of CUDA: replayed if `wanted`, else called."""
    monkeypatch.setattr(replay, "DEVICES", ("cpu",))
    monkeypatch.setenv(replay.VARIABLE, str(int(wanted)))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", recording)
    for name in ("rmsprop", "adadelta"):
        module = import_module(f"torch.optim.{name}")
        monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda **_: ["cpu"])
