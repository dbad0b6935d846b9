"""Which digits the galleries show, from the committed board."""

from pathlib import Path

import numpy as np
import pytest

from mnistladder.api import naming
from mnistladder.config.loading import shipped_names
from mnistladder.data import contested, datasets
from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.report import difficulty, gallery
from mnistladder.runs import predictions, results

BOARD = Path(__file__).parents[1] / "results"


@pytest.fixture(scope="module")
def rung9():
    return predictions.load(naming.result("model09_dropout", BOARD), BOARD, datasets.find("mnist"))


@pytest.fixture(scope="module")
def averaged():
    return predictions.load(
        naming.result("model12_averaging", BOARD), BOARD, datasets.find("mnist")
    )


@pytest.fixture(scope="module")
def board():
    return list(results.all_results(BOARD))


def test_there_are_the_four_views_of_the_article(rung9):
    views = {view.name: view.pictures for view in gallery.views(rung9, 0)}
    assert list(views) == ["random-right", "random-wrong", "sure-right", "sure-wrong"]
    assert [len(views[name]) for name in ("random-right", "random-wrong", "sure-right")] == [
        10,
        10,
        100,
    ]
    for name, pictures in views.items():
        assert all(picture.is_right == name.endswith("right") for picture in pictures)


def test_random_picks_follow_their_seed_alone(rung9):
    first, again, other = (
        [[p.id for p in view.pictures] for view in gallery.views(rung9, seed)] for seed in (0, 0, 1)
    )
    assert first == again
    assert first[:2] != other[:2]
    assert first[2:] == other[2:]


@pytest.mark.parametrize("kind", ["right", "wrong"])
def test_surest_are_the_highest_probabilities_of_each_digit(rung9, kind):
    [view] = [view for view in gallery.views(rung9, 0) if view.name == f"sure-{kind}"]
    for digit in range(10):
        chosen = (rung9.labels == digit) & (rung9.wrong == (kind == "wrong"))
        best = np.sort(rung9.confidence[chosen])[::-1][:10]
        shown = [picture.probability for picture in view.pictures if picture.label == digit]
        assert shown == pytest.approx(best.tolist())


def test_every_error_is_shown_once(averaged):
    pictures = gallery.every_error(averaged)
    assert sorted(p.id for p in pictures) == averaged.ids[averaged.wrong].tolist()
    assert [p.label for p in pictures] == sorted(p.label for p in pictures)
    assert {p.id for p in pictures if p.contested} == contested.ids() & {p.id for p in pictures}
    assert any(p.contested for p in pictures)


def test_pictures_say_what_was_said(averaged):
    picture = next(p for p in gallery.every_error(averaged) if p.id == 6597)
    assert (picture.said, picture.sure) == ("0 as 7", "95.2 %")
    assert (picture.pixels == datasets.find("mnist").load().test.images[6597]).all()
    mark = next(p for p in gallery.every_error(averaged) if p.contested)
    assert mark.said == f"{mark.label}? as {mark.predicted}"


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.5, "50.0 %"),
        (0.9989, "99.9 %"),
        (0.99951, "99.95 %"),
        (0.9999999, "99.99 %"),
        (1.0, "100 %"),
    ],
)
def test_only_a_certain_prediction_is_called_so(probability, text):
    assert gallery.percent(probability) == text


def test_difficulty_is_that_of_most_seeds(board):
    found = difficulty.measure(board, MNIST_SHA256)
    assert list(found.rungs) == shipped_names()
    rung1 = [set(r.wrong_images) for r in board if r.rung == "model01_linear"]
    for image in (0, 8, 445, 9999):
        wrong = sum(image in each for each in rung1)
        assert found.right[0, image] == (wrong < len(rung1) / 2)
    firsts = [found.first_right(image) for image in range(0, 10_000, 97)]
    assert firsts.count("model01_linear") > 50


def test_what_no_rung_gets_right_is_wrong_in_most_seeds_of_all(board):
    found = difficulty.measure(board, MNIST_SHA256)
    assert 5 < len(found.never_right) < 30
    for image in found.never_right:
        assert found.first_right(image) is None
        best = [image in r.wrong_images for r in board if r.rung == "model11_annealing"]
        assert sum(best) >= len(best) / 2
