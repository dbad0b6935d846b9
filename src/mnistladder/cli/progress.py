"""What a user sees of training: live bars on a terminal, one plain line per epoch elsewhere."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from mnistladder.cli.layout import told_apart
from mnistladder.config.cost import OVERHEAD, multiply_adds
from mnistladder.ladder.climb import Outcome
from mnistladder.ladder.events import EpochDone, Event, Failed, Finished, Notice, Started
from mnistladder.ladder.stages import Stage
from mnistladder.ladder.status import LadderStatus, RungStatus, Status, fitted
from mnistladder.report.tables import duration


class Remaining:
    """Time left, from the number of epochs left and the speed of the latest ones."""

    def __init__(self, stages: dict[str, Stage], jobs: int) -> None:
        self.jobs = max(jobs, 1)
        self.epochs = {key: stage.epochs for key, stage in stages.items()}
        self.costs = {key: multiply_adds(s.config) + OVERHEAD for key, s in stages.items()}
        self.seconds: dict[str, float] = {}  # of a stage's latest epoch

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self.epochs[event.key] -= event.epochs_done
        elif isinstance(event, EpochDone):
            self.epochs[event.key] -= 1
            self.seconds[event.key] = event.row.train_s + event.row.eval_s
        elif isinstance(event, Finished | Failed):
            self.epochs[event.key] = 0

    def seconds_left(self) -> float:
        """Estimate for all stages; the speed of stages not yet begun follows from their work."""
        per_cost = sum(self.seconds.values()) / sum(self.costs[key] for key in self.seconds)
        epoch_s = {key: self.seconds.get(key, per_cost * cost) for key, cost in self.costs.items()}
        total = sum(epoch_s[key] * epochs for key, epochs in self.epochs.items())
        longest = max(epoch_s[key] * epochs for key, epochs in self.epochs.items())
        return max(total / self.jobs, longest)


class Reporter:
    """Receives events and prints notices alone. Failures are printed with the results."""

    def __init__(
        self, stages: dict[str, Stage], names: dict[str, str], jobs: int, console: Console
    ) -> None:
        self.stages = stages
        self.names = names  # stage key -> what the user calls it
        self.console = console
        self.remaining = Remaining(stages, jobs)

    def __call__(self, event: Event) -> None:
        self.remaining(event)
        if isinstance(event, Notice):
            self.say(f"{self.names[event.key]}: {event.text}")
        elif isinstance(event, Started):
            self.started(event)
        elif isinstance(event, EpochDone):
            self.epoch_done(event)
        else:
            self.ended(event)

    def say(self, text: str) -> None:
        """Prints one line as it is, without markup or wrapping: one event is one line."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def started(self, event: Started) -> None: ...
    def epoch_done(self, event: EpochDone) -> None: ...
    def ended(self, event: Finished | Failed) -> None: ...
    def decided(self, outcome: Outcome) -> None: ...

    def close(self) -> None: ...

    def describe(self, event: EpochDone) -> str:
        """Loss, test errors and speed of an epoch."""
        row = event.row
        speed = row.images / max(row.train_s, 1e-3)
        return (
            f"loss {row.loss:.4f}  test errors {row.test_errors}  {speed:,.0f} images/s  "
            f"{duration(self.remaining.seconds_left())} left"
        )


class PlainReporter(Reporter):
    """One line per epoch, for logs and pipes."""

    def started(self, event: Started) -> None:
        resumed = f", continues after epoch {event.epochs_done}" if event.epochs_done else ""
        epochs = self.stages[event.key].epochs
        self.say(f"{self.names[event.key]}: {epochs} epochs on {event.device}{resumed}")

    def epoch_done(self, event: EpochDone) -> None:
        last = self.stages[event.key].first_epoch + self.stages[event.key].epochs
        name = self.names[event.key]
        self.say(f"{name}: epoch {event.row.epoch}/{last}  {self.describe(event)}")


STYLES = {
    Status.DONE: "green",
    Status.RUNNING: "cyan",
    Status.WAITING: "dim",
    Status.FAILED: "bold red",
}


def rung_table(statuses: Sequence[RungStatus], left_out: Counter[Status]) -> Table:
    """A row for each rung, and a last row that counts the rungs left out."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("rung", no_wrap=True)
    table.add_column("state")
    for heading in ("seeds", "epochs", "accuracy"):
        table.add_column(heading, justify="right", no_wrap=True)
    for status in statuses:
        table.add_row(
            Text(status.name),  # a label may contain brackets that are not markup
            Text(status.status, STYLES[status.status]),
            f"{status.seeds_done}/{status.seeds}",
            f"{status.epochs_done:,}/{status.epochs:,}",
            "-" if status.accuracy is None else f"{status.accuracy:.2f} %",
        )
    if left_out:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(left_out.items()))
        table.add_row(Text(f"and {counts}", "dim"))
    return table


class Bars(Progress):
    """Bars below a table of rungs; together they fit the height of the terminal."""

    statuses: Sequence[RungStatus] = ()  # replaced, never changed, because another thread draws it

    def get_renderables(self) -> Iterable[RenderableType]:
        if not self.tasks:
            return  # rich calls this once before there is a console
        room = self.console.height - 1
        bars = min(len(self.tasks), max(room // 2, room - len(self.statuses) - 1))
        if self.statuses:
            yield rung_table(*fitted(self.statuses, room - bars - 1))
        yield self.make_tasks_table(self.tasks[:bars])


class LiveReporter(Reporter):
    """A table of rungs, a bar for each stage in training and one for all epochs, drawn in place."""

    def __init__(
        self,
        stages: dict[str, Stage],
        names: dict[str, str],
        jobs: int,
        console: Console,
        status: LadderStatus | None,
    ) -> None:
        """Without a `status` there are only bars: enough for one rung at one seed."""
        super().__init__(stages, names, jobs, console)
        self.status = status
        self.bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            # On the same terminal results appear above the bars; a pipe gets them unchanged.
            redirect_stdout=sys.stdout.isatty(),
        )
        self.tasks: dict[str, TaskID] = {}
        total = sum(stage.epochs for stage in stages.values())
        self.all = self.bars.add_task("all epochs", total=total, note="")
        self._show_rungs()

    def __call__(self, event: Event) -> None:
        if self.status:
            self.status(event)
            self._show_rungs()
        super().__call__(event)

    def decided(self, outcome: Outcome) -> None:
        if self.status:
            self.status.decided(outcome)
            self._show_rungs()

    def _show_rungs(self) -> None:
        statuses = self.status.of_rungs() if self.status else []
        names = told_apart([status.name for status in statuses])
        self.bars.statuses = [
            replace(status, name=name) for status, name in zip(statuses, names, strict=True)
        ]

    def started(self, event: Started) -> None:
        self.bars.start()
        self.tasks[event.key] = self.bars.add_task(
            self.names[event.key],
            total=self.stages[event.key].epochs,
            completed=event.epochs_done,
            note="first epoch",
        )
        self.bars.advance(self.all, event.epochs_done)

    def epoch_done(self, event: EpochDone) -> None:
        text, _, left = self.describe(event).rpartition("  ")
        self.bars.update(self.tasks[event.key], advance=1, note=text)
        self.bars.update(self.all, advance=1, note=left)

    def ended(self, event: Finished | Failed) -> None:
        if event.key in self.tasks:
            self.bars.remove_task(self.tasks.pop(event.key))

    def close(self) -> None:
        self.bars.stop()


def make_reporter(
    stages: dict[str, Stage],
    names: dict[str, str],
    jobs: int,
    console: Console,
    quiet: bool,
    status: LadderStatus | None = None,
) -> Reporter:
    """Live bars on a terminal, plain lines elsewhere; with `quiet` only notices."""
    if quiet:
        return Reporter(stages, names, jobs, console)
    if console.is_terminal:
        return LiveReporter(stages, names, jobs, console, status)
    return PlainReporter(stages, names, jobs, console)
