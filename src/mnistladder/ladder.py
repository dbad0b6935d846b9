"""Rungs and seeds -> a graph of stages -> results. What is stored already is not trained again."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np

from mnistladder import results, storage
from mnistladder.config import Config, Rung, recipe, resolved
from mnistladder.cost import multiply_adds, stage_work
from mnistladder.data import MNIST_SHA256, Source
from mnistladder.errors import CorruptError, DataError, ExitCode
from mnistladder.events import Event, Failed
from mnistladder.executors import Executor, Job
from mnistladder.members import Members, mean_probabilities
from mnistladder.records import Record, digest
from mnistladder.stages import Stage, member_stages


@dataclass(frozen=True)
class Target:
    """A rung at a root seed: what is to be climbed."""

    rung: Rung
    seed: int
    source: Source

    @cached_property
    def levels(self) -> list[list[Stage]]:
        return member_stages(self.rung.config, self.seed, self.source)

    @property
    def stages(self) -> Iterator[Stage]:
        return chain.from_iterable(self.levels)

    @cached_property
    def result_id(self) -> str:
        """Follows from the rung's name and its members' keys; training again gives the same id."""
        return digest([self.rung.name, [stage.key for stage in self.levels[-1]]])[:16]


@dataclass(frozen=True)
class Climbed:
    """A target's result; `reused` if its record was there before."""

    target: Target
    record: Record
    reused: bool


@dataclass(frozen=True)
class Fallen:
    """A target that has no result, and why."""

    target: Target
    text: str
    exit_code: ExitCode


Outcome = Climbed | Fallen
LEAST_TO_STACK = 4


class Ladder:
    """Targets, the folder they are stored in, and the stages that are still to be trained."""

    def __init__(self, targets: Sequence[Target], runs: Path, largest_stack: int = 1) -> None:
        """Targets may be stored already; stacks have no more networks than `largest_stack`."""
        self.targets = targets
        self.largest_stack = largest_stack
        self.runs = runs
        self.members = Members(runs)
        known = {
            target: results.find_result(runs, target.rung.name, target.result_id)
            for target in targets
        }
        self.known = {target: record for target, record in known.items() if record is not None}
        self.missing = {
            stage.key: stage
            for target in targets
            if target not in self.known
            for stage in target.stages
            if not self.members.is_stored(stage.key)
        }

    @cached_property
    def _stacked_plans(self) -> set[str]:
        """Plans whose networks train stacked: it depends on what is asked for, not on the workers.

        Fewer networks than two stacks of two could leave a core idle; those train alone.
        """
        stages = {stage.key: stage for target in self.targets for stage in target.stages}
        counts = Counter(stage.plan for stage in stages.values() if stage.is_stackable)
        if self.largest_stack < 2:
            return set()
        return {plan for plan, count in counts.items() if count >= LEAST_TO_STACK}

    def climb(
        self, executor: Executor | None, emit: Callable[[Event], None], keep_going: bool = False
    ) -> Iterator[Outcome]:
        """Trains what is missing and yields each target's outcome as soon as it is decided.

        `executor` may be None where nothing is missing. Without `keep_going` the first failure ends
        the climb. Raises CorruptError for damaged stored files, ResourceError for a full disk.
        """
        undecided = list(self.targets)
        waiting, running, failed = dict(self.missing), set[str](), dict[str, Failed]()
        while True:
            for target in [t for t in undecided if self._is_decided(t, waiting, running, failed)]:
                undecided.remove(target)
                outcome = self._decide(target, failed)
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

    def stacked_with(self, stage: Stage, workers: int) -> int:
        """How many networks a missing stage will train with, itself included."""
        if stage.plan not in self._stacked_plans:
            return 1
        alike = sum(other.plan == stage.plan for other in self.missing.values())
        return stack_size(alike, workers, self.largest_stack)

    def _next_job(self, ready: list[Stage], workers: int) -> Job:
        """The first stage that is ready, with its share of those that may be stacked with it."""
        first = ready[0]
        if first.plan not in self._stacked_plans:
            return Job((first,))
        alike = [stage for stage in ready if stage.plan == first.plan]
        size = stack_size(len(alike), workers, self.largest_stack)
        return Job(tuple(alike[:size]), stacked=True)

    @staticmethod
    def _ready(
        undecided: list[Target], waiting: dict[str, Stage], running: set[str]
    ) -> list[Stage]:
        """Stages that can start, in order of rung; those of a fallen rung alone are left."""
        wanted = {stage.key for target in undecided for stage in target.stages}
        unstored = waiting.keys() | running
        return [
            stage
            for stage in waiting.values()
            if stage.key in wanted and unstored.isdisjoint(stage.needs)
        ]

    @staticmethod
    def _is_decided(
        target: Target, waiting: dict[str, Stage], running: set[str], failed: dict[str, Failed]
    ) -> bool:
        keys = [stage.key for stage in target.stages]
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

    def _decide(self, target: Target, failed: dict[str, Failed]) -> Outcome:
        if target in self.known:
            return Climbed(target, self.known[target], reused=True)
        for stage in target.stages:
            if failure := failed.get(stage.key):
                return Fallen(target, failure.text, failure.exit_code)
        try:
            record = make_result(target, self.members)
        except (CorruptError, DataError) as error:  # the other targets can still be climbed
            return Fallen(target, str(error), error.exit_code)
        results.add_result(self.runs, record)
        return Climbed(target, record, reused=False)


def stack_size(count: int, workers: int, largest: int) -> int:
    """How many of `count` networks to stack next: an even share, and never one left alone."""
    size = max(2, min(-(-count // workers), largest))
    if count - size == 1 and largest > 2:
        size += 1 if size < largest else -1
    return min(size, count)


def make_result(target: Target, members: Members) -> Record:
    """The record of a target whose stages are all stored. Raises CorruptError, DataError."""
    final = target.levels[-1]
    each = [members.probabilities(stage.key) for stage in final]
    labels = target.source.test_labels()
    member_errors = [int((p.argmax(1) != labels).sum()) for p in each]
    if member_errors != [members.record(stage.key)["test_errors"] for stage in final]:
        raise CorruptError(f"{members.root}: stored errors do not fit the stored probabilities")
    return {
        **_identity(target),
        "member_keys": [stage.key for stage in final],
        "member_seeds": [stage.seed for stage in final],
        "member_errors": member_errors,
        **_scores(mean_probabilities(each), labels, target.rung.config),
        "curve": _curve(
            [[members.history(stage.key) for stage in level] for level in target.levels],
            len(labels),
        ),
        **_effort([members.record(stage.key) for stage in target.stages]),
    }


def _identity(target: Target) -> Record:
    """What was climbed."""
    config = target.rung.config
    return {
        "result_id": target.result_id,
        "rung": target.rung.name,
        "overrides": list(target.rung.overrides),
        "title": config.title,
        "published_accuracy": _published(target),
        "published_remark": config.published.remark if config.published else None,
        "config": resolved(config),
        "config_sha256": digest(recipe(config)),
        "seed": target.seed,
        "members": config.members,
        "parameters": config.parameters,
        "multiply_adds": multiply_adds(config),
        "epochs": config.epochs,
        "transductive": config.transductive,
    }


def _effort(stages: list[Record]) -> Record:
    """What it took: sums over all stages of all members, and the machine of the last one."""
    images = sum(record["images_seen"] for record in stages)
    train_s = round(sum(record["train_s"] for record in stages), 3)
    return {
        "images_seen": images,
        "train_s": train_s,
        "total_s": round(sum(record["total_s"] for record in stages), 3),
        "images_per_s": round(images / max(train_s, 1e-3)),
        "device": "+".join(sorted({record["device"] for record in stages})),
        **{key: stages[-1][key] for key in ("data", *MACHINE)},
        "started": min(record["started"] for record in stages),
        "ended": max(record["ended"] for record in stages),
    }


def _published(target: Target) -> float | None:
    """The article's figure, which says nothing of other data."""
    published = target.rung.config.published
    return published.accuracy if published and target.source.sha256 == MNIST_SHA256 else None


MACHINE = ("device_name", "cpu_capability", "threads", "precision", "versions", "git")


def _scores(probabilities: np.ndarray, labels: np.ndarray, config: Config) -> Record:
    """Errors, loss and what can be compared image by image, of averaged probabilities N x 10."""
    every = probabilities.argmax(1).astype(np.uint8)
    part = config.scored_slice(len(labels))
    predictions, truth = every[part], labels[part]
    wrong = np.flatnonzero(predictions != truth)
    of_truth = probabilities[part][np.arange(len(truth)), truth].clip(1e-7)
    return {
        "test_images": len(truth),
        "scored": [part.start, part.stop],
        "errors": len(wrong),
        "accuracy": round(100 * (1 - len(wrong) / len(truth)), 4),
        "loss": round(float(-np.log(of_truth).mean()), 6),
        "per_class_errors": np.bincount(truth[wrong], minlength=10).tolist(),
        "dead_classes": int((np.bincount(predictions, minlength=10) == 0).sum()),
        "wrong_images": (wrong + part.start).tolist(),
        "predictions_sha256": storage.hash_bytes(every.tobytes()),
    }


def _curve(levels: list[list[list[Record]]], images: int) -> dict[str, list[float]]:
    """Training loss and test accuracy in percent after each epoch, means over members."""
    by_member = [list(chain.from_iterable(parts)) for parts in zip(*levels, strict=True)]
    epochs = list(zip(*by_member, strict=True))
    return {
        "loss": [float(np.mean([row["loss"] for row in rows])) for rows in epochs],
        "test_accuracy": [
            100 * (1 - float(np.mean([row["test_errors"] for row in rows])) / images)
            for rows in epochs
        ],
    }
