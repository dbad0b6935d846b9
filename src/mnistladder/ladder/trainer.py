"""Trains stages that can train as one from wherever they stand to their stored end."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import torch
from torch import Tensor

from mnistladder import environment, storage
from mnistladder.engine import evaluate
from mnistladder.engine.epoch import EpochPlan, Learner, TrainedEpoch, train_epoch
from mnistladder.engine.second_core import SecondCore
from mnistladder.engine.tensors import Digits, Images, load_digits
from mnistladder.engine.train_state import TrainState, hash_weights
from mnistladder.errors import CorruptError, DivergedError
from mnistladder.ladder.events import EpochDone, Event, Failed, Finished, Notice, Started
from mnistladder.ladder.running_clock import RunningClock
from mnistladder.ladder.stages import Stage
from mnistladder.runs.records import HistoryRow, StageRecord
from mnistladder.runs.stage_store import Progress, StageStore, mean_probabilities


@dataclass
class Trainee:
    """A stage in training: its network, and how far it got."""

    stage: Stage
    state: TrainState
    progress: Progress
    pool: Images | None
    started: datetime
    probabilities: Tensor | None = None  # on the test images, after the latest epoch

    @property
    def epoch(self) -> int:
        """The member's next epoch, counted from 0 across its stages."""
        return self.stage.first_epoch + len(self.progress.history)

    @property
    def is_trained(self) -> bool:
        return len(self.progress.history) == self.stage.epochs


@dataclass(frozen=True)
class Trainer:
    """Trains stages on a device, stores them, and emits events.

    `second_core` is lent to networks on the CPU; no bit depends on it.
    """

    store: StageStore
    device: torch.device
    emit: Callable[[Event], None]
    second_core: SecondCore | None = None
    clock: RunningClock = field(default_factory=RunningClock)

    def train(self, stages: Sequence[Stage], stacked: bool = False) -> None:
        """Trains what is missing of stages that can train as one; stores each epoch, then results.

        The end of each stage is an event. If another process already trains a stage, this waits for
        it. `stacked` networks train as one. A stage that began in a stack continues in one; a stage
        that began alone continues alone. Raises DataError and ResourceError: then every unfinished
        stage ends.
        """
        with self.clock, ExitStack() as locks:
            for stage in sorted(stages, key=lambda stage: stage.key):  # one order for all
                locks.enter_context(self._lock(stage))
            missing = [stage for stage in stages if not self.store.is_stored(stage.key)]
            for stage in stages:
                if stage not in missing:
                    self.emit(Finished(stage.key))
            if missing:
                self._train_missing(missing, stacked)

    def _lock(self, stage: Stage) -> AbstractContextManager[None]:
        wait = Notice(stage.key, "waits for another process that trains the same network")
        return storage.lock(self.store.lock_path(stage.key), lambda: self.emit(wait))

    def _train_missing(self, stages: list[Stage], stacked: bool) -> None:
        source = stages[0].source
        digits = load_digits(source, self.store.data_folder(source), self.device)
        trainees = list[Trainee]()
        for stage in stages:
            with self._own_errors(stage):
                trainees.append(self._begin(stage, digits, stacked))
        while trainees:
            for trainee in [t for t in trainees if t.is_trained]:
                trainees.remove(trainee)
                self._finish(trainee, digits)
            if trainees:
                for failed in self._train_epoch(_next_together(trainees), digits):
                    trainees.remove(failed)

    @contextmanager
    def _own_errors(self, stage: Stage) -> Iterator[None]:
        """An error of one stage fails only that stage."""
        try:
            yield
        except (CorruptError, DivergedError) as error:
            self.emit(Failed(stage.key, str(error), error.exit_code))

    def _begin(self, stage: Stage, digits: Digits, stacked: bool) -> Trainee:
        """The stage as it was left, or at its start. Raises CorruptError."""
        started = datetime.now(UTC)
        progress = self._stored_progress(stage)
        state = TrainState.new(stage.config, stage.seed, digits.statistics, self.device)
        if progress.checkpoint:
            state.load(progress.checkpoint)
            progress.resumed += 1
        else:
            progress.stacked = stacked
            if stage.previous:
                state.load(self.store.checkpoint(stage.previous))
        pool = self._label_pool(stage, digits) if stage.teachers else None
        self.emit(Started(stage.key, len(progress.history), str(self.device)))
        return Trainee(stage, state, progress, pool, started)

    def _stored_progress(self, stage: Stage) -> Progress:
        """How far the stage got, or a fresh start if that is damaged."""
        try:
            return self.store.progress(stage.key, stage.seed)
        except CorruptError as error:
            moved = ", ".join(path.name for path in self.store.drop_progress(stage.key))
            text = f"{error}; set aside as {moved}, training starts again"
            self.emit(Notice(stage.key, text))
            return Progress()

    def _label_pool(self, stage: Stage, digits: Digits) -> Images:
        """The pool with the labels that the teachers' averaged probabilities give it."""
        average = mean_probabilities([self.store.probabilities(key) for key in stage.teachers])
        labels = torch.from_numpy(average.argmax(1)).to(digits.test.labels.device)
        pool = stage.config.pool_slice(len(labels))
        return Images(digits.test.images[pool], labels[pool])

    def _train_epoch(self, trainees: list[Trainee], digits: Digits) -> list[Trainee]:
        """One epoch of trainees that stand at the same one; those that failed are returned."""
        start = self.clock.seconds()
        trained = self._run_epoch(trainees, digits)
        train_s = (self.clock.seconds() - start) / len(trainees)
        failed = list(trainees)
        for trainee, loss in zip(trainees, trained.losses, strict=True):
            with self._own_errors(trainee.stage):
                row = self._history_row(trainee, digits, loss, trained, train_s)
                trainee.progress.history.append(row)
                trainee.progress.checkpoint = trainee.state.save()
                self.store.save_progress(trainee.stage.key, trainee.stage.seed, trainee.progress)
                self.emit(EpochDone(trainee.stage.key, row))
                failed.remove(trainee)
        return failed

    def _history_row(
        self, trainee: Trainee, digits: Digits, loss: float, trained: TrainedEpoch, train_s: float
    ) -> HistoryRow:
        """The row of an epoch, whose network is evaluated here. Raises DivergedError."""
        start = self.clock.seconds()
        trainee.probabilities = evaluate.probabilities(trainee.state.evaluated, digits.test.images)
        score = evaluate.score(trainee.probabilities, digits.test.labels)
        phase, _ = trainee.stage.position(trainee.epoch)
        for kind, value in (("loss", loss), ("test loss", score.loss)):
            if not math.isfinite(value):
                where = f"epoch {trainee.epoch + 1}, phase {phase}"
                raise DivergedError(f"{where}: the {kind} is {value}; lower its `lr`")
        first, last = trained.rates[0], trained.rates[-1]
        return HistoryRow(
            loss=loss,
            test_loss=score.loss,
            test_errors=score.errors,
            eval_s=round(self.clock.seconds() - start, 3),
            epoch=trainee.epoch + 1,
            phase=phase,
            lr=first if first == last else (first, last),
            images=trained.images,
            train_s=round(train_s, 3),
        )

    def _run_epoch(self, trainees: list[Trainee], digits: Digits) -> TrainedEpoch:
        """Trains an epoch of trainees that stand at the same one."""
        stage, epoch = trainees[0].stage, trainees[0].epoch
        index, epoch_of_phase = stage.position(epoch)
        plan = EpochPlan(stage.config, stage.config.phases[index], epoch, epoch_of_phase)
        learners = [
            Learner(trainee.state, trainee.stage.seed, trainee.pool) for trainee in trainees
        ]
        stacked = trainees[0].progress.stacked
        return train_epoch(plan, learners, digits.train, stacked, self.second_core)

    def _finish(self, trainee: Trainee, digits: Digits) -> None:
        probabilities = trainee.probabilities
        if probabilities is None:  # killed between the last epoch and the record
            probabilities = evaluate.probabilities(trainee.state.evaluated, digits.test.images)
        stage, stored = trainee.stage, probabilities.cpu().numpy()
        record = StageRecord.model_validate(_record_content(trainee, digits, self.device))
        self.store.finish(record, stage.config, trainee.progress, stored)
        self.emit(Finished(stage.key))


def _next_together(trainees: list[Trainee]) -> list[Trainee]:
    """Those furthest behind that can share an epoch: a crash may have parted them by one."""
    first = min(trainees, key=lambda trainee: trainee.epoch)
    if not first.progress.stacked:
        return [first]
    return [t for t in trainees if t.epoch == first.epoch and t.progress.stacked]


def _record_content(trainee: Trainee, digits: Digits, device: torch.device) -> dict[str, object]:
    """What the record says of how the stage was trained; times are sums over all its sittings."""
    stage, progress = trainee.stage, trainee.progress
    history = progress.history
    train_s = sum(row.train_s for row in history)
    return {
        "key": stage.key,
        "seed": stage.seed,
        "epochs": len(history),
        "images_seen": sum(row.images for row in history),
        "train_s": round(train_s, 3),
        "total_s": round(train_s + sum(row.eval_s for row in history), 3),
        "test_errors": history[-1].test_errors,
        "weights_sha256": hash_weights(trainee.state.evaluated),
        "data": stage.source.identity,
        "test_images": len(digits.test),
        "resumed": progress.resumed,
        "stacked": progress.stacked,
        "previous": stage.previous,
        "teachers": list(stage.teachers),
        "started": trainee.started.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "precision": stage.config.precision,
        **machine(device),
    }


def machine(device: torch.device) -> dict[str, object]:
    """Device, versions and code of this process."""
    is_cuda = device.type == "cuda"
    return {
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if is_cuda else environment.cpu_name(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "versions": environment.versions(),
        "git": environment.git_state(),
    }
