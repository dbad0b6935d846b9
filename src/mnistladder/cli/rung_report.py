"""What `show` says of a config, as plain data."""

from itertools import chain
from pathlib import Path
from typing import TypedDict

from mnistladder.config import cost
from mnistladder.config.loading import load_rung
from mnistladder.config.recipe import recipe, resolved
from mnistladder.config.spec import Config, Rung
from mnistladder.data.datasets import MNIST_SIZES, find
from mnistladder.ladder.speeds import Calibration, images_per_second
from mnistladder.ladder.stages import member_stages
from mnistladder.model.shapes import layer_table
from mnistladder.report import config_diff
from mnistladder.report.techniques import techniques
from mnistladder.runs import leaderboard, ready, results
from mnistladder.sealed import digest


class Cost(TypedDict):
    """What training all networks of a config takes."""

    multiply_adds_per_image: int
    images_to_train: int
    activation_bytes_per_batch: int
    estimated_train_s: float | None  # seconds of one core
    estimated_from: str | None


class LayerCost(TypedDict):
    """A layer of a network, and what it costs."""

    layer: str
    options: dict[str, object]
    output_shape: list[int]
    parameters: int
    multiply_adds: int  # of one image forward


class DifferenceLine(TypedDict):
    """A line of a config as YAML: added, removed, same, or left-out for a gap."""

    change: str
    line: str


class ReadyNetworks(TypedDict):
    """A result whose networks come with the package."""

    result_id: str
    errors: int
    test_images: int


class RungReport(TypedDict):
    """A config, as `show` shows it."""

    name: str
    title: str
    technique: str | None  # of a shipped config: what is new in it
    overrides: list[str]
    config: dict[str, object]
    config_sha256: str
    layers: list[LayerCost]
    parameters: int  # of one network
    epochs: int
    members: int
    cost: Cost
    ready: ReadyNetworks | None
    compared_with: str | None  # the config before
    difference: list[DifferenceLine]  # from that one to this one


def about(rung: Rung, runs_dir: Path) -> RungReport:
    """A config with its layers, costs, and what is new in it, as plain data."""
    config = rung.config
    images = cost.images_to_train(config)
    seconds, source = _seconds(config, runs_dir)
    before = config_diff.compared_with(rung)
    return {
        "name": rung.name,
        "title": config.title,
        "technique": techniques().get(rung.name) if config_diff.is_shipped(rung) else None,
        "overrides": list(rung.overrides),
        "config": resolved(config),
        "config_sha256": digest(recipe(config)),
        "layers": _layers(config),
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
        "ready": _ready(rung),
        "compared_with": before,
        "difference": _difference(before, config),
    }


def _layers(config: Config) -> list[LayerCost]:
    counts = cost.layer_multiply_adds(config)
    return [
        {
            "layer": row.name,
            "options": layer.model_dump(exclude_unset=True, by_alias=True),
            "output_shape": list(row.output_shape),
            "parameters": row.parameters,
            "multiply_adds": count,
        }
        for layer, row, count in zip(config.model, layer_table(config.model), counts, strict=True)
    ]


def _difference(before: str | None, config: Config) -> list[DifferenceLine]:
    if before is None:
        return []
    lines = config_diff.difference(load_rung(before).config, config)
    return [{"change": change, "line": line} for change, line in lines]


def _ready(rung: Rung) -> ReadyNetworks | None:
    """The networks of the package that were trained by this config."""
    wanted = digest(recipe(rung.config))
    for path in sorted((ready.FOLDER / "results" / rung.name).glob("*.json")):
        if (record := results.load_result(path)).config_sha256 == wanted:
            return {
                "result_id": record.result_id,
                "errors": record.errors,
                "test_images": record.test_images,
            }
    return None


def _seconds(config: Config, runs_dir: Path) -> tuple[float | None, str | None]:
    """Core time of all members on MNIST, and what that is known from."""
    known = Calibration(runs_dir).any_speed(config)
    if known:
        stages = chain.from_iterable(member_stages(config, 0, find("mnist")))
        return sum(known.stage_s(stage, *MNIST_SIZES) for stage in stages), "calibration"
    speed = images_per_second(config, leaderboard.load_board(runs_dir / leaderboard.BOARD))
    return (None, None) if speed is None else (cost.images_to_train(config) / speed, "board")
