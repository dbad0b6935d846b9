"""Stored results are looked at and trained again; what was changed is found."""

import shutil
from contextlib import closing
from dataclasses import replace

import pytest
import small
import torch

from mnistladder import sealed
from mnistladder.api import naming
from mnistladder.config.spec import Rung
from mnistladder.errors import CorruptError, UsageError
from mnistladder.ladder import provenance
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.executors import InProcess
from mnistladder.runs import results
from mnistladder.runs.records import Curve, ResultRecord
from mnistladder.runs.stage_store import CHECKPOINT, RECORD, StageStore

CPU = torch.device("cpu")
PSEUDO = small.tiny(members=2, pool="test", phases=small.phases(1, 1, pseudo_per_batch=16))


def climbed(runs, source, config=PSEUDO, seed=0, stacked=None):
    """A attempt and its record."""
    attempt = Attempt(Rung("rung", config), seed, source)
    ladder = Ladder([attempt], runs, 4, stacked)
    with closing(InProcess(runs, small.CPU, lambda event: None)) as executor:
        [outcome] = ladder.climb(executor, lambda event: None)
    return attempt, outcome.record


@pytest.fixture(scope="module")
def stored(tmp_path_factory, source):
    runs = tmp_path_factory.mktemp("stored")
    return runs, *climbed(runs, source)


@pytest.fixture
def copy(stored, tmp_path):
    """A copy that a test may spoil."""
    runs, attempt, record = stored
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs", attempt, record


def test_target_of_a_record_is_what_was_climbed(stored, source):
    _, attempt, record = stored
    assert provenance.attempt_of(record, source) == attempt


def test_record_of_other_data_or_of_another_engine_is_refused(stored, source):
    _, _, record = stored
    with pytest.raises(UsageError, match="not the data it was measured on"):
        provenance.attempt_of(record, replace(source, sha256="0" * 64))
    with pytest.raises(UsageError, match="another engine"):
        provenance.attempt_of(record.model_copy(update={"result_id": "0" * 16}), source)


def test_stored_networks_say_the_same_again(stored):
    runs, attempt, record = stored
    checks = list(provenance.check_networks(attempt, StageStore(runs), CPU))
    assert [check.stage for check in checks] == list(attempt.stages)
    assert {(check.changed, check.largest, check.is_recorded) for check in checks} == {
        (0, 0.0, True)
    }
    assert provenance.wrong_fields(record, attempt, StageStore(runs)) == []


def test_known_networks_are_not_evaluated(stored):
    runs, attempt, _ = stored
    first, *others = attempt.stages
    found = provenance.check_networks(attempt, StageStore(runs), CPU, {first.key})
    assert [check.stage for check in found] == others


def test_networks_put_in_anothers_place_are_found(copy):
    runs, attempt, _ = copy
    one, other = (runs / "members" / stage.key for stage in attempt.levels[1])
    shutil.copy(other / CHECKPOINT, one / CHECKPOINT)
    record = sealed.unseal((one / RECORD).read_bytes(), "")
    record["files"][CHECKPOINT] = sealed.hash_bytes((one / CHECKPOINT).read_bytes())
    (one / RECORD).write_bytes(sealed.seal(record))
    changed = {
        check.stage.key: check.changed
        for check in provenance.check_networks(attempt, StageStore(runs), CPU)
    }
    assert not next(
        check
        for check in provenance.check_networks(attempt, StageStore(runs), CPU)
        if check.stage.key == one.name
    ).is_recorded
    assert changed.pop(one.name) > 0
    assert set(changed.values()) == {0}


@pytest.mark.parametrize("name", [CHECKPOINT, "probabilities.npy", "history.jsonl", "config.yaml"])
def test_one_changed_byte_of_any_file_is_found(copy, name):
    runs, attempt, _ = copy
    path = runs / "members" / attempt.levels[1][1].key / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptError, match=name):
        list(provenance.check_networks(attempt, StageStore(runs), CPU))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("errors", 0),
        ("wrong_images", ()),
        ("curve", Curve(loss=(), test_accuracy=())),
        ("predictions_sha256", "0" * 64),
        ("parameters", 0),
        ("epochs", 0),
        ("weights_sha256", ("0" * 64,)),
        ("published_accuracy", 12.5),
        ("images_seen", 0),
        ("engine", 99),
        ("field_of_a_newer_version", 1),
    ],
)
def test_fields_that_the_networks_do_not_bear_out_are_named(stored, field, value):
    runs, attempt, record = stored
    edited = ResultRecord.parse({**record.plain(), field: plain(value)}, "")
    assert provenance.wrong_fields(edited, attempt, StageStore(runs)) == [field]


def plain(value):
    return value.plain() if isinstance(value, Curve) else value


def test_record_from_before_a_key_of_the_config_is_borne_out(stored, source):
    runs, _, record = stored
    config = {key: value for key, value in record.config.items() if key != "precision"}
    older = record.model_copy(update={"config": config})
    assert older.config != record.config
    attempt = provenance.attempt_of(older, source)
    assert provenance.wrong_fields(older, attempt, StageStore(runs)) == []


@pytest.mark.parametrize("is_stacked", [False, True])
def test_training_again_in_the_same_way_differs_nowhere(tmp_path, source, is_stacked):
    traces = []
    for folder in ("one", "two"):
        attempt = Attempt(Rung("rung", PSEUDO), 0, source)
        stacked = {stage.key for stage in attempt.stages if is_stacked}
        _, record = climbed(tmp_path / folder, source, stacked=stacked)
        assert list(record.stacked) == [is_stacked] * 4
        traces.append((provenance.trace(attempt, StageStore(tmp_path / folder)), record))
    (before, old), (after, new) = traces
    assert provenance.first_difference(before, after) is None
    means = provenance.mean_trace(old), provenance.mean_trace(new)
    assert provenance.first_difference(*means) is None
    assert old.weights_sha256 == new.weights_sha256
    assert provenance.other_machine(old, new) == {}


def test_first_difference_is_the_earliest_epoch_of_any_network(stored):
    runs, attempt, _ = stored
    before = provenance.trace(attempt, StageStore(runs))
    assert [len(rows) for rows in before.values()] == [2, 2]
    after = {name: [dict(row) for row in rows] for name, rows in before.items()}
    after["network 0"][1]["loss"] = 9.0
    assert provenance.first_difference(before, after) == provenance.Difference(
        "network 0", 2, "loss", before["network 0"][1]["loss"], 9.0
    )
    after["network 1"][0]["test_errors"] = -1
    found = provenance.first_difference(before, after)
    assert (found.network, found.epoch, found.field) == ("network 1", 1, "test_errors")
    after = {name: rows[:1] for name, rows in before.items()}
    assert provenance.first_difference(before, after).epoch == 2


def test_other_machine_tells_what_changed(stored):
    _, _, record = stored
    found = provenance.other_machine(record, record.model_copy(update={"device_name": "abacus"}))
    assert found == {"device_name": (record.device_name, "abacus")}


def test_fresh_folder_goes_on_with_what_is_unfinished(tmp_path, stored):
    _, attempt, _ = stored
    first = provenance.fresh_folder(tmp_path, attempt)
    (first / "members").mkdir(parents=True)
    assert provenance.fresh_folder(tmp_path, attempt) == first
    (first / "results").mkdir()
    assert provenance.fresh_folder(tmp_path, attempt) != first


def test_a_result_is_named_by_rung_id_or_path(stored):
    runs, _, record = stored
    path = results.result_path(runs, "rung", record.result_id)
    for reference in ("rung", record.result_id, record.result_id[:6], str(path)):
        assert naming.result(reference, runs).result_id == record.result_id


def test_a_record_of_something_else_is_no_result(stored):
    runs, attempt, _ = stored
    for path in (runs / "leaderboard.json", runs / "members" / attempt.levels[0][0].key / RECORD):
        with pytest.raises(UsageError, match="not that of a result"):
            naming.result(str(path), runs)


@pytest.mark.parametrize(
    ("reference", "seed"), [("rung", 1), ("other", 0), ("none.json", 0), ("", 0), ("0", 0)]
)
def test_an_unknown_result_is_a_usage_error(stored, reference, seed):
    runs, _, _ = stored
    with pytest.raises(UsageError, match="no such"):
        naming.result(reference, runs, seed)
