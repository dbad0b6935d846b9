"""What `sweep` and `ablate` do once their arguments are known."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import typer

from mnistladder.api import naming, training, tuning
from mnistladder.api.tuning import Change
from mnistladder.cli import base, climb, dry_run
from mnistladder.cli.base import DataName
from mnistladder.ladder.climb import Failure, Ladder, Outcome, Success
from mnistladder.ladder.events import EpochDone, Event, Started
from mnistladder.report.tuning import Candidate, TuningRow, against_best, against_whole, cells


@dataclass(frozen=True, kw_only=True)
class Options(climb.Options):
    """The options of both commands."""

    keep_going: bool = True  # a change whose loss diverges is an answer, too
    minutes: float | None = None


class TimeIsUp(BaseException):
    """The minutes that the user gave are over; no handler of ordinary errors may catch it."""


@dataclass(frozen=True)
class Deadline:
    """Ends a climb between two epochs, once a moment of `time.monotonic` has passed."""

    ladder: Ladder
    end_s: float

    def __call__(self, event: Event) -> None:
        """Raises TimeIsUp, except before a stage is stored whose epochs are all trained."""
        if time.monotonic() >= self.end_s and self._trains_on(event):
            raise TimeIsUp

    def _trains_on(self, event: Event) -> bool:
        if isinstance(event, Started):
            return event.epochs_done < self.ladder.missing[event.key].epochs
        if isinstance(event, EpochDone):
            stage = self.ladder.missing[event.key]
            return event.row.epoch < stage.first_epoch + stage.epochs
        return False


def sweep(reference: str, changes: Sequence[Change], options: Options) -> None:
    """Trains all changes, and prints them with the fewest errors first."""
    ladder = _plan(changes, options)
    decided = _decided(ladder, options)
    found = _candidates(changes, decided)
    rows = against_best(found)
    _print(rows, "the best", ladder, options)
    best = next((row for row in rows if row.is_reference), None)
    is_choice = sum(row.n > 0 for row in rows) > 1
    if best and is_choice and not options.json and options.holdout is not None:
        settings = next(change.settings for change in changes if change.text == best.change)
        _say_test(reference, settings, options)
    _end(decided)


def ablate(changes: Sequence[Change], options: Options) -> None:
    """Trains all changes, and prints the first, which is the whole, and what each part costs."""
    ladder = _plan(changes, options)
    decided = _decided(ladder, options)
    whole, *parts = _candidates(changes, decided)
    _print(against_whole(whole, parts), "the whole", ladder, options)
    _end(decided)


def print_plan(changes: Sequence[Change], options: Options) -> None:
    """Prints what is missing, and how long it takes."""
    dry_run.print_plan(_plan(changes, options), options)


def _plan(changes: Sequence[Change], options: Options) -> Ladder:
    """All changes at the first seed, then at the next: if time runs out, all have about as many."""
    return training.plan([change.rung for change in changes], options, seed_by_seed=True)


def _decided(ladder: Ladder, options: Options) -> list[Outcome]:
    """The outcomes of the time that there is; says on stderr what failed and what is left out."""
    decided = list[Outcome]()
    minutes = inf if options.minutes is None else options.minutes
    deadline = Deadline(ladder, time.monotonic() + 60 * minutes)
    try:
        for outcome in climb.outcomes(ladder, options, deadline):
            decided.append(outcome)
            if isinstance(outcome, Failure):
                base.complain(climb.failure_line(outcome))
    except TimeIsUp:
        _complain_of_time(ladder, decided, minutes)
    return decided


def _complain_of_time(ladder: Ladder, decided: Sequence[Outcome], minutes: float) -> None:
    done = {outcome.attempt for outcome in decided}
    left = [attempt.label for attempt in ladder.attempts if attempt not in done]
    base.complain(
        f"the time is up (--minutes {minutes:g}): {len(left)} of {len(ladder.attempts)} results "
        f"are left out, from {left[0]} on; every finished epoch is kept. "
        f"To go on: {climb.this_command()}"
    )


def _candidates(changes: Sequence[Change], decided: Sequence[Outcome]) -> list[Candidate]:
    results = [
        (outcome.attempt.rung, outcome.record)
        for outcome in decided
        if isinstance(outcome, Success)
    ]
    return tuning.candidates(changes, results)


def _print(rows: Sequence[TuningRow], reference: str, ladder: Ladder, options: Options) -> None:
    if options.json:
        base.print_json(
            {
                "rung": ladder.attempts[0].rung.name,
                "data": ladder.attempts[0].source.name,
                "holdout": options.holdout,
                "seeds": list(options.seeds),
                "rows": [row.plain() for row in rows],
            }
        )
        return
    headings = ["change", "n", "errors", "95 % interval", f"against {reference}"]
    base.print_table(headings, [cells(row, reference) for row in rows], set(headings[1:]))
    base.say("")
    base.say_prose(_legend(rows, reference, ladder))


def _legend(rows: Sequence[TuningRow], reference: str, ladder: Ladder) -> str:
    """What the signs of the table mean, and on which images the errors were counted."""
    source = ladder.attempts[0].source
    count = source.sizes()[1]
    images = "test images" if source.holdout is None else "training images, held out of training"
    lines = [f"Errors of {count:,} {images}: mean and standard deviation over n seeds."]
    if any(row.differs is False for row in rows):
        lines.append(f"~ not distinguishable from {reference} (images and seeds, 95 %, corrected)")
    if any(row.n == 1 for row in rows):
        lines.append("* one seed: the interval is that of the images alone; give --seeds 3 or more")
    if source.holdout is None:
        lines.append("Seen on the test images: `report --wide` counts each change as tested.")
    return "\n".join(lines)


def _say_test(reference: str, settings: Sequence[str], options: Options) -> None:
    data = [] if options.data_dir is None else ["--data-dir", str(options.data_dir)]
    if options.data != DataName.MNIST and not data:
        data = ["--data", options.data]
    command = naming.run_command(reference, settings, options.runs_dir, ["--seeds", "3", *data])
    base.say_prose(
        "The best was chosen by these errors, so they are a little too few. Test it, once:"
    )
    base.say(command)


def _end(decided: Sequence[Outcome]) -> None:
    """Ends with the exit code of the first failure, if there was one."""
    for outcome in decided:
        if isinstance(outcome, Failure):
            raise typer.Exit(outcome.exit_code)
