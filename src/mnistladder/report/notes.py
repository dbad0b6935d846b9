"""What a reader must know of the board's numbers, in words and bars."""

from mnistladder.config.loading import shipped_names
from mnistladder.data import contested
from mnistladder.report.summary import FEWEST_SEEDS, Row
from mnistladder.report.tables import ALL_IMAGES, CONFOUNDED, change_text


def notes(rows: list[Row]) -> list[str]:
    """What a reader must know of the numbers above."""
    where = sorted({f"{row.device} ({row.device_name})" for row in rows})
    first, last = min(row.ended for row in rows)[:10], max(row.ended for row in rows)[:10]
    lines = [
        "Last epoch of every stored seed; ± is the standard deviation over n seeds. Errors count "
        "test images; train time is summed over a rung's networks and excludes evaluation.",
        "The interval is that of the mean, Student's t over seeds; `*`: of one draw, exact "
        "binomial. Uncontested: errors without the "
        f"{len(contested.ids())} images whose label people contest.",
        "Verdict: whether the interval covers the published figure. Too few seeds: n is under "
        f"{FEWEST_SEEDS}, or the interval is wider than half of the published errors.",
        "`~`: no difference shown. p is the larger of a permutation test over images and Welch's "
        "over seeds, after Holm over all steps; one seed (McNemar's test) cannot show a step. A "
        "variant (`+`) is compared with its rung, without Holm.",
        f"Measured on {', '.join(where)}, {first if first == last else f'{first} to {last}'}.",
    ]
    if any(row.transductive for row in rows):
        lines.append("Transductive: saw the test images, without their labels, while training.")
    if any(row.views > 1 for row in rows):
        lines.append("Views: probabilities are the mean over an image and its shifts by a pixel.")
    if others := sorted({row.data for row in rows} - {"mnist"}):
        lines.append(f"Some rows are of other data than MNIST: {', '.join(others)}.")
    if any(row.holdout for row in rows):
        lines.append(
            "`holdout N`: tested on the last N training images, which these networks did not train "
            "on; the test images were not read."
        )
    lines += [*_tested_again(rows), *confounded(rows)]
    return lines + [
        f"{row.rung}: {row.verdict}; {'; '.join(reasons)}."
        for row in rows
        if row.verdict in ("better", "worse") and (reasons := _reasons(row))
    ]


def _tested_again(rows: list[Row]) -> list[str]:
    """Which recipes were changed and tested again, so that a choice was made on the test images."""
    often = {(row.name, row.data): row.tested for row in rows if row.tested and row.tested > 1}
    return [
        f"{name} was tested {times} times: {times} recipes of this name have results on the test "
        "images. The best of them looks better than it is; choose with --holdout, and test once."
        for (name, _), times in often.items()
    ]


def short_notes(rows: list[Row]) -> list[str]:
    """What a reader must know of SHORT_COLUMNS, in a few lines."""
    others = [f"{count:,}" for count in sorted({row.test_images for row in rows} - {ALL_IMAGES})]
    of_others = f" (*: of {' or '.join(others)})" if others else ""
    lines = [
        f"Errors: mean ± deviation over n seeds, of {ALL_IMAGES:,} test images{of_others}.",
        "Step: errors more (+) or fewer (-) than the rung before; ~ no difference is shown. A "
        "variant (+ and its name) is compared with its rung.",
    ]
    if transductive := [row.rung for row in rows if row.transductive]:
        more = f" and {len(transductive) - 3} more" if len(transductive) > 3 else ""
        lines.append(
            "Transductive (saw the test images, without their labels): "
            f"{', '.join(transductive[:3])}{more}."
        )
    if viewed := [f"{row.rung} ({row.views})" for row in rows if row.views > 1]:
        more = f" and {len(viewed) - 3} more" if len(viewed) > 3 else ""
        lines.append(f"Views of each test image, averaged: {', '.join(viewed[:3])}{more}.")
    return [*lines, "Intervals, published figures, times and all notes: mnistladder report --wide"]


def confounded(rows: list[Row]) -> list[str]:
    """What each marked step changes beside its technique, and what the technique does alone."""
    marked = [row for row in rows if row.step and row.step.confounded_by]
    if not marked:
        return []
    has_control = any(row.step and row.step.control for row in marked)
    control = " (alone: by a control)" * has_control
    intro = f"{CONFOUNDED} Also new in these steps, beside the named technique{control}:"
    return [intro, *map(_confounded, marked)]


def _confounded(row: Row) -> str:
    step = row.step
    if step is None:
        return ""
    number = f"Rung {shipped_names().index(row.name) + 1}"
    alone = f"; alone {change_text(step.control)}" if step.control else ""
    return f"{number}: {', '.join(step.confounded_by)}{alone}"


def _reasons(row: Row) -> list[str]:
    """Why the published figure may not be ours."""
    remarks = [row.published_remark] if row.published_remark else []
    chance = "a single run, as that one was, may be so far from our mean by chance"
    return remarks + [chance] * row.may_be_one_run


def histograms(rows: list[Row]) -> list[str]:
    """A bar of errors for each seed of the rungs where digit classes die."""
    lines = []
    for row in rows:
        if not any(row.dead_classes) or row.n == 1:
            continue
        lines.append(f"{row.rung}: errors and dead classes of each seed")
        for seed, errors, dead in sorted(
            zip(row.seeds, row.errors, row.dead_classes, strict=True), key=lambda seed: seed[1]
        ):
            bar = "█" * round(40 * errors / row.test_images)
            lines.append(f"  seed {seed:<3} {errors:>6,}  {bar} {dead} dead")
    return lines
