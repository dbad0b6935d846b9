"""Records load whole or not at all: what is missing or of the wrong type is named in one line."""

from pathlib import Path

import pytest
from commands import call
from record_data import RESULT, ROW, STAGE, history_row, result, stage_record

from mnistladder import sealed
from mnistladder.config.spec import Config
from mnistladder.errors import CorruptError, ExitCode
from mnistladder.runs import leaderboard, predictions, results
from mnistladder.runs.records import BoardRow, HistoryRow, ResultRecord, StageProgress, StageRecord
from mnistladder.runs.stage_store import StageStore

BOARD = Path(__file__).parents[1] / "results"
KINDS = [(ResultRecord, RESULT), (HistoryRow, ROW), (StageRecord, STAGE)]
IDS = [kind.__name__ for kind, _ in KINDS]
ADDED_LATER = ("engine", "dead_classes", "scored", "published_remark", "plugins", "stacked")


def without(content, *names):
    return {name: value for name, value in content.items() if name not in names}


def test_committed_records_are_written_as_they_were_read():
    paths = results.result_paths(BOARD)
    assert len(paths) > 100
    for path in paths:
        assert sealed.seal(results.load_result(path).plain()) == path.read_bytes()


def test_committed_board_is_written_as_it_was_read():
    path = BOARD / leaderboard.BOARD
    rows = [row.plain() for row in leaderboard.load_board(path)]
    assert sealed.seal({"results": rows}) == path.read_bytes()


@pytest.mark.parametrize(("kind", "content"), KINDS, ids=IDS)
def test_record_gives_the_plain_data_that_it_was_made_of_in_order(kind, content):
    assert list(kind.parse(content, "x").plain().items()) == list(content.items())


@pytest.mark.parametrize(("kind", "content"), KINDS, ids=IDS)
def test_fields_of_a_newer_version_are_kept(kind, content):
    newer = {**content, "field_of_a_newer_version": [1, {"a": 2}]}
    assert kind.parse(newer, "x").plain() == newer


@pytest.mark.parametrize(("kind", "content"), KINDS, ids=IDS)
def test_record_cannot_be_changed(kind, content):
    record = kind.parse(content, "x")
    with pytest.raises(ValueError, match="frozen"):
        record.train_s = 0.0


def test_older_result_has_defaults_that_are_not_written():
    older = without(RESULT, *ADDED_LATER)
    record = ResultRecord.parse(older, "x")
    assert (record.engine, record.dead_classes, record.span) == (1, 0, (0, 10_000))
    assert (record.published_remark, record.plugins, record.stacked) == (None, {}, ())
    assert record.plain() == older
    assert record.listed().plain() == without(older, "config", "wrong_images", "curve")


def test_older_stage_was_alone_and_had_no_teachers():
    record = StageRecord.parse(without(STAGE, "stacked", "previous", "teachers"), "x")
    assert (record.stacked, record.previous, record.teachers) == (False, None, ())


def test_row_of_the_board_has_all_but_the_large_fields():
    row = result().listed()
    assert (row.config, row.wrong_images, row.curve) == (None, None, None)
    assert row.errors == result().errors
    assert not isinstance(row, ResultRecord)


@pytest.mark.parametrize("rate", [0.001, (0.01, 0.001)])
def test_learning_rate_is_a_number_or_a_pair(rate):
    assert history_row(lr=rate).lr == rate


FORGED = [
    (without(RESULT, "rung"), "field `rung` is missing"),
    (without(RESULT, "ended"), "field `ended` is missing"),
    (without(RESULT, "curve"), "field `curve` is missing"),
    ({**RESULT, "seed": "one"}, "field `seed` should be a valid integer, but is 'one'"),
    ({**RESULT, "seed": 1.5}, "field `seed` should be a valid integer, but is 1.5"),
    ({**RESULT, "errors": True}, "field `errors` should be a valid integer, but is True"),
    ({**RESULT, "accuracy": "92"}, "field `accuracy` should be a valid number, but is '92'"),
    ({**RESULT, "accuracy": None}, "field `accuracy` should be a valid number, but is None"),
    ({**RESULT, "data": "mnist"}, "field `data` should be a mapping, but is 'mnist'"),
    ({**RESULT, "data": {"name": "mnist"}}, "field `data.sha256` is missing"),
    ({**RESULT, "config": [1]}, r"field `config` should be a mapping, but is \[1\]"),
    ({**RESULT, "overrides": "seed=1"}, "field `overrides` should be a list, but is 'seed=1'"),
    ({**RESULT, "wrong_images": [1, "2"]}, r"field `wrong_images\.1` should be a valid integer"),
    ({**RESULT, "scored": [0]}, r"field `scored\.1` is missing"),
    (
        {**RESULT, "title": ["x"] * 99},
        r"field `title` should be a valid string, but is .{40}\.\.\.",
    ),
]


@pytest.mark.parametrize(("content", "expected"), FORGED, ids=range(len(FORGED)))
def test_forged_result_is_refused_in_a_line_that_names_file_and_field(tmp_path, content, expected):
    path = results.result_path(tmp_path, "model02_normalized", RESULT["result_id"])
    path.parent.mkdir(parents=True)
    path.write_bytes(sealed.seal(content))
    with pytest.raises(CorruptError, match=expected) as caught:
        list(results.all_results(tmp_path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_number_that_json_does_not_know_is_refused(tmp_path, value):
    path = tmp_path / "x.json"
    raw = sealed.seal(RESULT).decode()
    path.write_text(raw.replace('"errors": 800', f'"errors": {value}'))
    with pytest.raises(CorruptError, match="no record of mnistladder"):
        results.load_result(path)


def test_board_with_a_forged_row_names_the_row(tmp_path):
    path = tmp_path / leaderboard.BOARD
    good = result().listed().plain()
    path.write_bytes(sealed.seal({"results": [good, without(good, "device")]}))
    with pytest.raises(
        CorruptError, match=r"leaderboard\.json: result 2: field `device` is missing"
    ):
        leaderboard.load_board(path)
    path.write_bytes(sealed.seal({"results": [3]}))
    with pytest.raises(CorruptError, match="result 1: the record should be a mapping, but is 3"):
        leaderboard.load_board(path)
    path.write_bytes(sealed.seal({"results": [good, good]}))
    assert leaderboard.load_board(path) == [BoardRow.parse(good, "")] * 2


def test_command_ends_with_exit_code_4_and_no_traceback(tmp_path):
    path = results.result_path(tmp_path, "a", "a0")
    path.parent.mkdir(parents=True)
    path.write_bytes(sealed.seal(without(RESULT, "ended")))
    done = call("report", "--runs-dir", ".", cwd=tmp_path)
    assert done.returncode == ExitCode.CORRUPT
    assert "a0.json: field `ended` is missing; passed over" in done.stderr
    path.write_bytes(sealed.seal({**RESULT, "rung": "a", "result_id": "a0"}))
    assert call("report", "--runs-dir", ".", cwd=tmp_path).returncode == ExitCode.OK


def finished(folder, rows=(ROW,), **changes):
    """A store with a finished stage "k" of these history rows, then its record changed."""
    from mnistladder.runs.stage_store import RECORD, Progress

    store = StageStore(folder)
    config = Config.model_construct(title="T", model=(), phases=())
    record = stage_record()
    history = [HistoryRow.model_construct(set(row), **row) for row in rows]
    store.finish(record, config, Progress(b"weights", history), [[0.5]])
    path = store.root / "k" / RECORD
    content = sealed.unseal(path.read_bytes(), "")
    path.write_bytes(sealed.seal({k: v for k, v in {**content, **changes}.items() if v != "gone"}))
    return store


def test_forged_stage_names_the_field(tmp_path):
    store = finished(tmp_path, files="gone")
    with pytest.raises(CorruptError, match=r"record\.json: field `files` does not name "):
        store.checkpoint("k")
    store = finished(tmp_path / "b", test_errors="3")
    with pytest.raises(CorruptError, match=r"record\.json: field `test_errors` should be a valid"):
        store.record("k")


def test_forged_history_names_the_line(tmp_path):
    store = finished(tmp_path, rows=[ROW, without(ROW, "loss")])
    with pytest.raises(CorruptError, match=r"history\.jsonl:2: field `loss` is missing"):
        store.history("k")
    assert finished(tmp_path / "b", rows=[ROW, ROW]).history("k") == [history_row()] * 2


PROGRESS = {
    "file": "epoch-0001.safetensors",
    "file_sha256": "0",
    "history": [ROW],
    "resumed": 0,
    "stacked": False,
}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({**PROGRESS, "file": "../elsewhere"}, "field `file` "),
        ({**PROGRESS, "history": []}, "field `history` "),
        ({**PROGRESS, "history": [{**ROW, "images": None}]}, r"field `history\.0\.images` should"),
        (without(PROGRESS, "resumed"), "field `resumed` is missing"),
    ],
)
def test_forged_progress_names_the_field(tmp_path, content, expected):
    path = tmp_path / "members" / "k" / "progress.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(sealed.seal(content))
    store = StageStore(tmp_path)
    for read in (store.progress, store.history_so_far):
        with pytest.raises(CorruptError, match=rf"progress\.json: {expected}"):
            read("k")
    path.write_bytes(sealed.seal(without(PROGRESS, "stacked")))
    assert store.history_so_far("k") == [history_row()]
    assert not StageProgress.parse(without(PROGRESS, "stacked"), "").stacked


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"predicted": "12x"}, "field `predicted` "),
        ({"predicted": 12}, "field `predicted` should be a valid string"),
        ({"confidence": "?"}, "field `confidence` should be base64 of float32"),
        ({"confidence": "AAAA"}, "field `confidence` should be base64 of float32"),
        ({"confidence": "AAAAAA=="}, "field `confidence` should have a number for each prediction"),
    ],
)
def test_forged_predictions_name_the_field(tmp_path, changes, expected):
    content = {"result_id": RESULT["result_id"], "predicted": "12", "confidence": "AAAAAAAAAAA="}
    path = tmp_path / "predictions" / f"{RESULT['result_id']}.json"
    path.parent.mkdir()
    path.write_bytes(sealed.seal({**content, **changes}))
    with pytest.raises(CorruptError, match=expected):
        predictions.load(result(), tmp_path, None)
    path.write_bytes(sealed.seal(content))
    with pytest.raises(CorruptError, match="other predictions than its record names"):
        predictions.load(result(), tmp_path, None)
