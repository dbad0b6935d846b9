"""Commands that look: `list`, `show`, `validate`, `layers`, `schema`, `new`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mnistladder import cost, loading, report, results, storage
from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.config import Config, Phase, Ramp, Rung, layer_table, recipe, resolved
from mnistladder.errors import ConfigError, ExitCode, UsageError
from mnistladder.layers import LAYERS, installed_layers
from mnistladder.records import digest


@app.command(name="list", epilog="Example: mnistladder list --json")
def list_(runs_dir: base.RunsDir = base.RUNS, json: base.AsJson = False) -> None:
    """List the ladder's rungs: what is new, parameters, epochs, published accuracy, done or not."""
    done = {record["config_sha256"] for record in results.load_board(runs_dir / results.BOARD)}
    rungs = [loading.load_rung(name) for name in loading.shipped_names()]
    rows: list[dict[str, Any]] = [
        {
            "name": rung.name,
            "title": rung.config.title,
            "parameters": rung.config.parameters,
            "epochs": rung.config.epochs,
            "members": rung.config.members,
            "published_accuracy": _published(rung.config),
            "done": digest(recipe(rung.config)) in done,
        }
        for rung in rungs
    ]
    if json:
        base.print_json(rows)
        return
    cells = [
        [row["name"], row["title"], report.times(row["members"], f"{row['parameters']:,}"),
         report.times(row["members"], str(row["epochs"])), f"{row['published_accuracy']:.2f}",
         "done" if row["done"] else "-"]
        for row in rows
    ]  # fmt: skip
    headings = ["rung", "what is new", "parameters", "epochs", "published %", "done"]
    base.print_table(headings, cells, {"parameters", "epochs", "published %"})


def _published(config: Config) -> float | None:
    return config.published.accuracy if config.published else None


@app.command(epilog="Example: mnistladder show model09_dropout --set batch_size=64")
def show(
    config: base.ConfigReference,
    overrides: base.Overrides = None,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Show a config: its layers with shapes and parameters, its phases, and what it costs."""
    rung = loading.load_rung(config, overrides or [])
    about = _about(rung, runs_dir)
    if json:
        base.print_json(about)
        return
    base.say(f"{rung.label}: {rung.config.title}\n")
    _show_layers(rung.config)
    _show_phases(rung.config)
    base.say(f"\nmembers     {rung.config.members}")
    base.say(f"published   {_percent(_published(rung.config))}")
    _show_cost(about["cost"])


def _about(rung: Rung, runs_dir: Path) -> dict[str, Any]:
    config = rung.config
    images = cost.images_to_train(config)
    speed = cost.images_per_second(config, results.load_board(runs_dir / results.BOARD))
    return {
        "name": rung.name,
        "overrides": list(rung.overrides),
        "config": resolved(config),
        "config_sha256": digest(recipe(config)),
        "layers": [
            {
                "layer": row.name,
                "output_shape": list(row.output_shape),
                "parameters": row.parameters,
            }
            for row in layer_table(config.model)
        ],
        "parameters": config.parameters,
        "epochs": config.epochs,
        "members": config.members,
        "cost": {
            "multiply_adds_per_image": cost.multiply_adds(config),
            "images_to_train": images,
            "activation_bytes_per_batch": cost.activation_bytes(config),
            "estimated_train_s": None if speed is None else round(images / speed, 1),
        },
    }


def _show_layers(config: Config) -> None:
    rows = [
        [row.name, _options(layer.model_dump(exclude_unset=True)),
         "x".join(map(str, row.output_shape)), f"{row.parameters:,}"]
        for layer, row in zip(config.model, layer_table(config.model), strict=True)
    ]  # fmt: skip
    rows.append(["total", "", "", f"{config.parameters:,}"])
    base.print_table(["layer", "options", "output shape", "parameters"], rows, {"parameters"})


def _options(fields: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in fields.items())


def _show_phases(config: Config) -> None:
    base.say("")
    rows = [
        [str(index), str(phase.epochs), _rate(phase), "yes" if phase.augment else "no",
         f"{phase.pseudo_per_batch} of {config.batch_size}" if phase.pseudo_per_batch else "no"]
        for index, phase in enumerate(config.phases)
    ]  # fmt: skip
    headings = ["phase", "epochs", "learning rate", "augmented", "pseudo-labelled"]
    base.print_table(headings, rows, {"epochs"})


def _rate(phase: Phase) -> str:
    if isinstance(phase.lr, Ramp):
        return f"{phase.lr.from_:g} to {phase.lr.to:g}, {phase.lr.shape} by {phase.lr.per}"
    return f"{phase.lr:g}"


def _percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{accuracy:.2f} %"


def _show_cost(about: dict[str, Any]) -> None:
    memory = about["activation_bytes_per_batch"] / 2**20
    base.say(f"cost        {about['multiply_adds_per_image']:,} multiply-adds an image forward")
    base.say(
        f"            {about['images_to_train']:,} images to train on, {memory:.1f} MiB a batch"
    )
    seconds = about["estimated_train_s"]
    if seconds is None:
        base.say("            time unknown until a first rung has run on this machine")
    else:
        base.say(f"            about {report.duration(seconds)} of training, by the speed measured")


@app.command()
def layers(json: base.AsJson = False) -> None:
    """List the layers that a config may name, with their options."""
    known = {**LAYERS, **installed_layers()}
    rows: list[dict[str, Any]] = [
        {
            "layer": name,
            "options": [field.alias or key for key, field in kind.model_fields.items()],
            "required": [key for key, field in kind.model_fields.items() if field.is_required()],
            "about": (kind.__doc__ or "").splitlines()[0],
        }
        for name, kind in known.items()
    ]
    if json:
        base.print_json(rows)
        return
    cells = [[row["layer"], " ".join(row["options"]), row["about"]] for row in rows]
    base.print_table(["layer", "options", ""], cells, set())


@app.command(epilog="Example: mnistladder validate configs/*.yaml")
def validate(
    configs: Annotated[list[str], typer.Argument(help="Names or paths of configs.")],
    overrides: base.Overrides = None,
    json: base.AsJson = False,
) -> None:
    """Check configs without running them; name every mistake with its place."""
    found: list[dict[str, Any]] = []
    for reference in configs:
        problems: list[dict[str, Any]] = []
        try:
            loading.load_rung(reference, overrides or [])
        except ConfigError as error:
            problems = [vars(problem) for problem in error.problems]
            text = str(error)
        except UsageError as error:
            text = str(error)
            problems = [{"file": reference, "line": None, "column": None, "message": text}]
        found.append({"config": reference, "valid": not problems, "problems": problems})
        if problems and not json:
            base.complain(text)
        elif not json:
            base.say(f"{reference}: ok")
    if json:
        base.print_json(found)
    if not all(entry["valid"] for entry in found):
        raise typer.Exit(ExitCode.USAGE)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a config, for editors."""
    from mnistladder.schema import config_schema

    base.print_json(config_schema())


@app.command(epilog="Example: mnistladder new my_rung && mnistladder run my_rung.yaml")
def new(
    name: Annotated[str, typer.Argument(help="Name of the rung; NAME.yaml is written here.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where to write it.")] = Path(),
) -> None:
    """Write a commented config to start from."""
    stem = name.removesuffix(".yaml")
    if not loading.is_name(stem):
        raise UsageError(f"{name}: use letters, digits, `_`, `-` and `.`, at most 64")
    path = folder / f"{stem}.yaml"
    template = (Path(__file__).parents[1] / "template.yaml").read_text()
    schema_path = (loading.CONFIG_DIR / "schema.json").as_posix()
    text = template.replace("{schema}", schema_path).replace("{name}", stem)
    if not storage.create(path, text.encode()):
        raise UsageError(f"{path}: exists already; choose another name")
    base.say(str(path))
