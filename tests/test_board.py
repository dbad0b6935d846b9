"""The committed board: what it claims can be had from its records by other means."""

import json
import os
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
UNTRAINED = {  # controls that the board has no results of yet
    "model08_batchnorm_4_epochs",
    "model09_dropout_annealing",
    "model09_dropout_batch_128",
}
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


def trained_variants():
    return [name for name in variant_names() if name not in UNTRAINED]


def test_every_rung_and_variant_has_its_seeds_from_0_on(records):
    seeds = {
        name: [r.seed for r in records if r.rung == name]
        for name in (*shipped_names(), *trained_variants())
    }
    counts = Counter(record.rung for record in records)
    assert counts == {name: len(found) for name, found in seeds.items()}
    assert all(found == list(range(len(found))) for found in seeds.values())
    for number, name in enumerate(shipped_names(), 1):
        assert len(seeds[name]) == SEEDS[number]
    assert all(len(seeds[name]) >= 2 for name in trained_variants())


def test_leaderboard_follows_from_the_records(tmp_path, records):
    for record in records:
        leaderboard.add_result(tmp_path, record)
    assert (tmp_path / leaderboard.BOARD).read_bytes() == (BOARD / leaderboard.BOARD).read_bytes()


def test_each_step_has_its_test_and_each_row_its_interval_and_verdict(rows):
    for name in shipped_names():
        row = rows[name]
        assert row.errors_interval[0] <= row.errors_mean <= row.errors_interval[1]
        assert row.verdict in ("reproduced", "better", "worse", "too few seeds")
        assert (row.step is None) == (name == "model01_linear")
    assert all(rows[name].step.rung == rows[name].variant_of for name in trained_variants())


def test_verdict_is_open_where_the_interval_says_little(rows):
    """Rung 12 was called reproduced by two seeds and an interval of 0 to 84."""
    is_open = {name for name in shipped_names() if rows[name].verdict == "too few seeds"}
    assert is_open == {"model01_linear", "model12_averaging", "model13_pseudolabel"}


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
    assert texts == [
        "Difference: -23.1 errors, 95 % interval -43.0 to -3.2; the second makes fewer",
        "Difference: +23.1 errors, 95 % interval 3.2 to 43.0; the second makes more",
    ]


def test_compare_and_report_say_the_same_of_a_step(tmp_path, rows):
    """`compare` once showed the step to rung 6, with the other sign, and `report` did not."""
    listed = commands.call("report", "--json", "--runs-dir", BOARD, cwd=tmp_path).stdout
    steps = {row["name"]: row["step"] for row in json.loads(listed)}
    assert steps["model01_linear"] is None
    for name in ("model06_maxpool", "model10_augmentation", "model09_dropout_bfloat16"):
        step = steps[name]
        pair = [step["before"], name, "--runs-dir", BOARD]
        found = json.loads(commands.call("compare", *pair, "--json", cwd=tmp_path).stdout)
        answer = ("before", "difference", "interval", "p", "p_holm")
        assert {key: found[key] for key in answer} == {key: step[key] for key in answer}
        assert (step["p_holm"] is None) == (name in variant_names())
        said = commands.call("compare", *pair, cwd=tmp_path).stdout
        assert ("The difference is shown." in said) == rows[name].step.is_significant


def test_compare_names_both_p_and_says_which_counts(tmp_path):
    said = commands.call("compare", "5", "6", "--runs-dir", BOARD, cwd=tmp_path).stdout
    assert "p = 0.025: this comparison alone" in said
    assert "p = 0.152: after Holm over the ladder" in said
    assert "~ No difference is shown. The p after Holm counts when" in said
    said = commands.call("compare", "4", "6", "--runs-dir", BOARD, cwd=tmp_path).stdout
    assert "Holm" not in said
    assert "The difference is shown." in said


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
    welch = stats.ttest_ind(*counts[::-1], equal_var=False)
    assert found["difference"] == pytest.approx(np.mean(counts[1]) - np.mean(counts[0]))
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
