"""Aggregation: every seed counts, every step is tested, and every figure can be had from scipy."""

import numpy as np
import pytest
from record_data import result, wrong_result
from scipy import stats

from mnistladder.config.loading import shipped_names
from mnistladder.data import contested
from mnistladder.data.datasets import MNIST_SHA256
from mnistladder.report import notes, tables
from mnistladder.report.summary import expected_band, make_rows


def record(rung="model02_normalized", seed=0, errors=800, **changes):
    known = {"rung": rung, "seed": seed, "errors": errors, "accuracy": 100 - errors / 100}
    return result(**{**known, **changes})


def test_row_has_mean_and_deviation_over_all_seeds():
    [row] = make_rows([record(seed=seed, errors=800 + seed * 10) for seed in range(3)])
    assert (row.n, row.seeds, row.errors_mean, row.errors_sd) == (3, (0, 1, 2), 810, 10)
    assert (row.accuracy_mean, row.accuracy_sd) == pytest.approx((91.9, 0.1))
    assert row.difference == pytest.approx(91.9 - 92.44)


def test_single_seed_has_no_deviation():
    [row] = make_rows([record()])
    assert (row.n, row.errors_sd, row.accuracy_sd) == (1, None, None)
    assert "±" not in " ".join(tables.cells(row))


def folder(sha256, name="raw"):
    return {"data": {"name": name, "sha256": sha256}}


def test_folders_of_one_name_are_told_apart_by_their_hash():
    first, second = folder("1234567890"), folder("abcdefabcd")
    rows = make_rows([record(**first), record(**second), record(**folder("5", "other"))])
    assert [(row.rung, row.data) for row in rows] == [
        ("model02_normalized [raw 123456]", "raw 123456"),
        ("model02_normalized [other]", "other"),
        ("model02_normalized [raw abcdef]", "raw abcdef"),
    ]
    assert [row.data for row in make_rows([record(**first), record(seed=1, **first)])] == ["raw"]


def test_mnist_is_known_by_its_hash_whatever_its_folder_is_called():
    rows = make_rows([record(**folder(MNIST_SHA256)), record(**folder("1234567890"))])
    assert [row.rung for row in rows] == ["model02_normalized [raw]", "model02_normalized"]
    assert [row.data for row in rows] == ["raw", "mnist"]


def test_own_rungs_and_overridden_ones_come_after_the_ladder():
    overridden = record(overrides=["batch_size=64"], config_sha256="b")
    rows = make_rows([record("mine"), overridden, record("model03_hidden"), record()])
    assert [row.rung for row in tables.sort_rows(rows, "rung")] == [
        "model02_normalized",
        "model03_hidden",
        "model02_normalized batch_size=64",
        "mine",
    ]


def test_two_rows_never_have_one_name():
    """A rung of one's own that was edited has rows of all its configs; the latest is unmarked."""
    days = [f"2026-11-{day}T10:00:00Z" for day in (21, 23, 22)]
    edited = [
        record("mine", config_sha256=sha, ended=day) for sha, day in zip("abc", days, strict=True)
    ]
    names = [row.rung for row in make_rows(edited)]
    assert names[1] == "mine"
    assert len({*names}) == 3
    assert all(name.startswith("mine [earlier config ") for name in (names[0], names[2]))


def test_rows_do_not_depend_on_the_order_of_results():
    results = [record(seed=seed, errors=700 + seed**2) for seed in range(5)]
    assert make_rows(results) == make_rows(reversed(results))


def test_other_data_in_a_folder_called_mnist_are_not_taken_for_mnist():
    other = make_rows([record(data={"name": "mnist", "sha256": "abcdef9876"})])
    assert [row.data for row in other] == ["mnist abcdef"]
    held_out = {"name": "mnist", "sha256": "abcdef9876", "holdout": 1000}
    for data in ({"name": "mnist", "sha256": MNIST_SHA256}, held_out):
        assert [row.data for row in make_rows([record(data=data)])] == ["mnist"]


def test_interval_is_students_over_seeds_and_exact_for_one_draw():
    [row] = make_rows([record(seed=seed, errors=800 + seed * 10) for seed in range(3)])
    assert row.errors_interval == pytest.approx(stats.t.interval(0.95, 2, 810, 10 / 3**0.5))
    [row] = make_rows([record(errors=61)])
    exact = stats.binomtest(61, 10_000).proportion_ci()
    assert row.errors_interval == pytest.approx((1e4 * exact.low, 1e4 * exact.high))
    assert tables.cells(row)[6].endswith("*")


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ([750, 755, 760], "reproduced"),
        ([600, 605, 610], "better"),
        ([900, 901, 905], "worse"),
        ([750, 760], "too few seeds"),
        ([756], "too few seeds"),
        ([600, 610], "too few seeds"),
        ([500, 700, 1000], "too few seeds"),  # the interval is wider than half of 756
        ([600, 700, 800], "too few seeds"),  # 452 to 948: wider than 378, narrower than 756
    ],
)
def test_verdict_is_whether_the_interval_covers_the_published_figure(errors, verdict):
    [row] = make_rows([record(seed=seed, errors=count) for seed, count in enumerate(errors)])
    assert row.verdict == verdict  # published: 756
    [row] = make_rows([record(published_accuracy=None)])
    assert row.verdict is None


def test_overridden_config_has_no_published_figure_and_no_verdict():
    results = [
        record(seed=seed, errors=750 + seed, overrides=["batch_size=64"]) for seed in (0, 1, 2)
    ]
    [row] = make_rows(results)
    assert (row.published_accuracy, row.published_remark, row.verdict) == (None, None, None)
    assert tables.cells(row)[9:11] == ["-", "-"]


def draw(generator, rate):
    return np.flatnonzero(generator.random(10_000) < rate).tolist()


RUNGS = shipped_names()[:4]


@pytest.fixture
def ladder():
    """Four rungs of four seeds each; the second is twice as good as the first, the rest alike."""
    generator = np.random.default_rng(0)
    rates = dict(zip(RUNGS, (0.02, 0.01, 0.01, 0.01), strict=True))
    return [
        wrong_result(n, s, draw(generator, rate)) for n, rate in rates.items() for s in range(4)
    ]


def test_step_is_from_the_rung_before_and_holm_is_over_the_ladder(ladder):
    rows = make_rows(ladder)
    assert [row.step and row.step.rung for row in rows] == [None, *RUNGS[:3]]
    assert [row.step.is_significant for row in rows[1:]] == [True, False, False]
    assert rows[1].step.p == pytest.approx(min(3 * rows[1].step.comparison.p, 1))
    assert ["~" in tables.cells(row)[11] for row in rows[1:]] == [False, True, True]


def test_variant_is_compared_with_its_rung_and_not_part_of_the_ladder(ladder):
    generator = np.random.default_rng(1)
    variants = [
        wrong_result("model01_linear_stable", seed, draw(generator, 0.01)) for seed in range(4)
    ]
    rows = make_rows([*ladder, *variants])
    assert [row.rung for row in rows][:3] == ["model01_linear", "model01_linear_stable", RUNGS[1]]
    assert (rows[1].variant_of, rows[1].step.rung) == ("model01_linear", "model01_linear")
    assert (rows[1].step.p, rows[1].step.p_holm) == (rows[1].step.comparison.p, None)
    assert rows[2].step == make_rows(ladder)[1].step
    assert tables.cells(rows[1])[0].startswith("+ ")


def test_results_of_another_engine_or_config_are_rows_of_their_own(ladder):
    """Old results stay, and are neither pooled nor compared with new ones."""
    generator = np.random.default_rng(2)
    old = [wrong_result(RUNGS[1], seed, draw(generator, 0.2), engine=1) for seed in range(3)]
    edited = [
        wrong_result(RUNGS[1], seed, draw(generator, 0.3), config_sha256="b", ended="2025")
        for seed in range(3)
    ]
    rows = make_rows([*ladder, *old, *edited])
    assert sorted(row.n for row in rows if row.name == RUNGS[1]) == [3, 3, len(ladder) // 4]
    assert [row.rung for row in rows if "[engine 1]" in row.rung] == [f"{RUNGS[1]} [engine 1]"]
    steps = {row.rung: row.step for row in rows if row.step}
    assert steps == {row.rung: row.step for row in make_rows(ladder) if row.step}


def test_board_without_wrong_images_has_no_steps(ladder):
    rows = make_rows(r.listed() for r in ladder)
    assert [row.step for row in rows] == [None] * 4
    assert all(row.step for row in make_rows(ladder)[1:])


def test_uncontested_errors_leave_the_contested_images_out():
    mnist = {"data": {"name": "mnist", "sha256": MNIST_SHA256}}
    [row] = make_rows([wrong_result("a", 0, [1, 2, 947, 8527], **mnist)])
    assert (row.errors_mean, row.uncontested_mean) == (4, 2)
    [row] = make_rows([wrong_result("a", 0, [947], **folder("m"))])
    assert row.uncontested_mean is None  # of other data the numbers mean nothing
    assert len(contested.ids()) == 15


def test_expected_band_holds_what_seeds_do():
    [row] = make_rows([record(seed=seed, errors=count) for seed, count in enumerate((90, 110))])
    assert expected_band(row) == (58, 142)
    [row] = make_rows([record(errors=50)])
    assert expected_band(row) == (35, 65)


@pytest.mark.parametrize(("published", "chance"), [(830, True), (900, False), (2000, False)])
def test_a_single_published_run_may_be_off_where_a_mean_is_not(published, chance):
    counts = [780, 790, 800, 810, 820]
    results = [
        record(seed=seed, errors=errors, published_accuracy=100 - published / 100)
        for seed, errors in enumerate(counts)
    ]
    [row] = make_rows(results)
    assert (row.verdict, row.may_be_one_run) == ("better", chance)
    told = [note for note in notes.notes([row]) if "by chance" in note and row.rung in note]
    assert bool(told) == chance
