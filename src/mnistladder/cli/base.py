"""What all commands share: the app, its output, its common options."""

import json
import textwrap
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mnistladder import __version__, environment
from mnistladder.cli.layout import fit
from mnistladder.cli.panels import Panels
from mnistladder.errors import printable

app = typer.Typer(
    name="mnistladder",
    cls=Panels,
    help="Climb MNIST from a linear softmax to pseudo-labelled ensembles, "
    "one YAML config per rung.",
    epilog="Start with: mnistladder run model02_normalized    "
    "All rungs: mnistladder ladder --all    Results: mnistladder report",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RUNS = environment.RUNS
PIPE_WIDTH = 1000  # wider than our tables, so that no line is folded without a terminal


class DataName(StrEnum):
    """The data sets that have a name."""

    MNIST = "mnist"
    FASHION_MNIST = "fashion_mnist"
    KMNIST = "kmnist"
    QMNIST = "qmnist"
    EMNIST_DIGITS = "emnist_digits"


def complete_rungs(incomplete: str) -> list[str]:
    """Names of shipped rungs, and of own ones in this folder, for the shell's completion."""
    from mnistladder.config.loading import own_names, shipped_names

    return [name for name in [*shipped_names(), *own_names()] if name.startswith(incomplete)]


RunsDir = Annotated[
    Path,
    typer.Option(
        "--runs-dir",
        metavar="FOLDER",
        envvar="MNISTLADDER_RUNS",
        help="Folder of networks, results and leaderboard.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Data = Annotated[DataName, typer.Option("--data", help="Data set to train and test on.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Use the four MNIST-shaped IDX files (gz or raw) of this folder instead.",
    ),
]
Holdout = Annotated[
    int | None,
    typer.Option(
        "--holdout",
        metavar="N",
        help="Test on the last N training images, and train on the others: to choose a recipe "
        "without the test images.",
    ),
]
OnHoldout = Annotated[
    int | None,
    typer.Option("--holdout", metavar="N", help="Only results on a holdout of N images."),
]
ConfigReference = Annotated[
    str,
    typer.Argument(
        metavar="RUNG",
        help="A rung's number or name, a config file, or a result's id.",
        autocompletion=complete_rungs,
        show_default=False,
    ),
]
_result = typer.Argument(
    metavar="RESULT",
    help="A rung's number or name, a config file, a result's id, or a record's path.",
    autocompletion=complete_rungs,
    show_default=False,
)
ResultReference = Annotated[str, _result]
MaybeResult = Annotated[str | None, _result]
ResultSeed = Annotated[
    int,
    typer.Option(
        "--seed", metavar="N", min=0, max=2**31, help="Which seed's result, if a rung has several."
    ),
]
FigureFile = Annotated[
    Path | None,
    typer.Option(
        "--figure", metavar="FILE", help="Also draw it into this .png, .svg or .pdf file."
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Replace the file even if mnistladder did not write it."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value, such as phases.0.lr=1e-3. May be repeated.",
    ),
]
ResultOverrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="The result with this change, such as batch_size=64."
    ),
]
Device = Annotated[
    str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        min=1,
        max=1024,
        help="Worker processes. [default: one per core or per GPU]",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress, only results.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, max=2**31, help="The first seed.")]


def output(wide: bool = False) -> Console:
    """The console of stdout; wide if asked, or where it is no terminal, so that nothing is cut."""
    console = Console(highlight=False)
    if wide or not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def complain(text: str) -> None:
    """Prints one message on stderr, without characters that control a terminal."""
    Console(stderr=True).print(
        f"mnistladder: {printable(text)}",
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
    )


def say(text: str, end: str = "\n") -> None:
    """Prints a result on stdout, as it is.

    `typer.echo` would write UTF-8 where the encoding of stdout is ASCII.
    """
    print(text, end=end)


def print_json(data: object) -> None:
    """Prints plain data as JSON on stdout."""
    print(json.dumps(data, indent=1))


def say_prose(text: str) -> None:
    """A result on stdout in sentences, which a terminal shows wrapped between words."""
    console = output()
    for line in text.splitlines():
        width = console.width if console.is_terminal else max(len(line), 1)
        say(textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False))


def print_table(
    headings: list[str],
    rows: Sequence[Sequence[str | Text]],
    right: set[str],
    drops: Sequence[str] = (),
    wide: bool = False,
) -> None:
    """A table on stdout, numbers to the right.

    On a terminal that is too narrow it leaves out columns in the order of `drops`, and says so;
    with `wide` it leaves out none and breaks no line itself.
    """
    console = output(wide)
    room = output().width
    texts = [[str(cell) for cell in row] for row in rows]
    layout = fit(headings, texts, console.width, drops)
    if layout.width > room:
        complain(f"this table has {layout.width} columns; to scroll through it: | less -S")
    console.width = max(console.width, layout.width)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, layout.gap, 0, 0))
    for index, width in zip(layout.shown, layout.widths, strict=True):
        justify: Literal["left", "right"] = "right" if headings[index] in right else "left"
        table.add_column(headings[index], justify=justify, width=width)
    for row in rows:
        table.add_row(*(row[index] for index in layout.shown))
    console.print(table, markup=False)
    if missing := [heading for index, heading in enumerate(headings) if index not in layout.shown]:
        say_prose(f"(no room for: {', '.join(missing)})")


def _version(wanted: bool) -> None:
    if wanted:
        say(f"mnistladder {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass
