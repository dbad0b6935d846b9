"""Which rungs get an image right."""

from pathlib import Path

from mnistladder.report import difficulty
from mnistladder.runs import results

BOARD = results.all_results(Path(__file__).parents[1] / "results")


def test_first_rung_is_the_first_that_most_seeds_of_get_right():
    records = [record for record in BOARD if not record.overrides]
    data = records[0].data.sha256
    found = difficulty.measure(records, data)
    for image in (0, 8, 1014, 4761):
        for rung in found.rungs:
            each = [image in record.wrong_images for record in records if record.rung == rung]
            if 2 * sum(each) < len(each):
                assert found.first_right(image) == rung
                break
        else:
            assert found.first_right(image) is None
            assert image in found.never_right


def test_without_a_measured_rung_nothing_is_said():
    found = difficulty.measure([], "no data")
    assert (found.rungs, found.never_right, found.first_right(0)) == ((), [], None)
