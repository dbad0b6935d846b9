"""What `list`, `show`, `layers` and `validate` say of configs."""

from inspect import getdoc
from itertools import chain
from pathlib import Path
from typing import TypedDict

from mnistladder.cli import base
from mnistladder.cli.rung_list import percent, published_of
from mnistladder.config import cost, loading, schedule
from mnistladder.config.recipe import recipe, resolved
from mnistladder.config.spec import Config, Rung
from mnistladder.data.datasets import MNIST_SIZES, find
from mnistladder.errors import ConfigError, UsageError
from mnistladder.ladder.speeds import Calibration, images_per_second
from mnistladder.ladder.stages import member_stages
from mnistladder.model.layers import LAYERS, installed_layers
from mnistladder.model.shapes import layer_table
from mnistladder.report import tables
from mnistladder.runs import leaderboard
from mnistladder.sealed import digest


class LayerLine(TypedDict):
    """A kind of layer, as `layers` shows it."""

    layer: str
    options: list[str]
    required: list[str]
    about: str


class ProblemLine(TypedDict):
    """A mistake of a config; one that is not in a file has no line and no column."""

    file: str
    line: int | None
    column: int | None
    message: str
    text: str


class Cost(TypedDict):
    """What training all networks of a config takes."""

    multiply_adds_per_image: int
    images_to_train: int
    activation_bytes_per_batch: int
    estimated_train_s: float | None  # seconds of one core
    estimated_from: str | None


class RungReport(TypedDict):
    """A config, as `show` shows it."""

    name: str
    overrides: list[str]
    config: dict[str, object]
    config_sha256: str
    layers: list[dict[str, object]]
    parameters: int  # of one network
    epochs: int
    members: int
    cost: Cost


def layers() -> list[LayerLine]:
    """The layers that a config may name; ours, then those of other packages."""
    return [
        {
            "layer": name,
            "options": [field.alias or key for key, field in kind.model_fields.items()],
            "required": [key for key, field in kind.model_fields.items() if field.is_required()],
            "about": (getdoc(kind) or "").partition("\n")[0],
        }
        for name, kind in {**LAYERS, **installed_layers()}.items()
    ]


def problems(reference: str, overrides: list[str]) -> list[ProblemLine]:
    """The mistakes of a config; those without a place in a file have no line and no column."""
    try:
        loading.load_rung(reference, overrides)
    except ConfigError as error:
        return [
            {
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "message": problem.message,
                "text": str(problem),
            }
            for problem in error.problems
        ]
    except UsageError as error:
        text = str(error)
        return [
            {"file": reference, "line": None, "column": None, "message": text, "text": text},
        ]
    return []


def say_rung(rung: Rung, what: RungReport) -> None:
    """The layer table, the phases and the cost of a config that `about` described."""
    base.say(f"{rung.label}: {rung.config.title}\n")
    _show_layers(rung.config)
    _show_phases(rung.config)
    base.say(f"\nmembers     {rung.config.members}")
    base.say(f"published   {percent(published_of(rung))}")
    _show_cost(what["cost"])


def about(rung: Rung, runs_dir: Path) -> RungReport:
    """A config with its layers, shapes, parameters and cost, as plain data."""
    config = rung.config
    images = cost.images_to_train(config)
    seconds, source = _seconds(config, runs_dir)
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
            "estimated_train_s": None if seconds is None else round(seconds, 1),
            "estimated_from": source,
        },
    }


def _seconds(config: Config, runs_dir: Path) -> tuple[float | None, str | None]:
    """Core time of all members on MNIST, and what that is known from."""
    known = Calibration(runs_dir).any_speed(config)
    if known:
        stages = chain.from_iterable(member_stages(config, 0, find("mnist")))
        return sum(known.stage_s(stage, *MNIST_SIZES) for stage in stages), "calibration"
    speed = images_per_second(config, leaderboard.load_board(runs_dir / leaderboard.BOARD))
    return (None, None) if speed is None else (cost.images_to_train(config) / speed, "board")


def _show_layers(config: Config) -> None:
    rows = [
        [
            row.name,
            _options(layer.model_dump(exclude_unset=True, by_alias=True)),
            "x".join(map(str, row.output_shape)),
            f"{row.parameters:,}",
        ]
        for layer, row in zip(config.model, layer_table(config.model), strict=True)
    ]
    rows.append(["total", "", "", f"{config.parameters:,}"])
    base.print_table(["layer", "options", "output shape", "parameters"], rows, {"parameters"})


def _options(fields: dict[str, object]) -> str:
    return " ".join(f"{key}={value}" for key, value in fields.items())


def _show_phases(config: Config) -> None:
    base.say("")
    rows = [
        [
            str(index),
            str(phase.epochs),
            schedule.rate_text(phase),
            "yes" if phase.augment else "no",
            f"{phase.pseudo_per_batch} of {config.batch_size}" if phase.pseudo_per_batch else "no",
        ]
        for index, phase in enumerate(config.phases)
    ]
    headings = ["phase", "epochs", "learning rate", "augmented", "pseudo-labelled"]
    base.print_table(headings, rows, {"epochs"})


def _show_cost(about: Cost) -> None:
    memory = about["activation_bytes_per_batch"] / 2**20
    base.say(f"cost        {about['multiply_adds_per_image']:,} multiply-adds an image forward")
    base.say(
        f"            {about['images_to_train']:,} images to train on, {memory:.1f} MiB a batch"
    )
    seconds = about["estimated_train_s"]
    if seconds is None:
        base.say(
            "            time unknown; `mnistladder ladder --all --dry-run` measures it in 10 s"
        )
    else:
        how = "measured on this machine" if about["estimated_from"] == "calibration" else "scaled"
        base.say(f"            about {tables.duration(seconds)} of one core, by speeds {how}")
