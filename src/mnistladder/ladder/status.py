"""How far each rung is, as plain data for the progress display."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

from mnistladder.ladder.climb import Ladder, Outcome, Success
from mnistladder.ladder.events import EpochDone, Event, Failed, Finished, Started


class Status(StrEnum):
    """What a rung is doing."""

    DONE = "done"
    RUNNING = "running"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True)
class RungStatus:
    """A rung's seeds together; a network that rungs share counts for each of them."""

    name: str
    status: Status
    seeds_done: int
    seeds: int
    epochs_done: int
    epochs: int
    accuracy: float | None  # in percent, the mean over the seeds that have a result


class LadderStatus:
    """Receives the events and outcomes of a ladder, and knows how far its rungs are."""

    def __init__(self, ladder: Ladder) -> None:
        # Rung -> result id of each seed -> epochs of each stage's key. It is read at every event.
        self.rungs = defaultdict[str, dict[str, dict[str, int]]](dict)
        for attempt in ladder.attempts:
            epochs = {stage.key: stage.epochs for stage in attempt.stages}
            self.rungs[attempt.rung.label][attempt.result_id] = epochs
        self.accuracies = {
            attempt.result_id: record.accuracy for attempt, record in ladder.known.items()
        }
        self.failed_results = set[str]()  # result ids
        self.running = set[str]()  # keys of stages, as are those below
        self.failed = set[str]()
        self.epochs_left = {key: stage.epochs for key, stage in ladder.missing.items()}

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self.running.add(event.key)
            self.epochs_left[event.key] -= event.epochs_done
        elif isinstance(event, EpochDone):
            self.epochs_left[event.key] -= 1
        elif isinstance(event, Finished | Failed):
            self.running.discard(event.key)
            if isinstance(event, Failed):
                self.failed.add(event.key)
            else:
                self.epochs_left[event.key] = 0

    def decided(self, outcome: Outcome) -> None:
        """Receives an attempt's outcome."""
        if isinstance(outcome, Success):
            self.accuracies[outcome.attempt.result_id] = outcome.record.accuracy
        else:
            self.failed_results.add(outcome.attempt.result_id)

    def of_rungs(self) -> list[RungStatus]:
        """A row for each rung, in the order asked for."""
        return [self._status(name, seeds) for name, seeds in self.rungs.items()]

    def _status(self, name: str, seeds: Mapping[str, Mapping[str, int]]) -> RungStatus:
        known = [self.accuracies[result] for result in seeds if result in self.accuracies]
        epochs = sum(sum(stages.values()) for stages in seeds.values())
        left = sum(
            self.epochs_left.get(key, 0)
            for result, stages in seeds.items()
            if result not in self.accuracies  # it is done, even if its networks were deleted
            for key in stages
        )
        return RungStatus(
            name,
            self._word(seeds.keys(), {key for stages in seeds.values() for key in stages}),
            seeds_done=len(known),
            seeds=len(seeds),
            epochs_done=epochs - left,
            epochs=epochs,
            accuracy=sum(known) / len(known) if known else None,
        )

    def _word(self, results: Set[str], keys: Set[str]) -> Status:
        if not self.failed_results.isdisjoint(results) or not self.failed.isdisjoint(keys):
            return Status.FAILED
        if results <= self.accuracies.keys():
            return Status.DONE
        # All trained but without a result yet: that takes a moment and counts as running.
        is_trained = not any(self.epochs_left.get(key) for key in keys)
        is_waiting = self.running.isdisjoint(keys) and not is_trained
        return Status.WAITING if is_waiting else Status.RUNNING


def fitted(statuses: Sequence[RungStatus], rows: int) -> tuple[list[RungStatus], Counter[Status]]:
    """At most `rows` rows, and how many rungs of each status were left out.

    The counts take a row of their own. Failed and running rungs are kept first, then the rungs that
    come next, then those that were done last.
    """
    if len(statuses) <= rows:
        return list(statuses), Counter()
    waiting = [status for status in statuses if status.status is Status.WAITING]
    done = [status for status in statuses if status.status is Status.DONE][::-1]
    busy = [status for status in statuses if status not in waiting and status not in done]
    kept = [*busy, *waiting, *done][: max(rows - 1, 0)]
    left_out = [status for status in statuses if status not in kept]
    return [status for status in statuses if status in kept], Counter(s.status for s in left_out)
