"""Commands about configs: `list`, `show`, `layers`, `validate`, `schema`, `new`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from mnistladder.config.spec import Rung

ChartKind = Literal["network", "plan"]
Chart = Annotated[
    ChartKind,
    typer.Option("--chart", help="What --figure draws: the network, or the learning rates."),
]


@app.command(name="list", epilog="Example: mnistladder list --json")
def list_(
    holdout: base.OnHoldout = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """List the rungs: what is new, parameters, epochs, published accuracy, trained or not."""
    from mnistladder.cli import rung_list

    rows = rung_list.rungs(runs_dir, holdout)
    if json:
        base.print_json(rows)
    else:
        rung_list.say_rungs(rows)


@app.command(epilog="Example: mnistladder show model09_dropout --set batch_size=64")
def show(
    config: base.ConfigReference,
    overrides: base.Overrides = None,
    figure: base.FigureFile = None,
    chart: Chart = "network",
    force: base.Force = False,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Show a config: what is new in it, its layers with shapes and costs, and its phases."""
    from mnistladder.api import naming
    from mnistladder.cli import rung_report, rung_screen

    rung = naming.rung(config, overrides, runs_dir)
    description = rung_report.about(rung, runs_dir)
    if figure:
        _draw(rung, chart, figure, force)
    if json:
        base.print_json(description)
    else:
        rung_screen.say_rung(rung, description)


def _draw(rung: "Rung", chart: ChartKind, path: Path, force: bool) -> None:
    from mnistladder.config import schedule
    from mnistladder.report import charts, network_chart, style

    style.check(path, force)
    config = rung.config
    if chart == "plan":
        drawn = charts.plan(schedule.epochs(config), rung.label)
    else:
        title = f"{rung.label}: {config.title}"
        drawn = network_chart.network(network_chart.blocks(config), title, config.members)
    style.save(drawn, path, force)


@app.command(epilog="Example: mnistladder layers")
def layers(json: base.AsJson = False) -> None:
    """List the layers that a config may name, with their options."""
    from mnistladder.cli import describe

    rows = describe.layers()
    if json:
        base.print_json(rows)
        return
    cells = [[row["layer"], " ".join(row["options"]), row["about"]] for row in rows]
    base.print_table(["layer", "options", ""], cells, set())


@app.command(epilog="Example: mnistladder validate configs/*.yaml")
def validate(
    configs: Annotated[
        list[str], typer.Argument(metavar="RUNG", help="Names or paths of configs.")
    ],
    overrides: base.Overrides = None,
    json: base.AsJson = False,
) -> None:
    """Check configs without running them; report every mistake with its line and column."""
    from mnistladder.cli import describe

    reports = {name: describe.problems(name, overrides or []) for name in configs}
    if json:
        base.print_json(
            [
                {"config": name, "valid": not problems, "problems": problems}
                for name, problems in reports.items()
            ]
        )
    else:
        for name, problems in reports.items():
            if problems:
                base.complain("\n".join(problem["text"] for problem in problems))
            else:
                base.say(f"{name}: ok")
    if any(reports.values()):
        raise typer.Exit(ExitCode.USAGE)


@app.command(epilog="Example: mnistladder schema > schema.json")
def schema() -> None:
    """Print the JSON Schema of a config, for editors."""
    from mnistladder.config.json_schema import config_schema

    base.print_json(config_schema())


@app.command(
    epilog="Example: mnistladder new my_rung && mnistladder run my_rung.yaml --holdout 10000"
)
def new(
    name: Annotated[str, typer.Argument(help="Name of the rung; NAME.yaml is written here.")],
    folder: Annotated[
        Path, typer.Option("--dir", metavar="FOLDER", help="Where to write it.")
    ] = Path(),
    force: base.Force = False,
) -> None:
    """Write a config with comments, to start from."""
    from mnistladder import outputs
    from mnistladder.config import loading

    stem = name.removesuffix(".yaml")
    if not loading.is_name(stem):
        raise UsageError(f"{name}: {loading.NAME_RULE}")
    path = folder / f"{stem}.yaml"
    template = (Path(loading.__file__).with_name("template.yaml")).read_text()
    schema_path = (loading.CONFIG_DIR / "schema.json").as_posix()
    text = template.replace("{schema}", schema_path).replace("{name}", stem)
    outputs.write(path, text.encode(), force)
    base.say(str(path))
