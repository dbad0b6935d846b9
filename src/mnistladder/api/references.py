"""What a program names: rungs, changes of their values, runs folders."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import yaml

from mnistladder import environment
from mnistladder.api import naming
from mnistladder.config import loading, spec
from mnistladder.config.recipe import recipe
from mnistladder.errors import UsageError
from mnistladder.report.groups import Identity, group
from mnistladder.runs import results
from mnistladder.runs.records import ResultRecord
from mnistladder.sealed import digest

Changes = Mapping[str, object]  # dotted keys of a config, such as "phases.0.lr", and their values
Reference = str | int | Path | spec.Rung
Folder = Path | str | None


class Rung(spec.Rung):
    """A config with its name, read from a file."""

    @classmethod
    def from_yaml(cls, path: Path | str, set: Changes | None = None) -> Self:
        """The rung of a YAML file; `set` changes values. Raises ConfigError with every mistake."""
        rung = loading.load_rung(os.fspath(path), overrides(set))
        return cls(rung.name, rung.config, rung.overrides)


def runs_folder(named: Folder) -> Path:
    """The runs folder that is named, or that of the environment, or `runs`."""
    return Path(named or os.environ.get("MNISTLADDER_RUNS") or environment.RUNS)


def rung_of(config: Reference, changes: Changes | None, folder: Path) -> spec.Rung:
    """The rung that is meant. Raises UsageError, ConfigError, CorruptError."""
    if not isinstance(config, spec.Rung):
        return naming.rung(str(config), overrides(changes), folder)
    if changes:
        raise UsageError(f"{config.name}: give `set` where the rung is read: Rung.from_yaml")
    return config


def group_of(
    config: Reference, changes: Changes | None, folder: Path, holdout: int | None
) -> dict[Identity, list[ResultRecord]]:
    """The stored results of a rung. Raises UsageError where there are none, CorruptError."""
    if not isinstance(config, spec.Rung):
        return naming.group_of(str(config), folder, overrides(changes), holdout=holdout)
    rung = rung_of(config, changes, folder)
    wanted = rung.name, digest(recipe(rung.config))
    records = results.on_holdout(results.stored_results(folder).records, holdout)
    found = group(record for record in records if (record.rung, record.config_sha256) == wanted)
    if not found:
        raise UsageError(f"{rung.label}: no results in {folder}; get some: mnistladder.run(...)")
    return found


def overrides(changes: Changes | None) -> list[str]:
    """The changes as `--set` takes them, each value in YAML on one line."""
    return [f"{key}={_in_yaml(value)}" for key, value in (changes or {}).items()]


def _in_yaml(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")
