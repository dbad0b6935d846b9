"""Aggregation and formats of the board."""

import csv
import io
import json

import pytest

from mnistladder import report

MACHINE = {"device": "cpu", "device_name": "A processor", "ended": "2026-01-02T03:04:05+00:00"}


def record(rung="model02_normalized", seed=0, errors=800, **changes):
    return {
        "rung": rung, "overrides": [], "title": "Normalisation", "seed": seed, "members": 1,
        "parameters": 7850, "epochs": 5, "errors": errors, "accuracy": 100 - errors / 100,
        "published_accuracy": 92.44, "train_s": 3.0, "transductive": False, "config_sha256": "a",
        "data": {"name": "mnist", "sha256": "m"}, **MACHINE, **changes,
    }  # fmt: skip


def test_row_has_mean_and_deviation_over_all_seeds():
    [row] = report.make_rows([record(seed=seed, errors=800 + seed * 10) for seed in range(3)])
    assert (row.n, row.seeds, row.errors_mean, row.errors_sd) == (3, (0, 1, 2), 810, 10)
    assert (row.accuracy_mean, row.accuracy_sd) == pytest.approx((91.9, 0.1))
    assert row.difference == pytest.approx(91.9 - 92.44)


def test_single_seed_has_no_deviation():
    [row] = report.make_rows([record()])
    assert (row.n, row.errors_sd, row.accuracy_sd) == (1, None, None)
    assert "±" not in " ".join(report.cells(row))


@pytest.mark.parametrize(
    "changes",
    [{"config_sha256": "b"}, {"data": {"name": "other", "sha256": "o"}}, {"rung": "model03"}],
)
def test_what_differs_in_rung_config_or_data_is_another_row(changes):
    assert len(report.make_rows([record(), record(seed=1, **changes)])) == 2


def test_rows_do_not_depend_on_the_order_of_results():
    results = [record(seed=seed, errors=700 + seed**2) for seed in range(5)]
    assert report.make_rows(results) == report.make_rows(reversed(results))


def test_averaged_rung_shows_its_members():
    [row] = report.make_rows([record(members=5)])
    assert "5 x 7,850" in report.cells(row)


def test_transductive_row_is_marked_and_explained():
    rows = report.make_rows([record(transductive=True)])
    assert "(transductive)" in report.cells(rows[0])[1]
    assert any(note.startswith("Transductive") for note in report.notes(rows))


@pytest.mark.parametrize(
    ("by", "first"),
    [("rung", "r1"), ("accuracy", "r2"), ("errors", "r2"), ("time", "r3"), ("parameters", "r2")],
)
def test_sort_puts_the_best_first(by, first):
    rows = report.make_rows([
        record("r1", errors=9, train_s=9.0, parameters=9),
        record("r2", errors=1, train_s=5.0, parameters=1),
        record("r3", errors=5, train_s=1.0, parameters=5),
    ])  # fmt: skip
    assert report.sort_rows(rows, by)[0].rung == first


def test_csv_and_json_hold_the_same_rows():
    rows = report.make_rows([record(), record("r2", errors=3, published_accuracy=None)])
    from_json = json.loads(report.to_json(rows))
    from_csv = list(csv.DictReader(io.StringIO(report.to_csv(rows))))
    assert [row["rung"] for row in from_json] == [row["rung"] for row in from_csv]
    assert from_json[1]["published_accuracy"] is None
    assert float(from_csv[0]["errors_mean"]) == from_json[0]["errors_mean"]


def test_markdown_has_as_many_cells_in_every_line():
    table = report.markdown(report.make_rows([record(), record("r2")])).split("\n\n")[0]
    assert {line.count("|") for line in table.splitlines()} == {len(report.HEADINGS) + 1}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3599, "59 min 59 s"),
     (3660, "1 h 01 min")],
)  # fmt: skip
def test_duration_takes_two_units_at_most(seconds, text):
    assert report.duration(seconds) == text
