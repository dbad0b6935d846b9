"""What evaluating a result's networks anew shows, and how `verify` says it."""

from dataclasses import dataclass
from pathlib import Path

from mnistladder import environment
from mnistladder.data.datasets import Source
from mnistladder.ladder import provenance
from mnistladder.ladder.provenance import NetworkCheck
from mnistladder.runs import ready
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore


@dataclass(frozen=True)
class Verified:
    """What evaluating a result's networks anew showed."""

    result_id: str
    rung: str
    overrides: tuple[str, ...]
    seed: int
    networks: int
    predictions: int
    changed_predictions: int
    largest_change: float  # of a probability
    wrong_fields: list[str]
    verified: bool


def verified(
    record: ResultRecord, source: Source, runs: Path, device: str, known: dict[str, NetworkCheck]
) -> Verified:
    """What the networks show; those that several results share are evaluated once."""
    if ready.has(runs, record):
        return _of_ready(record, source, runs, device)
    attempt, store = provenance.attempt_of(record, source), StageStore(runs)
    store.need((stage.key for stage in attempt.stages), record)
    if any(stage.key not in known for stage in attempt.stages):
        from mnistladder.engine import devices

        devices.make_deterministic()
        chosen = devices.choose(environment.parse_device(device))
        known |= {
            check.stage.key: check
            for check in provenance.check_networks(attempt, store, chosen, known)
        }
    checks = [known[stage.key] for stage in attempt.stages]
    wrong = provenance.wrong_fields(record, attempt, store)
    wrong += [] if all(check.is_recorded for check in checks) else ["weights_sha256 of a network"]
    changed = sum(check.changed for check in checks)
    return Verified(
        result_id=record.result_id,
        rung=record.rung,
        overrides=record.overrides,
        seed=record.seed,
        networks=len(checks),
        predictions=len(checks) * len(store.probabilities(checks[0].stage.key)),
        changed_predictions=changed,
        largest_change=max(check.largest for check in checks),
        wrong_fields=wrong,
        verified=not changed and not wrong,
    )


def _of_ready(record: ResultRecord, source: Source, runs: Path, device: str) -> Verified:
    from mnistladder.engine import devices

    devices.make_deterministic()
    chosen = devices.choose(environment.parse_device(device))
    check = provenance.check_ready(record, source, StageStore(runs), chosen)
    return Verified(
        result_id=record.result_id,
        rung=record.rung,
        overrides=record.overrides,
        seed=record.seed,
        networks=record.members,
        predictions=source.sizes()[1],
        changed_predictions=check.changed,
        largest_change=check.largest,
        wrong_fields=check.wrong_fields,
        verified=not check.changed and not check.wrong_fields,
    )


def verdict(label: str, row: Verified) -> str:
    networks = counted(row.networks, "network")
    name = f"{label}: {networks}, {row.predictions:,} predictions"
    bits = f"probabilities within {row.largest_change:.1g}"
    if row.largest_change == 0:
        bits = "probabilities bit for bit"
    if row.verified:
        return f"{name}: verified, {bits}"
    what = f"{row.changed_predictions} predictions changed"
    if row.wrong_fields:
        what += f"; the record is wrong in {', '.join(row.wrong_fields)}"
    return f"{name}: NOT verified: {what}; {bits}"


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
