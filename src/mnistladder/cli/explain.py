"""`explain`: what a word of our tables and messages means."""

from typing import Annotated

import typer
from rich.columns import Columns

from mnistladder.cli import base
from mnistladder.cli.base import app


def complete_words(incomplete: str) -> list[str]:
    """Words of the glossary, for the shell's completion."""
    from mnistladder.report.glossary import meanings

    return [word for word in meanings() if word.startswith(incomplete)]


@app.command(epilog="Example: mnistladder explain confounded")
def explain(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORD]",
            help="A word of the glossary; without one, all of them are listed.",
            autocompletion=complete_words,
            show_default=False,
        ),
    ] = None,
    json: base.AsJson = False,
) -> None:
    """Say what a word of the tables and messages means."""
    from mnistladder.report import glossary

    chosen = [glossary.find(" ".join(words))] if words else list(glossary.meanings())
    if json:
        base.print_json([{"word": word, "meaning": glossary.meanings()[word]} for word in chosen])
    elif words:
        base.say_prose(f"{chosen[0]}: {glossary.meanings()[chosen[0]]}")
    else:
        _say_words(chosen)


def _say_words(words: list[str]) -> None:
    """In columns on a terminal, else one word a line."""
    console = base.output()
    if console.is_terminal:
        console.print(Columns(words, padding=(0, 2), column_first=True))
        base.say("\n`mnistladder explain WORD` says what it means.")
    else:
        base.say("\n".join(words))
