"""How a table is fitted to a terminal: what folds, what is left out, and that no word breaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistladder.cli.layout import fit, shortened, told_apart

HEADINGS = ["rung", "seed", "networks to train"]
ROWS = [["model01_linear", "10", "1"], ["model02", "2", "1"]]


@pytest.mark.parametrize(
    ("width", "shown", "widths", "gap"),
    [
        (39, [0, 1, 2], [14, 4, 17], 2),
        (38, [0, 1, 2], [14, 4, 8], 2),  # the heading takes two lines
        (29, [0, 1, 2], [14, 4, 8], 1),
        (27, [0, 2], [14, 8], 2),
    ],
)
def test_headings_fold_then_gaps_shrink_then_columns_go(width, shown, widths, gap):
    layout = fit(HEADINGS, ROWS, width, drops=["seed"])
    assert (layout.shown, layout.widths, layout.gap) == (shown, widths, gap)


def test_prose_wraps_at_words_and_names_stay_whole():
    rows = [["model01_linear", "a sentence of several words"]]
    layout = fit(["rung", ""], rows, 30)
    assert (layout.widths, layout.width) == ([14, 15], 30)
    assert fit(["rung", ""], rows, 5).widths == [14, len("sentence")]


def test_table_without_rows_is_as_wide_as_its_headings():
    assert fit(HEADINGS, [], 80).widths == [4, 4, 17]


words = st.text("abcd", min_size=1, max_size=12)
sentences = st.lists(words, min_size=1, max_size=4).map(" ".join)


@given(st.lists(sentences, min_size=1, max_size=4), st.integers(1, 80))
def test_no_column_is_narrower_than_its_longest_word(cells, width):
    layout = fit(["x"] * len(cells), [cells], width)
    for cell, column in zip(cells, layout.widths, strict=True):
        assert column >= max(map(len, cell.split()))


@pytest.mark.parametrize(
    ("width", "text"),
    [(19, "Input normalisation"), (18, "Input…"), (6, "Input…"), (5, ""), (-3, "")],
)
def test_title_is_shortened_after_a_word(width, text):
    assert shortened("Input normalisation", width) == text
    assert shortened("Learning-rate annealing", 13) == "Learning-…"


def test_names_are_told_apart_by_the_words_that_not_all_have():
    names = ["rung a=1", "rung a=1 b=2", "rung a=1 b={c: 3}"]
    assert told_apart(names) == ["rung a=1", "b=2", "b={c: 3}"]
    assert told_apart(["rung a=1"]) == ["rung a=1"]
    assert told_apart(["one", "two"]) == ["one", "two"]
    assert told_apart([]) == []
