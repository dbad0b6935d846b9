"""`run` and `ladder`: the commands that train."""

from enum import StrEnum
from typing import Annotated

import typer

from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.errors import UsageError

Rungs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUNG",
        help="Rungs: numbers, ranges such as 1-9, names, files, results' ids.",
        autocompletion=base.complete_rungs,
        show_default=False,
    ),
]
AllRungs = Annotated[bool, typer.Option("--all", help="All rungs of the ladder.")]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="Train the other rungs after one failed.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be trained and for how long.")
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds", metavar="N", min=1, max=10_000, help="How many seeds, counted from --seed."
    ),
]
Stack = Annotated[
    int | None,
    typer.Option(
        "--stack",
        metavar="N",
        min=1,
        max=1024,
        help="How many networks of a rung a worker may train together; 1: each alone. "
        "[default: 4 on a CPU, 32 on a GPU]",
    ),
]


class LogName(StrEnum):
    """Tools that can show training. Each is the name of its package and of our extra."""

    TENSORBOARD = "tensorboard"


Log = Annotated[
    LogName | None,
    typer.Option("--log", help="Also log training for this tool, in RUNS_DIR/tensorboard."),
]


@app.command(epilog="Example: mnistladder run model09_dropout --seeds 3 --set batch_size=64")
def run(
    config: base.ConfigReference,
    seed: base.Seed = 0,
    seeds: Seeds = 1,
    overrides: base.Overrides = None,
    device: base.Device = "auto",
    jobs: base.Jobs = None,
    stack: Stack = None,
    data: base.Data = base.DataName.MNIST,
    data_dir: base.DataDir = None,
    holdout: base.Holdout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
    quiet: base.Quiet = False,
    log: Log = None,
) -> None:
    """Train one rung and print its result. Stored results are not trained again."""
    from mnistladder.api import naming
    from mnistladder.cli import climb

    options = climb.Options(
        seeds=range(seed, seed + seeds),
        device=device,
        jobs=jobs,
        stack=stack,
        data=data.value,
        data_dir=data_dir,
        holdout=holdout,
        runs_dir=runs_dir,
        json=json,
        quiet=quiet,
        log=log,
    )
    climb.climb([naming.rung(config, overrides, runs_dir)], options)


@app.command(epilog="Examples: mnistladder ladder --all --seeds 3    mnistladder ladder 1-9 12")
def ladder(
    rungs: Rungs = None,
    all_: AllRungs = False,
    seed: base.Seed = 0,
    seeds: Seeds = 1,
    keep_going: KeepGoing = False,
    dry_run: DryRun = False,
    device: base.Device = "auto",
    jobs: base.Jobs = None,
    stack: Stack = None,
    data: base.Data = base.DataName.MNIST,
    data_dir: base.DataDir = None,
    holdout: base.Holdout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
    quiet: base.Quiet = False,
    log: Log = None,
) -> None:
    """Train several rungs. Shared networks are trained once, stored ones are not trained again."""
    if all_ == bool(rungs):
        raise UsageError("ladder: name rungs, such as 1-9, or give --all")
    from mnistladder.api import naming, training
    from mnistladder.cli import climb
    from mnistladder.cli.dry_run import print_plan

    options = climb.Options(
        seeds=range(seed, seed + seeds),
        device=device,
        jobs=jobs,
        stack=stack,
        data=data.value,
        data_dir=data_dir,
        holdout=holdout,
        runs_dir=runs_dir,
        json=json,
        quiet=quiet,
        keep_going=keep_going,
        log=log,
    )
    chosen = naming.rungs(rungs or [], runs_dir)
    if dry_run:
        print_plan(training.plan(chosen, options), options)
    else:
        climb.climb(chosen, options)
