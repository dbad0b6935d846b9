"""What users call things: a rung's number or name, a file, a result's id, each with `--set`.

A label as tables print it, such as `model05_conv batch_size=64`, means the same as its name with
`--set`. Every command that takes a rung or a result reads its argument here.
"""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from mnistladder.cli import base
from mnistladder.config import loading
from mnistladder.config.recipe import recipe
from mnistladder.config.spec import Rung
from mnistladder.config.validate import recorded_config
from mnistladder.errors import ConfigError, UsageError
from mnistladder.report.groups import Identity, group
from mnistladder.runs import results
from mnistladder.runs.records import ResultRecord
from mnistladder.sealed import digest

OVERRIDE = re.compile(r" (?=[\w.]+=)")  # begins in a label

ID = re.compile(r"[0-9a-f]{4,}")  # or the beginning of one


def rung(reference: str, overrides: Sequence[str] | None, runs_dir: Path) -> Rung:
    """The config that a user means; a result's id means the config of that result.

    Raises UsageError, ConfigError, CorruptError.
    """
    name, changes = _parts(reference, overrides)
    try:
        loading.find_config(name)
    except UsageError:
        record = _with_id(name, runs_dir)
        if record is None:
            raise
        if changes:
            raise UsageError(
                f"{name}: is a result; `--set` changes a rung: {record.rung}"
            ) from None
        return Rung(record.rung, recorded_config(record.config, record.where), record.overrides)
    return loading.load_rung(name, changes)


def rungs(references: Sequence[str], runs_dir: Path) -> list[Rung]:
    """The rungs that references mean, ranges such as `1-9` too; all of the ladder without any."""
    if not references:
        return loading.select_rungs([])
    return [rung(name, None, runs_dir) for name in _written_out(references, runs_dir)]


def _written_out(references: Sequence[str], runs_dir: Path) -> list[str]:
    """The references with numbers and ranges as names, without repeats; ids stay as they are."""
    names: list[str] = []
    for reference in references:
        try:
            names += loading.rung_names([reference])
        except UsageError:  # no number of a rung; perhaps an id that has digits alone
            if _with_id(reference, runs_dir) is None:
                raise
            names.append(reference)
    return list(dict.fromkeys(names))


def result(
    reference: str, runs_dir: Path, seed: int = 0, overrides: Sequence[str] | None = None
) -> ResultRecord:
    """The one result that a user means. Raises UsageError, ConfigError, CorruptError.

    A name without overrides means the result of the config as it is now, if there is one.
    """
    if reference.endswith(".json"):
        return results.named(runs_dir, reference, seed)
    name, changes = _parts(reference, overrides)
    if not changes and (record := _with_id(name, runs_dir)):
        return record
    fitting = [r for r in _of_rung(name, changes, runs_dir) if r.seed == seed]
    if record := results.only_one(_as_now(fitting, name), reference):
        return record
    label = _label(name, changes, runs_dir)
    raise UsageError(
        f"{label}: no result with seed {seed} in {runs_dir}; get it: "
        f"{run_command(name, changes, runs_dir, ['--seed', str(seed)] if seed else [])}"
    )


def group_of(
    reference: str, runs_dir: Path, overrides: Sequence[str] | None = None
) -> dict[Identity, list[ResultRecord]]:
    """All results of the config that a user means, by what else they have in common.

    A result's id means this result alone. Raises UsageError, ConfigError, CorruptError.
    """
    name, changes = _parts(reference, overrides)
    if name.endswith(".json"):
        return group([results.named(runs_dir, name)])
    if not changes and (record := _with_id(name, runs_dir)):
        return group([record])
    if found := group(_of_rung(name, changes, runs_dir)):
        return found
    label = _label(name, changes, runs_dir)
    raise UsageError(
        f"{label}: no results in {runs_dir}; get some: "
        f"{run_command(name, changes, runs_dir, ['--seeds', '3'])}"
    )


def _label(name: str, changes: Sequence[str], runs_dir: Path) -> str:
    """The label of a rung that has no result. Raises UsageError where there is no such rung."""
    try:
        loading.find_config(name)
    except UsageError:
        if ID.fullmatch(name):
            where = f"no such result in {runs_dir}; `mnistladder leaderboard` shows all"
            raise UsageError(f"{name}: {where}") from None
        raise
    return loading.load_rung(name, changes).label


def run_command(
    name: str, changes: Sequence[str], runs_dir: Path, options: Sequence[str] = ()
) -> str:
    """The command that makes a result, to be printed."""
    where = [] if runs_dir == base.RUNS else ["--runs-dir", str(runs_dir)]
    return shlex.join(["mnistladder", "run", name, *_set(changes), *options, *where])


def _parts(reference: str, overrides: Sequence[str] | None) -> tuple[str, list[str]]:
    """The name and the overrides of a label, and those that were given by `--set`."""
    name, *changes = OVERRIDE.split(reference)
    return name, [*changes, *(overrides or [])]


def _set(changes: Sequence[str]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def _with_id(reference: str, runs_dir: Path) -> ResultRecord | None:
    """The result whose id begins so, if there is one."""
    if not ID.fullmatch(reference):
        return None  # without reading every record
    return results.only_one(results.with_id(results.all_results(runs_dir), reference), reference)


def _of_rung(name: str, changes: Sequence[str], runs_dir: Path) -> list[ResultRecord]:
    """The results of a rung, or with a file or overrides those of exactly this config."""
    if changes or loading.is_path(name):
        wanted = loading.load_rung(name, changes)
        return [
            record
            for record in results.all_results(runs_dir)
            if (record.rung, record.config_sha256) == (wanted.name, digest(recipe(wanted.config)))
        ]
    [known] = loading.rung_names([name])[:1]
    return [
        record
        for record in results.all_results(runs_dir)
        if record.rung == known and not record.overrides
    ]


def _as_now(fitting: list[ResultRecord], name: str) -> list[ResultRecord]:
    """Of several results of a name, those of its config as it is now; all, if none is."""
    if len(fitting) < 2:
        return fitting
    try:
        now = digest(recipe(loading.load_rung(name).config))
    except (UsageError, ConfigError):  # the results outlived their config
        return fitting
    return [record for record in fitting if record.config_sha256 == now] or fitting
