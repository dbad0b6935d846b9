"""`verify` and `reproduce`: whether a result is what it says."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from mnistladder.api import locating, naming
from mnistladder.cli import base, sources, verification
from mnistladder.cli.base import app
from mnistladder.errors import CorruptError, ExitCode, UsageError, UserError
from mnistladder.ladder import provenance
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.provenance import Difference, NetworkCheck, Trace
from mnistladder.runs import results
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore


@dataclass(frozen=True)
class Reproduced:
    """What training a result anew showed."""

    result_id: str
    rung: str
    overrides: tuple[str, ...]
    seed: int
    same: bool
    first_difference: Difference | None
    differing_fields: list[str]
    errors: tuple[int, int]  # of the stored result and of the new one
    epochs: int  # of all networks
    other_machine: dict[str, tuple[object, object]]
    folder: str


@app.command(epilog="Examples: mnistladder verify model09_dropout    mnistladder verify --all")
def verify(
    result: base.MaybeResult = None,
    all_: Annotated[bool, typer.Option("--all", help="Every stored result.")] = False,
    seed: base.ResultSeed = 0,
    overrides: base.ResultOverrides = None,
    device: base.Device = "cpu",
    data_dir: base.DataDir = None,
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Evaluate a result's stored networks anew and compare with what is stored.

    Exit code 4: a stored file is not what was written. 1: the networks say something else now.
    """
    if all_ == bool(result):
        raise UsageError("verify: name one result, or give --all")
    if all_:
        stored, damaged = results.stored_results(runs_dir, base.complain)
    else:
        name, tell = str(result), base.complain
        found = locating.locate(name, runs_dir, seed, overrides, holdout=holdout, tell=tell)
        stored, damaged, runs_dir = [found.record], {}, found.runs
    wanted = results.on_holdout(stored, holdout)
    if not wanted and not damaged:
        raise UsageError(f"{runs_dir}: no results there to verify")
    known: dict[str, NetworkCheck] = {}
    rows, worst = [], ExitCode.CORRUPT if damaged else ExitCode.OK
    for record in wanted:
        try:
            source = sources.source_of(record, data_dir)
            row = verification.verified(record, source, runs_dir, device, known)
        except UserError as error:
            base.complain(f"{record.label}: not verified: {error}")
            worst = max(worst, error.exit_code)
            continue
        rows.append(row)
        worst = worst if row.verified else max(worst, ExitCode.FAILED)
        if not json:
            base.say(verification.verdict(record.label, row))
    if json:
        base.print_json([asdict(row) for row in rows])
    raise typer.Exit(worst)


@app.command(epilog="Example: mnistladder reproduce model02_normalized --seed 1")
def reproduce(
    result: base.ResultReference,
    seed: base.ResultSeed = 0,
    overrides: base.ResultOverrides = None,
    device: base.Device = "auto",
    jobs: base.Jobs = None,
    data_dir: base.DataDir = None,
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
    quiet: base.Quiet = False,
) -> None:
    """Train a stored result anew, and say where the two trainings first differ, if they do.

    The new networks go to a folder `reproduced` in the runs folder. Exit code 1: they differ.
    """
    from mnistladder.cli import climb

    before = naming.result(result, runs_dir, seed, overrides, holdout=holdout, tell=base.complain)
    attempt = provenance.attempt_of(before, sources.source_of(before, data_dir))
    traced = _trace(attempt, StageStore(runs_dir))
    folder = provenance.fresh_folder(runs_dir, attempt)
    after = climb.again(before, attempt, folder, device, jobs, quiet)
    outcome = _compare(before, after, attempt, traced, folder)
    if json:
        base.print_json(asdict(outcome))
    else:
        base.say(_report(before.label, outcome))
    if not outcome.same:
        raise typer.Exit(ExitCode.FAILED)


def _trace(attempt: Attempt, store: StageStore) -> Trace | None:
    """The old networks' histories; None where they are not stored, or damaged."""
    if not all(store.is_stored(stage.key) for stage in attempt.stages):
        return None
    try:
        return provenance.trace(attempt, store)
    except CorruptError as error:
        base.complain(f"{error}; only the record's means are compared")
        return None


def _compare(
    before: ResultRecord,
    after: ResultRecord,
    attempt: Attempt,
    traced: Trace | None,
    folder: Path,
) -> Reproduced:
    """Where two trainings of the attempt first differ."""
    if traced is None:
        old, new = provenance.mean_trace(before), provenance.mean_trace(after)
    else:
        old, new = traced, provenance.trace(attempt, StageStore(folder))
    difference = provenance.first_difference(old, new)
    fields = ("weights_sha256", "predictions_sha256")
    differing = [name for name in fields if getattr(before, name) != getattr(after, name)]
    return Reproduced(
        result_id=before.result_id,
        rung=before.rung,
        overrides=before.overrides,
        seed=before.seed,
        same=difference is None and not differing,
        first_difference=difference,
        differing_fields=differing,
        errors=(before.errors, after.errors),
        epochs=after.epochs * after.members,
        other_machine=provenance.other_machine(before, after),
        folder=str(folder),
    )


def _report(label: str, outcome: Reproduced) -> str:
    old_errors, new_errors = outcome.errors
    lines = [f"{label}: {old_errors} errors, trained anew {new_errors}"]
    if outcome.same:
        lines.append(
            f"No difference in {verification.counted(outcome.epochs, 'epoch')}: "
            "the same weights, bit for bit."
        )
    elif first := outcome.first_difference:
        lines.append(
            f"They differ from epoch {first.epoch} of {first.network} on: `{first.field}` was "
            f"{first.before}, and is {first.after}."
        )
    else:
        lines.append(f"All epochs look the same, but these differ: {outcome.differing_fields}.")
    lines.append(f"The new networks are in {outcome.folder}.")
    lines += [
        f"Made elsewhere: {name} was {old}, and is {new}."
        for name, (old, new) in outcome.other_machine.items()
    ]
    return "\n".join(lines)
