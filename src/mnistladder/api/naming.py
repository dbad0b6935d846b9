"""What users call things: a rung's number or name, a file, a result's id, each with `--set`.

A label as tables print it, such as `model05_conv batch_size=64`, means the same as its name with
`--set`. Every command and function that takes a rung or a result reads its argument here.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from mnistladder.config import loading
from mnistladder.config.recipe import recipe
from mnistladder.config.spec import Rung
from mnistladder.config.validate import recorded_config
from mnistladder.data.holdout import words
from mnistladder.environment import RUNS
from mnistladder.errors import ConfigError, CorruptError, UsageError
from mnistladder.report.groups import Identity, group
from mnistladder.runs import results
from mnistladder.runs.records import ResultRecord
from mnistladder.sealed import digest

OVERRIDE = re.compile(r" (?=[\w.]+=)")  # begins in a label

Tell = Callable[[str], None]


class NoResultError(UsageError):
    """A rung or a result that a folder does not have."""


ID = re.compile(r"[0-9a-f]{4,}")  # or the beginning of one


def quietly(text: str) -> None:
    """Tells nobody of a damaged record: for a record that is not needed, or was named before."""


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
    reference: str,
    runs_dir: Path,
    seed: int = 0,
    overrides: Sequence[str] | None = None,
    *,
    holdout: int | None = None,
    tell: Tell = quietly,
) -> ResultRecord:
    """The one result that a user means. Raises UsageError, ConfigError, CorruptError.

    A name without overrides means the result of the config as it is now, if there is one. If no
    holdout is asked for, a result on the test images comes before those on holdouts. `tell` takes a
    line for each damaged record.
    """
    if reference.endswith(".json"):
        return results.from_file(Path(reference), holdout)
    name, changes = _parts(reference, overrides)
    stored = _stored(runs_dir, holdout, tell)
    if not changes and (record := _only_with_id(name, stored.records)):
        return record
    of_seed = [r for r in _of_rung(name, changes, stored.records) if r.seed == seed]
    fitting = [r for r in of_seed if r.data.holdout == holdout] or of_seed
    if record := results.only_one(_as_now(fitting, name), reference):
        return record
    _check_whole(stored, reference)
    where = " ".join([f"with seed {seed}", *words(holdout)])
    options = [*_holdout_option(holdout), *(["--seed", str(seed)] if seed else [])]
    raise NoResultError(
        f"{_label(name, changes, runs_dir)}: no result {where} in {runs_dir}; get it: "
        f"{run_command(name, changes, runs_dir, options)}"
    )


def group_of(
    reference: str,
    runs_dir: Path,
    overrides: Sequence[str] | None = None,
    *,
    holdout: int | None = None,
    tell: Tell = quietly,
) -> dict[Identity, list[ResultRecord]]:
    """All results of the config that a user means, by what else they have in common.

    A result's id means this result alone. `tell` takes a line for each damaged record. Raises
    UsageError, ConfigError, CorruptError.
    """
    name, changes = _parts(reference, overrides)
    if name.endswith(".json"):
        return group([results.from_file(Path(name), holdout)])
    stored = _stored(runs_dir, holdout, tell)
    if not changes and (record := _only_with_id(name, stored.records)):
        return group([record])
    if found := group(_of_rung(name, changes, stored.records)):
        return found
    _check_whole(stored, reference)
    where = " ".join(["no results", *words(holdout)])
    options = [*_holdout_option(holdout), "--seeds", "3"]
    raise UsageError(
        f"{_label(name, changes, runs_dir)}: {where} in {runs_dir}; get some: "
        f"{run_command(name, changes, runs_dir, options)}"
    )


def _stored(runs_dir: Path, holdout: int | None, tell: Tell) -> results.Stored:
    """The whole results on a holdout of so many images, without a number all; and the damaged."""
    records, damaged = results.stored_results(runs_dir, tell)
    return results.Stored(results.on_holdout(records, holdout), damaged)


def _check_whole(stored: results.Stored, reference: str) -> None:
    """Raises CorruptError if a damaged record may be the one that is missed."""
    if stored.damaged:
        count = len(stored.records)
        raise CorruptError(f"{reference}: no such result among the {count} that can be read")


def _label(name: str, changes: Sequence[str], runs_dir: Path) -> str:
    """The label of a rung that has no result. Raises UsageError where there is no such rung."""
    try:
        loading.find_config(name)
    except UsageError:
        if ID.fullmatch(name):
            where = f"no such result in {runs_dir}; `mnistladder leaderboard` shows all"
            raise NoResultError(f"{name}: {where}") from None
        raise
    return loading.load_rung(name, changes).label


def run_command(
    name: str, changes: Sequence[str], runs_dir: Path, options: Sequence[str] = ()
) -> str:
    """The command that makes a result, to be printed."""
    where = [] if runs_dir == RUNS else ["--runs-dir", str(runs_dir)]
    return shlex.join(["mnistladder", "run", name, *_set(changes), *options, *where])


def _parts(reference: str, overrides: Sequence[str] | None) -> tuple[str, list[str]]:
    """The name and the overrides of a label, and those that were given by `--set`."""
    name, *changes = OVERRIDE.split(reference)
    return name, [*changes, *(overrides or [])]


def _set(changes: Sequence[str]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def _holdout_option(holdout: int | None) -> list[str]:
    return [] if holdout is None else ["--holdout", str(holdout)]


def _with_id(reference: str, runs_dir: Path) -> ResultRecord | None:
    """The result whose id begins so, if there is one. Raises UsageError, CorruptError."""
    if not ID.fullmatch(reference):
        return None  # without reading every record
    stored = _stored(runs_dir, None, quietly)
    if record := _only_with_id(reference, stored.records):
        return record
    _check_whole(stored, reference)
    return None


def _only_with_id(reference: str, records: Sequence[ResultRecord]) -> ResultRecord | None:
    return results.only_one(results.with_id(records, reference), reference)


def _of_rung(
    name: str, changes: Sequence[str], records: Sequence[ResultRecord]
) -> list[ResultRecord]:
    """The results of a rung, or with a file or overrides those of exactly this config."""
    if changes or loading.is_path(name):
        wanted = loading.load_rung(name, changes)
        key = (wanted.name, digest(recipe(wanted.config)))
        return [record for record in records if (record.rung, record.config_sha256) == key]
    known, *others = loading.rung_names([name])
    if others:
        raise UsageError(f"{name}: means {len(others) + 1} rungs; name one")
    return [record for record in records if record.rung == known and not record.overrides]


def _as_now(fitting: list[ResultRecord], name: str) -> list[ResultRecord]:
    """Of several results of a name, those of its config as it is now; all, if none is."""
    if len(fitting) < 2:
        return fitting
    try:
        now = digest(recipe(loading.load_rung(name).config))
    except (UsageError, ConfigError):  # the results outlived their config
        return fitting
    return [record for record in fitting if record.config_sha256 == now] or fitting
