"""`export`: a result's networks for other programs."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mnistladder import outputs
from mnistladder.api import locating
from mnistladder.cli import base, sources
from mnistladder.cli.base import app
from mnistladder.data.datasets import Source
from mnistladder.errors import ExitCode
from mnistladder.runs import predictions, ready
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore


class Kind(StrEnum):
    """What can be written."""

    SAFETENSORS = "safetensors"
    PT2 = "pt2"
    ONNX = "onnx"


@dataclass(frozen=True)
class Exported:
    """A file's content in short, and how its predictions compare with the stored networks'."""

    bytes: int
    kind: str
    networks: int
    result_id: str
    input: str
    output: str
    needs: str | None  # what reads it, where that is not any version
    predictions: int
    same_predictions: int
    largest_change: float  # of a probability


@app.command(epilog="Example: mnistladder export model12_averaging --to onnx")
def export(
    result: base.ResultReference,
    to: Annotated[Kind, typer.Option("--to", help="The kind of file.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write. [default: RUNG-seedN.KIND]"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    seed: base.ResultSeed = 0,
    overrides: base.ResultOverrides = None,
    data_dir: base.DataDir = None,
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Write a result's networks, averaged, as one file, and check what it says of the test images.

    An ONNX file has opset 18 and IR 8, which onnxruntime 1.14 and newer read.
    Exit code 1, and no file: it says something else than the stored networks.
    """
    record, runs = locating.locate(
        result, runs_dir, seed, overrides, holdout=holdout, tell=base.complain
    )
    path = output or Path(f"{record.rung}-seed{record.seed}.{to.value}")
    outputs.check(path, force)
    source, store = sources.source_of(record, data_dir), StageStore(runs)
    if not ready.has(runs, record):
        store.need(record.member_keys, record)
    exported, content = _made(record, store, source, to)
    if changed := exported.predictions - exported.same_predictions:
        base.complain(
            f"{path}: not written: {changed:,} of {exported.predictions:,} predictions would be "
            "others"
        )
        raise typer.Exit(ExitCode.FAILED)
    outputs.write(path, content, force)
    if json:
        base.print_json({"file": str(path), **asdict(exported)})
        return
    _say(path, record, exported)


def _say(path: Path, record: ResultRecord, exported: Exported) -> None:
    """Prints what was written, what takes and gives it, and how it was checked."""
    base.say(f"{path}: {record.label}, {exported.bytes:,} bytes")
    base.say(f"in   {exported.input}\nout  {exported.output}")
    if exported.needs:
        base.say(f"reads it: {exported.needs}")
    base.say(
        f"The same {exported.same_predictions:,} predictions; "
        f"probabilities within {exported.largest_change:.1g}."
    )


def _made(
    record: ResultRecord, store: StageStore, source: Source, kind: Kind
) -> tuple[Exported, bytes]:
    """The file's content, and what it says of all test images.

    Raises UsageError without the extra that it needs, CorruptError, DataError.
    """
    import torch

    from mnistladder.engine import devices, export
    from mnistladder.runs import ensembles

    devices.make_thread_deterministic()
    networks = ensembles.load(record, store, torch.device("cpu"))
    content = export.WRITERS[kind.value](networks, record.plain())
    found = export.probabilities(content, kind.value, source.load().test.images)
    changed, largest = predictions.difference(found, record, store)
    exported = Exported(
        bytes=len(content),
        kind=kind.value,
        networks=record.members,
        result_id=record.result_id,
        **export.SIGNATURE,
        needs=export.NEEDS.get(kind.value),
        predictions=len(found),
        same_predictions=len(found) - changed,
        largest_change=largest,
    )
    return exported, content
