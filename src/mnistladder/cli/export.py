"""`export`: a result's networks for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mnistladder import predictions, results, storage
from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.errors import ExitCode, UsageError
from mnistladder.members import Members


class Kind(StrEnum):
    """What can be written."""

    SAFETENSORS = "safetensors"
    PT2 = "pt2"
    ONNX = "onnx"


@app.command(epilog="Example: mnistladder export model12_averaging --to onnx")
def export(
    result: base.ResultReference,
    to: Annotated[Kind, typer.Option("--to", help="The kind of file.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write. [default: RUNG-seedN.KIND]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    seed: base.ResultSeed = 0,
    data_dir: base.DataDir = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Write a result's networks, averaged, as one file, and check what it says of the test images.

    Exit code 1, and no file: it says something else than the stored networks.
    """
    record = results.named(runs_dir, result, seed)
    path = output or Path(f"{record['rung']}-seed{record['seed']}.{to.value}")
    if path.exists() and not force:
        raise UsageError(f"{path}: exists already; give another --output, or --force")
    source, members = base.source_of(record, data_dir), Members(runs_dir)
    members.need(record["member_keys"], record)
    import torch

    from mnistladder import ensemble, export

    torch.set_num_threads(1)  # as in training: a CPU's bits depend on it
    networks = ensemble.load(record, members, torch.device("cpu"))
    content = export.WRITERS[to.value](networks, record)
    found = export.probabilities(content, to.value, source.load().test.images)
    stored = predictions.averaged(record, members)
    changed, largest = (
        int((found.argmax(1) != stored.argmax(1)).sum()),
        np.abs(found - stored).max(),
    )
    if changed:
        base.complain(
            f"{path}: not written: {changed:,} of {len(found):,} predictions would be others"
        )
        raise typer.Exit(ExitCode.FAILED)
    storage.write(path, content)
    about = {
        "file": str(path), "bytes": len(content), "kind": to.value, "networks": record["members"],
        "result_id": record["result_id"], **export.SIGNATURE,
        "same_predictions": len(found), "largest_change": float(largest),
    }  # fmt: skip
    if json:
        base.print_json(about)
        return
    base.say(f"{path}: {base.result_name(record)}, {len(content):,} bytes")
    base.say(f"in   {about['input']}\nout  {about['output']}")
    base.say(f"The same {len(found):,} predictions; probabilities within {largest:.1g}.")
