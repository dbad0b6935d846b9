"""`verify` and `reproduce`: whether a result is what it says."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mnistladder import environment
from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.data.datasets import Source
from mnistladder.errors import CorruptError, ExitCode, UsageError, UserError
from mnistladder.ladder import provenance
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.provenance import Difference
from mnistladder.runs import results
from mnistladder.runs.stage_store import StageStore
from mnistladder.sealed import Record


@app.command(epilog="Examples: mnistladder verify model09_dropout    mnistladder verify --all")
def verify(
    result: base.MaybeResult = None,
    all_: Annotated[bool, typer.Option("--all", help="Every stored result.")] = False,
    seed: base.ResultSeed = 0,
    device: base.Device = "cpu",
    data_dir: base.DataDir = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Evaluate a result's stored networks anew and compare with what is stored.

    Exit code 4: a stored file is not what was written. 1: the networks say something else now.
    """
    if all_ == bool(result):
        raise UsageError("verify: name one result, or give --all")
    wanted = (
        list(results.all_results(runs_dir))
        if all_
        else [results.named(runs_dir, str(result), seed)]
    )
    if not wanted:
        raise UsageError(f"{runs_dir}: no results there to verify")
    verified: dict[str, provenance.Look] = {}
    rows, worst = [], ExitCode.OK
    for record in wanted:
        try:
            row = _verify(record, base.source_of(record, data_dir), runs_dir, device, verified)
        except UserError as error:
            base.complain(f"{base.result_name(record)}: not verified: {error}")
            worst = max(worst, error.exit_code)
            continue
        rows.append(row)
        worst = worst if row["verified"] else max(worst, ExitCode.FAILED)
        if not json:
            base.say(_verdict(row))
    if json:
        base.print_json(rows)
    raise typer.Exit(worst)


def _verify(
    record: Record, source: Source, runs: Path, device: str, known: dict[str, provenance.Look]
) -> dict[str, Any]:
    """What was found; networks that several results share are looked at once."""
    attempt, store = provenance.attempt_of(record, source), StageStore(runs)
    store.need((stage.key for stage in attempt.stages), record)
    if any(stage.key not in known for stage in attempt.stages):
        from mnistladder.engine import devices

        devices.make_deterministic()
        chosen = devices.choose(environment.parse_device(device))
        known |= {
            look.stage.key: look for look in provenance.look_again(attempt, store, chosen, known)
        }
    looks = [known[stage.key] for stage in attempt.stages]
    wrong = provenance.wrong_fields(record, attempt, store)
    wrong += [] if all(look.is_recorded for look in looks) else ["weights_sha256 of a network"]
    changed = sum(look.changed for look in looks)
    return {
        "result_id": record["result_id"],
        "rung": record["rung"],
        "overrides": record["overrides"],
        "seed": record["seed"],
        "networks": len(looks),
        "predictions": len(looks) * len(store.probabilities(looks[0].stage.key)),
        "changed_predictions": changed,
        "largest_change": max(look.largest for look in looks),
        "wrong_fields": wrong,
        "verified": not changed and not wrong,
    }


def _verdict(row: dict[str, Any]) -> str:
    networks = _count(row["networks"], "network")
    name = f"{base.result_name(row)}: {networks}, {row['predictions']:,} predictions"
    bits = f"probabilities within {row['largest_change']:.1g}"
    if row["largest_change"] == 0:
        bits = "probabilities bit for bit"
    if row["verified"]:
        return f"{name}: verified, {bits}"
    what = f"{row['changed_predictions']} predictions changed"
    if row["wrong_fields"]:
        what += f"; the record is wrong in {', '.join(row['wrong_fields'])}"
    return f"{name}: NOT verified: {what}; {bits}"


@app.command(epilog="Example: mnistladder reproduce model02_normalized --seed 1")
def reproduce(
    result: base.ResultReference,
    seed: base.ResultSeed = 0,
    device: base.Device = "auto",
    jobs: base.Jobs = None,
    data_dir: base.DataDir = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
    quiet: base.Quiet = False,
) -> None:
    """Train a stored result anew, and say where the two trainings first differ, if they do.

    The new networks go to a folder `reproduced` in the runs folder. Exit code 1: they differ.
    """
    from mnistladder.cli import climb

    before = results.named(runs_dir, result, seed)
    attempt = provenance.attempt_of(before, base.source_of(before, data_dir))
    traced = _trace(attempt, StageStore(runs_dir))
    folder = provenance.fresh_folder(runs_dir, attempt)
    after = climb.again(before, attempt, folder, device, jobs, quiet)
    found = _compare(before, after, attempt, traced, folder)
    if json:
        base.print_json(found)
    else:
        base.say(_report(before, found))
    if not found["same"]:
        raise typer.Exit(ExitCode.FAILED)


def _trace(attempt: Attempt, store: StageStore) -> dict[str, list[Record]] | None:
    """The old networks' histories; None where they are not stored, or damaged."""
    if not all(store.is_stored(stage.key) for stage in attempt.stages):
        return None
    try:
        return provenance.trace(attempt, store)
    except CorruptError as error:
        base.complain(f"{error}; only the record's means are compared")
        return None


def _compare(
    before: Record,
    after: Record,
    attempt: Attempt,
    traced: dict[str, list[Record]] | None,
    folder: Path,
) -> dict[str, Any]:
    """Where two trainings of the attempt first differ."""
    if traced is None:
        old, new = provenance.mean_trace(before), provenance.mean_trace(after)
    else:
        old, new = traced, provenance.trace(attempt, StageStore(folder))
    difference = provenance.first_difference(old, new)
    fields = ("weights_sha256", "predictions_sha256")
    differing = [name for name in fields if before[name] != after[name]]
    return {
        "result_id": before["result_id"],
        "rung": before["rung"],
        "overrides": before["overrides"],
        "seed": before["seed"],
        "same": difference is None and not differing,
        "first_difference": vars(difference) if difference else None,
        "differing_fields": differing,
        "errors": [before["errors"], after["errors"]],
        "epochs": after["epochs"] * after["members"],
        "other_machine": provenance.other_machine(before, after),
        "folder": str(folder),
    }


def _report(before: Record, found: dict[str, Any]) -> str:
    old, new = found["errors"]
    lines = [f"{base.result_name(before)}: {old} errors, trained anew {new}"]
    if found["same"]:
        lines.append(
            f"No difference in {_count(found['epochs'], 'epoch')}: the same weights, bit for bit."
        )
    elif found["first_difference"]:
        first = Difference(**found["first_difference"])
        lines.append(
            f"They differ from epoch {first.epoch} of {first.network} on: `{first.field}` was "
            f"{first.before}, and is {first.after}."
        )
    else:
        lines.append(f"All epochs look the same, but these differ: {found['differing_fields']}.")
    lines.append(f"The new networks are in {found['folder']}.")
    lines += [
        f"Made elsewhere: {name} was {old}, and is {new}."
        for name, (old, new) in found["other_machine"].items()
    ]
    return "\n".join(lines)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
