"""`check`: a whole runs folder looked at, and mended if asked."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mnistladder.cli import base
from mnistladder.cli.base import app
from mnistladder.errors import ExitCode, UsageError, printable
from mnistladder.runs import inspection
from mnistladder.runs.inspection import Fault, Inspection


@app.command(
    epilog="Examples: mnistladder check    mnistladder check --repair --runs-dir elsewhere"
)
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Set damaged files aside and rebuild the leaderboard.")
    ] = False,
    runs_dir: base.RunsDir = base.RUNS,
    json: base.AsJson = False,
) -> None:
    """Read every file of a runs folder, and list what is damaged with what mends it.

    Exit code 4: something is damaged. Without --repair nothing is written.
    """
    if not runs_dir.is_dir():
        raise UsageError(f"{runs_dir}: no such runs folder")
    looked = inspection.inspect(runs_dir)
    asides = [inspection.mend(fault) for fault in looked.faults] if repair else []
    if json:
        base.print_json(_as_json(looked, asides, runs_dir))
    else:
        _say(looked, asides, runs_dir)
    if looked.faults and not repair:
        raise typer.Exit(ExitCode.CORRUPT)


def _as_json(looked: Inspection, asides: list[list[Path]], runs_dir: Path) -> dict[str, object]:
    return {
        "whole": not looked.faults,
        "results": looked.results,
        "networks": looked.networks,
        "begun": looked.begun,
        "faults": [
            {
                "file": str(fault.thing.path),
                "what": fault.text,
                "remedy": _remedy(fault, runs_dir),
                "set_aside": [str(path) for path in (asides[number] if asides else [])],
            }
            for number, fault in enumerate(looked.faults)
        ],
        "leftovers": [str(path) for path in looked.leftovers],
    }


def _say(looked: Inspection, asides: list[list[Path]], runs_dir: Path) -> None:
    for number, fault in enumerate(looked.faults):
        base.say(printable(fault.text))
        if asides:
            names = ", ".join(path.name for path in asides[number])
            done = f"set aside as {names}" if names else "mended"
            base.say(printable(f"  {done}; then: {fault.thing.remedy}"))
        else:
            base.say(printable(f"  what mends it: {_remedy(fault, runs_dir)}"))
    if looked.leftovers:
        base.complain(
            f"{len(looked.leftovers)} leftovers of stopped processes and earlier repairs, which "
            f"nothing reads; the first: {looked.leftovers[0]}"
        )
    if not looked.faults:
        base.say(f"{looked.results} results, {looked.networks} networks: whole")


def _remedy(fault: Fault, runs_dir: Path) -> str:
    """What mends it without a repair here and now."""
    if fault.thing.remedy.startswith("mnistladder leaderboard"):
        return fault.thing.remedy
    command = shlex.join(["mnistladder", "check", "--repair", "--runs-dir", str(runs_dir)])
    return f"{command}; then: {fault.thing.remedy}"
