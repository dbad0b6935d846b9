"""Records are written once and believed only whole; the board follows from them."""

import json
import os
import shutil

import pytest
from record_data import RESULT, result

from mnistladder import sealed
from mnistladder.api import naming
from mnistladder.errors import CorruptError
from mnistladder.runs import leaderboard, results


def record(rung="a", seed=0, **changes):
    return result(
        **{"rung": rung, "seed": seed, "result_id": f"{rung}{seed}", "errors": 5, **changes}
    )


@pytest.fixture
def runs(tmp_path):
    for rung, seed in (("b", 0), ("a", 1), ("a", 0)):
        leaderboard.add_result(tmp_path, record(rung, seed))
    return tmp_path


def path_of(runs, rung="a", seed=0):
    return results.result_path(runs, rung, f"{rung}{seed}")


def test_record_is_written_once(runs):
    before = path_of(runs).read_bytes()
    leaderboard.add_result(runs, record(errors=6))
    assert path_of(runs).read_bytes() == before
    assert results.find_result(runs, "a", "a0").errors == 5


def test_record_that_is_not_there_is_none(runs):
    assert results.find_result(runs, "a", "zzz") is None


def test_board_lists_rungs_and_seeds_in_order_without_what_is_large(runs):
    rows = leaderboard.load_board(runs / leaderboard.BOARD)
    assert [(row.rung, row.seed) for row in rows] == [("a", 0), ("a", 1), ("b", 0)]
    large = {"config", "wrong_images", "curve"}
    for row in rows:
        assert list(row.plain()) == ["schema", *(name for name in RESULT if name not in large)]


def test_board_from_the_same_records_has_the_same_bytes(runs, tmp_path_factory):
    before = (runs / leaderboard.BOARD).read_bytes()
    (runs / leaderboard.BOARD).unlink()
    assert leaderboard.rebuild_board(runs) == (None, ())
    assert (runs / leaderboard.BOARD).read_bytes() == before
    other = tmp_path_factory.mktemp("other")
    for rung, seed in (("a", 0), ("b", 0), ("a", 1)):
        leaderboard.add_result(other, record(rung, seed))
    assert (other / leaderboard.BOARD).read_bytes() == before
    leaderboard.add_result(other, record("a", 2))
    assert (other / leaderboard.BOARD).read_bytes() != before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: text.replace('"errors": 5', '"errors": 4'), "damaged or edited"),
        (lambda text: text[: len(text) // 2], "no record of mnistladder"),
        (lambda text: "", "no record of mnistladder"),
        (lambda text: "[1]", "no record of mnistladder"),
        (lambda text: "[" * 100_000, "no record of mnistladder"),
        (lambda text: json.dumps({"schema": 1}), "no record of mnistladder"),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "schema 2, this .* schema 1"),
    ],
)
def test_record_that_is_not_what_was_written_is_refused(runs, change, expected):
    path = path_of(runs)
    path.write_text(change(path.read_text()))
    with pytest.raises(CorruptError, match=expected):
        results.load_result(path)


def test_edited_board_is_refused_and_rebuilt_from_the_records(runs):
    path = runs / leaderboard.BOARD
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"errors": 5', b'"errors": 4', 1))
    with pytest.raises(CorruptError, match="damaged or edited"):
        leaderboard.load_board(path)
    aside = leaderboard.rebuild_board(runs).aside
    assert path.read_bytes() == before
    assert b'"errors": 4' in aside.read_bytes()
    assert leaderboard.rebuild_board(runs).aside is None


def test_board_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(sealed.seal({"results": 3}))
    with pytest.raises(CorruptError, match="no leaderboard"):
        leaderboard.load_board(path)


def test_missing_board_is_empty_and_a_folder_is_told(tmp_path):
    assert leaderboard.load_board(tmp_path / "none.json") == []
    with pytest.raises(CorruptError, match="not a regular file"):
        leaderboard.load_board(tmp_path)


def test_swapped_records_are_not_believed(runs):
    first, second = path_of(runs, seed=0), path_of(runs, seed=1)
    first.rename(runs / "kept")
    second.rename(first)
    (runs / "kept").rename(second)
    with pytest.raises(CorruptError, match=r"a0\.json: in the wrong place: it is result a1 of a"):
        results.find_result(runs, "a", "a0")
    assert [record.result_id for record in results.stored_results(runs).records] == ["b0"]


def test_copied_record_does_not_count_twice(runs):
    copies = [runs / "results" / place for place in ("a/a9.json", "c/a0.json")]
    copies[1].parent.mkdir()
    for copy in copies:
        shutil.copy(path_of(runs), copy)
    stored = results.stored_results(runs)
    assert [record.result_id for record in stored.records] == ["a0", "a1", "b0"]
    assert list(stored.damaged) == copies


@pytest.mark.parametrize("rung", ["../../x", "/etc", "a/b", "..", "", "x" * 65, "a\n", "-a"])
def test_name_that_would_lead_elsewhere_is_refused(tmp_path, rung):
    path = tmp_path / "results" / "a" / "a0.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(sealed.seal({**RESULT, "rung": rung, "result_id": "a0"}))
    with pytest.raises(CorruptError, match="field `rung` has another form"):
        results.load_result(path)


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def link_to(target):
    def replace(path):
        path.unlink()
        path.symlink_to(target)

    return replace


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "pipe": pipe,
    "endless": link_to("/dev/zero"),
    "nowhere": link_to("none"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_record_is_named_and_the_others_count(runs, damage):
    damage(path_of(runs))
    told = []
    stored = results.stored_results(runs, told.append)
    assert [record.result_id for record in stored.records] == ["a1", "b0"]
    assert told[0].startswith(f"{path_of(runs)}: ")
    assert told[0].endswith("; passed over")
    assert told[1:] == [f"what mends them: mnistladder check --runs-dir {runs}"]
    assert naming.result("a", runs, 1).result_id == "a1"
    with pytest.raises(CorruptError, match="no such result among the 2 that can be read"):
        naming.result("a", runs, 0)


def test_only_a_few_damaged_records_are_told_one_by_one(runs):
    for number in range(9):
        (runs / "results" / "a" / f"x{number}.json").touch()
    told = []
    results.stored_results(runs, told.append)
    assert len(told) == results.MOST_TOLD + 1
    assert told[-1].startswith("4 more damaged records; what mends them: ")


def test_damaged_record_keeps_no_other_off_the_board(runs):
    DAMAGES["cut"](path_of(runs))
    (runs / leaderboard.BOARD).unlink()
    written = leaderboard.add_result(runs, record("a", 2))
    listed = leaderboard.load_board(runs / leaderboard.BOARD)
    assert [row.result_id for row in listed] == ["a1", "a2", "b0"]
    assert "a0.json" in written.damaged[0]


def test_board_compares_what_it_lists_not_how_much(runs):
    """One record gone and one added leave the number as it was."""
    path_of(runs, "b").unlink()
    assert not leaderboard.is_current(runs, [])
    leaderboard.add_result(runs, record("a", 2))
    after = (runs / leaderboard.BOARD).read_bytes()
    listed = leaderboard.load_board(runs / leaderboard.BOARD)
    assert [row.result_id for row in listed] == ["a0", "a1", "a2"]
    assert leaderboard.is_current(runs, [record("a", 0)])
    assert not leaderboard.is_current(runs, [record("b", 0)])
    leaderboard.rebuild_board(runs)
    assert (runs / leaderboard.BOARD).read_bytes() == after


def test_missing_record_is_told(tmp_path):
    with pytest.raises(CorruptError, match="cannot be read"):
        results.load_result(tmp_path / "none.json")


def test_sealed_record_is_read_again():
    content = {"a": 1, "b": [0.1, "\xe9", None]}
    assert sealed.unseal(sealed.seal(content), "x") == {"schema": 1, **content}


def test_digest_ignores_the_order_of_keys_and_sees_values():
    assert sealed.digest({"a": 1, "b": 2}) == sealed.digest({"b": 2, "a": 1})
    assert sealed.digest({"a": 1}) != sealed.digest({"a": 2})
    assert sealed.digest({"a": 1}) == (
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_record_holds_no_infinities(value):
    with pytest.raises(ValueError, match="JSON"):
        sealed.seal({"loss": value})
