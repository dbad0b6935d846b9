"""What changed between two configs, as lines of YAML."""

import difflib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mnistladder.config import loading, yaml_reader
from mnistladder.config.recipe import recipe
from mnistladder.config.spec import Config, Rung


def difference(before: Config | None, after: Config) -> list[tuple[str, str]]:
    """The lines of a config as YAML without defaults: added, removed or the same since another.

    Of long runs of lines that are the same, the middle is left out. Without another config, all are
    the same.
    """
    new = config_lines(after)
    if before is None:
        return [("same", line) for line in new]
    kinds = {"+": "added", "-": "removed", " ": "same", "@": "left-out"}
    lines = list(difflib.unified_diff(config_lines(before), new, lineterm="", n=2))[2:]
    return [(kinds[line[0]], "..." if line[0] == "@" else line[1:]) for line in lines]


def compared_with(rung: Rung) -> str | None:
    """The shipped config that shows best what is new in this one.

    Of a shipped one the rung before, and none of the first; of a changed one the shipped one of its
    name; of any other the one that shares most lines with it.
    """
    names = [*loading.shipped_names(), *loading.variant_names()]
    if is_shipped(rung):
        return loading.rung_before(rung.name)
    return rung.name if rung.name in names else nearest(rung, [*map(loading.load_rung, names)])


def is_shipped(rung: Rung) -> bool:
    """Whether it is a shipped config, and not another one of that name."""
    names = (*loading.shipped_names(), *loading.variant_names())
    return rung.name in names and recipe(loading.load_rung(rung.name).config) == recipe(rung.config)


def nearest(rung: Rung, others: Sequence[Rung]) -> str:
    """The name of the config that differs from this one in the fewest lines."""
    lines = Counter(config_lines(rung.config))
    counts = {
        other.name: _different(lines, Counter(config_lines(other.config))) for other in others
    }
    return min(counts, key=counts.__getitem__)


def _different(lines: "Counter[str]", others: "Counter[str]") -> int:
    return ((lines - others) + (others - lines)).total()


def config_lines(config: Config) -> list[str]:
    """One line a layer and a phase, so that a difference reads well."""
    lines = []
    for key, value in recipe(config).items():
        if isinstance(value, list | tuple):
            lines += [f"{key}:", *(f"  - {_flow(item)}" for item in value)]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return lines


def _flow(value: Any) -> str:
    if not isinstance(value, dict):
        return yaml_reader.dump(value).removesuffix("...\n").strip()
    if len(value) == 1 and not next(iter(value.values()), True):
        return next(iter(value))  # a layer without options
    inner = ", ".join(f"{key}: {_flow(item)}" for key, item in value.items())
    return f"{{{inner}}}"
