"""A grid of overrides from `--over key=v1,v2`: all of its points, or some drawn at random."""

import random
from collections.abc import Sequence
from itertools import product
from math import prod

from mnistladder.config import yaml_reader
from mnistladder.errors import UsageError

MOST_POINTS = 1_000

Point = tuple[str, ...]  # overrides, one for each `--over`


def points(ranges: Sequence[str], draws: int | None = None, seed: int = 0) -> list[Point]:
    """Each combination of the values, or `draws` of them.

    Draws never repeat, and depend on the ranges and the seed alone: more draws begin with the same
    points. Random search: Bergstra and Bengio, JMLR 13 (2012). Raises UsageError, ConfigError.
    """
    axes = [_axis(text) for text in ranges]
    keys = [axis[0].partition("=")[0] for axis in axes]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise UsageError(f"--over {twice}: named twice; give all its values at once, by commas")
    total = prod(map(len, axes))
    if min(total, draws or total) > MOST_POINTS:
        raise UsageError(
            f"--over: {total:,} combinations; at most {MOST_POINTS:,} at once: draw some of them "
            "with --random N"
        )
    if draws is None or draws >= total:
        return list(product(*axes))
    return _drawn(axes, draws, seed)


def _axis(text: str) -> list[str]:
    """The overrides of one `--over`. Values may be lists and mappings of YAML."""
    key, equals, values = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--over {text}: expected key.path=value,value, such as batch_size=32,64")
    parts = _values(values, f"--over {text}")
    if not parts:
        raise UsageError(f"--over {text}: expected at least one value after `=`")
    return [f"{key}={part}" for part in dict.fromkeys(parts)]


def _values(text: str, where: str) -> list[str]:
    """The entries of a YAML list without its brackets, as they are written."""
    whole = f"[{' '.join(text.splitlines())}]"
    document = yaml_reader.parse(whole, where)
    if not isinstance(document.data, list) or document.problems:
        raise UsageError(f"{where}: expected values between commas, without tags and anchors")
    starts = [document.values[(index,)][1] - 1 for index in range(len(document.data))]
    ends = [*starts[1:], len(whole) - 1]
    return [whole[start:end].strip(" ,") for start, end in zip(starts, ends, strict=False)]


def _drawn(axes: Sequence[Sequence[str]], draws: int, seed: int) -> list[Point]:
    """So many different points, in the order in which they are drawn."""
    stream = random.Random(seed)  # noqa: S311 - no secret; its numbers are the same everywhere
    drawn = dict[Point, None]()
    while len(drawn) < draws:
        drawn[tuple(stream.choice(axis) for axis in axes)] = None
    return list(drawn)
