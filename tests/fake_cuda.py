"""A CUDA device without values (torch's FakeTensorMode): training code runs on it without a GPU.

It finds a tensor on the wrong device, a place where the host waits for the GPU, a generator of
another device, and types that do not fit. It finds no wrong number and no kernel that CUDA lacks.

Fake tensors know shapes, types and devices only. torch is not made for fake CUDA tensors where it
was built for CUDA and no driver is there, so five of its parts are replaced while a test runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CUDA, META = torch.device("cuda", 0), torch.device("meta")
ASKS_DEVICE = torch.ops.prim.device.default
COPIES = ("_to_copy", "copy_")
# The host needs a value or a size to go on: on a GPU it waits for all that was queued before.
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "is_nonzero")


class Watch(TorchDispatchMode):
    """Refuses what CUDA would refuse, and fake tensors let pass.

    While `steps` are watched it also refuses whatever makes the host wait. `operations` counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.in_steps, self.operations = False, 0

    @contextmanager
    def steps(self) -> Iterator[None]:
        """Nothing in here may wait for the device."""
        self.in_steps = True
        try:
            yield
        finally:
            self.in_steps = False

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        options = options or {}
        self.operations += 1
        name = operation.overloadpacket.__name__
        if self.in_steps:
            _refuse_waiting(name, arguments, options)
        _refuse_two_devices(name, arguments, options)
        if name.startswith("_fused_"):  # changes tensors in place; no rule for a rate on the device
            return None
        return operation(*arguments, **options)


def _refuse_waiting(name, arguments, options):
    assert name not in WAITS, f"{name} waits for the device"
    if name in COPIES:
        source = arguments[-1] if name == "copy_" else arguments[0]
        goal = arguments[0].device if name == "copy_" else options.get("device")
        is_there = goal is None or torch.device(goal).type in (source.device.type, META.type)
        is_queued = options.get("non_blocking") and source.device.type == "cpu"
        assert is_there or is_queued, f"{name} from {source.device} to {goal} waits"
    if name in ("index", "index_put_"):
        masks = [index for index in tree_leaves(arguments[1]) if index is not None]
        kinds = {mask.dtype for mask in masks}
        assert not kinds & {torch.bool, torch.uint8}, f"{name} by a mask waits for its size"


def _refuse_two_devices(name, arguments, options):
    """A single number may lie on the CPU, as in torch; any other tensor must be on the device."""
    tensors = [leaf for leaf in tree_leaves((arguments, options)) if isinstance(leaf, Tensor)]
    is_optimizer = name.startswith(("_fused_", "_foreach_"))  # a CUDA graph would keep the number
    devices = {
        tensor.device.type for tensor in tensors if tensor.dim() or tensor.is_cuda or is_optimizer
    }
    assert name in COPIES or len(devices) < 2, f"{name} mixes devices: {sorted(devices)}"


class SameGenerator(TorchFunctionMode):
    """Refuses a generator of another device than the tensor it fills; operations hide it."""

    def __torch_function__(self, function, types, arguments=(), options=None):
        made = function(*arguments, **(options or {}))
        generator = (options or {}).get("generator")
        if generator is not None:
            fits = generator.device.type == made.device.type
            assert fits, f"{function}: generator of {generator.device}, tensor of {made.device}"
        return made


class Generator(torch.Generator):
    """A generator of the CPU that says it is of the device it was asked for."""

    def __new__(cls, device="cpu"):
        made = super().__new__(cls)
        made.claimed = torch.device(device)
        return made

    def __init__(self, device="cpu"):
        pass

    device = property(lambda self: self.claimed)


def _device_for_autograd(arguments):
    """Autograd would ask the CUDA driver for a stream of this device: to it, the device is meta."""
    value = arguments[0]
    is_cuda = value.fake_device.type == "cuda"
    return META if is_cuda or value.fake_mode.in_kernel_invocation else value.fake_device


def _rebuilt(module, make):
    """The module with every parameter and buffer made anew; fake ones cannot change in place."""
    for part in module.modules():
        for name, value in list(part._parameters.items()):
            if value is not None:
                part._parameters[name] = nn.Parameter(make(value.detach()))
        for name, value in list(part._buffers.items()):
            if value is not None:
                part._buffers[name] = make(value)
    return module


def _patch(monkeypatch):
    plain, own = FakeTensor.__torch_dispatch__.__func__, FakeTensorMode.__torch_dispatch__

    def tensor_dispatch(cls, operation, types, arguments=(), options=None):
        if operation is ASKS_DEVICE:
            return _device_for_autograd(arguments)
        return plain(cls, operation, types, arguments, options or {})

    def mode_dispatch(mode, operation, types, arguments=(), options=None):
        """What autograd makes beside a tensor that is `meta` to it is on CUDA too."""
        options = options or {}
        if options.get("device") == META:
            options = options | {"device": CUDA}
        return own(mode, operation, types, arguments, options)

    monkeypatch.setattr(FakeTensor, "__torch_dispatch__", classmethod(tensor_dispatch))
    monkeypatch.setitem(fake_tensor._DISPATCH_META_HANDLERS, ASKS_DEVICE, _device_for_autograd)
    monkeypatch.setattr(FakeTensorMode, "__torch_dispatch__", mode_dispatch)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    monkeypatch.setattr(torch, "Generator", Generator)
    monkeypatch.setattr(
        nn.Module, "to", lambda module, device: _rebuilt(module, lambda value: value.to(device))
    )
    monkeypatch.setattr(
        nn.Module,
        "to_empty",
        lambda module, *, device: _rebuilt(
            module, lambda value: torch.empty_like(value, device=device)
        ),
    )


@contextmanager
def fake_cuda(monkeypatch):
    """The watch over all operations inside, on a fake CUDA device.

    The test is skipped where torch's private parts, on which this rests, have moved.
    """
    try:
        _patch(monkeypatch)
        with FakeTensorMode(allow_non_fake_inputs=True):
            (torch.ones(2, device=CUDA, requires_grad=True) * 2).sum().backward()
    except (AttributeError, NotImplementedError, RuntimeError, TypeError) as error:
        pytest.skip(f"torch {torch.__version__} has other private parts: {error}")
    with FakeTensorMode(allow_non_fake_inputs=True), Watch() as watch, SameGenerator():
        yield watch
