"""The committed results stay what they are: their ids follow from today's configs."""

import json
from functools import cache
from pathlib import Path

import pytest

from mnistladder.config.loading import load_rung, shipped_names, variant_names
from mnistladder.data.datasets import find
from mnistladder.ladder.attempts import Attempt

RESULTS = Path(__file__).parents[1] / "results" / "results"


@cache
def rung(name):
    return load_rung(name)


def records():
    """The committed records of shipped rungs without overrides."""
    known = {*shipped_names(), *variant_names()}
    whole = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*/*.json"))]
    return [r for r in whole if r["rung"] in known and not r["overrides"]]


RECORDS = records()


def test_every_shipped_rung_has_committed_results():
    assert {record["rung"] for record in RECORDS} >= set(shipped_names())


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: f"{r['rung']}-{r['seed']}")
def test_committed_result_has_the_id_of_its_rung_and_seed(record):
    attempt = Attempt(rung(record["rung"]), record["seed"], find("mnist"))
    assert attempt.result_id == record["result_id"]


def test_another_seed_has_another_id():
    first = RECORDS[0]
    attempt = Attempt(rung(first["rung"]), first["seed"] + 1, find("mnist"))
    assert attempt.result_id != first["result_id"]
