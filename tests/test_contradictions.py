"""Records that cannot be true are refused in a line, before anybody computes with them."""

import pytest
from commands import call
from record_data import RESULT, result

from mnistladder import sealed
from mnistladder.errors import CorruptError, ExitCode
from mnistladder.runs import leaderboard, results
from mnistladder.runs.contradictions import checked

CASES = [
    ({"scored": [5, 5]}, "field `scored` is no part of a test set: 5 to 5"),
    ({"scored": [-1, 5]}, "field `scored` is no part"),
    ({"scored": [0, 10**12]}, "field `scored` is no part"),
    ({"errors": -1}, "-1 errors of 10000 test images"),
    ({"errors": 10_001}, "10001 errors of 10000 test images"),
    ({"test_images": 0, "errors": 0}, "0 errors of 0 test images"),
    ({"test_images": 10**12}, "800 errors of 1000000000000"),
    ({"member_keys": []}, "lists of networks have different lengths"),
    ({"member_seeds": [0, 1]}, "lists of networks have different lengths"),
    ({"weights_sha256": []}, "lists of networks have different lengths"),
    ({"per_class_errors": [800]}, "field `per_class_errors` has not 10 numbers"),
    ({"wrong_images": [1, 10_000]}, "an image that is not scored"),
    ({"wrong_images": [-1]}, "an image that is not scored"),
    ({"curve": {"loss": [0.5], "test_accuracy": []}}, "lists of different lengths"),
]


def test_record_that_may_be_true_is_passed_on():
    assert checked(result(), "x") == result()
    assert checked(result().listed(), "x") == result().listed()


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_record_that_cannot_be_true_is_refused(tmp_path, changes, expected):
    path = results.result_path(tmp_path, RESULT["rung"], RESULT["result_id"])
    path.parent.mkdir(parents=True)
    path.write_bytes(sealed.seal({**RESULT, **changes}))
    with pytest.raises(CorruptError, match=expected):
        results.load_result(path)
    for command in (["report"], ["report", "--curves"], ["leaderboard"], ["check"]):
        done = call(*command, "--runs-dir", ".", cwd=tmp_path)
        assert done.returncode == ExitCode.CORRUPT


def test_board_that_cannot_be_true_is_refused(tmp_path):
    path = tmp_path / leaderboard.BOARD
    row = result(errors=20_000).listed().plain()
    path.write_bytes(sealed.seal({"results": [row]}))
    with pytest.raises(CorruptError, match="result 1: 20000 errors of 10000 test images"):
        leaderboard.load_board(path)
