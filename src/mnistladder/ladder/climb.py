"""Rungs and seeds -> trained stages -> results. Stored stages are not trained again."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from mnistladder import storage
from mnistladder.errors import CorruptError, DataError, ExitCode
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.events import Event, Failed, Notice
from mnistladder.ladder.executors import Executor
from mnistladder.ladder.job_schedule import Schedule, Stacking, stages_to_stack
from mnistladder.ladder.scoring import make_result
from mnistladder.ladder.stages import Stage
from mnistladder.ladder.survey import Survey, is_damaged, survey
from mnistladder.runs import leaderboard
from mnistladder.runs.leaderboard import Written
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore


@dataclass(frozen=True)
class Success:
    """An attempt's result; `reused` if it was stored before."""

    attempt: Attempt
    record: ResultRecord
    reused: bool


@dataclass(frozen=True)
class Failure:
    """An attempt that has no result, and the reason."""

    attempt: Attempt
    text: str
    exit_code: ExitCode


Outcome = Success | Failure


class Ladder:
    """Attempts, the folder that stores their results, and what that folder held at the start."""

    def __init__(
        self,
        attempts: Sequence[Attempt],
        runs: Path,
        largest_stack: int = 1,
        stacked: Set[str] | None = None,
        state: Survey | None = None,
    ) -> None:
        """Reads the folder, unless `state` already says what it holds.

        A stack has at most `largest_stack` networks. `stacked` are the keys of the stages to stack;
        by default all that have enough others like them.
        """
        self.attempts = attempts
        self.runs = runs
        self.store = StageStore(runs)
        keys = stages_to_stack(attempts, largest_stack) if stacked is None else stacked
        self.stacking = Stacking(keys, largest_stack)
        self.survey = survey(attempts, runs) if state is None else state
        self.passed_over = set[str]()  # what was said of damaged records of other results

    @property
    def known(self) -> dict[Attempt, ResultRecord]:
        """Results that are stored."""
        return self.survey.known

    @property
    def missing(self) -> dict[str, Stage]:
        """Stages to train, by key."""
        return self.survey.missing

    def stack_sizes(self, workers: int) -> dict[str, int]:
        """How many networks each missing stage will train with, itself included, by key."""
        return self.stacking.sizes(self.missing.values(), workers)

    def climb(
        self, executor: Executor | None, emit: Callable[[Event], None], keep_going: bool = False
    ) -> Iterator[Outcome]:
        """Trains what is missing and yields each attempt's outcome as soon as it is decided.

        `executor` may be None if nothing is missing. Without `keep_going` the first failure ends
        the climb. Raises CorruptError for damaged stored files, ResourceError for a full disk.
        """
        self._repair(emit)
        workers = executor.size if executor else 1
        schedule = Schedule(self.attempts, self.missing, self.stacking, workers)
        while True:
            for attempt in schedule.decided():
                outcome = self._outcome(attempt, schedule.failure(attempt), emit)
                yield outcome
                if isinstance(outcome, Failure) and not keep_going:
                    return
            if schedule.is_done:
                return
            assert executor is not None, "stages are missing, and nothing runs them"
            while executor.free and (job := schedule.next_job()):
                executor.submit(job)
            ended = executor.finish_one()
            schedule.ended(ended)
            emit(ended)

    def _outcome(
        self, attempt: Attempt, failed: Failed | None, emit: Callable[[Event], None]
    ) -> Outcome:
        if attempt in self.known:
            return Success(attempt, self.known[attempt], reused=True)
        if failed:
            return Failure(attempt, failed.text, failed.exit_code)
        try:
            record = make_result(attempt, self.store)
        except (CorruptError, DataError) as error:  # the other attempts can still have results
            return Failure(attempt, str(error), error.exit_code)
        self._report_board(leaderboard.add_result(self.runs, record), emit)
        return Success(attempt, record, reused=False)

    def _repair(self, emit: Callable[[Event], None]) -> None:
        """Sets aside what is damaged, and lists results that a crash kept off the leaderboard."""
        for path, text in self.survey.damaged.items():
            with storage.lock(path.with_name(f"{path.name}.lock")):
                if not is_damaged(path, self.store, self.missing.get(path.name)):
                    continue  # another process was first
                aside = storage.set_aside(path)
            emit(self._notice(f"{text}; set aside as {aside.name} and made again"))
        if not leaderboard.is_current(self.runs, self.known.values()):
            self._report_board(leaderboard.rebuild_board(self.runs), emit)

    def _report_board(self, written: Written, emit: Callable[[Event], None]) -> None:
        if written.aside:
            text = f"the leaderboard was damaged; set aside as {written.aside.name} and made again"
            emit(self._notice(text))
        for text in set(written.damaged) - self.passed_over:
            emit(self._notice(f"{text}; passed over"))
        self.passed_over.update(written.damaged)

    def _notice(self, text: str) -> Notice:
        return Notice(self.attempts[0].levels[0][0].key, text)
