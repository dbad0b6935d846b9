"""Which stages train next, and together with which: decisions without files and processes."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass

from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.events import Failed, Finished
from mnistladder.ladder.stages import Stage, stage_work

SMALLEST_GROUP_TO_STACK = 4  # two stacks of two: with fewer networks, one of two cores is idle


@dataclass(frozen=True)
class Job:
    """Stages for one worker: one alone, or several that train as one."""

    stages: tuple[Stage, ...]
    stacked: bool = False


def stages_to_stack(attempts: Sequence[Attempt], largest: int) -> set[str]:
    """Keys of the stages that train stacked: all that have enough others like them.

    That depends on the attempts alone, never on the workers or on what is stored, because stacked
    networks have other bits than networks that train alone.
    """
    if largest < 2:
        return set()
    stages = {stage.key: stage for attempt in attempts for stage in attempt.stages}
    stackable = [stage for stage in stages.values() if stage.is_stackable]
    counts = Counter(stage.stack_key for stage in stackable)
    return {stage.key for stage in stackable if counts[stage.stack_key] >= SMALLEST_GROUP_TO_STACK}


@dataclass(frozen=True)
class Stacking:
    """Which stages train stacked, and how many networks a stack may have."""

    keys: Set[str] = frozenset()
    largest: int = 1

    def sizes(self, missing: Collection[Stage], workers: int) -> dict[str, int]:
        """For each missing stage, how many networks its stack will have, itself included."""
        counts = Counter(stage.stack_key for stage in missing if stage.key in self.keys)
        return {
            stage.key: stack_size(counts[stage.stack_key], workers, self.largest)
            if stage.key in self.keys
            else 1
            for stage in missing
        }


def stack_size(count: int, workers: int, largest: int) -> int:
    """How many of `count` networks to stack next: an even share, and never one left alone."""
    size = max(2, min(-(-count // workers), largest))
    if count - size == 1 and largest > 2:
        size += 1 if size < largest else -1
    return min(size, count)


class Schedule:
    """The stages that wait, run and failed, and the attempts that have no outcome yet."""

    def __init__(
        self,
        attempts: Sequence[Attempt],
        missing: Mapping[str, Stage],
        stacking: Stacking,
        workers: int,
    ) -> None:
        """Several workers take the longest stages first, so that all end at a similar time."""
        self._undecided = list(attempts)
        self._waiting = dict(missing)
        self._running = set[str]()
        self._failed = dict[str, Failed]()
        self._stacking = stacking
        self._workers = workers
        self._work = {key: stage_work(stage) for key, stage in missing.items()}

    @property
    def is_done(self) -> bool:
        return not self._undecided

    def decided(self) -> list[Attempt]:
        """Attempts whose outcome is certain now; each is returned once, in the order asked for."""
        decided, undecided = list[Attempt](), list[Attempt]()
        for attempt in self._undecided:
            (decided if self._is_decided(attempt) else undecided).append(attempt)
        self._undecided = undecided
        return decided

    def _is_decided(self, attempt: Attempt) -> bool:
        if self.failure(attempt):
            return True
        return not any(
            stage.key in self._waiting or stage.key in self._running for stage in attempt.stages
        )

    def failure(self, attempt: Attempt) -> Failed | None:
        """The first of the attempt's stages that failed."""
        failures = (self._failed.get(stage.key) for stage in attempt.stages)
        return next((failed for failed in failures if failed), None)

    def next_job(self) -> Job | None:
        """What a free worker trains next, which then counts as running; None if nothing can start.

        A stack takes its share of the stages that may train together, so that every worker has one.
        """
        ready = self._ready()
        if not ready:
            return None
        first = ready[0] if self._workers == 1 else max(ready, key=lambda s: self._work[s.key])
        job = self._job(first, ready)
        for stage in job.stages:
            del self._waiting[stage.key]
            self._running.add(stage.key)
        return job

    def _ready(self) -> list[Stage]:
        """Stages that can start, in the order of the attempts.

        Stages that only failed attempts need are left out.
        """
        wanted = {stage.key for attempt in self._undecided for stage in attempt.stages}
        unstored = self._waiting.keys() | self._running
        return [
            stage
            for key, stage in self._waiting.items()
            if key in wanted and unstored.isdisjoint(stage.needs)
        ]

    def _job(self, first: Stage, ready: list[Stage]) -> Job:
        if first.key not in self._stacking.keys:
            return Job((first,))
        alike = [
            stage
            for stage in ready
            if stage.stack_key == first.stack_key and stage.key in self._stacking.keys
        ]
        size = stack_size(len(alike), self._workers, self._stacking.largest)
        return Job(tuple(alike[:size]), stacked=True)

    def ended(self, event: Finished | Failed) -> None:
        """A running stage ended. What needs a failed stage fails too, for the same reason."""
        self._running.remove(event.key)
        if isinstance(event, Failed):
            self._failed[event.key] = event
            self._drop_dependents(event)

    def _drop_dependents(self, failed: Failed) -> None:
        for key, stage in list(self._waiting.items()):
            if any(need in self._failed for need in stage.needs):
                self._failed[key] = Failed(key, failed.text, failed.exit_code)
                del self._waiting[key]
