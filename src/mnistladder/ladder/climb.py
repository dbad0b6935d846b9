"""Rungs and seeds -> a graph of stages -> results. What is stored already is not trained again."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mnistladder import storage
from mnistladder.errors import CorruptError, DataError, ExitCode
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.events import Event, Failed, Notice
from mnistladder.ladder.executors import Executor, Job
from mnistladder.ladder.scoring import make_result
from mnistladder.ladder.stages import Stage, stage_work
from mnistladder.runs import leaderboard, results
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore


@dataclass(frozen=True)
class Climbed:
    """A attempt's result; `reused` if its record was there before."""

    attempt: Attempt
    record: ResultRecord
    reused: bool


@dataclass(frozen=True)
class Fallen:
    """A attempt that has no result, and why."""

    attempt: Attempt
    text: str
    exit_code: ExitCode


Outcome = Climbed | Fallen
LEAST_TO_STACK = 4


class Ladder:
    """Targets, the folder they are stored in, and the stages that are still to be trained."""

    def __init__(
        self,
        attempts: Sequence[Attempt],
        runs: Path,
        largest_stack: int = 1,
        stacked: Set[str] | None = None,
    ) -> None:
        """Targets may be stored already; stacks have no more networks than `largest_stack`.

        `stacked` are the keys of the stages to be stacked, where that is not for us to choose.
        """
        self.attempts = attempts
        self.largest_stack = largest_stack
        self.stacked = self._alike() if stacked is None else stacked
        self.runs = runs
        self.store = StageStore(runs)
        self.damaged: dict[Path, str] = {}  # what cannot be believed, and why
        self.known = {
            attempt: record
            for attempt in attempts
            if (record := self._find_result(attempt)) is not None
        }
        stages = {
            stage.key: stage
            for attempt in attempts
            if attempt not in self.known
            for stage in attempt.stages
        }
        self.missing = {key: stage for key, stage in stages.items() if not self._is_whole(key)}

    def _find_result(self, attempt: Attempt) -> ResultRecord | None:
        try:
            return results.find_result(self.runs, attempt.rung.name, attempt.result_id)
        except CorruptError as error:
            path = results.result_path(self.runs, attempt.rung.name, attempt.result_id)
            self.damaged[path] = str(error)
            return None

    def _is_whole(self, key: str) -> bool:
        """Whether a stage is stored, and just as it was written."""
        if not self.store.is_stored(key):
            return False
        try:
            self.store.check_files(key)
        except CorruptError as error:
            self.damaged[self.store.root / key] = str(error)
            return False
        return True

    def _alike(self) -> set[str]:
        """Stages that train stacked: it depends on what is asked for, not on the workers.

        Fewer networks than two stacks of two could leave a core idle; those train alone.
        """
        if self.largest_stack < 2:
            return set()
        stages = {stage.key: stage for attempt in self.attempts for stage in attempt.stages}
        stackable = [stage for stage in stages.values() if stage.is_stackable]
        counts = Counter(stage.stack_key for stage in stackable)
        return {stage.key for stage in stackable if counts[stage.stack_key] >= LEAST_TO_STACK}

    def climb(
        self, executor: Executor | None, emit: Callable[[Event], None], keep_going: bool = False
    ) -> Iterator[Outcome]:
        """Trains what is missing and yields each attempt's outcome as soon as it is decided.

        `executor` may be None where nothing is missing. Without `keep_going` the first failure ends
        the climb. Raises CorruptError for damaged stored files, ResourceError for a full disk.
        """
        self._mend(emit)
        undecided = list(self.attempts)
        waiting, running, failed = dict(self.missing), set[str](), dict[str, Failed]()
        while True:
            for attempt in [t for t in undecided if self._is_decided(t, waiting, running, failed)]:
                undecided.remove(attempt)
                outcome = self._decide(attempt, failed, emit)
                yield outcome
                if isinstance(outcome, Fallen) and not keep_going:
                    return
            if not undecided:
                return
            assert executor is not None, "stages are missing, and nothing runs them"
            ready = self._ready(undecided, waiting, running)
            if executor.size > 1:  # the longest first, so that all workers end at about one time
                ready.sort(key=stage_work, reverse=True)
            while ready and executor.free:
                job = self._next_job(ready, executor.size)
                executor.submit(job)
                for stage in job.stages:
                    ready.remove(stage)
                    del waiting[stage.key]
                    running.add(stage.key)
            ended = executor.finish_one()
            running.remove(ended.key)
            if isinstance(ended, Failed):
                failed[ended.key] = ended
                self._drop_dependents(ended, waiting, failed)
            emit(ended)

    def _mend(self, emit: Callable[[Event], None]) -> None:
        """Sets aside what is damaged, and lists results that a crash kept off the leaderboard."""
        for path, text in self.damaged.items():
            with storage.lock(path.with_name(f"{path.name}.lock")):
                if not self._is_damaged(path):
                    continue  # another process was first
                aside = storage.set_aside(path)
            emit(self._notice(f"{text}; set aside as {aside.name}, made anew"))
        if not leaderboard.lists(self.runs, (record.result_id for record in self.known.values())):
            self._tell_board(leaderboard.rebuild_board(self.runs), emit)

    def _is_damaged(self, path: Path) -> bool:
        try:
            if path.parent != self.store.root:
                results.load_result(path)
            elif self.store.is_stored(path.name):
                self.store.check_files(path.name)
            return False
        except CorruptError:
            return path.exists()

    def _tell_board(self, aside: Path | None, emit: Callable[[Event], None]) -> None:
        if aside:
            emit(self._notice(f"leaderboard damaged; set aside as {aside.name}, derived anew"))

    def _notice(self, text: str) -> Notice:
        return Notice(self.attempts[0].levels[0][0].key, text)

    def stacked_with(self, stage: Stage, workers: int) -> int:
        """How many networks a missing stage will train with, itself included."""
        if stage.key not in self.stacked:
            return 1
        return stack_size(self._missing_alike[stage.stack_key], workers, self.largest_stack)

    @cached_property
    def _missing_alike(self) -> Counter[str]:
        return Counter(s.stack_key for key, s in self.missing.items() if key in self.stacked)

    def _next_job(self, ready: list[Stage], workers: int) -> Job:
        """The first stage that is ready, with its share of those that may be stacked with it."""
        first = ready[0]
        if first.key not in self.stacked:
            return Job((first,))
        alike = [stage for stage in ready if self._fit(first, stage)]
        size = stack_size(len(alike), workers, self.largest_stack)
        return Job(tuple(alike[:size]), stacked=True)

    def _fit(self, stage: Stage, other: Stage) -> bool:
        return other.stack_key == stage.stack_key and other.key in self.stacked

    @staticmethod
    def _ready(
        undecided: list[Attempt], waiting: dict[str, Stage], running: set[str]
    ) -> list[Stage]:
        """Stages that can start, in order of rung; those of a fallen rung alone are left."""
        wanted = {stage.key for attempt in undecided for stage in attempt.stages}
        unstored = waiting.keys() | running
        return [
            stage
            for stage in waiting.values()
            if stage.key in wanted and unstored.isdisjoint(stage.needs)
        ]

    @staticmethod
    def _is_decided(
        attempt: Attempt, waiting: dict[str, Stage], running: set[str], failed: dict[str, Failed]
    ) -> bool:
        keys = [stage.key for stage in attempt.stages]
        if any(key in failed for key in keys):
            return True
        return not any(key in waiting or key in running for key in keys)

    @staticmethod
    def _drop_dependents(
        failure: Failed, waiting: dict[str, Stage], failed: dict[str, Failed]
    ) -> None:
        """What builds on a failed stage fails with it, for the same reason."""
        for key, stage in list(waiting.items()):
            if any(need in failed for need in stage.needs):
                failed[key] = Failed(key, failure.text, failure.exit_code)
                del waiting[key]

    def _decide(
        self, attempt: Attempt, failed: dict[str, Failed], emit: Callable[[Event], None]
    ) -> Outcome:
        if attempt in self.known:
            return Climbed(attempt, self.known[attempt], reused=True)
        for stage in attempt.stages:
            if failure := failed.get(stage.key):
                return Fallen(attempt, failure.text, failure.exit_code)
        try:
            record = make_result(attempt, self.store)
        except (CorruptError, DataError) as error:  # the other attempts can still be climbed
            return Fallen(attempt, str(error), error.exit_code)
        self._tell_board(leaderboard.add_result(self.runs, record), emit)
        return Climbed(attempt, record, reused=False)


def stack_size(count: int, workers: int, largest: int) -> int:
    """How many of `count` networks to stack next: an even share, and never one left alone."""
    size = max(2, min(-(-count // workers), largest))
    if count - size == 1 and largest > 2:
        size += 1 if size < largest else -1
    return min(size, count)
