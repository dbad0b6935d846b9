"""The committed board: what it claims can be had from its records by other means."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import commands
import numpy as np
import pytest
from scipy import stats

from mnistladder.config.loading import shipped_names, variant_names
from mnistladder.report import curves
from mnistladder.report.summary import make_rows
from mnistladder.runs import leaderboard, results

BOARD = Path(__file__).parents[1] / "results"
SEEDS = {  # rung number -> seeds declared before the first of them was trained
    **dict.fromkeys(range(1, 10), 10),
    10: 5,
    11: 5,
    12: 2,
    13: 2,
}


@pytest.fixture(scope="module")
def records():
    return list(results.all_results(BOARD))


@pytest.fixture(scope="module")
def rows(records):
    return {row.rung: row for row in make_rows(records)}


def test_every_rung_and_variant_has_its_seeds_from_0_on(records):
    seeds = {
        name: [r.seed for r in records if r.rung == name]
        for name in (*shipped_names(), *variant_names())
    }
    counts = Counter(record.rung for record in records)
    assert counts == {name: len(found) for name, found in seeds.items()}
    assert all(found == list(range(len(found))) for found in seeds.values())
    for number, name in enumerate(shipped_names(), 1):
        assert len(seeds[name]) == SEEDS[number]
    assert all(len(seeds[name]) >= 2 for name in variant_names())


def test_leaderboard_follows_from_the_records(tmp_path, records):
    for record in records:
        leaderboard.add_result(tmp_path, record)
    assert (tmp_path / leaderboard.BOARD).read_bytes() == (BOARD / leaderboard.BOARD).read_bytes()


def test_each_step_has_its_test_and_each_row_its_interval_and_verdict(rows):
    for name in shipped_names():
        row = rows[name]
        assert row.errors_interval[0] <= row.errors_mean <= row.errors_interval[1]
        assert row.verdict in ("reproduced", "better", "worse")
        assert (row.step is None) == (name == "model01_linear")
    assert all(rows[name].step.rung == rows[name].variant_of for name in variant_names())


def test_rung_1_with_the_stable_loss_is_where_the_prototype_was(rows):
    low, high = rows["model01_linear_stable"].errors_interval
    assert 900 < low < high < 1400  # 86 to 91 %
    assert rows["model01_linear_stable"].step.is_significant


def test_constant_rate_is_nearer_to_the_published_log_than_the_schedule(records):
    distances = {table.rung: table.distance for table in curves.beside_published(records)}
    assert distances["model11_annealing_constant"] < 0.5 * distances["model11_annealing"]


def test_compare_says_more_or_fewer(tmp_path):
    pair = ["model05_conv", "model06_maxpool"]
    texts = [
        commands.call("compare", *names, "--runs-dir", BOARD, cwd=tmp_path).stdout.splitlines()[1]
        for names in (pair, pair[::-1])
    ]
    found = [re.search(r"makes ([\d.]+) errors (\w+), 95 % interval (.*);", text) for text in texts]
    assert [match[2] for match in found] == ["fewer", "more"]
    assert found[0].group(1, 3) == found[1].group(1, 3)


@pytest.mark.parametrize(
    "pair",
    [("model05_conv", "model06_maxpool"), ("model11_annealing", "model12_averaging")],
    ids=" ".join,
)
def test_compare_can_be_had_from_the_wrong_images_by_scipy(records, pair):
    done = subprocess.run(
        [sys.executable, "-m", "mnistladder", "compare", *pair, "--json", "--runs-dir", str(BOARD)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    found = json.loads(done.stdout)
    wrong = [[r.wrong_images for r in records if r.rung == name] for name in pair]
    counts = [[len(each) for each in group] for group in wrong]
    welch = stats.ttest_ind(*counts, equal_var=False)
    assert found["fewer"] == pytest.approx(np.mean(counts[0]) - np.mean(counts[1]))
    assert found["tests"]["Welch"] == pytest.approx(welch.pvalue)
    assert found["interval"] == pytest.approx(tuple(welch.confidence_interval()))
    rates = [np.bincount(np.concatenate(group), minlength=10_000) / len(group) for group in wrong]
    difference = rates[0] - rates[1]
    flips = stats.permutation_test(
        (difference[difference != 0],),
        np.sum,
        permutation_type="samples",
        n_resamples=9999,
        rng=np.random.default_rng(1),
        vectorized=True,
    )
    assert found["tests"]["permutation"] == pytest.approx(flips.pvalue, abs=0.01)
    assert found["p"] == max(found["tests"].values())
