"""Which changes of a config `sweep` and `ablate` train, and which results each has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mnistladder.api import naming
from mnistladder.config.ablations import ablations
from mnistladder.config.grid import points
from mnistladder.config.recipe import recipe
from mnistladder.config.spec import Rung
from mnistladder.errors import UsageError
from mnistladder.report.tuning import Candidate
from mnistladder.runs.records import ResultRecord
from mnistladder.sealed import digest

WHOLE = "the whole"


@dataclass(frozen=True)
class Change:
    """A changed config: how a table names the change, what `--set` is given, and the rung."""

    text: str
    settings: tuple[str, ...]
    rung: Rung


def grid(
    reference: str,
    overrides: Sequence[str],
    ranges: Sequence[str],
    draws: int | None,
    draw_seed: int,
    runs_dir: Path,
) -> list[Change]:
    """The points of a grid, or some drawn at random; of points that mean the same, the first.

    Raises UsageError, ConfigError, CorruptError.
    """
    changes = [
        Change(" ".join(point), settings, naming.rung(reference, settings, runs_dir))
        for point in points(ranges, draws, draw_seed)
        for settings in [(*overrides, *point)]
    ]
    different = {digest(recipe(change.rung.config)): change for change in reversed(changes)}
    return list(reversed(different.values()))


def parts(reference: str, overrides: Sequence[str], runs_dir: Path) -> list[Change]:
    """The whole config, then without each thing that can go.

    Raises UsageError if nothing can, ConfigError, CorruptError.
    """
    whole = naming.rung(reference, overrides, runs_dir)
    changes = [Change(WHOLE, tuple(overrides), whole)]
    for ablation in ablations(whole.config):
        settings = (*overrides, *ablation.overrides)
        rung = naming.rung(reference, settings, runs_dir)
        changes.append(Change(f"without {ablation.what}", settings, rung))
    if len(changes) == 1:
        raise UsageError(f"{reference}: has nothing that `ablate` can leave out")
    return changes


def candidates(
    changes: Sequence[Change], results: Iterable[tuple[Rung, ResultRecord]]
) -> list[Candidate]:
    """Each change with those of the results that are its own, in order of seed."""
    pairs = sorted(results, key=lambda pair: pair[1].seed)
    return [
        Candidate(
            change.text,
            change.rung.overrides,
            tuple(record for rung, record in pairs if rung is change.rung),
        )
        for change in changes
    ]
