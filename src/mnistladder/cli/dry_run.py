"""`ladder --dry-run`: what would be trained, and how long that takes."""

import time
from dataclasses import asdict, dataclass

from mnistladder.api.training import worker_count
from mnistladder.cli import base
from mnistladder.cli.climb import Options
from mnistladder.errors import ResourceError
from mnistladder.ladder import estimates
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.estimates import Estimate
from mnistladder.ladder.speeds import Calibration
from mnistladder.report import tables

HEADINGS = ["rung", "seed", "stored", "networks to train", "epochs to train", "core time"]


@dataclass(frozen=True)
class PlanRow:
    """What one attempt still needs; the names are those of the JSON output."""

    rung: str
    seed: int
    stored: bool
    networks_to_train: int
    epochs_to_train: int
    estimated_s: float


def print_plan(ladder: Ladder, options: Options) -> None:
    """Prints what is missing, by attempt. Measures speeds first, where they are not known yet."""
    workers = worker_count(ladder, options)
    sizes = ladder.attempts[0].source.sizes()
    estimate = estimates.estimate(ladder, workers, _calibrated(ladder, options), sizes)
    rows = _rows(ladder, estimate)
    if options.json:
        base.print_json([asdict(row) for row in rows])
        return
    base.print_table(HEADINGS, [_cells(row) for row in rows], set(HEADINGS[1:]))
    if estimate.stages:
        base.say(
            f"\nAbout {tables.duration(estimate.wall_s)} with --jobs {workers}, by speeds measured "
            f"on this machine; up to {estimate.peak_mib:,.0f} MiB of memory a worker."
        )


def _rows(ladder: Ladder, estimate: Estimate) -> list[PlanRow]:
    """A row for each attempt; a shared stage counts for the first attempt that needs it."""
    rows, counted = list[PlanRow](), set[str]()
    for attempt in ladder.attempts:
        own = {
            stage.key: stage
            for stage in attempt.stages
            if stage.key in ladder.missing and stage.key not in counted
        }
        counted |= own.keys()
        rows.append(
            PlanRow(
                rung=attempt.rung.label,
                seed=attempt.seed,
                stored=attempt in ladder.known,
                networks_to_train=len({stage.seed for stage in own.values()}),
                epochs_to_train=sum(stage.epochs for stage in own.values()),
                estimated_s=round(sum(estimate.stages[key] for key in own), 1),
            )
        )
    return rows


def _cells(row: PlanRow) -> list[str]:
    return [
        row.rung,
        str(row.seed),
        "yes" if row.stored else "no",
        str(row.networks_to_train),
        str(row.epochs_to_train),
        tables.duration(row.estimated_s),
    ]


def _calibrated(ladder: Ladder, options: Options) -> Calibration:
    """Speeds of all that is to be trained; those not known yet are measured."""
    workers, device = worker_count(ladder, options), options.devices.choices[0]
    known = Calibration(options.runs_dir, device)
    if not estimates.is_calibrated(ladder, workers, known):
        start = time.perf_counter()
        from mnistladder.engine import devices
        from mnistladder.ladder import timing

        chosen = devices.choose(device)
        known.started(time.perf_counter() - start)
        estimates.calibrate(
            ladder,
            workers,
            known,
            lambda config, n: timing.measure(config, n, chosen, options.runs_dir),
        )
        _keep(known)
    return known


def _keep(known: Calibration) -> None:
    """Stores measured speeds in the runs folder, if there is one that may be written to."""
    if not known.path.parent.is_dir():
        return
    try:
        known.save()
    except ResourceError:  # a folder to look at only
        return
    base.complain(f"the measured speeds are kept in {known.path}")
