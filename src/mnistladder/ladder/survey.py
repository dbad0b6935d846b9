"""Which results and stages are stored, missing or damaged. Reads, never writes."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnistladder.errors import CorruptError
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.stages import Stage
from mnistladder.runs import results
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore


@dataclass(frozen=True)
class Survey:
    """The state of a runs folder, as far as some attempts need it."""

    known: dict[Attempt, ResultRecord]  # attempts whose result is stored
    missing: dict[str, Stage]  # by key: stages that the other attempts need and that are not stored
    damaged: dict[Path, str]  # result files and stage folders, with what is wrong with them


def survey(attempts: Sequence[Attempt], runs: Path) -> Survey:
    """Reads results, and every file of the stages that attempts without a result need.

    A damaged result counts as not stored, and a damaged stage as missing.
    """
    known, damaged_results = _stored_results(attempts, runs)
    needed = {
        stage.key: stage for attempt in attempts if attempt not in known for stage in attempt.stages
    }
    store = StageStore(runs)
    damaged_stages = _damaged_stages(needed.values(), store)
    missing = {
        key: stage
        for key, stage in needed.items()
        if store.root / key in damaged_stages or not store.is_stored(key)
    }
    return Survey(known, missing, damaged_results | damaged_stages)


def _stored_results(
    attempts: Sequence[Attempt], runs: Path
) -> tuple[dict[Attempt, ResultRecord], dict[Path, str]]:
    known, damaged = dict[Attempt, ResultRecord](), dict[Path, str]()
    for attempt in attempts:
        name, result_id = attempt.rung.name, attempt.result_id
        try:
            record = results.find_result(runs, name, result_id)
        except CorruptError as error:
            damaged[results.result_path(runs, name, result_id)] = str(error)
            continue
        if record is not None:
            known[attempt] = record
    return known, damaged


def _damaged_stages(stages: Iterable[Stage], store: StageStore) -> dict[Path, str]:
    damaged = dict[Path, str]()
    for stage in stages:
        try:
            store.check_files(stage.key, stage.seed)
        except CorruptError as error:
            damaged[store.root / stage.key] = str(error)
    return damaged


def is_damaged(path: Path, store: StageStore, stage: Stage | None = None) -> bool:
    """Whether a result file, or the folder of a stage, is there and damaged now."""
    try:
        if path.parent != store.root:
            results.load_result(path)
        else:
            store.check_files(path.name, stage.seed if stage else None)
    except CorruptError:
        return os.path.lexists(path)
    return False
