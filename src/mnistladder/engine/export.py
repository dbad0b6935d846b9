"""A result's averaged networks as one file that other programs read, and such files run again.

All take float32 pixels N x 1 x 28 x 28 from 0 to 255 and give float64 probabilities N x 10;
normalisation and averaging are inside.
"""

import copy
import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from torch.export import ExportedProgram

from mnistladder import __version__, sealed
from mnistladder.config.sizes import EVALUATED
from mnistladder.config.validate import check
from mnistladder.engine.train_state import hash_weights
from mnistladder.errors import CorruptError, UsageError
from mnistladder.model import network
from mnistladder.model.ensemble import UNFITTED, Ensemble
from mnistladder.model.shapes import layer_table
from mnistladder.model.views import with_views

FLOAT_BYTES = 4
SIGNATURE = {
    "input": "images: float32 N x 1 x 28 x 28, pixels from 0 to 255",
    "output": "probabilities: float64 N x 10",
}
# The oldest that torch's exporter writes, and the oldest file format that may hold it. Left alone,
# the format is the newest one, which runtimes of last year refuse.
ONNX_OPSET, ONNX_IR = 18, 8
NEEDS = {"onnx": f"ONNX opset {ONNX_OPSET}, IR {ONNX_IR}: onnxruntime 1.14 or newer"}
BOUND = "config_and_weights_sha256"
MOST_LAYERS = 50_000  # of all networks of a file: about 3 s to build
DESCRIBED = ("rung", "overrides", "seed", "result_id", "config", "members", "weights_sha256")
Run = Callable[[Tensor], Tensor]


def to_safetensors(ensemble: Ensemble, record: Mapping[str, object]) -> bytes:
    """All weights by name; the metadata say how to build the networks, and whose they are."""
    tensors = {name: value.contiguous().clone() for name, value in ensemble.state_dict().items()}
    metadata = {name: json.dumps(record[name]) for name in DESCRIBED}
    metadata[BOUND] = bound_sha256(metadata)
    return safetensors.torch.save(tensors, {**metadata, **SIGNATURE, "mnistladder": __version__})


def bound_sha256(metadata: Mapping[str, str]) -> str:
    """The hash that binds a config and the hashes of its weights together.

    So weights under another config are noticed. It holds against accidents: who forges a file can
    compute it, too.
    """
    return sealed.digest([json.loads(metadata[name]) for name in ("config", "weights_sha256")])


def load(path: Path | str) -> Ensemble:
    """The networks of a safetensors file of `mnistladder export`; nothing of it is executed.

    Raises CorruptError if it cannot be read, is another file, or is not as it was written.
    """
    return from_safetensors(sealed.read(Path(path), sealed.Limit.CHECKPOINT), str(path))


def from_safetensors(content: bytes, where: str) -> Ensemble:
    """The networks of a safetensors file's content. Raises CorruptError."""
    try:
        return _rebuilt(content).requires_grad_(False)
    except Exception as error:  # whatever is wrong with it, it is not ours
        reason = " ".join(str(error).split())  # torch's have several lines
        raise CorruptError(f"{where}: no networks of mnistladder: {reason}") from None


def _rebuilt(content: bytes) -> Ensemble:
    """The networks that the metadata describe, with weights whose hashes they name.

    Raises ValueError, and whatever those who read content from elsewhere raise.
    """
    # The format begins with its header's length, as eight bytes, and its header in JSON.
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    if not metadata.keys() >= {"config", "weights_sha256"}:
        raise ValueError("it does not say how to build them")
    config, mistakes = check(json.loads(metadata["config"]))
    if config is None:
        raise ValueError(f"its config is refused: {mistakes[0].message}")
    hashes = json.loads(metadata["weights_sha256"])
    weights = len(hashes) * sum(row.parameters for row in layer_table(config.model))
    if not 0 < weights * FLOAT_BYTES <= len(content):  # a line can describe more than fits memory
        raise ValueError(f"it describes {weights:,} weights, but the file is too small for them")
    layers = len(hashes) * len(config.model)
    if layers > MOST_LAYERS:  # each takes time to build, and many take no bytes
        raise ValueError(f"it describes {layers:,} layers; at most {MOST_LAYERS:,} are read")
    if BOUND in metadata and metadata[BOUND] != bound_sha256(metadata):  # older files lack it
        raise ValueError("damaged or edited: its config is not that of its weights")
    networks = [network.build(config.model, 0, UNFITTED) for _ in hashes]
    ensemble = Ensemble(with_views(built, config.views) for built in networks)
    ensemble.load_state_dict(safetensors.torch.load(content))
    if [hash_weights(built) for built in ensemble.networks] != hashes:
        raise ValueError("damaged: the hashes of its weights do not match")
    return ensemble


def to_pt2(ensemble: Ensemble, record: Mapping[str, object]) -> bytes:
    """A program of `torch.export` for any number of images; its metadata say whose it is."""
    buffer = io.BytesIO()
    with _quiet():
        metadata = {"mnistladder.json": _described(record)}
        torch.export.save(_program(ensemble), buffer, extra_files=metadata)
    return buffer.getvalue()


def to_onnx(ensemble: Ensemble, record: Mapping[str, object]) -> bytes:
    """A graph for ONNX runtimes and any number of images; `NEEDS` says which runtimes.

    Raises UsageError without the extra.
    """
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"--to onnx: {error.name or error} is missing: pip install 'mnistladder[onnx]'"
        ) from None
    with _quiet():
        converted = torch.onnx.export(
            _program(ensemble),
            dynamo=True,
            verbose=False,
            input_names=["images"],
            output_names=["probabilities"],
            opset_version=ONNX_OPSET,
        )
        assert converted
        model = converted.model_proto
    model.ir_version = ONNX_IR
    entry = model.metadata_props.add()
    entry.key, entry.value = "mnistladder", _described(record)
    return model.SerializeToString()


def _apart(ensemble: Ensemble) -> Ensemble:
    """A copy whose weights each lie in memory of their own, in order: so torch can store them."""
    copied = copy.deepcopy(ensemble)
    for weight in copied.parameters():
        weight.data = weight.data.clone(memory_format=torch.contiguous_format)
    return copied


def _program(ensemble: Ensemble) -> ExportedProgram:
    """What the networks compute of any number of images."""
    batch = {"images": {0: torch.export.Dim("batch", min=1)}}
    example = torch.zeros(2, 1, 28, 28)  # one alone would be taken for a constant
    program = torch.export.export(_apart(ensemble), (example,), dynamic_shapes=batch)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names folders of this machine
    return program


def _run_safetensors(content: bytes) -> Run:
    return from_safetensors(content, "the new file")


def _run_pt2(content: bytes) -> Run:
    with _quiet():
        return torch.export.load(io.BytesIO(content)).module()


def _run_onnx(content: bytes) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more want cores of their own: containers refuse that, aloud
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


WRITERS: dict[str, Callable[[Ensemble, Mapping[str, object]], bytes]] = {
    "safetensors": to_safetensors,
    "pt2": to_pt2,
    "onnx": to_onnx,
}
READERS: dict[str, Callable[[bytes], Run]] = {
    "safetensors": _run_safetensors,
    "pt2": _run_pt2,
    "onnx": _run_onnx,
}


@torch.inference_mode()
def probabilities(content: bytes, kind: str, images: np.ndarray) -> np.ndarray:
    """What an exported file says of images N x 28 x 28, bytes: N x 10, by its own runtime."""
    run = READERS[kind](content)
    pixels = torch.from_numpy(images.astype(np.float32))[:, None]
    return torch.cat([run(batch) for batch in pixels.split(EVALUATED)]).numpy()


def _described(record: Mapping[str, object]) -> str:
    return json.dumps({**{name: record[name] for name in DESCRIBED}, **SIGNATURE})


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporters say of their own code, which users can do nothing about.

    Torch 2.11 warns of its own deprecations, and of the bytes that it maps; 2.15 of nothing.
    """
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("ignore", "The given buffer is not writable", UserWarning)
        yield
