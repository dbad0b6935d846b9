"""Time and memory that training will take, from speeds measured on this machine."""

from collections.abc import Callable
from dataclasses import dataclass

from mnistladder.config import cost
from mnistladder.config.spec import Config
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.speeds import Calibration, Speed
from mnistladder.ladder.stages import Stage


@dataclass(frozen=True)
class Estimate:
    """What the missing stages will take."""

    stages: dict[str, float]  # seconds of each stage, by key
    wall_s: float  # of all stages, with the workers asked for
    peak_mib: float  # of one worker


def is_calibrated(ladder: Ladder, workers: int, known: Calibration) -> bool:
    """Whether every speed that an estimate needs is known."""
    sizes = ladder.stack_sizes(workers)
    return all(known.speed(stage.config, sizes[key]) for key, stage in ladder.missing.items())


def calibrate(
    ladder: Ladder, workers: int, known: Calibration, measure: Callable[[Config, int], Speed]
) -> None:
    """Measures each speed that is needed and not known yet, and adds it to `known`."""
    networks_of = ladder.stack_sizes(workers)
    for key, stage in ladder.missing.items():
        networks = networks_of[key]
        if known.speed(stage.config, networks) is None:
            known.add(stage.config, networks, measure(stage.config, networks))


def estimate(ladder: Ladder, workers: int, known: Calibration, sizes: tuple[int, int]) -> Estimate:
    """What the missing stages will take; `calibrate` must come first.

    `sizes` are the numbers of training and of test images.
    """
    seconds, peak = dict[str, float](), 0.0
    networks_of = ladder.stack_sizes(workers)
    for key, stage in ladder.missing.items():
        networks = networks_of[key]
        speed = known.speed(stage.config, networks)
        assert speed, "calibrate first"
        seconds[key] = speed.stage_s(stage, *sizes)
        memory = cost.peak_mib(stage.config, networks, sum(sizes), known.start_mib)
        peak = max(peak, memory)
    return Estimate(seconds, _wall_s(ladder, workers, seconds) + known.start_s, peak)


def _wall_s(ladder: Ladder, workers: int, seconds: dict[str, float]) -> float:
    """The work shared out evenly, or the longest chain of dependent stages if that is longer."""
    networks_of = ladder.stack_sizes(workers)
    longest = dict[str, float]()
    for stage in _in_order(ladder):
        own = seconds[stage.key] * networks_of[stage.key]
        longest[stage.key] = own + max((longest.get(key, 0.0) for key in stage.needs), default=0.0)
    return max(sum(seconds.values()) / workers, *longest.values(), 0.0)


def _in_order(ladder: Ladder) -> list[Stage]:
    """Missing stages, those that others need first."""
    return [
        stage
        for attempt in ladder.attempts
        for stage in attempt.stages
        if stage.key in ladder.missing
    ]
