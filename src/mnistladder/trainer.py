"""Trains one stage from wherever it stands to its stored end."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch
from safetensors import torch as safetensors
from torch import Tensor, nn

from mnistladder import environment, network, predict, storage, train
from mnistladder.digits import Digits, load_digits
from mnistladder.errors import CorruptError, DivergedError
from mnistladder.events import EpochDone, Event, Notice, Started
from mnistladder.members import Members, Progress, mean_probabilities
from mnistladder.stages import Stage
from mnistladder.streams import derive_seed
from mnistladder.train import Images

WEIGHT, MOMENT = "weight/", "optimizer/"


@dataclass
class Member:
    """One network in training."""

    network: nn.Module
    optimizer: torch.optim.Optimizer

    @classmethod
    def new(cls, stage: Stage, digits: Digits, device: torch.device) -> "Member":
        built = network.build(stage.config.model, stage.seed, digits.statistics)
        built = built.to(device).to(memory_format=torch.channels_last)
        return cls(built, train.make_optimizer(stage.config, built))

    def save(self) -> bytes:
        """Weights, buffers and optimizer state as safetensors bytes."""
        names = [name for name, _ in self.network.named_parameters()]
        tensors = {WEIGHT + name: value for name, value in self.network.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            for kind, value in state.items():
                if value is not None:
                    tensors[f"{MOMENT}{kind}/{names[index]}"] = value
        return safetensors.save({name: value.cpu().contiguous() for name, value in tensors.items()})

    def load(self, checkpoint: bytes) -> None:
        """Takes over the state of `save`. Raises CorruptError where it is another network's."""
        tensors = safetensors.load(checkpoint)
        weights = {
            name.removeprefix(WEIGHT): value
            for name, value in tensors.items()
            if name.startswith(WEIGHT)
        }
        try:
            self.network.load_state_dict(weights)
            self._load_moments(tensors)
        except (RuntimeError, ValueError, AttributeError) as error:
            raise CorruptError(f"a checkpoint of another network: {error}") from None

    def _load_moments(self, tensors: dict[str, Tensor]) -> None:
        names = [name for name, _ in self.network.named_parameters()]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith(MOMENT):
                kind, parameter = name.removeprefix(MOMENT).split("/")
                like = self.network.get_parameter(parameter)
                state.setdefault(names.index(parameter), {})[kind] = _in_layout_of(like, value)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _in_layout_of(parameter: Tensor, value: Tensor) -> Tensor:
    """A copy laid out in memory as the parameter is, for the fused optimizers walk raw memory."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def train_stage(
    stage: Stage, members: Members, device: torch.device, emit: Callable[[Event], None]
) -> None:
    """Trains the stage's missing epochs, storing each, and then its results.

    Another process that trains the same stage is waited for. Raises DivergedError, CorruptError,
    DataError, ResourceError.
    """
    wait = Notice(stage.key, "waits for another process that trains the same network")
    with storage.lock(members.lock_path(stage.key), lambda: emit(wait)):
        if not members.is_stored(stage.key):
            _train_missing(stage, members, device, emit)


def _train_missing(
    stage: Stage, members: Members, device: torch.device, emit: Callable[[Event], None]
) -> None:
    digits = load_digits(stage.source, device)
    started = datetime.now(UTC)
    progress = _begun(stage, members, emit)
    member = Member.new(stage, digits, device)
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
    rates = train.learning_rates(phase, within, -(-len(inputs) // config.batch_size))
    with _dropout_stream(stage.seed, epoch, device):
        loss = train.run_epoch(
            member.network, member.optimizer, train.make_loss(config), inputs,
            config.batch_size, rates, config.clip_norm,
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
def _dropout_stream(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Puts torch's global generators, which dropout draws from, at the epoch's derived stream."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(seed, "dropout", epoch))
        yield


def _score(probabilities: Tensor, labels: Tensor) -> tuple[int, float]:
    errors = (probabilities.argmax(1) != labels).sum().item()
    of_truth = probabilities.gather(1, labels[:, None]).clamp_min(train.KERAS_EPSILON)
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


def hash_weights(trained: nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of each weight and buffer, in order of name."""
    digest = hashlib.sha256()
    for name, value in sorted(trained.state_dict().items()):
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
