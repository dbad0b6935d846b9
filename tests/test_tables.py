"""Aggregation and formats of the board."""

import csv
import io
import json

import pytest
from record_data import result

from mnistladder.report import formats, notes, tables
from mnistladder.report.summary import make_rows


def record(rung="model02_normalized", seed=0, errors=800, **changes):
    known = {"rung": rung, "seed": seed, "errors": errors, "accuracy": 100 - errors / 100}
    return result(**{**known, **changes})


def test_averaged_rung_shows_its_members():
    [row] = make_rows([record(members=5)])
    assert "5 x 7,850" in tables.cells(row)


def test_transductive_row_is_marked_and_explained():
    rows = make_rows([record(transductive=True)])
    assert "(transductive)" in tables.cells(rows[0])[1]
    assert any(note.startswith("Transductive") for note in notes.notes(rows))


@pytest.mark.parametrize(
    ("by", "first"),
    [("rung", "r1"), ("accuracy", "r2"), ("errors", "r2"), ("time", "r3"), ("parameters", "r2")],
)
def test_sort_puts_the_best_first(by, first):
    rows = make_rows(
        [
            record("r1", errors=9, train_s=9.0, parameters=9),
            record("r2", errors=1, train_s=5.0, parameters=1),
            record("r3", errors=5, train_s=1.0, parameters=5),
        ]
    )
    assert tables.sort_rows(rows, by)[0].rung == first


def test_csv_and_json_hold_the_same_rows():
    rows = make_rows([record(), record("r2", errors=3, published_accuracy=None)])
    from_json = json.loads(formats.to_json(rows))
    from_csv = list(csv.DictReader(io.StringIO(formats.to_csv(rows))))
    assert [row["rung"] for row in from_json] == [row["rung"] for row in from_csv]
    assert from_json[1]["published_accuracy"] is None
    assert float(from_csv[0]["errors_mean"]) == from_json[0]["errors_mean"]


def test_short_notes_say_of_how_many_images_starred_errors_are():
    rows = make_rows([record(), record("r2", test_images=256)])
    assert [tables.SHORT_COLUMNS[3].text(row) for row in rows] == ["800", "800*"]
    assert "of 10,000 test images (*: of 256)." in notes.short_notes(rows)[0]
    assert "*" not in notes.short_notes(rows[:1])[0]


def test_short_notes_name_three_transductive_rungs_at_most():
    rows = make_rows([record(f"r{n}", transductive=True) for n in range(5)])
    assert "r0, r1, r2 and 2 more." in " ".join(notes.short_notes(rows))


def test_rungs_with_dead_classes_show_each_seed():
    rows = make_rows([record(seed=s, errors=3000 + s, dead_classes=s) for s in (0, 2)])
    lines = notes.histograms(rows)
    assert [line.split()[-2:] for line in lines[1:]] == [["0", "dead"], ["2", "dead"]]
    assert notes.histograms(make_rows([record(), record(seed=1)])) == []


def test_remark_explains_a_figure_that_was_not_reproduced():
    known = {"published_remark": "another run's"}
    worse, same = ([record(seed=s, errors=e + s, **known) for s in (0, 1, 2)] for e in (900, 755))
    assert "model02_normalized: worse; another run's." in notes.notes(make_rows(worse))
    assert not any("another" in note for note in notes.notes(make_rows(same)))


def test_markdown_has_as_many_cells_in_every_line():
    table = formats.markdown(make_rows([record(), record("r2")])).split("\n\n")[0]
    assert {line.count("|") for line in table.splitlines()} == {len(tables.COLUMNS) + 1}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (61, "1 min 01 s"),
        (3599, "59 min 59 s"),
        (3660, "1 h 01 min"),
    ],
)
def test_duration_takes_two_units_at_most(seconds, text):
    assert tables.duration(seconds) == text
