"""A result's averaged networks as one file that other programs read, and such files run again.

All take float32 pixels N x 1 x 28 x 28 from 0 to 255 and give float64 probabilities N x 10;
normalisation and averaging are inside.
"""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import torch as safetensors
from torch import Tensor

from mnistladder import __version__, network
from mnistladder.checking import check
from mnistladder.ensemble import UNFITTED, Ensemble
from mnistladder.errors import CorruptError, UsageError
from mnistladder.records import Record

BATCH = 500  # images at a time, when a file is run
SIGNATURE = {
    "input": "images: float32 N x 1 x 28 x 28, pixels from 0 to 255",
    "output": "probabilities: float64 N x 10",
}
DESCRIBED = ("rung", "overrides", "seed", "result_id", "config", "members", "weights_sha256")
Run = Callable[[Tensor], Tensor]


def to_safetensors(ensemble: Ensemble, record: Record) -> bytes:
    """All weights by name; the metadata say how to build the networks, and whose they are."""
    tensors = {name: value.contiguous().clone() for name, value in ensemble.state_dict().items()}
    about = {name: json.dumps(record[name]) for name in DESCRIBED}
    return safetensors.save(tensors, {**about, **SIGNATURE, "mnistladder": __version__})


def load(path: Path) -> Ensemble:
    """The networks of a safetensors file of `mnistladder export`; nothing of it is executed.

    Raises CorruptError where it is another file.
    """
    return from_safetensors(path.read_bytes(), str(path))


def from_safetensors(content: bytes, where: str) -> Ensemble:
    """The networks of a safetensors file's content. Raises CorruptError."""
    try:
        # The format begins with its header's length, as eight bytes, and its header in JSON.
        length = int.from_bytes(content[:8], "little")
        about = json.loads(content[8 : 8 + length])["__metadata__"]
        config, _ = check(json.loads(about["config"]))
        members = json.loads(about["members"])
        assert config
        ensemble = Ensemble(network.build(config.model, 0, UNFITTED) for _ in range(members))
        ensemble.load_state_dict(safetensors.load(content))
    except Exception as error:  # whatever is wrong with it, it is not ours
        raise CorruptError(f"{where}: no networks of mnistladder: {error}") from None
    return ensemble.requires_grad_(False)


def to_pt2(ensemble: Ensemble, record: Record) -> bytes:
    """A program of `torch.export` for any number of images; its metadata say whose it is."""
    buffer = io.BytesIO()
    with _quiet():
        program = torch.export.export(ensemble, _example(), dynamic_shapes=_any_number())
        torch.export.save(program, buffer, extra_files={"mnistladder.json": _described(record)})
    return buffer.getvalue()


def to_onnx(ensemble: Ensemble, record: Record) -> bytes:
    """A graph for ONNX runtimes and any number of images. Raises UsageError without the extra."""
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"--to onnx: needs {error.name}; install it: pip install 'mnistladder[onnx]'"
        ) from None
    with _quiet():
        program = torch.onnx.export(
            ensemble, _example(), dynamo=True, verbose=False, dynamic_shapes=_any_number(),
            input_names=["images"], output_names=["probabilities"],
        )  # fmt: skip
        assert program
        model = program.model_proto
    entry = model.metadata_props.add()
    entry.key, entry.value = "mnistladder", _described(record)
    return model.SerializeToString()


def _run_safetensors(content: bytes) -> Run:
    return from_safetensors(content, "the new file")


def _run_pt2(content: bytes) -> Run:
    with _quiet():
        return torch.export.load(io.BytesIO(content)).module()


def _run_onnx(content: bytes) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


WRITERS: dict[str, Callable[[Ensemble, Record], bytes]] = {
    "safetensors": to_safetensors, "pt2": to_pt2, "onnx": to_onnx,
}  # fmt: skip
READERS: dict[str, Callable[[bytes], Run]] = {
    "safetensors": _run_safetensors, "pt2": _run_pt2, "onnx": _run_onnx,
}  # fmt: skip


@torch.inference_mode()
def probabilities(content: bytes, kind: str, images: np.ndarray) -> np.ndarray:
    """What an exported file says of images N x 28 x 28, bytes: N x 10, by its own runtime."""
    run = READERS[kind](content)
    pixels = torch.from_numpy(images.astype(np.float32))[:, None]
    return torch.cat([run(batch) for batch in pixels.split(BATCH)]).numpy()


def _example() -> tuple[Tensor]:
    return (torch.zeros(2, 1, 28, 28),)


def _any_number() -> dict[str, Any]:
    return {"images": {0: torch.export.Dim("batch", min=1)}}


def _described(record: Record) -> str:
    return json.dumps({**{name: record[name] for name in DESCRIBED}, **SIGNATURE})


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch's exporters tell of their own inner deprecations; users can do nothing about them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
