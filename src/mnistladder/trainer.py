"""Trains one stage from wherever it stands to its stored end."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor

from mnistladder import environment, optimize, predict, storage, train
from mnistladder.digits import Digits, load_digits
from mnistladder.errors import CorruptError, DivergedError
from mnistladder.events import EpochDone, Event, Notice, Started
from mnistladder.member import Member, hash_weights
from mnistladder.members import Members, Progress, mean_probabilities
from mnistladder.overlap import Overlap
from mnistladder.stages import Stage
from mnistladder.streams import derive_seed
from mnistladder.train import Images


def train_stage(
    stage: Stage,
    members: Members,
    device: torch.device,
    emit: Callable[[Event], None],
    overlap: Overlap | None = None,
) -> None:
    """Trains the stage's missing epochs, storing each, and then its results.

    `overlap` lends a CPU member a second core; no bit depends on it.
    Another process that trains the same stage is waited for. Raises DivergedError, CorruptError,
    DataError, ResourceError.
    """
    wait = Notice(stage.key, "waits for another process that trains the same network")
    with storage.lock(members.lock_path(stage.key), lambda: emit(wait)):
        if not members.is_stored(stage.key):
            _train_missing(stage, members, device, emit, overlap)


def _train_missing(
    stage: Stage,
    members: Members,
    device: torch.device,
    emit: Callable[[Event], None],
    overlap: Overlap | None,
) -> None:
    digits = load_digits(stage.source, members.data_folder(stage.source), device)
    started = datetime.now(UTC)
    progress = _begun(stage, members, emit)
    member = Member.new(stage.config, stage.seed, digits.statistics, device)
    if overlap:
        overlap.attach(member)
    if progress.checkpoint:
        member.load(progress.checkpoint)
        progress.resumed += 1
    elif stage.previous:
        member.load(members.checkpoint(stage.previous))
    pool = _label_pool(stage, members, digits) if stage.teachers else None
    emit(Started(stage.key, len(progress.history), str(device)))
    probabilities = None
    for epoch in range(stage.first_epoch + len(progress.history), stage.first_epoch + stage.epochs):
        row, probabilities = _one_epoch(stage, member, digits, pool, epoch, device)
        progress.history.append(row)
        progress.checkpoint = member.save()
        members.save_progress(stage.key, progress)
        emit(EpochDone(stage.key, row))
    if probabilities is None:  # killed between the last epoch and the record
        probabilities = predict.probabilities(member.network, digits.test.images)
    about = _about(stage, progress, member, digits, device, started)
    members.finish(stage, progress, probabilities.cpu().numpy(), about)


def _begun(stage: Stage, members: Members, emit: Callable[[Event], None]) -> Progress:
    """The stage's stored progress, or a fresh start if that is damaged."""
    try:
        return members.progress(stage.key)
    except CorruptError as error:
        moved = ", ".join(path.name for path in members.drop_progress(stage.key))
        emit(Notice(stage.key, f"{error}; set aside as {moved}, training starts again"))
        return Progress()


def _label_pool(stage: Stage, members: Members, digits: Digits) -> Images:
    """The pool with the labels that the teachers' averaged probabilities give it."""
    average = mean_probabilities([members.probabilities(key) for key in stage.teachers])
    labels = torch.from_numpy(average.argmax(1)).to(digits.test.labels.device)
    return Images(digits.test.images, labels)


def _one_epoch(
    stage: Stage,
    member: Member,
    digits: Digits,
    pool: Images | None,
    epoch: int,
    device: torch.device,
) -> tuple[dict[str, Any], Tensor]:
    """Trains and evaluates the member's epoch number `epoch`; its history row, probabilities."""
    config = stage.config
    index, within = stage.position(epoch)
    phase = config.phases[index]
    start = time.perf_counter()
    inputs = train.assemble_epoch(digits.train, pool, config, phase, stage.seed, epoch)
    rates = optimize.learning_rates(phase, within, -(-len(inputs) // config.batch_size))
    generator = train.stream(stage.seed, "dropout", epoch, device)
    with _layers_stream(stage.seed, epoch, device):
        loss = train.run_epoch(
            member, optimize.make_loss(config), inputs, config.batch_size, rates, generator,
            config.clip_norm,
        ).item()  # fmt: skip
    trained = time.perf_counter()
    probabilities = predict.probabilities(member.network, digits.test.images)
    errors, test_loss = _score(probabilities, digits.test.labels)
    for kind, value in (("loss", loss), ("test loss", test_loss)):
        if not math.isfinite(value):
            where = f"epoch {epoch + 1}, phase {index}"
            raise DivergedError(f"{where}: the {kind} is {value}; lower its `lr`")
    row = {
        "epoch": epoch + 1,
        "phase": index,
        "lr": rates[0] if rates[0] == rates[-1] else [rates[0], rates[-1]],
        "loss": loss,
        "test_loss": test_loss,
        "test_errors": errors,
        "images": len(inputs),
        "train_s": round(trained - start, 3),
        "eval_s": round(time.perf_counter() - trained, 3),
    }
    return row, probabilities


@contextmanager
def _layers_stream(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Puts torch's global generators, which other packages' layers draw from, at the stream."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(seed, "dropout", epoch))
        yield


def _score(probabilities: Tensor, labels: Tensor) -> tuple[int, float]:
    errors = (probabilities.argmax(1) != labels).sum().item()
    of_truth = probabilities.gather(1, labels[:, None]).clamp_min(optimize.KERAS_EPSILON)
    return int(errors), -of_truth.log().mean().item()


def _about(
    stage: Stage,
    progress: Progress,
    member: Member,
    digits: Digits,
    device: torch.device,
    started: datetime,
) -> dict[str, Any]:
    """What the record says of how the stage was trained; times are sums over all its sittings."""
    history = progress.history
    train_s = sum(row["train_s"] for row in history)
    return {
        "epochs": len(history),
        "images_seen": sum(row["images"] for row in history),
        "train_s": round(train_s, 3),
        "total_s": round(train_s + sum(row["eval_s"] for row in history), 3),
        "test_errors": history[-1]["test_errors"],
        "weights_sha256": hash_weights(member.network),
        "data": {"name": stage.source.name, "sha256": stage.source.sha256},
        "test_images": len(digits.test),
        "resumed": progress.resumed,
        "previous": stage.previous,
        "teachers": list(stage.teachers),
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine(device),
    }


def machine(device: torch.device) -> dict[str, Any]:
    """Device, precision, versions and code of this process."""
    is_cuda = device.type == "cuda"
    return {
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if is_cuda else environment.cpu_name(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "precision": "float32",
        "versions": environment.versions(),
        "git": environment.git_state(),
    }
