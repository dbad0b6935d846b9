"""What all commands share: the app, its streams, its common options."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from mnistladder import __version__
from mnistladder.data.datasets import Source, find
from mnistladder.errors import UsageError

if TYPE_CHECKING:
    from mnistladder.runs.records import BoardRow

app = typer.Typer(
    name="mnistladder",
    help="Climb MNIST from a linear softmax to pseudo-labelled ensembles, "
    "one YAML config per rung.",
    epilog="Start with: mnistladder run model02_normalized    "
    "All of it: mnistladder ladder --all    Then: mnistladder report",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PIPE_WIDTH = 1000  # wider than our tables: where there is no terminal, nothing is folded


class DataName(StrEnum):
    """The data sets that have a name."""

    MNIST = "mnist"
    FASHION_MNIST = "fashion_mnist"
    KMNIST = "kmnist"
    QMNIST = "qmnist"
    EMNIST_DIGITS = "emnist_digits"


def complete_rungs(incomplete: str) -> list[str]:
    """Names of shipped rungs for the shell's completion."""
    from mnistladder.config.loading import shipped_names

    return [name for name in shipped_names() if name.startswith(incomplete)]


RunsDir = Annotated[
    Path,
    typer.Option(
        "--runs-dir", envvar="MNISTLADDER_RUNS", help="Folder of networks, results and leaderboard."
    ),
]
RUNS = Path("runs")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Data = Annotated[DataName, typer.Option("--data", help="Data set to train and test on.")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of four MNIST-shaped IDX files (gz or raw) instead."),
]
ConfigReference = Annotated[
    str,
    typer.Argument(
        help="A rung's name, or the path of a config file.",
        autocompletion=complete_rungs,
        show_default=False,
    ),
]
_result = typer.Argument(
    help="A rung's name, a result's id or its beginning, or a record's path.",
    autocompletion=complete_rungs,
    show_default=False,
)
ResultReference = Annotated[str, _result]
MaybeResult = Annotated[str | None, _result]
ResultSeed = Annotated[
    int, typer.Option("--seed", min=0, max=2**31, help="Of a rung's results, which one.")
]
FigureFile = Annotated[
    Path | None, typer.Option("--figure", help="Draw it too, to this .png, .svg or .pdf.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a value, such as phases.0.lr=1e-3; may be repeated."),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", min=1, max=1024, help="Worker processes. [default: one a core, or a GPU]"
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the results.")]
Seed = Annotated[int, typer.Option(min=0, max=2**31, help="The (first) root seed.")]


def output() -> Console:
    """The console of stdout, wide where it is no terminal, so that nothing is cut."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def complain(text: str) -> None:
    """One message on stderr; its lines as they are, but nothing that a terminal would obey."""
    Console(stderr=True).print(
        f"mnistladder: {printable(text)}", markup=False, highlight=False, soft_wrap=True
    )


def printable(text: str) -> str:
    """The text without what a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def say(text: str) -> None:
    """A result on stdout, as it is."""
    print(text)


def print_json(data: object) -> None:
    """Plain data as JSON on stdout."""
    print(json.dumps(data, indent=1))


def print_table(headings: list[str], rows: list[list[str]], right: set[str]) -> None:
    """A table on stdout, numbers to the right."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    output().print(table, markup=False)


def source_of(record: "BoardRow", data_dir: Path | None) -> Source:
    """The data that a result was measured on. Raises DataError, UsageError."""
    name = record.data.name
    if data_dir is None and name not in [known.value for known in DataName]:
        raise UsageError(f"{record.label}: was measured on a folder {name}; give its --data-dir")
    source = find(name, data_dir)
    if source.sha256 != record.data.sha256:
        raise UsageError(f"{record.label}: {data_dir or name} is not the data it was measured on")
    return source


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
