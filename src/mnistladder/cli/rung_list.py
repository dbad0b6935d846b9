"""`list`: every shipped rung, and which are done."""

from pathlib import Path
from typing import TypedDict

from mnistladder.cli import base
from mnistladder.config import loading
from mnistladder.config.recipe import recipe
from mnistladder.config.spec import Rung
from mnistladder.report import tables
from mnistladder.runs import leaderboard
from mnistladder.sealed import digest


class RungLine(TypedDict):
    """A rung or a variant, as `list` shows it."""

    name: str
    title: str
    parameters: int  # of one network
    epochs: int
    members: int
    published_accuracy: float | None  # percent
    variant_of: str | None
    done: bool


def rungs(runs_dir: Path, holdout: int | None = None) -> list[RungLine]:
    """Rungs, then variants; `done`: the board has a result of the config as it is now.

    A result on a holdout counts only if that holdout is asked for.
    """
    board = leaderboard.load_board(runs_dir / leaderboard.BOARD)
    done = {row.config_sha256 for row in board if row.data.holdout == holdout}
    return [
        {
            "name": rung.name,
            "title": rung.config.title,
            "parameters": rung.config.parameters,
            "epochs": rung.config.epochs,
            "members": rung.config.members,
            "published_accuracy": published_of(rung),
            "variant_of": loading.rung_of(rung.name),
            "done": digest(recipe(rung.config)) in done,
        }
        for rung in map(loading.load_rung, [*loading.shipped_names(), *loading.variant_names()])
    ]


def say_rungs(rows: list[RungLine]) -> None:
    """The ladder as one table, the variants as another."""
    for heading, part in (
        ("rung", [row for row in rows if not row["variant_of"]]),
        ("variant", [row for row in rows if row["variant_of"]]),
    ):
        cells = [
            [
                row["name"],
                row["title"],
                tables.times(row["members"], f"{row['parameters']:,}"),
                tables.times(row["members"], str(row["epochs"])),
                percent(row["published_accuracy"]),
                "done" if row["done"] else "-",
            ]
            for row in part
        ]
        if heading == "variant":
            base.say("")
        headings = [heading, "what is new", "parameters", "epochs", "published", "done"]
        drops = ["published", "epochs", "parameters"]
        base.print_table(headings, cells, set(drops), drops)


def percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{accuracy:.2f} %"


def published_of(rung: Rung) -> float | None:
    """The published accuracy in percent; with overrides there is none, whatever the file says."""
    published = rung.config.published
    return published.accuracy if published and not rung.overrides else None
