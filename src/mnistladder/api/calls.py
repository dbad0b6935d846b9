"""`run`, `results` and `compare` for programs."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mnistladder.api import comparing, notebook, references, training
from mnistladder.api.records import Results
from mnistladder.api.references import Changes, Folder, Reference, runs_folder
from mnistladder.config.spec import Rung
from mnistladder.errors import ExitCode, UserError
from mnistladder.ladder.climb import Failure, Ladder
from mnistladder.ladder.events import Event
from mnistladder.report.groups import group
from mnistladder.report.pair import Pair
from mnistladder.runs import results as stored
from mnistladder.runs.records import ResultRecord

SomeResults = Reference | ResultRecord | Sequence[ResultRecord]


def run(
    config: Reference,
    *,
    seeds: int = 1,
    first_seed: int = 0,
    set: Changes | None = None,
    holdout: int | None = None,
    data: str = "mnist",
    data_dir: Folder = None,
    runs_dir: Folder = None,
    device: str = "auto",
    jobs: int = 1,
    stack: int | None = None,
    progress: bool | Callable[[Event], None] = True,
) -> Results:
    """Trains a rung at some seeds and returns their results; stored ones are not trained again.

    `config` is a number, a name, a file or a `Rung`; `set` changes values of it, as `--set` does.
    With `holdout`, so many training images are the test images. `progress` may be a function that
    takes each event of `mnistladder.ladder.events`; True shows a bar, in a notebook only. More than
    one of `jobs` starts processes: in a script, only below `if __name__ == "__main__":`.
    torch's flags are afterwards as they were. Raises what the commands print: UsageError,
    ConfigError, DataError, CorruptError, ResourceError, DivergedError.
    """
    folder = runs_folder(runs_dir)
    options = training.Options(
        runs_dir=folder,
        device=device,
        seeds=range(first_seed, first_seed + seeds),
        jobs=jobs,
        data=data,
        data_dir=None if data_dir is None else Path(data_dir),
        holdout=holdout,
        stack=stack,
    )
    ladder = training.plan([references.rung_of(config, set, folder)], options)
    with _torch_as_before(ladder):
        return Results(_records(ladder, options, _emit(ladder, progress)))


def results(
    config: Reference | None = None,
    *,
    set: Changes | None = None,
    holdout: int | None = None,
    runs_dir: Folder = None,
) -> Results:
    """The stored results of a rung, in order of seed; without a rung, all results.

    Without `holdout` those on the test images and on every holdout. Damaged records are left out.
    Raises UsageError where a rung has no results, ConfigError, CorruptError.
    """
    folder = runs_folder(runs_dir)
    if config is None:
        return Results(stored.on_holdout(stored.stored_results(folder).records, holdout))
    found = references.group_of(config, set, folder, holdout)
    return Results(record for alike in found.values() for record in alike)


def compare(
    before: SomeResults,
    after: SomeResults,
    *,
    holdout: int | None = None,
    runs_dir: Folder = None,
) -> Pair:
    """Whether two rungs really differ, over all their stored seeds; `str` of it says it in words.

    Each is a rung, a result, or the results of one rung. `comparison.difference` is the second
    minus the first, in errors. Raises UsageError where they cannot be compared, CorruptError.
    """
    folder = runs_folder(runs_dir)
    first, second = (_candidates(each, folder, holdout) for each in (before, after))
    known = stored.stored_results(folder).records
    return comparing.compared("compare", first, second, known).pair


def _candidates(of: SomeResults, folder: Path, holdout: int | None) -> comparing.Candidates:
    if isinstance(of, ResultRecord):
        return group([of])
    if isinstance(of, str | int | Path | Rung):
        return references.group_of(of, None, folder, holdout)
    return group(of)


def _emit(ladder: Ladder, progress: bool | Callable[[Event], None]) -> Callable[[Event], None]:
    if not isinstance(progress, bool):
        return progress
    if progress and ladder.missing and notebook.is_notebook():
        return notebook.Bar(ladder)
    return lambda event: None


def _records(
    ladder: Ladder, options: training.Options, emit: Callable[[Event], None]
) -> Iterator[ResultRecord]:
    """The result of each attempt, in order of seed. Raises the error of the first that failed."""
    records = {}
    for outcome in training.outcomes(ladder, options, emit):
        if isinstance(outcome, Failure):
            raise _error(outcome.exit_code)(f"{outcome.attempt.label}: no result: {outcome.text}")
        path = stored.result_path(options.runs_dir, outcome.record.rung, outcome.record.result_id)
        records[outcome.attempt] = stored.load_result(path)  # equal to what `results` reads
    yield from (records[attempt] for attempt in ladder.attempts)


def _error(code: ExitCode) -> type[UserError]:
    """The class of errors with that exit code."""
    return next((kind for kind in UserError.__subclasses__() if kind.exit_code == code), UserError)


@contextmanager
def _torch_as_before(ladder: Ladder) -> Iterator[None]:
    """Keeps torch's flags as they are, where anything is trained in this process."""
    with ExitStack() as stack:
        if ladder.missing or "torch" in sys.modules:
            from mnistladder.engine.devices import kept_flags

            stack.enter_context(kept_flags())
        yield
