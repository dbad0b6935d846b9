"""Shows the events of training to the user, and writes them to a log if one is asked for."""

from importlib.util import find_spec

from rich.console import Console

from mnistladder.cli.layout import told_apart
from mnistladder.cli.progress import make_reporter
from mnistladder.errors import UsageError
from mnistladder.ladder.climb import Ladder, Outcome
from mnistladder.ladder.events import Event
from mnistladder.ladder.status import LadderStatus


def check_log(log: str | None) -> None:
    """Raises UsageError where the log that is asked for cannot be written."""
    if log and find_spec(log) is None:
        raise UsageError(f"--log {log} needs a package: pip install 'mnistladder[{log}]'")


class Watcher:
    """Passes events and outcomes to the progress display, and events to the log."""

    def __init__(self, ladder: Ladder, jobs: int, quiet: bool, log: str | None) -> None:
        console = Console(stderr=True, highlight=False)
        status = LadderStatus(ladder) if len(ladder.attempts) > 1 else None
        self.reporter = make_reporter(
            ladder.missing, _stage_names(ladder), jobs, console, quiet, status
        )
        self.log = None
        if log:
            from mnistladder.ladder.tensorboard import TensorBoards

            self.log = TensorBoards(ladder.attempts, ladder.runs, self.reporter)

    def __call__(self, event: Event) -> None:
        self.reporter(event)
        if self.log:
            self.log(event)

    def decided(self, outcome: Outcome) -> None:
        self.reporter.decided(outcome)

    def close(self) -> None:
        self.reporter.close()
        if self.log:
            self.log.close()


def _stage_names(ladder: Ladder) -> dict[str, str]:
    """A name for each stage: the first rung that needs it, and the network's seed.

    Where several rungs have the same name, it is what tells them apart.
    """
    names: dict[str, str] = {}
    rungs = [attempt.rung for attempt in ladder.attempts]
    labels = list(dict.fromkeys(rung.label for rung in rungs))
    short = dict(zip(labels, told_apart(labels), strict=True))
    has_changes = len(labels) > len({rung.name for rung in rungs})
    for attempt in ladder.attempts:
        for number, level in enumerate(attempt.levels):
            for stage in level:
                after = f" stage {number + 1}" if number else ""
                rung = short[attempt.rung.label] if has_changes else attempt.rung.name
                name = f"{rung} network {stage.seed}{after}"
                names.setdefault(stage.key, name)
    return names
