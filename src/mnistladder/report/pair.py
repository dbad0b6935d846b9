"""Two groups of results beside each other, as `compare` says it: as data, and in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistladder.report import statistics
from mnistladder.report.statistics import Comparison
from mnistladder.report.tables import interval_text, p_text


@dataclass(frozen=True)
class Pair:
    """The second group of results (ours) compared with the first (the other)."""

    before: str
    after: str
    n: tuple[int, int]
    images: int  # that both are scored on
    errors: tuple[float, float]  # means over seeds
    comparison: Comparison
    p_holm: float | None  # None where the pair is no step of the ladder

    def plain(self) -> dict[str, Any]:
        """The pair as JSON data; `difference` is ours minus the other, in errors."""
        return {
            "before": self.before,
            "after": self.after,
            "n": list(self.n),
            "images": self.images,
            "errors": list(self.errors),
            "difference": self.comparison.difference,
            "interval": list(self.comparison.interval),
            "tests": self.comparison.tests,
            "p": self.comparison.p,
            "p_holm": self.p_holm,
            "seeds_needed": self.comparison.seeds_needed,
        }

    def __str__(self) -> str:
        return text(self)


Masks = Sequence[NDArray[np.bool_]]  # of each seed, which test images are wrong


def make_pair(names: tuple[str, str], masks: tuple[Masks, Masks], p_holm: float | None) -> Pair:
    """Compares two groups by the wrong images of each seed; no group is empty."""
    before, after = masks
    return Pair(
        *names,
        n=(len(before), len(after)),
        images=len(before[0]),
        errors=(_mean_errors(before), _mean_errors(after)),
        comparison=statistics.compare(before, after),
        p_holm=p_holm,
    )


def _mean_errors(masks: Masks) -> float:
    return float(np.mean([mask.sum() for mask in masks]))


def text(pair: Pair) -> str:
    """What the comparison shows, in lines; a board of the whole ladder says the same."""
    comparison, (n_before, n_after) = pair.comparison, pair.n
    before, after = pair.errors
    tests = ", ".join(f"{name} {p_text(p)}" for name, p in comparison.tests.items())
    lines = [
        f"{pair.before}: {before:.1f} errors of {pair.images:,} (n={n_before}); "
        f"{pair.after}: {after:.1f} (n={n_after})",
        f"Difference: {comparison.difference:+.1f} errors, 95 % interval "
        f"{interval_text(comparison.interval, comparison.difference)}; "
        f"{_words(comparison.difference)}",
        f"p {p_text(comparison.p)}: this comparison alone ({tests})",
    ]
    if pair.p_holm is not None:
        lines.append(f"p {p_text(pair.p_holm)}: after Holm over the ladder, as `report` has it")
    lines.append(_conclusion(pair) + _which_p_counts(pair))
    if comparison.seeds_needed:
        lines.append(
            f"For a true difference of this size, {comparison.seeds_needed} seeds each would show "
            "it alone 4 times in 5."
        )
    return "\n".join(lines)


def _words(difference: float) -> str:
    if difference == 0:
        return "as many errors"
    return "the second makes fewer" if difference < 0 else "the second makes more"


def _conclusion(pair: Pair) -> str:
    if not _is_small(pair.comparison.p if pair.p_holm is None else pair.p_holm):
        return "~ No difference is shown."
    if not pair.comparison.covers_seeds:
        return "~ These networks differ; whether the rungs do, one seed cannot say."
    return "The difference is shown."


def _which_p_counts(pair: Pair) -> str:
    """Why one of both p values counts, where they do not agree."""
    if pair.p_holm is None or _is_small(pair.comparison.p) == _is_small(pair.p_holm):
        return ""
    return (
        " The p after Holm counts when you look at all steps of the ladder; the p of this "
        "comparison alone counts only if you chose this pair before you saw any result."
    )


def _is_small(p: float) -> bool:
    return p < 1 - statistics.LEVEL
