"""`sweep` and `ablate`: several changes of a config, trained and compared."""

from typing import Annotated

import typer

from mnistladder.cli import base, train
from mnistladder.cli.base import app
from mnistladder.errors import UsageError

Over = Annotated[
    list[str],
    typer.Option(
        "--over",
        metavar="KEY=V1,V2",
        help="A key and the values to try. May be repeated: every combination is tried.",
        show_default=False,
    ),
]
Draws = Annotated[
    int | None,
    typer.Option("--random", metavar="N", min=1, help="Try N combinations drawn at random."),
]
DrawSeed = Annotated[
    int, typer.Option("--random-seed", metavar="N", min=0, help="Draws other combinations.")
]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        metavar="N",
        min=0,
        help="Stop training after so many minutes, and show what there is.",
    ),
]
OnTest = Annotated[
    bool,
    typer.Option(
        "--on-test", help="Measure on the test images, and not on a holdout; counts as tested."
    ),
]


@app.command(
    epilog="Example: mnistladder sweep model09_dropout --over phases.0.lr=3e-4,1e-3 "
    "--over batch_size=32,64 --holdout 10000"
)
def sweep(
    config: base.ConfigReference,
    over: Over,
    draws: Draws = None,
    draw_seed: DrawSeed = 0,
    seed: base.Seed = 0,
    seeds: train.Seeds = 3,
    overrides: base.Overrides = None,
    minutes: Minutes = None,
    dry_run: train.DryRun = False,
    device: base.Device = "auto",
    jobs: base.Jobs = None,
    stack: train.Stack = None,
    data: base.Data = base.DataName.MNIST,
    data_dir: base.DataDir = None,
    holdout: base.Holdout = None,
    on_test: OnTest = False,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
    quiet: base.Quiet = False,
) -> None:
    """Train every combination of some values, and say which are best.

    All are trained at the first seed, then all at the next. Stored results are not trained again.
    """
    check_images("sweep", holdout, on_test)
    from mnistladder.api import tuning
    from mnistladder.cli import tune

    options = tune.Options(
        seeds=range(seed, seed + seeds),
        minutes=minutes,
        device=device,
        jobs=jobs,
        stack=stack,
        data=data.value,
        data_dir=data_dir,
        holdout=holdout,
        runs_dir=runs_dir,
        json=json,
        quiet=quiet,
    )
    changes = tuning.grid(config, overrides or [], over, draws, draw_seed, runs_dir)
    if dry_run:
        tune.print_plan(changes, options)
    else:
        tune.sweep(config, changes, options)


@app.command(epilog="Example: mnistladder ablate model09_dropout --holdout 10000")
def ablate(
    config: base.ConfigReference,
    seed: base.Seed = 0,
    seeds: train.Seeds = 3,
    overrides: base.Overrides = None,
    minutes: Minutes = None,
    dry_run: train.DryRun = False,
    device: base.Device = "auto",
    jobs: base.Jobs = None,
    stack: train.Stack = None,
    data: base.Data = base.DataName.MNIST,
    data_dir: base.DataDir = None,
    holdout: base.Holdout = None,
    on_test: OnTest = False,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
    quiet: base.Quiet = False,
) -> None:
    """Train a config without each of its parts, and say what each part is worth."""
    check_images("ablate", holdout, on_test)
    from mnistladder.api import tuning
    from mnistladder.cli import tune

    options = tune.Options(
        seeds=range(seed, seed + seeds),
        minutes=minutes,
        device=device,
        jobs=jobs,
        stack=stack,
        data=data.value,
        data_dir=data_dir,
        holdout=holdout,
        runs_dir=runs_dir,
        json=json,
        quiet=quiet,
    )
    changes = tuning.parts(config, overrides or [], runs_dir)
    if dry_run:
        tune.print_plan(changes, options)
    else:
        tune.ablate(changes, options)


def check_images(command: str, holdout: int | None, on_test: bool) -> None:
    """Raises UsageError unless it is said on which images recipes are compared."""
    if holdout is not None and on_test:
        raise UsageError(f"{command}: --holdout or --on-test, not both")
    if holdout is None and not on_test:
        raise UsageError(
            f"{command}: to choose on the test images is no honest result: give --holdout 10000, "
            "or --on-test, which counts as tested"
        )
