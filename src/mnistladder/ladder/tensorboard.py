"""Training as TensorBoard shows it: curves, the network's graph, images as the network gets them.

Event files are a view of the stored history, by TensorBoard's own writer: nothing here reads them
back, and what a crash took from them is written again when the network goes on.
"""

import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mnistladder import storage
from mnistladder.config.spec import Config
from mnistladder.engine import inputs
from mnistladder.engine.tensors import Digits, load_digits
from mnistladder.errors import UserError
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.events import EpochDone, Event, Failed, Finished, Notice, Started
from mnistladder.ladder.stages import Stage
from mnistladder.model import network
from mnistladder.runs.records import HistoryRow
from mnistladder.runs.stage_store import StageStore

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SAMPLES = 16


@dataclass(frozen=True)
class Network:
    """A network by the name that a user knows, and its stages in order."""

    name: str
    stages: tuple[Stage, ...]

    def folder(self, runs: Path) -> Path:
        """Where its events are; the key keeps apart what differs in data or overrides alone."""
        return runs / "tensorboard" / self.name / self.stages[-1].key[:8]


def networks(attempts: Sequence[Attempt]) -> dict[str, Network]:
    """The network of each stage's key: that of the first rung that needs the stage."""
    by_key: dict[str, Network] = {}
    for attempt in attempts:
        for stages in zip(*attempt.levels, strict=True):
            for stage in stages:
                name = f"{attempt.rung.name} network {stage.seed}"
                by_key.setdefault(stage.key, Network(name, stages))
    return by_key


class TensorBoards:
    """Receives events and writes them under `runs`/tensorboard.

    It never stops training: at the first error it reports once and writes no more.
    """

    def __init__(
        self, attempts: Sequence[Attempt], runs: Path, emit: Callable[[Event], None]
    ) -> None:
        self.runs = runs
        self.store = StageStore(runs)
        self.source = attempts[0].source
        self.networks = networks(attempts)
        self.writers: dict[str, SummaryWriter] = {}  # of the stages in training
        self.emit = emit
        self.broken = False

    def __call__(self, event: Event) -> None:
        if self.broken or isinstance(event, Notice):
            return
        try:
            self._write(event)
        except (OSError, UserError) as error:
            self.broken = True
            reason = error.strerror if isinstance(error, OSError) else error
            self.emit(Notice(event.key, f"the log for TensorBoard ends here: {reason}"))

    def _write(self, event: Event) -> None:
        if isinstance(event, Started):
            self._begin(event.key, event.epochs_done)
        elif isinstance(event, EpochDone):
            self._add_row(self.writers[event.key], event.row)
            self.writers[event.key].flush()  # a killed process has written what it reported
        elif isinstance(event, Finished | Failed):
            if isinstance(event, Finished) and event.key not in self.writers:
                self._begin(event.key, None)  # another process trained it
            if writer := self.writers.pop(event.key, None):
                writer.close()

    def _begin(self, key: str, epochs: int | None) -> None:
        """Opens the log of a stage.

        It begins with the network's earlier epochs and the first `epochs` (or all) of this stage.
        It takes the place of what was logged before, so that no epoch is there twice.
        """
        known = self.networks[key]
        folder = known.folder(self.runs)
        before = sorted(folder.glob("events.out.tfevents.*"))
        self.writers[key] = writer = _make_writer(folder)
        self._describe(writer, key)
        earlier = [stage.key for stage in known.stages[: _place(known, key)]]
        own = self.store.history_so_far(key)[:epochs]
        for row in chain(*map(self.store.history, earlier), own):
            self._add_row(writer, row)
        writer.flush()
        for path in before:
            storage.remove(path)

    def _describe(self, writer: "SummaryWriter", key: str) -> None:
        """Images that the network will see, and its graph."""
        stage = self.networks[key].stages[0]
        kind, images = sample_images(stage.config, stage.seed, self._digits)
        writer.add_images(f"training_images/{kind}", images, 0)
        if reason := _add_graph(writer, stage, self._digits.statistics):
            self.emit(Notice(key, f"no graph for TensorBoard: {reason}"))

    @cached_property
    def _digits(self) -> Digits:
        return load_digits(self.source, self.store.data_folder(self.source), torch.device("cpu"))

    def _add_row(self, writer: "SummaryWriter", row: HistoryRow) -> None:
        for tag, value in scalars(row, len(self._digits.test)).items():
            writer.add_scalar(tag, value, row.epoch)

    def close(self) -> None:
        for writer in self.writers.values():
            with contextlib.suppress(OSError):  # it was reported, or cannot be any more
                writer.close()
        self.writers.clear()


def _place(known: Network, key: str) -> int:
    return [stage.key for stage in known.stages].index(key)


def scalars(row: HistoryRow, test_images: int) -> dict[str, float]:
    """What is drawn of a history row; of a learning rate that moves, the epoch's last."""
    rate = row.lr
    return {
        "loss/training": row.loss,
        "loss/test": row.test_loss,
        "test/errors": row.test_errors,
        "test/accuracy_percent": 100 * (1 - row.test_errors / test_images),
        "training/learning_rate": rate[-1] if isinstance(rate, tuple) else rate,
        "training/images_per_s": row.images / max(row.train_s, 1e-3),
    }


def sample_images(config: Config, seed: int, digits: Digits) -> tuple[str, Tensor]:
    """The first training images, 16 x 1 x 28 x 28 from 0 to 1, "augmented" or "raw".

    Augmented as the first epoch that distorts images gives them to the network.
    """
    count = 0  # epochs before the phase
    for phase in config.phases:
        if phase.augment and config.augment:
            pool = digits.test[config.pool_slice(len(digits.test))]  # its size alone matters here
            epoch = inputs.assemble_epoch(digits.train, pool, config, phase, seed, count)
            first = epoch.order.argsort()[:SAMPLES]
            return "augmented", epoch[first].images / 255
        count += phase.epochs
    return "raw", digits.train.images[:SAMPLES].float() / 255


def _make_writer(folder: Path) -> "SummaryWriter":
    """A writer whose events supersede all that a TensorBoard has read there. Raises OSError."""
    # TensorBoard's own switch against TensorFlow, which takes seconds and chats, if it is there.
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=0)


def _add_graph(writer: "SummaryWriter", stage: Stage, statistics: tuple[float, float]) -> str:
    """Adds the graph of the stage's network; says why not if it cannot be traced."""
    built = network.build(stage.config.model, stage.seed, statistics)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # it prints errors
        # The writer knows no other way to a graph than torch's old tracer.
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", FutureWarning)
        # What a layer of another package computes from shapes is reported as a warning.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        try:
            writer.add_graph(built, torch.zeros(1, 1, 28, 28))
        except Exception as error:  # a layer of another package may raise anything
            return str(error).splitlines()[0] if str(error) else type(error).__name__
    return ""
