"""`list`: every shipped rung, the user's own, overridden ones, and which are done."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from mnistladder.cli import base
from mnistladder.config import loading
from mnistladder.config.recipe import recipe
from mnistladder.config.spec import Rung
from mnistladder.errors import UsageError
from mnistladder.report import tables
from mnistladder.report.config_diff import config_lines, nearest
from mnistladder.report.data_names import clashing, data_name
from mnistladder.runs import leaderboard
from mnistladder.runs.records import BoardRow
from mnistladder.sealed import digest

SHOWN_CHANGES = 3


class RungLine(TypedDict):
    """A rung, a variant, or a config of the user's, as `list` shows it."""

    name: str
    overrides: list[str]
    title: str
    parameters: int  # of one network
    epochs: int
    members: int
    published_accuracy: float | None  # percent
    variant_of: str | None
    base: str | None  # of a user's config: the shipped rung that differs least from it
    changes: list[str] | None  # of a user's config: the lines that its base has not
    done: bool
    data: list[str]  # the data sets with a result of it


def rungs(runs_dir: Path, holdout: int | None = None) -> list[RungLine]:
    """Rungs, variants, own rungs in this folder, then what else the board has results of.

    `done`: the board has a result of the config as it is now; `data` names the data sets
    that it was measured on. A result on a holdout counts only if that holdout is asked for.
    """
    stored = leaderboard.load_board(runs_dir / leaderboard.BOARD)
    board = [row for row in stored if row.data.holdout == holdout]
    clashes, done = clashing(board), dict[str, set[str]]()
    for row in board:
        done.setdefault(row.config_sha256, set()).add(data_name(row, clashes))
    shipped = [*map(loading.load_rung, [*loading.shipped_names(), *loading.variant_names()])]
    own = list(_own_rungs())
    listed = {rung.name for rung in (*shipped, *own)}
    others = {
        (row.rung, row.overrides): row for row in board if row.overrides or row.rung not in listed
    }
    return [
        *(_line(rung, done) for rung in shipped),
        *(_own_line(rung, shipped, done) for rung in own),
        *(_board_line(row, listed, done) for _, row in sorted(others.items())),
    ]


def _own_rungs() -> Iterator[Rung]:
    """The configs of this folder; other YAML files, and those with mistakes, are no rungs."""
    for name in loading.own_names():
        try:
            yield loading.load_rung(name)
        except UsageError:
            continue


Done = dict[str, set[str]]  # by the hash of a config, the data sets with a result of it


def _line(rung: Rung, done: Done) -> RungLine:
    data = sorted(done.get(digest(recipe(rung.config)), ()))
    return {
        "name": rung.name,
        "overrides": [],
        "title": rung.config.title,
        "parameters": rung.config.parameters,
        "epochs": rung.config.epochs,
        "members": rung.config.members,
        "published_accuracy": published_of(rung),
        "variant_of": loading.rung_of(rung.name),
        "base": None,
        "changes": None,
        "done": bool(data),
        "data": data,
    }


def _own_line(rung: Rung, shipped: Sequence[Rung], done: Done) -> RungLine:
    """An own rung beside the shipped one that shares most lines with it."""
    base_name = nearest(rung, shipped)
    old = Counter(config_lines(loading.load_rung(base_name).config))
    changes = [line.strip(" -") for line in Counter(config_lines(rung.config)) - old]
    return {**_line(rung, done), "base": base_name, "changes": changes}


def _board_line(row: BoardRow, listed: set[str], done: Done) -> RungLine:
    """A config with results but without a file here: a rung with overrides, or one of elsewhere."""
    return {
        "name": row.rung,
        "overrides": list(row.overrides),
        "title": row.title,
        "parameters": row.parameters,
        "epochs": row.epochs,
        "members": row.members,
        "published_accuracy": None,
        "variant_of": None,
        "base": row.rung if row.rung in listed else None,
        "changes": list(row.overrides),
        "done": True,
        "data": sorted(done[row.config_sha256]),
    }


def say_rungs(rows: list[RungLine]) -> None:
    """The ladder as one table, the variants as another, and the user's as a third."""
    _say_part("rung", [r for r in rows if r["changes"] is None and not r["variant_of"]])
    base.say("")
    _say_part("variant", [r for r in rows if r["variant_of"]])
    if own := [row for row in rows if row["changes"] is not None]:
        base.say("")
        _say_own(own)


def _say_part(heading: str, rows: list[RungLine]) -> None:
    cells = [
        [row["name"], row["title"], *_sizes(row), percent(row["published_accuracy"]), _done(row)]
        for row in rows
    ]
    headings = [heading, "what is new", "parameters", "epochs", "published", "done"]
    drops = ["published", "epochs", "parameters"]
    base.print_table(headings, cells, set(drops), drops)


def _say_own(rows: list[RungLine]) -> None:
    cells = [[row["name"], _changes(row), *_sizes(row), _done(row)] for row in rows]
    headings = ["yours", "differs from its base in", "parameters", "epochs", "done"]
    drops = ["epochs", "parameters"]
    base.print_table(headings, cells, set(drops), drops)


def _sizes(row: RungLine) -> list[str]:
    return [
        tables.times(row["members"], f"{row['parameters']:,}"),
        tables.times(row["members"], str(row["epochs"])),
    ]


def _done(row: RungLine) -> str:
    """`done` alone means on MNIST; other data are named."""
    marks = ["done" if name == "mnist" else f"on {name}" for name in row["data"]]
    return ", ".join(marks) or "-"


def _changes(row: RungLine) -> str:
    """The first changes; of an own rung also the base that they differ from."""
    changes = row["changes"] or ["nothing"]
    more = f"; {len(changes) - SHOWN_CHANGES} more" if len(changes) > SHOWN_CHANGES else ""
    text = "; ".join(changes[:SHOWN_CHANGES]) + more
    if row["base"] is None:
        return "its file is not in this folder"
    return text if row["overrides"] else f"{row['base']}: {text}"


def percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{accuracy:.2f} %"


def published_of(rung: Rung) -> float | None:
    """The published accuracy in percent; with overrides there is none, whatever the file says."""
    published = rung.config.published
    return published.accuracy if published and not rung.overrides else None
