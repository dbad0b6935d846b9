"""The command line in this process: no start-up to pay for."""

import contextlib
from dataclasses import dataclass

from typer.testing import CliRunner

from mnistladder.cli import app
from mnistladder.errors import UserError


@dataclass(frozen=True)
class Done:
    """What a command left: exit code and output."""

    returncode: int
    stdout: str
    stderr: str


def call(*arguments, cwd):
    """Runs a command in a folder, as `cli.main` does, which tells a user's mistake."""
    with contextlib.chdir(cwd):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, UserError):
        return Done(result.exception.exit_code, result.stdout, f"{result.stderr}{result.exception}")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)
