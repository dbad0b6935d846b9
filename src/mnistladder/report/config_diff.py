"""What changed between two configs, as lines of YAML."""

import difflib
from typing import Any

from mnistladder.config import yaml_reader
from mnistladder.config.recipe import recipe
from mnistladder.config.spec import Config


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
