"""Speeds measured on this machine, kept in the runs folder; `timing` measures them."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from mnistladder import environment, sealed, storage
from mnistladder.config.cost import OVERHEAD, multiply_adds
from mnistladder.config.recipe import recipe
from mnistladder.config.sizes import epoch_size
from mnistladder.config.spec import Config
from mnistladder.environment import AUTO, DeviceChoice
from mnistladder.errors import CorruptError
from mnistladder.ladder.stages import Stage
from mnistladder.runs.records import BoardRow, Record, Sealed
from mnistladder.sealed import digest

CALIBRATION = "calibration.json"
LARGEST = 64  # networks stacked


class Speed(Record):
    """Seconds to train, augment or evaluate one image, and to store the end of an epoch.

    Measured by `timing.measure`.
    """

    train_s: float
    augment_s: float
    evaluate_s: float
    store_s: float

    def stage_s(self, stage: Stage, train_images: int, test_images: int) -> float:
        """Seconds that a stage takes on a data set of this size."""
        total = 0.0
        for phase in stage.phases:
            batch, pseudo = stage.config.batch_size, phase.pseudo_per_batch
            images = epoch_size(train_images, batch, pseudo).images
            image_s = self.train_s + (self.augment_s if phase.augment else 0)
            total += phase.epochs * (
                images * image_s + test_images * self.evaluate_s + self.store_s
            )
        return total


class CalibrationRecord(Sealed):
    """calibration.json of a runs folder."""

    machine: list[str | None]  # cpu or gpu, the processor's name, torch's version
    start_s: float  # seconds of a process before its first stage
    start_mib: float  # memory of a process before its first stage
    speeds: dict[str, Speed]  # by `network_key`


class Calibration:
    """Speeds measured on this machine, kept in a runs folder."""

    def __init__(self, runs: Path, device: DeviceChoice = AUTO) -> None:
        self.path = runs / CALIBRATION
        self.device = device
        self.speeds: dict[str, Speed] = {}
        self.start_s, self.start_mib = 0.0, 0.0  # of a process before its first stage
        if self.path.exists():
            self._load()

    @cached_property
    def machine(self) -> list[str | None]:
        """What the speeds belong to. To decide `auto` may take seconds, so nothing asks early."""
        kind = "gpu" if self.device.is_gpu else "cpu"
        return [kind, environment.cpu_name(), environment.versions()["torch"]]

    def _load(self) -> None:
        try:
            stored = CalibrationRecord.read(self.path)
        except CorruptError:  # damaged, or another version's: it is soon measured again
            return
        if stored.machine == self.machine:
            self.speeds = dict(stored.speeds)
            self.start_s, self.start_mib = stored.start_s, stored.start_mib

    def started(self, seconds: float) -> None:
        """Notes how long this process took to load torch, and its memory since."""
        self.start_s = max(self.start_s, seconds)
        self.start_mib = environment.peak_mib()

    def save(self) -> None:
        """Stores what is known. Raises ResourceError."""
        content = CalibrationRecord(
            machine=self.machine,
            start_s=self.start_s,
            start_mib=self.start_mib,
            speeds=self.speeds,
        )
        storage.write(self.path, sealed.seal(content.plain()))

    def speed(self, config: Config, networks: int) -> Speed | None:
        """The speed of so many of the config's networks as one, if it was measured."""
        return self.speeds.get(network_key(config, networks))

    def add(self, config: Config, networks: int, speed: Speed) -> None:
        self.speeds[network_key(config, networks)] = speed

    def any_speed(self, config: Config) -> Speed | None:
        """The speed in the largest stack that was measured."""
        keys = (network_key(config, networks) for networks in range(LARGEST, 0, -1))
        return next((self.speeds[key] for key in keys if key in self.speeds), None)


KEYS = (
    "model",
    "batch_size",
    "loss",
    "optimizer",
    "precision",
    "augment",
    "clip_norm",
    "average",
    "views",
)


def network_key(config: Config, networks: int) -> str:
    """What a speed depends on, hashed."""
    content = recipe(config)
    parts = [content.get(name) for name in KEYS]
    return digest([*parts, networks])[:32]


def images_per_second(config: Config, board: Iterable[BoardRow]) -> float | None:
    """The speed of this config by results measured before, scaled from the most similar network.

    None if nothing was measured yet.
    """
    own, wanted = digest(recipe(config)), multiply_adds(config) + OVERHEAD
    known: list[tuple[float, float]] = []
    for row in board:
        if row.config_sha256 == own:
            return float(row.images_per_s)
        cost = row.multiply_adds + OVERHEAD
        known.append((abs(cost / wanted - 1), row.images_per_s * cost / wanted))
    return min(known)[1] if known else None
