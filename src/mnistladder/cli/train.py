"""`run` and `ladder`: the commands that train."""

from enum import StrEnum
from typing import Annotated

import typer

from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.errors import UsageError

Seeds = Annotated[
    int, typer.Option("--seeds", min=1, max=10_000, help="How many seeds, counted from --seed.")
]
Stack = Annotated[
    int | None,
    typer.Option(
        "--stack",
        min=1,
        max=1024,
        help="Most networks of one plan that a worker trains as one; 1 for each alone. "
        "[default: 4 on a CPU, 32 on a GPU]",
    ),
]


class LogName(StrEnum):
    """The tools that training can be logged for; each the name of its package and our extra."""

    TENSORBOARD = "tensorboard"


Log = Annotated[
    LogName | None,
    typer.Option("--log", help="Log training for another tool too, into RUNS_DIR/tensorboard."),
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
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
    quiet: base.Quiet = False,
    log: Log = None,
) -> None:
    """Train one rung and print its result; what is stored already is not trained again."""
    from mnistladder.cli import climb
    from mnistladder.config.loading import load_rung

    options = climb.Options(
        range(seed, seed + seeds),
        device,
        jobs,
        data.value,
        data_dir,
        runs_dir,
        json,
        quiet,
        stack=stack,
        log=log,
    )
    climb.climb([load_rung(config, overrides or [])], options)


@app.command(epilog="Examples: mnistladder ladder --all --seeds 3    mnistladder ladder 1-9 12")
def ladder(
    rungs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Rungs: names, paths, numbers or ranges such as 1-9.",
            autocompletion=base.complete_rungs,
            show_default=False,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All rungs of the ladder.")] = False,
    seed: base.Seed = 0,
    seeds: Seeds = 1,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Climb on after a rung failed.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained, and how long.")
    ] = False,
    device: base.Device = "auto",
    jobs: base.Jobs = None,
    stack: Stack = None,
    data: base.Data = base.DataName.MNIST,
    data_dir: base.DataDir = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
    quiet: base.Quiet = False,
    log: Log = None,
) -> None:
    """Climb several rungs; networks that rungs share are trained once, stored ones not at all."""
    if all_ == bool(rungs):
        raise UsageError("ladder: name rungs, such as 1-9, or give --all")
    from mnistladder.cli import climb
    from mnistladder.config.loading import select_rungs

    options = climb.Options(
        range(seed, seed + seeds),
        device,
        jobs,
        data.value,
        data_dir,
        runs_dir,
        json,
        quiet,
        keep_going,
        stack,
        log,
    )
    chosen = select_rungs(rungs or [])
    if dry_run:
        climb.say_plan(climb.plan(chosen, options), options)
    else:
        climb.climb(chosen, options)
