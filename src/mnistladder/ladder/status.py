"""How far each rung is, as plain data for the progress display."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum

from mnistladder.ladder.climb import Ladder, Outcome, Success
from mnistladder.ladder.events import EpochDone, Event, Failed, Finished, Started


class State(StrEnum):
    """What a rung is doing."""

    DONE = "done"
    RUNNING = "running"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True)
class RungState:
    """A rung's seeds together; a network that rungs share counts for each of them."""

    name: str
    state: State
    seeds_done: int
    seeds: int
    epochs_done: int
    epochs: int
    accuracy: float | None  # in percent, the mean over the seeds that have a result


class Standing:
    """Receives the events and outcomes of a ladder, and knows how far its rungs are."""

    def __init__(self, ladder: Ladder) -> None:
        # Rung -> result id of each seed -> epochs of each stage's key. It is read at every event.
        self.rungs = defaultdict[str, dict[str, dict[str, int]]](dict)
        for attempt in ladder.attempts:
            epochs = {stage.key: stage.epochs for stage in attempt.stages}
            self.rungs[attempt.rung.label][attempt.result_id] = epochs
        self.accuracies = {t.result_id: record.accuracy for t, record in ladder.known.items()}
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

    def states(self) -> list[RungState]:
        """A row for each rung, in the order asked for."""
        return [self._state(name, seeds) for name, seeds in self.rungs.items()]

    def _state(self, name: str, seeds: Mapping[str, Mapping[str, int]]) -> RungState:
        known = [self.accuracies[result] for result in seeds if result in self.accuracies]
        epochs = sum(sum(stages.values()) for stages in seeds.values())
        left = sum(
            self.epochs_left.get(key, 0)
            for result, stages in seeds.items()
            if result not in self.accuracies  # it is done, even if its networks were deleted
            for key in stages
        )
        return RungState(
            name,
            self._word(seeds.keys(), {key for stages in seeds.values() for key in stages}),
            seeds_done=len(known),
            seeds=len(seeds),
            epochs_done=epochs - left,
            epochs=epochs,
            accuracy=sum(known) / len(known) if known else None,
        )

    def _word(self, results: Set[str], keys: Set[str]) -> State:
        if not self.failed_results.isdisjoint(results) or not self.failed.isdisjoint(keys):
            return State.FAILED
        if results <= self.accuracies.keys():
            return State.DONE
        # All trained but without a result yet: that takes a moment and counts as running.
        is_trained = not any(self.epochs_left.get(key) for key in keys)
        return State.WAITING if self.running.isdisjoint(keys) and not is_trained else State.RUNNING


def fitted(states: Sequence[RungState], rows: int) -> tuple[list[RungState], Counter[State]]:
    """At most `rows` rows, and how many rungs of each state were left out.

    The counts take a row of their own. Failed and running rungs are kept first, then the rungs that
    come next, then those that were done last.
    """
    if len(states) <= rows:
        return list(states), Counter()
    waiting = [state for state in states if state.state is State.WAITING]
    done = [state for state in states if state.state is State.DONE][::-1]
    busy = [state for state in states if state not in waiting and state not in done]
    kept = [*busy, *waiting, *done][: max(rows - 1, 0)]
    left_out = [state for state in states if state not in kept]
    return [state for state in states if state in kept], Counter(s.state for s in left_out)
