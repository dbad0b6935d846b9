"""Trains stages of one plan from wherever they stand to their stored end."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import torch
from torch import Tensor

from mnistladder import environment, storage
from mnistladder.config import schedule
from mnistladder.engine import evaluate, inputs, loop, optim, stacking
from mnistladder.engine.second_core import SecondCore
from mnistladder.engine.tensors import Digits, Images, load_digits
from mnistladder.engine.train_state import TrainState, hash_weights
from mnistladder.errors import CorruptError, DivergedError
from mnistladder.ladder.events import EpochDone, Event, Failed, Finished, Notice, Started
from mnistladder.ladder.stages import Stage
from mnistladder.runs.records import HistoryRow, StageRecord
from mnistladder.runs.stage_store import Progress, StageStore, mean_probabilities
from mnistladder.seeds import derive_seed


@dataclass
class Trainee:
    """A stage in training: its network, and how far it got."""

    stage: Stage
    member: TrainState
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
    """Trains stages on a device, stores them among `members` and tells each event.

    `overlap` lends networks on the CPU a second core; no bit depends on it.
    """

    store: StageStore
    device: torch.device
    emit: Callable[[Event], None]
    overlap: SecondCore | None = None

    def train(self, stages: Sequence[Stage], stacked: bool = False) -> None:
        """Trains what is missing of stages of one plan, storing each epoch, then the results.

        The end of each stage is an event. What another process trains already is waited for.
        `stacked` networks train as one; what began in a stack goes on in one, and alone the other
        way. Raises DataError and ResourceError, which end all stages not told of.
        """
        with ExitStack() as locks:
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
        """An error of this stage's own fails it, and the others go on."""
        try:
            yield
        except (CorruptError, DivergedError) as error:
            self.emit(Failed(stage.key, str(error), error.exit_code))

    def _begin(self, stage: Stage, digits: Digits, stacked: bool) -> Trainee:
        """The stage as it was left, or at its start. Raises CorruptError."""
        started = datetime.now(UTC)
        progress = self._stored_progress(stage)
        member = TrainState.new(stage.config, stage.seed, digits.statistics, self.device)
        if progress.checkpoint:
            member.load(progress.checkpoint)
            progress.resumed += 1
        else:
            progress.stacked = stacked
            if stage.previous:
                member.load(self.store.checkpoint(stage.previous))
        pool = self._label_pool(stage, digits) if stage.teachers else None
        self.emit(Started(stage.key, len(progress.history), str(self.device)))
        return Trainee(stage, member, progress, pool, started)

    def _stored_progress(self, stage: Stage) -> Progress:
        """How far the stage got, or a fresh start if that is damaged."""
        try:
            return self.store.progress(stage.key)
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
        start = time.perf_counter()
        losses, about = self._run_epoch(trainees, digits)
        share = (time.perf_counter() - start) / len(trainees)
        failed = list(trainees)
        for trainee, loss in zip(trainees, losses, strict=False):
            with self._own_errors(trainee.stage):
                row = HistoryRow.model_validate(
                    _evaluate(trainee, digits, loss) | about | {"train_s": round(share, 3)}
                )
                trainee.progress.history.append(row)
                trainee.progress.checkpoint = trainee.member.save()
                self.store.save_progress(trainee.stage.key, trainee.progress)
                self.emit(EpochDone(trainee.stage.key, row))
                failed.remove(trainee)
        return failed

    def _run_epoch(
        self, trainees: list[Trainee], digits: Digits
    ) -> tuple[list[float], dict[str, object]]:
        """Trains an epoch; each one's loss, and what all history rows say of it."""
        stage, epoch = trainees[0].stage, trainees[0].epoch
        if trainees[0].progress.stacked and len(trainees) == 1:
            trainees = trainees * 2  # the last of a stack trains beside its twin, for the same bits
        config, (index, within) = stage.config, stage.position(epoch)
        phase = config.phases[index]
        epochs = [
            inputs.assemble_epoch(digits.train, t.pool, config, phase, t.stage.seed, epoch)
            for t in trainees
        ]
        images = len(epochs[0])
        rates = schedule.learning_rates(phase, within, -(-images // config.batch_size))
        joined = stacking.join(config, [trainee.member for trainee in trainees])
        if self.overlap:
            self.overlap.attach(joined)
        with _layers_stream(stage.seed, epoch, self.device):
            losses = loop.run_epoch(
                joined,
                optim.make_loss(config),
                epochs,
                config.batch_size,
                rates,
                [inputs.stream(t.stage.seed, "dropout", epoch, self.device) for t in trainees],
                config.clip_norm,
            ).tolist()
        stacking.split(joined, [trainee.member for trainee in trainees])
        lr = rates[0] if rates[0] == rates[-1] else [rates[0], rates[-1]]
        return losses, {"epoch": epoch + 1, "phase": index, "lr": lr, "images": images}

    def _finish(self, trainee: Trainee, digits: Digits) -> None:
        probabilities = trainee.probabilities
        if probabilities is None:  # killed between the last epoch and the record
            probabilities = evaluate.probabilities(trainee.member.network, digits.test.images)
        stage, found = trainee.stage, probabilities.cpu().numpy()
        record = StageRecord.model_validate(_about(trainee, digits, self.device))
        self.store.finish(record, stage.config, trainee.progress, found)
        self.emit(Finished(stage.key))


def _next_together(trainees: list[Trainee]) -> list[Trainee]:
    """Those furthest behind that can share an epoch: a crash may have parted them by one."""
    first = min(trainees, key=lambda trainee: trainee.epoch)
    if not first.progress.stacked:
        return [first]
    return [t for t in trainees if t.epoch == first.epoch and t.progress.stacked]


def _evaluate(trainee: Trainee, digits: Digits, loss: float) -> dict[str, object]:
    """The part of a history row that scores the trained network. Raises DivergedError."""
    start = time.perf_counter()
    trainee.probabilities = evaluate.probabilities(trainee.member.network, digits.test.images)
    errors, test_loss = _score(trainee.probabilities, digits.test.labels)
    for kind, value in (("loss", loss), ("test loss", test_loss)):
        if not math.isfinite(value):
            where = f"epoch {trainee.epoch + 1}, phase {trainee.stage.position(trainee.epoch)[0]}"
            raise DivergedError(f"{where}: the {kind} is {value}; lower its `lr`")
    return {
        "loss": loss,
        "test_loss": test_loss,
        "test_errors": errors,
        "eval_s": round(time.perf_counter() - start, 3),
    }


@contextmanager
def _layers_stream(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Puts torch's global generators, which other packages' layers draw from, at the stream."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(seed, "dropout", epoch))
        yield


def _score(probabilities: Tensor, labels: Tensor) -> tuple[int, float]:
    errors = (probabilities.argmax(1) != labels).sum().item()
    of_truth = probabilities.gather(1, labels[:, None]).clamp_min(optim.KERAS_EPSILON)
    return int(errors), -of_truth.log().mean().item()


def _about(trainee: Trainee, digits: Digits, device: torch.device) -> dict[str, object]:
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
        "weights_sha256": hash_weights(trainee.member.network),
        "data": {"name": stage.source.name, "sha256": stage.source.sha256},
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
