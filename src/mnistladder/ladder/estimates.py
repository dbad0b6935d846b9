"""What a climb will take, before it starts: time and memory, from speeds of this machine."""

from collections.abc import Callable
from dataclasses import dataclass

from mnistladder.config import cost
from mnistladder.config.spec import Config
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.speeds import Calibration, Speed
from mnistladder.ladder.stages import Stage


@dataclass(frozen=True)
class Estimate:
    """Seconds of each missing stage by its key, of all with the workers, MiB of one worker."""

    stages: dict[str, float]
    wall_s: float
    peak_mib: float


def is_calibrated(ladder: Ladder, workers: int, known: Calibration) -> bool:
    """Whether every speed that an estimate needs is known."""
    return all(
        known.speed(stage.config, ladder.stacked_with(stage, workers))
        for stage in ladder.missing.values()
    )


def calibrate(
    ladder: Ladder, workers: int, known: Calibration, measure: Callable[[Config, int], Speed]
) -> None:
    """Has every network's speed measured that the climb needs and `known` lacks."""
    for stage in ladder.missing.values():
        networks = ladder.stacked_with(stage, workers)
        if known.speed(stage.config, networks) is None:
            known.add(stage.config, networks, measure(stage.config, networks))


def estimate(ladder: Ladder, workers: int, known: Calibration, sizes: tuple[int, int]) -> Estimate:
    """What is to come, where `calibrate` has measured all that is needed.

    `sizes` are the numbers of training and of test images.
    """
    seconds, peak = dict[str, float](), 0.0
    for stage in ladder.missing.values():
        networks = ladder.stacked_with(stage, workers)
        speed = known.speed(stage.config, networks)
        assert speed, "calibrate first"
        seconds[stage.key] = speed.stage_s(stage, *sizes)
        memory = cost.peak_mib(stage.config, networks, sum(sizes), known.start_mib)
        peak = max(peak, memory)
    return Estimate(seconds, _wall_s(ladder, workers, seconds) + known.start_s, peak)


def _wall_s(ladder: Ladder, workers: int, seconds: dict[str, float]) -> float:
    """All work shared out evenly, or the longest job and what must follow it, if that is more."""
    longest = dict[str, float]()
    for stage in _in_order(ladder):
        own = seconds[stage.key] * ladder.stacked_with(stage, workers)
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
